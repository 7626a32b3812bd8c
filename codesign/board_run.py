"""Layers of a packed file on a board, one after the other, checked against PyTorch and the cycle model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boards.host import Board
from codesign.console import progress
from codesign.cycles import CycleCount, WordTimes, layer_cycles
from codesign.regression.defects import sums_missed
from codesign.verification import integer_outputs
from sim.errors import SimulatorError
from spec.arch import ArchConfig
from spec.counters import COUNTERS, STALL_FREE, counter_width
from spec.errors import FormatError, LinkError
from sw.job import job_stream, read_outputs
from sw.unpack import PackedLayer

__all__ = ["BoardLayer", "WordCycles", "run_layer", "run_layers"]

WordCycles = Callable[[], tuple[NDArray[np.int64], NDArray[np.int64]]]
"""As ``sim.twin.Twin.word_cycles``."""


@dataclass(frozen=True, eq=False)
class BoardLayer:
    """What a board answered for one layer.

    Parameters
    ----------
    name : str
    outputs : ndarray of int32, or of int8 if requantized, shape (M, N)
    mismatches : int
        Outputs that differ from PyTorch's.
    counters, model : CycleCount
        The board's own, and those of the cycle model, to which a twin tells when words moved.
    compared : tuple of str
        Counters that must be equal in both.
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
    model: CycleCount
    compared: tuple[str, ...]
    seconds: float
    moved_bytes: int
    failures: tuple[str, ...]


def run_layers(
    board: Board,
    layers: Sequence[PackedLayer],
    activations: Mapping[str, NDArray[Any]],
    word_cycles: WordCycles | None = None,
) -> list[BoardLayer]:
    """Run every layer, with a bar over the bytes that go to the board; errors as in :func:`run_layer`."""
    arch = board.identity.arch
    streams = {layer.name: job_stream(layer, activations[layer.name], arch) for layer in layers}
    done = []
    with progress("sending", sum(map(len, streams.values())), "B") as advance:
        for layer in layers:
            stream = streams[layer.name]
            inputs = activations[layer.name]
            done.append(run_layer(board, layer, inputs, stream, advance, word_cycles))
    return done


def run_layer(
    board: Board,
    layer: PackedLayer,
    activations: NDArray[Any],
    stream: bytes | None = None,
    advance: Any = None,
    word_cycles: WordCycles | None = None,
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
    word_cycles : callable, optional
        Of a twin. With it all counters are compared, without it those that do not depend on when words move.

    Raises
    ------
    LinkError
        If the board does not answer, or refuses the stream, or its twin has ended.
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
    times = None if word_cycles is None else _times_of(len(stream), len(answer), word_cycles, arch)
    compared = STALL_FREE if times is None else tuple(COUNTERS)
    model = layer_cycles(layer, arch, tokens, activations, times)
    expected = integer_outputs(layer, activations, arch)
    mismatches = int(np.count_nonzero(result.outputs != expected))
    failures = _wrong_counters(counters, model, compared, arch)
    failures += sums_missed(asdict(counters), arch)
    if mismatches:
        failures.insert(0, f"{mismatches} of {expected.size} outputs differ from PyTorch")
    return BoardLayer(
        layer.name,
        result.outputs,
        mismatches,
        counters,
        model,
        compared,
        seconds,
        len(stream) + len(answer),
        tuple(f"layer {layer.name}: {failure}" for failure in failures),
    )


def _times_of(sent: int, answered: int, word_cycles: WordCycles, arch: ArchConfig) -> WordTimes:
    """When the words of the last job moved, of which so many bytes were sent and answered."""
    try:
        offered, taken = word_cycles()
    except SimulatorError as error:
        raise LinkError(str(error)) from None
    size = arch.stream_width // 8
    return WordTimes(offered[-(sent // size) :], taken[-(answered // size) :])


def _wrong_counters(
    counters: CycleCount, model: CycleCount, compared: Sequence[str], arch: ArchConfig
) -> list[str]:
    """One sentence for every counter that is not the cycle model's, as counters wrap around."""
    return [
        f"the board counts {getattr(counters, name)} {name}, the cycle model {getattr(model, name)}"
        for name in compared
        if (getattr(counters, name) - getattr(model, name)) % (1 << counter_width(arch))
    ]
