"""What happens while a layer is computed, counted exactly."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import ceil
from typing import Any

from spec.arch import ArchConfig
from spec.direction import Direction
from sw.job import tile_count

__all__ = ["Activity", "dense_activity", "layer_activity"]


@dataclass(frozen=True)
class Activity:
    """What happens while a layer is computed; bits are read or written.

    Parameters
    ----------
    multiplications, additions : int
        Of the array, padding included.
    value_bits, record_bits, activation_bits, psum_bits : int
        At the on-chip memories.
    stream_bits : int
        In and out of the accelerator.
    """

    multiplications: int = 0
    additions: int = 0
    value_bits: int = 0
    record_bits: int = 0
    activation_bits: int = 0
    psum_bits: int = 0
    stream_bits: int = 0

    def __add__(self, other: "Activity") -> "Activity":
        return Activity(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


def layer_activity(line: Mapping[str, Any], arch: ArchConfig, tokens: int) -> Activity:
    """Return what one layer does, from its line of ``measuring.measure``."""
    return _activity(
        line, arch, tokens, line["beats"], line["vectors"], line["load_cycles"] * arch.stream_width
    )


def dense_activity(line: Mapping[str, Any], arch: ArchConfig, tokens: int) -> Activity:
    """Return what the same layer does on the same array if every weight is kept."""
    tiles = tile_count(tokens, arch)
    along, across = line["rows"], line["cols"]
    if line["direction"] == Direction.HORIZONTAL.label:
        along, across = across, along
    vectors = ceil(along / arch.segment) * across
    beats = ceil(along / arch.lanes) * across
    more_values = (beats - line["beats"] // tiles) * arch.lanes * arch.weight_width
    more_records = (vectors - line["vectors"]) * arch.record_width
    stream = line["load_cycles"] * arch.stream_width + more_values + more_records
    return _activity(line, arch, tokens, beats * tiles, vectors, stream)


def _activity(
    line: Mapping[str, Any], arch: ArchConfig, tokens: int, beats: int, vectors: int, stream_bits: int
) -> Activity:
    """Counts of ``beats`` in all tiles, and ``vectors`` in each, whose packets are ``stream_bits``."""
    tiles = tile_count(tokens, arch)
    vertical = line["direction"] == Direction.VERTICAL.label
    multiplications = beats * arch.lanes * arch.tokens
    # One fetch lasts a whole vertical vector, whose beats share their input; every lane has its own psum.
    fetches = vectors * tiles if vertical else beats
    psums = beats * arch.tokens * (arch.lanes if vertical else 1)
    word = arch.lanes * arch.tokens * arch.activation_width
    drained = line["rows"] * tiles * arch.tokens
    value = arch.lanes * arch.weight_width
    inputs = line["cols"] * tiles * arch.tokens * arch.activation_width
    return Activity(
        multiplications=multiplications,
        additions=multiplications,
        # Written once, read in every tile.
        value_bits=(beats + beats // tiles) * value,
        record_bits=vectors * (tiles + 1) * arch.record_width,
        # Every cluster has its own copy.
        activation_bits=fetches * word + inputs * arch.clusters,
        psum_bits=(2 * psums + drained) * arch.psum_width,
        stream_bits=stream_bits + line["rows"] * tokens * arch.output_width,
    )
