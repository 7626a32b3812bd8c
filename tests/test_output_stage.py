"""Requantized layers through the RTL: every code equals PyTorch's, every counter the cycle model's."""

import shutil
from dataclasses import replace
from functools import cache
from itertools import product

import pytest

from codesign.regression.defects import all_defects
from codesign.regression.jobs import Job, make_jobs
from codesign.regression.output_cases import OUTPUT_ARCHS, output_cases
from codesign.regression.runs import run_jobs
from codesign.verification import integer_outputs
from sim.simulator import Simulator
from spec.direction import Direction
from spec.numbers import signed_range
from tests.slices import often

NAMES = ("three_clusters", "wide", "psums_16", "one_pe")
"""What "tiny" adds is tested on the output stage alone."""
EVERY_ARCH = pytest.mark.parametrize("name", often(NAMES, ["wide"]))


@cache
def jobs_of(name: str) -> list[Job]:
    """Layers of every mode and both directions, raw ones between them."""
    return make_jobs(output_cases(OUTPUT_ARCHS[name], 1), OUTPUT_ARCHS[name])


@cache
def answers_of(name: str) -> list[bytes]:
    """What the RTL answers to ``jobs_of``, sent as one stream."""
    return run_jobs(jobs_of(name), OUTPUT_ARCHS[name])


@EVERY_ARCH
def test_every_code_and_every_counter_is_exact(name: str) -> None:
    assert all_defects(jobs_of(name), answers_of(name), OUTPUT_ARCHS[name]) == []


@EVERY_ARCH
def test_stalls_change_no_code_and_no_load_count(name: str) -> None:
    arch, jobs = OUTPUT_ARCHS[name], jobs_of(name)

    answers = run_jobs(jobs, arch, stall_i=0.2, stall_o=0.9, seed=5)

    assert all_defects(jobs, answers, arch, stalled=True) == []


def test_the_jobs_meet_every_mode_limit_and_kind_of_schedule() -> None:
    for name in NAMES:
        arch = OUTPUT_ARCHS[name]
        low, high = signed_range(arch.activation_width)
        modes, codes = set(), []
        for job in jobs_of(name):
            its = job.packed.outputs
            if its is not None:
                modes.add((job.packed.direction, its.relu, its.table is not None))
                codes.append(
                    integer_outputs(
                        replace(job.packed, outputs=replace(its, table=None)), job.activations, arch
                    )
                )
        assert modes == set(product(Direction, (False, True), (False, True)))
        assert (min(its.min() for its in codes), max(its.max() for its in codes)) == (low, high)
        assert max(job.tokens for job in jobs_of(name)) > 2 * arch.tokens
    layers = [job.packed for name in NAMES for job in jobs_of(name) if job.packed.outputs is not None]
    passes = [one for layer in layers for one in layer.schedule.passes]
    assert max(len(layer.passes) for layer in layers) > 1
    assert {part.parts for one in passes for cluster in one.clusters for part in cluster} == {1, 2, 3}


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on PATH")
def test_icarus_sees_no_unknown_bit_and_counts_the_same() -> None:
    jobs, arch = jobs_of("one_pe"), OUTPUT_ARCHS["one_pe"]

    assert all_defects(jobs, run_jobs(jobs, arch, simulator=Simulator.ICARUS), arch) == []
