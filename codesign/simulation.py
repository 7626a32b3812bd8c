"""Layers of a packed file through the RTL, one after the other, checked against PyTorch and cycle model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign.console import progress, waiting
from codesign.cycles import dense_cycles, layer_cycles
from codesign.report import LayerReport
from codesign.verification import verify_layer
from codesign.verilog import accelerator_verilog
from sim.simulator import Simulator
from sim.stream_run import build_stream
from spec.arch import ArchConfig
from sw.unpack import PackedLayer

__all__ = ["Simulation", "estimate_layers", "simulate_layers"]


@dataclass(frozen=True, eq=False)
class Simulation:
    """What simulating some layers brought.

    Parameters
    ----------
    reports : tuple of LayerReport
        Cycles are the RTL's own.
    outputs : dict of str to ndarray of int32, or of int8 if requantized, shape (M, N)
    failures : tuple of str
        One sentence for every check that failed.
    """

    reports: tuple[LayerReport, ...]
    outputs: dict[str, NDArray[np.int32] | NDArray[np.int8]]
    failures: tuple[str, ...]


def simulate_layers(
    layers: Sequence[PackedLayer],
    arch: ArchConfig,
    activations: Mapping[str, NDArray[Any]],
    *,
    simulator: Simulator = Simulator.VERILATOR,
    waves: Path | None = None,
) -> Simulation:
    """Emit and build the accelerator, run every layer, and compare outputs and counters.

    Parameters
    ----------
    layers : sequence of PackedLayer
    arch : ArchConfig
    activations : mapping of str to ndarray of integers, shape (K, N)
    simulator : Simulator
    waves : Path, optional
        FST file to record; of one layer.

    Raises
    ------
    SimulatorError
        If the simulator is missing or breaks down.
    """
    with waiting("writing Verilog"):
        verilog = accelerator_verilog(arch)
    with waiting(f"building the simulator with {simulator}, once per architecture"):
        build_stream(verilog, arch.stream_width, simulator=simulator, waves=waves is not None)
    jobs = []
    with waiting("counting cycles"):
        for layer in layers:
            inputs = activations[layer.name]
            tokens = inputs.shape[1]
            model = layer_cycles(layer, arch, tokens, inputs)
            jobs.append((layer, inputs, model, dense_cycles(layer, arch, tokens)))
    reports = []
    outputs: dict[str, NDArray[np.int32] | NDArray[np.int8]] = {}
    failures: list[str] = []
    with progress("simulating", sum(model.cycles for _, _, model, _ in jobs), "cycles") as advance:
        for layer, inputs, model, dense in jobs:
            result = verify_layer(layer, inputs, arch, verilog, model, simulator=simulator, waves=waves)
            outputs[layer.name] = result.outputs
            failures += result.failures
            reports.append(LayerReport.of(layer, inputs.shape[1], result.counters, dense, result.bit_exact))
            advance(model.cycles)
    return Simulation(tuple(reports), outputs, tuple(failures))


def estimate_layers(
    layers: Sequence[PackedLayer],
    arch: ArchConfig,
    tokens: Mapping[str, int],
    activations: Mapping[str, NDArray[Any]] | None = None,
) -> list[LayerReport]:
    """Return the reports of the cycle model alone.

    Parameters
    ----------
    layers : sequence of PackedLayer
    arch : ArchConfig
    tokens : mapping of str to int
        N by layer name.
    activations : mapping of str to ndarray of integers, shape (K, N), optional
        Without them no activation is taken to be zero.
    """
    reports = []
    with progress("counting cycles", sum(layer.kept for layer in layers), "weights") as advance:
        for layer in layers:
            columns = tokens[layer.name]
            inputs = None if activations is None else activations[layer.name]
            counted = layer_cycles(layer, arch, columns, inputs)
            reports.append(LayerReport.of(layer, columns, counted, dense_cycles(layer, arch, columns), None))
            advance(layer.kept)
    return reports
