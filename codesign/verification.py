"""One layer through the generated RTL, judged by PyTorch's integer matmul."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from codesign.cycles import CycleCount
from sim.simulator import Simulator, SimulatorError
from sim.stream_run import StreamResult, run_stream
from sim.words import words_of
from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.errors import FormatError
from spec.numbers import signed_range
from sw.job import answer_format, job_stream, read_outputs, tile_count
from sw.unpack import PackedLayer

__all__ = ["Verification", "expected_words", "integer_outputs", "integer_product", "verify_layer"]


@dataclass(frozen=True, eq=False)
class Verification:
    """What the RTL answered for one layer.

    Parameters
    ----------
    outputs : ndarray of int32, or of int8 if requantized, shape (M, N)
    mismatches : int
        Outputs that differ from PyTorch's.
    counters : CycleCount
        The RTL's own.
    failures : tuple of str
        One sentence for every check that failed.
    """

    outputs: NDArray[np.int32] | NDArray[np.int8]
    mismatches: int
    counters: CycleCount
    failures: tuple[str, ...]

    @property
    def bit_exact(self) -> bool:
        """Whether every output equals PyTorch's."""
        return self.mismatches == 0


def integer_product(weights: NDArray[Any], activations: NDArray[Any]) -> NDArray[np.int64]:
    """Return ``weights`` times ``activations`` by PyTorch's integer matmul."""
    left, right = (torch.from_numpy(array.astype(np.int64)) for array in (weights, activations))
    product: NDArray[np.int64] = (left @ right).numpy()
    return product


def integer_outputs(layer: PackedLayer, activations: NDArray[Any], arch: ArchConfig) -> NDArray[np.int64]:
    """Return what PyTorch's integers say of ``layer``: the product, or the codes that it requantizes to."""
    product = torch.from_numpy(integer_product(layer.weights, activations))
    its = layer.outputs
    if its is None:
        outputs: NDArray[np.int64] = product.numpy()
        return outputs
    bias, multiplier, shift = (
        torch.from_numpy(its_own)[:, None] for its_own in (its.bias, its.multiplier, its.shift)
    )
    half = torch.bitwise_left_shift(torch.ones_like(shift), shift - 1)
    rounded = torch.bitwise_right_shift((product + bias) * multiplier + half, shift)
    low, high = signed_range(arch.activation_width)
    codes = (rounded + its.zero_point).clamp(its.zero_point if its.relu else low, high)
    if its.table is not None:
        codes = torch.from_numpy(its.table.astype(np.int64))[codes % (1 << arch.activation_width)]
    outputs = codes.numpy()
    return outputs


def expected_words(layer: PackedLayer, tokens: int, arch: ArchConfig) -> int:
    """Return how many words the accelerator answers: every block of every job, then DONE."""
    blocks = sum(
        len({part.block for cluster in one.clusters for part in cluster}) for one in layer.schedule.passes
    )
    jobs = blocks * tile_count(tokens, arch)
    _, words, _ = answer_format(layer, arch)
    return jobs * (words + arch.answer_frame_words) + len(COUNTERS) + arch.answer_frame_words


def verify_layer(
    layer: PackedLayer,
    activations: NDArray[Any],
    arch: ArchConfig,
    verilog: str,
    model: CycleCount,
    *,
    simulator: Simulator = Simulator.VERILATOR,
    waves: Path | None = None,
) -> Verification:
    """Simulate ``layer`` and compare every output and every counter.

    Parameters
    ----------
    layer : PackedLayer
    activations : ndarray of integers, shape (K, N)
        Original order.
    arch : ArchConfig
    verilog : str
        Of ``arch``.
    model : CycleCount
        What the cycle model says of the same job.
    simulator : Simulator
    waves : Path, optional
        FST file to record.

    Raises
    ------
    ConfigError
        If the activations do not fit.
    SimulatorError
        If the simulator is missing or breaks down.
    """
    stream = job_stream(layer, activations, arch)
    words = words_of(stream, arch.stream_width)
    tokens = activations.shape[1]
    result = run_stream(
        verilog,
        arch.stream_width,
        words,
        simulator=simulator,
        waves=waves,
        limit=4 * model.cycles + 1_000_000,
        expected=expected_words(layer, tokens, arch),
    )
    return _judge(layer, activations, arch, result, model)


def _judge(
    layer: PackedLayer, activations: NDArray[Any], arch: ArchConfig, result: StreamResult, model: CycleCount
) -> Verification:
    say = f"layer {layer.name}:"
    if result.timed_out:
        raise SimulatorError(
            f"{say} the RTL stopped answering after {result.simulated_cycles} cycles, having taken "
            f"{result.accepted} words and sent {len(result.words)}"
        )
    try:
        answer = read_outputs(result.answer, layer, activations.shape[1], arch)
    except FormatError as error:
        raise SimulatorError(f"{say} the RTL's answer is damaged: {error}") from None
    if not answer.counters:
        raise SimulatorError(
            f"{say} the RTL sent no counters: {'; '.join(answer.errors) or 'no DONE packet'}"
        )
    counters = CycleCount(**answer.counters)
    expected = integer_outputs(layer, activations, arch)
    mismatches = int(np.count_nonzero(answer.outputs != expected))
    failures = [f"{say} {error}" for error in answer.errors]
    if mismatches:
        row, token = (int(place) for place in np.argwhere(answer.outputs != expected)[0])
        failures.append(
            f"{say} {mismatches} of {expected.size} outputs differ from PyTorch, first at row {row}, "
            f"token {token}: {answer.outputs[row, token]} instead of {expected[row, token]}"
        )
    for name in COUNTERS:
        measured, predicted = getattr(counters, name), getattr(model, name)
        if measured != predicted:
            failures.append(f"{say} the RTL counts {measured} {name}, the cycle model {predicted}")
    # The harness waits for DONE as well, which the counter leaves out.
    if result.cycles < counters.cycles:
        failures.append(f"{say} the RTL counts {counters.cycles} cycles, but only {result.cycles} passed")
    return Verification(answer.outputs, mismatches, counters, tuple(failures))
