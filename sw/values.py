"""Beats to the payload of a VALUES packet and back: the planes of every weight (see ``spec.planes``)."""

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from sw.bits import pack_fields, unpack_fields, unpack_signed

__all__ = ["pack_values", "unpack_values"]


def pack_values(beats: NDArray[np.int8], arch: ArchConfig) -> bytes:
    """Return the whole stripes of words that hold ``beats`` (beats x lanes), zeros behind the last one."""
    stripes = -(-len(beats) // arch.beats_per_stripe)
    padded = np.zeros((stripes * arch.beats_per_stripe, arch.lanes), np.int8)
    padded[: len(beats)] = beats
    planes = [
        np.frombuffer(pack_fields(padded >> plane.offset, plane.width), np.uint8).reshape(
            stripes, plane.words * arch.stream_width // 8
        )
        for plane in arch.planes
    ]
    return np.concatenate(planes, axis=1).tobytes()


def unpack_values(payload: bytes, arch: ArchConfig) -> NDArray[np.int8]:
    """Return all beats (beats x lanes) that ``payload``, which is whole stripes, has room for."""
    words = np.frombuffer(payload, np.uint8).reshape(-1, arch.words_per_stripe, arch.stream_width // 8)
    count = len(words) * arch.beats_per_stripe * arch.lanes
    *lower, top = (
        (plane, words[:, plane.first : plane.first + plane.words].tobytes()) for plane in arch.planes
    )
    plane, own = top
    weights = unpack_signed(own, plane.width, count) << plane.offset
    for plane, own in lower:
        weights |= unpack_fields(own, plane.width, count).astype(np.int8) << plane.offset
    return weights.reshape(-1, arch.lanes)
