"""What is wrong with an answer of the accelerator, in sentences."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from codesign.cycles import layer_cycles
from codesign.regression.jobs import Job, frames, stream_of
from codesign.verification import integer_outputs
from hw.packet_reader import PacketReader
from spec.arch import ArchConfig
from spec.counters import CLUSTER_CAUSES, COUNTERS, CYCLE_CAUSES, STALL_FREE, counter_width
from spec.packet import Header, Opcode, read_answers
from sw.job import read_outputs

__all__ = ["all_defects", "compared_counters", "defects", "sums_missed"]


def compared_counters(stalled: bool) -> tuple[str, ...]:
    """Return the counters that must be the cycle model's: all, or those that pauses do not change."""
    return STALL_FREE if stalled else tuple(COUNTERS)


def defects(job: Job, answer: bytes, arch: ArchConfig, *, stalled: bool = False) -> list[str]:
    """Return a sentence for everything that is wrong with an answer: nothing, if all is well.

    Counters that depend on stalls are left out if the run was ``stalled``.
    """
    result = read_outputs(answer, job.packed, job.tokens, arch)
    wrong = [f"{job.name}: {error}" for error in result.errors]
    done = Header(Opcode.DONE, len(COUNTERS), tag=job.packed.tag)
    for packet in read_answers(answer, arch.stream_width // 8):
        if packet.header.opcode == Opcode.DONE and packet.header != done:
            wrong.append(f"{job.name}: DONE has {packet.header} instead of {done}")
    expected = integer_outputs(job.packed, job.activations, arch)
    differing = int(np.count_nonzero(result.outputs != expected))
    if differing:
        wrong.append(f"{job.name}: {differing} of {result.outputs.size} outputs differ from PyTorch's")
    counted = asdict(layer_cycles(job.packed, arch, job.tokens, job.activations))
    model = {name: count % (1 << counter_width(arch)) for name, count in counted.items()}
    for name in compared_counters(stalled):
        if result.counters.get(name) != model[name]:
            wrong.append(f"{job.name}: {name} is {result.counters.get(name)}, the model says {model[name]}")
    # Cycles in which no word is taken for want of one are starved, so pauses of the host add no others.
    packets = len(frames(stream_of(job, arch), arch))
    most = model["load_cycles"] + PacketReader.OVERHEAD * packets
    if result.counters.get("loading_cycles", 0) > most:
        told = result.counters["loading_cycles"]
        wrong.append(f"{job.name}: loading_cycles is {told}, but {packets} packets take {most} at most")
    return wrong + [f"{job.name}: {sentence}" for sentence in sums_missed(result.counters, arch)]


def sums_missed(counters: dict[str, int], arch: ArchConfig) -> list[str]:
    """Return a sentence for every total that its causes do not add up to, as counters wrap around."""
    wrap = 1 << counter_width(arch)
    causes = sum(counters[name] for name in CYCLE_CAUSES)
    clusters = sum(counters[name] for name in CLUSTER_CAUSES.values())
    wrong = []
    if (causes - counters["cycles"]) % wrap:
        wrong.append(f"the causes add up to {causes} cycles, not {counters['cycles']}")
    if (clusters - arch.clusters * counters["busy_cycles"]) % wrap:
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
