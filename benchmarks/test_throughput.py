"""Throughput of every stage on one real matrix: the feed-forward up matrix of MiniLM's first layer."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.conftest import Rate
from codesign.cycles import layer_cycles
from codesign.pruned import kept_count, store_pruned
from codesign.verification import expected_words
from codesign.verilog import accelerator_verilog
from sim.stream_run import build_stream, run_stream
from sim.words import words_of
from spec.arch import ArchConfig
from sw.job import job_stream
from sw.layer import QuantizedLayer
from sw.models import load_matrices
from sw.pack import pack
from sw.prune_model import PruneOptions, prune_layer
from sw.reference import execute
from sw.unpack import PackedLayer, unpack

NAME = "layer0.ff_up"
TOKENS = 64
ARCH = ArchConfig.load("ulx3s")


@dataclass(frozen=True, eq=False)
class Subject:
    """The matrix at every stage."""

    weight: torch.Tensor
    quantized: QuantizedLayer
    data: bytes
    packed: PackedLayer
    activations: NDArray[np.int8]
    stream: bytes


@cache
def subject() -> Subject:
    weight = load_matrices("minilm")[NAME]
    scores, kept = weight.abs().numpy(), kept_count(0.8, weight.numel())
    pruned = prune_layer(NAME, scores, kept, PruneOptions.default(ARCH))
    quantized = store_pruned(NAME, weight.numpy(), pruned).quantize(ARCH)
    data = pack([quantized], ARCH)
    packed = unpack(data).layers[0]
    activations = np.random.default_rng(0).integers(-128, 128, (packed.cols, TOKENS), dtype=np.int8)
    return Subject(weight, quantized, data, packed, activations, job_stream(packed, activations, ARCH))


def test_prune(throughput: Rate) -> None:
    scores, options = subject().weight.abs().numpy(), PruneOptions.default(ARCH)
    kept = kept_count(0.8, scores.size)

    throughput(prune_layer, NAME, scores, kept, options, work=scores.size, unit="weights", rounds=1)


def test_prune_without_grouping(throughput: Rate) -> None:
    scores, options = subject().weight.abs().numpy(), replace(PruneOptions.default(ARCH), grouping=False)
    kept = kept_count(0.8, scores.size)

    throughput(prune_layer, NAME, scores, kept, options, work=scores.size, unit="weights")


def test_pack(throughput: Rate) -> None:
    quantized = subject().quantized

    throughput(pack, [quantized], ARCH, work=quantized.weights.size, unit="weights")


def test_unpack(throughput: Rate) -> None:
    one = subject()

    throughput(unpack, one.data, work=one.quantized.weights.size, unit="weights")


def test_cycle_model(throughput: Rate) -> None:
    one = subject()
    cycles = layer_cycles(one.packed, ARCH, TOKENS, one.activations).cycles

    counted = throughput(
        layer_cycles, one.packed, ARCH, TOKENS, one.activations, work=cycles, unit="simulated cycles"
    )

    assert counted.cycles == cycles


def test_reference_executor(throughput: Rate) -> None:
    one = subject()

    throughput(execute, one.stream, ARCH, work=one.packed.kept * TOKENS, unit="MAC")


def test_rtl_in_verilator(throughput: Rate) -> None:
    one, verilog = subject(), accelerator_verilog(ARCH)
    words = words_of(one.stream, ARCH.stream_width)
    cycles = layer_cycles(one.packed, ARCH, TOKENS, one.activations).cycles
    build_stream(verilog, ARCH.stream_width)

    def simulate() -> int:
        expected = expected_words(one.packed, TOKENS, ARCH)
        return run_stream(verilog, ARCH.stream_width, words, expected=expected).simulated_cycles

    assert throughput(simulate, work=cycles, unit="cycles") > cycles
