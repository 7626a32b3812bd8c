"""The complete RTL: every output equals PyTorch's, every counter the cycle model's."""

import shutil
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from codesign.agreement import differences
from codesign.regression.architectures import ARCHS
from codesign.regression.cases import full_layer, standard_jobs
from codesign.regression.defects import all_defects, defects
from codesign.regression.jobs import Job, frames, make_jobs, product, stream_of
from codesign.regression.layers import limit_layer, random_layer
from codesign.regression.restreamed import with_note
from codesign.regression.runs import answers_in, run_jobs, send_jobs, send_paced
from hw.family import Family
from sim.simulator import Simulator
from sim.stream_run import Pace
from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.direction import Direction
from spec.numbers import signed_range
from spec.packet import SYNC_BYTES, Opcode, read_answers
from sw.job import read_outputs, tile_count
from sw.layer import QuantizedLayer
from sw.reference import execute
from tests.slices import often

OFTEN = ("tiny", "one_pe", "three_clusters", "cramped", "narrow_words", "weights_3", "two_trees")
EVERY_ARCH = pytest.mark.parametrize("name", often(ARCHS, OFTEN))


@cache
def jobs_of(name: str) -> list[Job]:
    """Odd cases in both directions, alternating, and random ones behind them."""
    return standard_jobs(ARCHS[name])


@cache
def answers_of(name: str) -> list[bytes]:
    """What the RTL answers to ``jobs_of``, sent as one stream."""
    return run_jobs(jobs_of(name), ARCHS[name])


@EVERY_ARCH
def test_every_output_and_every_counter_is_exact(name: str) -> None:
    assert all_defects(jobs_of(name), answers_of(name), ARCHS[name]) == []


@pytest.mark.long
@pytest.mark.parametrize("name", ["tiny", "cramped"])
def test_ecp5_primitives_change_no_output_and_no_cycle(name: str) -> None:
    """The egress queue of the second is in block RAM."""
    assert run_jobs(jobs_of(name), ARCHS[name], family=Family.ECP5) == answers_of(name)


@EVERY_ARCH
@pytest.mark.parametrize(("stall_i", "stall_o"), [(0.5, 0.0), (0.0, 0.6), (0.3, 0.4)])
def test_stalls_change_no_output_and_no_load_count(name: str, stall_i: float, stall_o: float) -> None:
    arch, jobs = ARCHS[name], jobs_of(name)

    answers = run_jobs(jobs, arch, stall_i=stall_i, stall_o=stall_o, seed=5)

    assert all_defects(jobs, answers, arch, stalled=True) == []


def test_a_sink_that_waits_for_an_offer_changes_no_output_and_no_load_count() -> None:
    jobs, arch = jobs_of("tiny"), ARCHS["tiny"]

    pace = Pace(stall_o=0.3, seed=4, lazy=True)
    answers = answers_in(send_paced(jobs, arch, pace, Simulator.VERILATOR), jobs, arch)

    assert all_defects(jobs, answers, arch, stalled=True) == []


def test_a_packet_longer_than_any_memory_is_passed_over() -> None:
    arch = ARCHS["tiny"]
    words = np.arange(150_001, dtype="<u8")
    jobs = [with_note(jobs_of("tiny")[0], words.tobytes(), arch, "a long note")]

    assert all_defects(jobs, run_jobs(jobs, arch), arch) == []


def counters_of(name: str, stall_i: float, stall_o: float) -> dict[str, int]:
    """Counters of all jobs of an architecture, summed."""
    arch, jobs = ARCHS[name], jobs_of(name)
    answers = run_jobs(jobs, arch, stall_i=stall_i, stall_o=stall_o, seed=5)
    lines = [
        read_outputs(answer, job.packed, job.tokens, arch).counters
        for job, answer in zip(jobs, answers, strict=True)
    ]
    return {counter: sum(line[counter] for line in lines) for counter in COUNTERS}


def test_counters_name_the_side_that_stalls() -> None:
    free, slow_host, slow_receiver = (counters_of("tiny", *stall) for stall in ((0, 0), (0.9, 0), (0, 0.95)))
    blocked = ("output_wait_cycles", "draining_cycles")

    assert free["starved_cycles"] == 0
    assert slow_host["starved_cycles"] > slow_host["cycles"] / 2
    assert sum(slow_receiver[name] for name in blocked) > slow_receiver["cycles"] / 2
    assert slow_receiver["starved_cycles"] < slow_receiver["cycles"] / 100
    # The same work, whoever waits.
    for name in ("beats", "skipped_beats"):
        assert free[name] == slow_host[name] == slow_receiver[name]


def test_small_memories_force_chunks_passes_and_splits_of_several_parts() -> None:
    arch, layers = ARCHS["cramped"], [job.packed for job in jobs_of("cramped")]
    passes = [one for layer in layers for one in layer.schedule.passes]

    assert max(layer.cols for layer in layers) > arch.max_inputs
    assert max(one.chunk for one in passes) >= 3
    assert max(len([one for one in layer.schedule.passes if one.chunk == 0]) for layer in layers) >= 3
    parts = {part.parts for one in passes for cluster in one.clusters for part in cluster}
    assert parts >= {1, 2, 3}
    assert {part.slot for one in passes for cluster in one.clusters for part in cluster} == {0, 1}


def psums_of(job: Job, answer: bytes, arch: ArchConfig) -> list[list[tuple[int, bytes]]]:
    """Return block and psums of every PSUMS answer, job by job, sorted: parts may complete in any order."""
    answered = read_answers(answer, arch.stream_width // 8)
    packets = iter([packet for packet in answered if packet.header.opcode != Opcode.DONE])
    found = []
    for one in job.packed.schedule.passes:
        blocks = {part.block for parts in one.clusters for part in parts}
        for _ in range(tile_count(job.tokens, arch)):
            answers = [next(packets) for _ in blocks]
            headers = [packet.header for packet in answers]
            assert {header.opcode for header in headers} == {Opcode.PSUMS}
            named = [one.clusters[header.cluster][header.argument].block for header in headers]
            found.append(sorted(zip(named, [packet.payload for packet in answers], strict=True)))
    assert next(packets, None) is None
    return found


@EVERY_ARCH
def test_the_reference_answers_the_same_psums(name: str) -> None:
    arch = ARCHS[name]

    for job, answer in zip(jobs_of(name), answers_of(name), strict=True):
        reference = execute(stream_of(job, arch), arch)
        assert psums_of(job, answer, arch) == psums_of(job, reference, arch), job.name


@pytest.mark.parametrize("name", ["tiny", "three_clusters"])
def test_a_job_answers_the_same_alone_repeated_and_among_others(name: str) -> None:
    arch, jobs = ARCHS[name], jobs_of(name)
    pick = [index for index, job in enumerate(jobs) if job.name.startswith(("primes", "a bit more"))]
    assert {jobs[index].packed.direction for index in pick} == set(Direction)

    for index in pick:
        assert run_jobs([jobs[index]] * 3, arch) == [answers_of(name)[index]] * 3


@pytest.mark.parametrize("activations_too", [False, True])
def test_sync_words_inside_payloads_are_stuffed(activations_too: bool) -> None:
    arch = ARCHS["three_clusters"]
    pattern = np.frombuffer(SYNC_BYTES, np.int8)
    rows, cols = 8 * arch.segment, 40
    layer = full_layer(np.random.default_rng(1), (rows, cols), Direction.VERTICAL, -128, 127)
    weights = layer.weights.copy()
    # A vector's beats are a column of a segment: eight consecutive outputs are one stream word.
    for start in range(0, rows, 16):
        weights[start : start + 8, ::3] = pattern[:, None]
    weights[: arch.segment, 0] = np.tile(pattern, arch.segment // 8)
    activations = np.random.default_rng(2).integers(-128, 128, (cols, 3))
    if activations_too:
        # One stream word of activations holds four inputs of two tokens.
        for start in range(0, cols, 8):
            activations[start : start + 4, :2] = pattern.reshape(2, 4).T
    (job,) = make_jobs([("stuffed", replace(layer, weights=weights), activations)], arch)
    stream = stream_of(job, arch)
    assert stream.count(SYNC_BYTES) > len(frames(stream, arch)) + 100

    (answer,) = run_jobs([job], arch)

    assert defects(job, answer, arch) == []


@pytest.mark.parametrize("name", often(["weights_3", "weights_4_activations_4"], ["weights_3"]))
def test_psums_reach_both_ends_of_a_reduced_width(name: str) -> None:
    arch = ARCHS[name]
    cases = [(direction.name, *limit_layer(arch, direction)) for direction in Direction]
    jobs = make_jobs(cases, arch)
    for job in jobs:
        (one,) = job.packed.schedule.passes
        assert max(part.parts for cluster in one.clusters for part in cluster) == 2, "no block is split"
        assert (product(job).min(), product(job).max()) == signed_range(arch.psum_width)

    assert all_defects(jobs, run_jobs(jobs, arch), arch) == []


def test_halves_that_come_free_while_the_next_is_fetched_are_counted() -> None:
    """The cluster three steps down the chain, served twice in turn, in blocks of one word."""
    arch, rng = ARCHS["one_output_blocks"], np.random.default_rng(3)
    mask = rng.random((30, 50)) < 0.3
    weights = rng.integers(-5, 6, mask.shape).astype(np.int8) * mask
    order, scales = np.arange(30), np.ones(30, np.float32)
    layer = QuantizedLayer("layer", weights, mask, Direction.VERTICAL, order, scales)
    (job,) = make_jobs([("halves", layer, rng.integers(1, 100, (50, 4)))], arch)

    (answer,) = run_jobs([job], arch)

    assert defects(job, answer, arch) == []


def test_384_by_384_at_80_percent_needs_at_most_2300_compute_cycles_on_16_pes() -> None:
    arch, rng = ARCHS["four_clusters"], np.random.default_rng(3)
    cases = []
    for direction in Direction:
        layer = random_layer(rng, arch, (384, 384), direction, 0.218)
        cases.append((direction.name, layer, rng.integers(1, 128, (384, 1))))
    jobs = make_jobs(cases, arch)

    for job, answer in zip(jobs, run_jobs(jobs, arch), strict=True):
        assert defects(job, answer, arch) == []
        assert job.packed.kept >= 0.2 * 384 * 384
        assert read_outputs(answer, job.packed, 1, arch).counters["compute_cycles"] <= 2300


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on PATH")
@pytest.mark.parametrize(("stall_i", "stall_o"), [(0.0, 0.0), (0.4, 0.6)])
def test_icarus_moves_the_same_words_in_the_same_cycles_none_unknown(stall_i: float, stall_o: float) -> None:
    arch = ARCHS["tiny"]
    pick = [job for job in jobs_of("tiny") if not job.name.startswith(("whole", "almost"))][:8]

    verilator, icarus = (
        send_jobs(pick, arch, stall_i=stall_i, stall_o=stall_o, seed=3, simulator=simulator)
        for simulator in (Simulator.VERILATOR, Simulator.ICARUS)
    )

    assert differences(verilator, icarus) == []
    answers = answers_in(icarus, pick, arch)
    assert all_defects(pick, answers, arch, stalled=stall_i > 0) == []


def test_a_word_and_a_cycle_that_differ_are_seen() -> None:
    arch, jobs = ARCHS["tiny"], jobs_of("tiny")[:2]
    run = send_jobs(jobs, arch)
    words = run.words.copy()
    words[3] ^= np.uint32(1 << 20)

    assert differences(run, run) == []
    assert [one.split(" is ")[0] for one in differences(run, replace(run, words=words))] == ["word 3 out"]
    late = send_jobs(jobs, arch, stall_o=0.5, seed=1)
    assert any(one.startswith("times_out is") for one in differences(run, late))
