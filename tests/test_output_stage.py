"""Requantized layers through the RTL: every code equals PyTorch's, every counter the cycle model's."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from sim.simulator import Simulator
from spec.packet import ErrorCode, Header, Opcode, frame_packet, read_answers
from sw.job import read_outputs
from sw.reference import execute
from tests.accelerator_runs import Job, all_defects, make_jobs, run_jobs, send, stream_of
from tests.output_jobs import OUTPUT_ARCHS, output_cases

EVERY_ARCH = pytest.mark.parametrize("name", OUTPUT_ARCHS)


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
