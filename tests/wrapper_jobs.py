"""Jobs that the testbenches of the bus wrappers run, and the wrappers as Verilog."""

from functools import cache
from pathlib import Path

import numpy as np

from codesign.regression.jobs import Job, product
from codesign.regression.layers import random_activations, random_layer
from hw.emit import emit_verilog, top_module
from sim.bench_jobs import write_jobs
from sim.component import run_component_test
from spec.arch import ArchConfig
from spec.bus import Bus
from spec.direction import Direction
from sw.pack import pack
from sw.unpack import unpack

__all__ = ["ARCHS", "simulate_jobs", "simulate_wrapper"]

ARCHS = {
    "tiny": ArchConfig.load("tiny"),
    # Headers of two words.
    "narrow": ArchConfig(clusters=1, lanes=2, tokens=2, stream_width=32),
    # Words of more than 64 bits, several clusters, a tile that is not full.
    "wide": ArchConfig(clusters=2, lanes=2, tokens=2, stream_width=128),
}
TOKENS = 3


@cache
def _verilog(arch: ArchConfig, bus: Bus) -> str:
    return emit_verilog(arch, bus)


def simulate_wrapper(bus: Bus, module: str, arch: ArchConfig, folder: Path) -> None:
    """Run every cocotb test of ``module`` on the wrapper of a whole core."""
    simulate_jobs(_verilog(arch, bus), top_module(bus), module, arch, folder)


def simulate_jobs(verilog: str, top: str, module: str, arch: ArchConfig, folder: Path) -> None:
    """Run every cocotb test of ``module`` on module ``top``, which holds a whole core.

    The testbench gets two jobs, one per direction, with PyTorch's product of each.
    """
    rng = np.random.default_rng(11)
    layers = [
        random_layer(rng, arch, shape, direction, 0.4, name=direction.name.lower())
        for shape, direction in (((31, 37), Direction.VERTICAL), ((40, 21), Direction.HORIZONTAL))
    ]
    data = pack(layers, arch)
    activations = [random_activations(rng, arch, layer, TOKENS) for layer in layers]
    jobs = [Job(packed.name, packed, x) for packed, x in zip(unpack(data).layers, activations, strict=True)]
    environment = write_jobs(folder, data, activations, [product(job) for job in jobs])
    run_component_test(verilog, top, module, environment=environment)
