"""Jobs through the generated RTL, many in one stream, judged by PyTorch and by the cycle model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from codesign.cycles import layer_cycles
from codesign.verification import expected_words, integer_outputs
from hw.emit import emit_verilog
from hw.family import Family
from sim.simulator import Simulator
from sim.stream_run import StreamResult, run_stream
from sim.subject import models
from spec.arch import ArchConfig
from spec.counters import CLUSTER_CAUSES, COUNTERS, CYCLE_CAUSES
from spec.packet import Opcode, Packet, frame_packet, read_answers, read_packets
from sw.job import job_stream, read_outputs
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.unpack import PackedLayer, unpack

__all__ = [
    "ARCHS",
    "Job",
    "all_defects",
    "answer_words",
    "defects",
    "frames",
    "make_jobs",
    "product",
    "reframe",
    "run_jobs",
    "send",
    "split_answers",
    "stream_of",
    "sums_missed",
    "tagged",
]

ARCHS = {
    "tiny": ArchConfig.load("tiny"),
    "one_pe": ArchConfig(clusters=1, lanes=1, tokens=1, segment=1),
    "three_clusters": ArchConfig(clusters=3, lanes=4, tokens=3),
    "four_clusters": ArchConfig(clusters=4, lanes=4, tokens=1),
    # Blocks of one output: a half of an output buffer comes free just as the collector leaves the other.
    "one_output_blocks": ArchConfig(
        clusters=5,
        lanes=1,
        tokens=2,
        segment=1,
        queue_depth=4,
        value_depth=16,
        block_depth=4,
        stream_width=128,
        activation_depth=256,
    ),
    # Memories far too small for any layer: chunks, passes and splits everywhere.
    "cramped": ArchConfig(
        clusters=5,
        lanes=2,
        tokens=5,
        segment=8,
        stream_width=128,
        activation_depth=8,
        value_depth=16,
        record_depth=2,
        block_depth=2,
        split_slots=2,
    ),
    "narrow_activations": ArchConfig(clusters=2, lanes=4, tokens=2, weight_width=4, activation_width=2),
    "narrow_weights": ArchConfig(
        clusters=1, lanes=8, tokens=2, segment=16, weight_width=2, activation_width=4, queue_depth=4
    ),
    # Weights of several planes, psums no wider than the layers need.
    "weights_3": ArchConfig(clusters=2, lanes=4, tokens=2, weight_width=3, psum_width=17),
    "weights_3_activations_4": ArchConfig(
        clusters=1,
        lanes=8,
        tokens=3,
        segment=16,
        weight_width=3,
        activation_width=4,
        psum_width=16,
        stream_width=128,
        value_depth=16,
    ),
    "weights_4_activations_4": ArchConfig(
        clusters=2, lanes=2, tokens=2, weight_width=4, activation_width=4, psum_width=16, value_depth=8192
    ),
    "weights_4": ArchConfig(clusters=1, lanes=4, tokens=1, weight_width=4, psum_width=18),
    "activations_4": ArchConfig(clusters=1, lanes=2, tokens=3, activation_width=4, psum_width=18),
    "weights_7": ArchConfig(clusters=1, lanes=1, tokens=1, segment=4, weight_width=7, psum_width=21),
}
"""Architectures that tests share, so that each is compiled once."""

STALL_FREE_COUNTERS = ("load_cycles", "beats", "skipped_beats")
"""Counters that stalls do not change."""


@dataclass(frozen=True, eq=False)
class Job:
    """A packed layer and the K x N activations that it is multiplied with."""

    name: str
    packed: PackedLayer
    activations: NDArray[np.int64]

    @property
    def tokens(self) -> int:
        """N."""
        return int(self.activations.shape[1])


def make_jobs(cases: Iterable[tuple[str, QuantizedLayer, NDArray[np.int64]]], arch: ArchConfig) -> list[Job]:
    """Pack all layers into one file, so that every job has its own tag."""
    named = [(name, replace(layer, name=name), activations) for name, layer, activations in cases]
    layers = unpack(pack([layer for _, layer, _ in named], arch)).layers
    return [Job(name, packed, x) for (name, _, x), packed in zip(named, layers, strict=True)]


def product(job: Job) -> NDArray[np.int64]:
    """Return what PyTorch's integer matmul says of the unpacked weights."""
    weights = torch.from_numpy(job.packed.weights.astype(np.int64))
    outputs: NDArray[np.int64] = (weights @ torch.from_numpy(job.activations.astype(np.int64))).numpy()
    return outputs


def stream_of(job: Job, arch: ArchConfig) -> bytes:
    """Return the words that run ``job``."""
    return job_stream(job.packed, job.activations, arch)


def frames(stream: bytes, arch: ArchConfig) -> list[Packet]:
    """Return the packets of an undamaged stream."""
    return list(read_packets(stream, arch.stream_width // 8))


def reframe(packet: Packet, arch: ArchConfig, **fields: int) -> bytes:
    """Return ``packet`` as words again, with some header fields replaced and a CRC that matches."""
    return frame_packet(replace(packet.header, **fields), packet.payload, arch.stream_width // 8)


def tagged(job: Job, tag: int, arch: ArchConfig) -> Job:
    """Return ``job`` with another tag in its BEGIN packet."""
    head = b"".join(
        reframe(packet, arch, tag=tag if packet.header.opcode == Opcode.BEGIN else packet.header.tag)
        for packet in frames(job.packed.head, arch)
    )
    return replace(job, packed=replace(job.packed, head=head, tag=tag))


def answer_words(job: Job, arch: ArchConfig) -> int:
    """Return the words of the answer to ``job``: every block of every tile, then DONE."""
    return expected_words(job.packed, job.tokens, arch)


@cache
def _verilog(arch: ArchConfig, family: Family) -> str:
    return emit_verilog(arch, family=family) + models(family)


def send(
    stream: bytes,
    arch: ArchConfig,
    *,
    stall_i: float = 0.0,
    stall_o: float = 0.0,
    seed: int = 0,
    simulator: Simulator = Simulator.VERILATOR,
    family: Family = Family.GENERIC,
    expected: int = 0,
    limit: int,
) -> StreamResult:
    """Send ``stream`` to the RTL of ``arch``; see ``sim.stream_run.run_stream``."""
    return run_stream(
        _verilog(arch, family),
        arch.stream_width,
        np.frombuffer(stream, "<u8").astype(np.uint64, copy=False).reshape(-1, arch.stream_width // 64),
        simulator=simulator,
        stall_i=stall_i,
        stall_o=stall_o,
        seed=seed,
        expected=expected,
        limit=limit,
    )


def run_jobs(
    jobs: Sequence[Job],
    arch: ArchConfig,
    *,
    stall_i: float = 0.0,
    stall_o: float = 0.0,
    seed: int = 0,
    simulator: Simulator = Simulator.VERILATOR,
    family: Family = Family.GENERIC,
) -> list[bytes]:
    """Return the answer to each of ``jobs``, sent as one stream without a pause in between."""
    cycles = sum(layer_cycles(job.packed, arch, job.tokens).cycles for job in jobs)
    result = send(
        b"".join(stream_of(job, arch) for job in jobs),
        arch,
        stall_i=stall_i,
        stall_o=stall_o,
        seed=seed,
        simulator=simulator,
        family=family,
        expected=sum(answer_words(job, arch) for job in jobs),
        limit=10 * cycles + 20_000,
    )
    assert not result.timed_out, f"hangs after {result.accepted} words in and {len(result.words)} out"
    answers = list(split_answers(result.words.astype("<u8").tobytes(), arch))
    assert len(answers) == len(jobs)
    return answers


def split_answers(answer: bytes, arch: ArchConfig) -> Iterator[bytes]:
    """Cut an answer behind every DONE packet."""
    size, start, end = arch.stream_width // 8, 0, 0
    for packet in read_answers(answer, size):
        end += packet.words * size
        if packet.header.opcode == Opcode.DONE:
            yield answer[start:end]
            start = end
    if start != len(answer):
        yield answer[start:]


def defects(job: Job, answer: bytes, arch: ArchConfig, *, stalled: bool = False) -> list[str]:
    """Return a sentence for everything that is wrong with an answer: nothing, if all is well.

    Counters that depend on stalls are left out if the run was ``stalled``.
    """
    result = read_outputs(answer, job.packed, job.tokens, arch)
    wrong = [f"{job.name}: {error}" for error in result.errors]
    expected = integer_outputs(job.packed, job.activations, arch)
    differing = int(np.count_nonzero(result.outputs != expected))
    if differing:
        wrong.append(f"{job.name}: {differing} of {result.outputs.size} outputs differ from PyTorch's")
    model = asdict(layer_cycles(job.packed, arch, job.tokens, job.activations))
    for name in STALL_FREE_COUNTERS if stalled else COUNTERS:
        if result.counters.get(name) != model[name]:
            wrong.append(f"{job.name}: {name} is {result.counters.get(name)}, the model says {model[name]}")
    return wrong + [f"{job.name}: {sentence}" for sentence in sums_missed(result.counters, arch)]


def sums_missed(counters: dict[str, int], arch: ArchConfig) -> list[str]:
    """Return a sentence for every total that its causes do not add up to."""
    causes = sum(counters[name] for name in CYCLE_CAUSES)
    clusters = sum(counters[name] for name in CLUSTER_CAUSES.values())
    wrong = []
    if causes != counters["cycles"]:
        wrong.append(f"the causes add up to {causes} cycles, not {counters['cycles']}")
    if clusters != arch.clusters * counters["busy_cycles"]:
        wrong.append(f"the clusters add up to {clusters}, not {arch.clusters} x {counters['busy_cycles']}")
    return wrong


def all_defects(
    jobs: Sequence[Job], answers: Sequence[bytes], arch: ArchConfig, *, stalled: bool = False
) -> list[str]:
    """Return the defects of every answer."""
    return [
        defect
        for job, answer in zip(jobs, answers, strict=True)
        for defect in defects(job, answer, arch, stalled=stalled)
    ]
