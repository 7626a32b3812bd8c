"""Layers of a packed file on a board, one after the other, checked against PyTorch and the cycle model."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boards.host import Board
from codesign.console import progress
from codesign.cycles import CycleCount, layer_cycles
from codesign.regression.defects import sums_missed
from codesign.verification import integer_outputs
from spec.arch import ArchConfig
from spec.counters import STALL_FREE
from spec.errors import FormatError, LinkError
from sw.job import job_stream, read_outputs
from sw.unpack import PackedLayer

__all__ = ["BoardLayer", "run_layer", "run_layers"]


@dataclass(frozen=True, eq=False)
class BoardLayer:
    """What a board answered for one layer.

    Parameters
    ----------
    name : str
    outputs : ndarray of int32, or of int8 if requantized, shape (M, N)
    mismatches : int
        Outputs that differ from PyTorch's.
    counters : CycleCount
        The board's own.
    seconds : float
        From the first byte sent to the last received.
    moved_bytes : int
        Of both streams.
    failures : tuple of str
        One sentence for every check that failed.
    """

    name: str
    outputs: NDArray[np.int32] | NDArray[np.int8]
    mismatches: int
    counters: CycleCount
    seconds: float
    moved_bytes: int
    failures: tuple[str, ...]


def run_layers(
    board: Board, layers: Sequence[PackedLayer], activations: Mapping[str, NDArray[Any]]
) -> list[BoardLayer]:
    """Run every layer, with a bar over the bytes that go to the board; errors as in :func:`run_layer`."""
    arch = board.identity.arch
    streams = {layer.name: job_stream(layer, activations[layer.name], arch) for layer in layers}
    done = []
    with progress("sending", sum(map(len, streams.values())), "B") as advance:
        for layer in layers:
            stream = streams[layer.name]
            done.append(run_layer(board, layer, activations[layer.name], stream, advance))
    return done


def run_layer(
    board: Board,
    layer: PackedLayer,
    activations: NDArray[Any],
    stream: bytes | None = None,
    advance: Any = None,
) -> BoardLayer:
    """Multiply one layer on the board and judge the answer.

    Parameters
    ----------
    board : Board
    layer : PackedLayer
        Packed for the board's architecture.
    activations : ndarray of integers, shape (K, N)
    stream : bytes, optional
        ``job_stream`` of both.
    advance : callable, optional
        Told the bytes sent.

    Raises
    ------
    LinkError
        If the board does not answer, or refuses the stream.
    """
    arch, tokens = board.identity.arch, activations.shape[1]
    stream = job_stream(layer, activations, arch) if stream is None else stream
    started = monotonic()
    answer = board.run(stream, advance)
    seconds = monotonic() - started
    try:
        result = read_outputs(answer, layer, tokens, arch)
    except FormatError as error:
        raise LinkError(f"layer {layer.name}: the board's answer is incomplete: {error}; run again") from None
    if result.errors:
        raise LinkError(f"layer {layer.name}: {result.errors[0]}; pack the file again")
    counters = CycleCount(**result.counters)
    expected = integer_outputs(layer, activations, arch)
    mismatches = int(np.count_nonzero(result.outputs != expected))
    failures = list(_wrong_counters(counters, layer_cycles(layer, arch, tokens, activations), arch))
    if mismatches:
        failures.insert(0, f"{mismatches} of {expected.size} outputs differ from PyTorch")
    return BoardLayer(
        layer.name,
        result.outputs,
        mismatches,
        counters,
        seconds,
        len(stream) + len(answer),
        tuple(f"layer {layer.name}: {failure}" for failure in failures),
    )


def _wrong_counters(counters: CycleCount, model: CycleCount, arch: ArchConfig) -> list[str]:
    """One sentence for every counter that cannot be right; on a serial line words come when they come."""
    wrong = [
        f"the board counts {getattr(counters, name)} {name}, the cycle model {getattr(model, name)}"
        for name in STALL_FREE
        if getattr(counters, name) != getattr(model, name)
    ]
    return wrong + sums_missed(asdict(counters), arch)
