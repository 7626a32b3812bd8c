"""The simulator that stays: the same cycles as under cocotb, no process left behind, errors that say what."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from codesign.regression.defects import all_defects
from codesign.regression.jobs import Job, answer_words, make_jobs, stream_of
from codesign.regression.layers import random_activations, random_layer
from hw.emit import TOP_MODULE, emit_verilog
from sim.cocotb_moments import JOB_VARIABLE
from sim.component import run_component_test
from sim.errors import SimulatorError
from sim.model_cache import made_once
from sim.resident import ResidentSimulator
from sim.verilator import program_options
from spec.arch import ArchConfig
from spec.direction import Direction

ARCH = ArchConfig.load("tiny")
HOLDER = """
import sys
from pathlib import Path
from sim.resident import ResidentSimulator
simulator = ResidentSimulator(Path(sys.argv[1]).read_text(), 64)
print(simulator.process_id, flush=True)
simulator.run(b"", expected=int(sys.argv[2]), patience=1 << 60)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def verilog() -> str:
    return emit_verilog(ARCH)


@pytest.fixture
def simulator(verilog: str) -> Iterator[ResidentSimulator]:
    with ResidentSimulator(verilog, ARCH.stream_width) as one:
        yield one


@pytest.fixture(scope="module")
def jobs() -> list[Job]:
    """Both directions, several tiles and, by their many inputs, several chunks."""
    rng = np.random.default_rng(5)
    shapes = {Direction.VERTICAL: (40, 70), Direction.HORIZONTAL: (35, 4200)}
    layers = [random_layer(rng, ARCH, shape, way, 0.05) for way, shape in shapes.items()]
    cases = [(layer.direction.label, layer, random_activations(rng, ARCH, layer, 5)) for layer in layers]
    return make_jobs(cases, ARCH)


def test_every_word_moves_in_the_cycle_in_which_it_does_under_cocotb(
    simulator: ResidentSimulator, jobs: list[Job], verilog: str, tmp_path: Path
) -> None:
    stream = b"".join(stream_of(job, ARCH) for job in jobs)
    expected = sum(answer_words(job, ARCH) for job in jobs)
    file = tmp_path / "job.json"
    file.write_text(json.dumps({"words": np.frombuffer(stream, "<u8").tolist(), "expected": expected}))

    run_component_test(verilog, TOP_MODULE, "sim.cocotb_moments", environment={JOB_VARIABLE: str(file)})
    result, moments = simulator.trace(stream, expected=expected)

    under_cocotb = json.loads(file.read_text())
    assert moments.taken.tolist() == under_cocotb["taken"]
    assert moments.given.tolist() == under_cocotb["given"]
    assert np.frombuffer(result.answer, "<u8").tolist() == under_cocotb["answers"]
    assert result.simulated_cycles == under_cocotb["cycles"]
    assert result.cycles == under_cocotb["given"][-1] - under_cocotb["taken"][0] + 1


def test_jobs_one_after_the_other_equal_pytorch_and_the_cycle_model(
    simulator: ResidentSimulator, jobs: list[Job]
) -> None:
    order = [*jobs, *reversed(jobs)]

    answers = [simulator.run(stream_of(job, ARCH), expected=answer_words(job, ARCH)) for job in order]

    assert all_defects(order, [answer.answer for answer in answers], ARCH) == []
    assert simulator.is_running


def test_an_answer_that_does_not_come_is_given_up(simulator: ResidentSimulator, jobs: list[Job]) -> None:
    known = answer_words(jobs[0], ARCH)

    result = simulator.run(stream_of(jobs[0], ARCH), expected=known + 1, patience=500)

    assert result.timed_out and len(result.words) == known


def test_a_killed_simulator_is_an_error_that_names_the_signal(simulator: ResidentSimulator) -> None:
    os.kill(simulator.process_id, signal.SIGKILL)

    with pytest.raises(SimulatorError, match=r"the simulator was killed by SIGKILL; start the run again"):
        simulator.run(b"", expected=1)
    with pytest.raises(SimulatorError, match="the simulator was closed"):
        simulator.run(b"", expected=1)


@pytest.mark.parametrize(
    ("words", "expected", "patience", "message"),
    [
        (b"123", 1, 1, "words must be whole words of 8 bytes, not 3 bytes"),
        (b"", -1, 1, "expected must be at least 0 and patience 1, not -1 and 1"),
        (b"", 1, 0, "expected must be at least 0 and patience 1, not 1 and 0"),
    ],
)
def test_bad_jobs_are_refused_and_cost_nothing(
    simulator: ResidentSimulator, words: bytes, expected: int, patience: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        simulator.run(words, expected=expected, patience=patience)

    assert not simulator.run(b"", expected=0).timed_out


@pytest.mark.parametrize("expected", [0, 1], ids=["between jobs", "in a job"])
def test_no_simulator_outlives_a_killed_owner(expected: int, verilog: str, tmp_path: Path) -> None:
    (tmp_path / "design.v").write_text(verilog)
    arguments = [sys.executable, "-c", HOLDER, str(tmp_path / "design.v"), str(expected)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        process = int(owner.stdout.readline())
        assert is_alive(process)
        owner.kill()

    deadline = time.monotonic() + 20
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(process)


@pytest.mark.parametrize(("tokens", "in_pieces"), [(2, False), (8, True)])
def test_a_wide_array_is_compiled_in_pieces(tokens: int, in_pieces: bool) -> None:
    arch = ArchConfig(clusters=1, lanes=1, tokens=tokens)

    assert ("--output-split-cfuncs" in program_options(emit_verilog(arch))) is in_pieces


def test_closing_ends_the_process(verilog: str) -> None:
    simulator = ResidentSimulator(verilog, ARCH.stream_width)
    process = simulator.process_id

    simulator.close()
    simulator.close()

    assert not simulator.is_running and not is_alive(process)


def test_a_full_disk_is_named_and_leaves_nothing_that_counts(tmp_path: Path) -> None:
    folder = tmp_path / "model"

    def fail(place: Path) -> None:
        (place / "half").write_text("x")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(
        SimulatorError, match=r"No space left on device; free space there, or set MIXVEC_CACHE"
    ):
        made_once(folder, "key", fail)
    made: list[list[Path]] = []
    for _ in range(2):
        made_once(folder, "key", lambda place: made.append(list(place.iterdir())))

    assert made == [[]]


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # An orphan that nobody has waited for is dead all the same.
    stat = Path(f"/proc/{process}/stat")
    return not stat.is_file() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
