"""A packed file on the simulated twin of a board: every output equal to PyTorch's, whatever the line does."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from boards.catalog import find_board
from boards.host import Board
from boards.line import SerialLine
from boards.session import Session, SessionLostError
from codesign import board_check, board_run, link_faults
from codesign.board_check import check_board, pruned_minilm
from codesign.files import write_arrays
from codesign.link_faults import Campaign
from codesign.twins import TWIN_BAUD, start_twin
from codesign.verification import integer_product
from sim.twin import Twin
from spec.arch import ArchConfig
from spec.counters import COUNTERS
from tests.command_runs import Run, SmallModel, is_one_sentence

BOARD = "tang_nano_9k"
ARCH = ArchConfig.load("tiny")


@pytest.fixture(scope="module")
def twin() -> Iterator[Twin]:
    """A board that stays while its hosts come and go."""
    with start_twin(BOARD, ARCH, once=False) as running:
        yield running


@pytest.mark.slow
def test_a_packed_file_on_a_twin_equals_pytorch(run: Run, small_model: SmallModel, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    inputs = {"a": generator.integers(-128, 128, (20, 3)), "b": generator.integers(-128, 128, (13, 3))}
    write_arrays(tmp_path / "x.npz", inputs)
    outputs = tmp_path / "y.npz"

    status, out, err = run(
        *("run", small_model.packed, "--twin", BOARD, "--activations", tmp_path / "x.npz"),
        *("--save-outputs", outputs, "--json"),
    )

    assert (status, err) == (0, "")
    report = json.loads(out)
    assert report["board"] == BOARD
    assert report["bit_exact"]
    weights = tmp_path / "w.npz"
    assert run("unpack", small_model.packed, "-o", weights)[0] == 0
    with np.load(weights) as whole, np.load(outputs) as answered:
        for name, activations in inputs.items():
            assert np.array_equal(answered[name], whole[name].astype(np.int64) @ activations)
    status, out, _ = run("estimate", small_model.packed, "--activations", tmp_path / "x.npz", "--json")
    assert status == 0
    for ran, counted in zip(report["layers"], json.loads(out)["layers"], strict=True):
        assert ran["counters"]["load_cycles"] == counted["load_cycles"]
        assert ran["counters"]["beats"] > 0


@pytest.mark.long
def test_the_architecture_of_a_board_runs_on_its_twin(
    run: Run, small_model: SmallModel, tmp_path: Path
) -> None:
    packed = tmp_path / "board.mxv"
    assert run("pack", small_model.pruned, "--arch", find_board(BOARD).arch, "-o", packed)[0] == 0

    status, out, err = run("run", packed, "--twin", BOARD, "--tokens", 3, "--json")

    assert (status, err) == (0, "")
    report = json.loads(out)
    assert report["bit_exact"]
    assert report["arch"] == find_board(BOARD).identity().arch.model_dump()


@pytest.mark.slow
def test_damaged_lines_dead_hosts_and_resets_end_in_the_right_answer(twin: Twin) -> None:
    tally = Campaign(twin.port, ARCH, seed=0).run(60)

    assert tally.wrong == []
    assert tally.refused == 0
    assert tally.right + tally.told == tally.jobs
    assert tally.told == tally.faults["board silent"] + tally.faults["other architecture"]
    assert {"lost", "doubled", "flipped", "host dies", "board reset", "board silent"} <= set(tally.faults)
    assert tally.restarts > 0
    assert tally.slowest_seconds < 60
    assert tally.repeats > 0


@pytest.mark.slow
def test_a_campaign_sees_a_board_that_does_what_it_cannot_do(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Board, "check", lambda board, arch: None)

    tally = Campaign(twin.port, ARCH, seed=0).run(1)

    assert len(tally.wrong) == 1
    assert re.fullmatch(r"a job was done where `\w+` \d+ instead of was due", tally.wrong[0])


@pytest.mark.slow
def test_a_matrix_of_minilm_on_a_twin_equals_pytorch(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, activations = pruned_minilm("layer0.attention_output", 0.99, 2, ARCH)
    with Board.open(twin.port, baud=TWIN_BAUD, timeout=1) as board:
        report = check_board(board, layer, activations, twin.word_cycles)
        monkeypatch.setattr(board_run, "integer_outputs", lambda *_: np.zeros((384, 2), np.int64))
        other = check_board(board, layer, activations)

    assert (report["mismatches"], report["failures"]) == (0, [])
    assert report["kept"] > 1000
    assert report["compared"] == list(COUNTERS)
    assert all(own == model for own, model in report["counters"].values())
    assert report["counters"]["starved_cycles"][0] > report["counters"]["cycles"][0] / 2
    # Were PyTorch to say something else, it would be seen.
    assert other["mismatches"] == np.count_nonzero(integer_product(layer.weights, activations)) > 0
    assert "outputs differ from PyTorch" in other["failures"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--board", "nowhere"), "board nowhere is unknown; known are icebreaker"),
        (("--board", BOARD, "--layer", "layer9"), "`--layer` layer9 is none of layer0.qkv, "),
        (("--board", BOARD, "--port", "/dev/nowhere"), "port /dev/nowhere cannot be opened: no such file"),
    ],
)
def test_a_check_of_bad_input_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert board_check.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert is_one_sentence(captured.err)
    assert message in captured.err


@pytest.mark.slow
def test_a_file_for_another_architecture_is_refused(
    twin: Twin, run: Run, pruned: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.mxv"
    assert run("pack", pruned, "--arch", "small", "-o", other)[0] == 0

    status, out, err = run("run", other, "--port", twin.port)

    assert (status, out) == (2, "")
    assert is_one_sentence(err)
    assert "`lanes` 2 instead of 4" in err


@pytest.mark.slow
def test_a_second_session_ends_the_first(twin: Twin) -> None:
    line = SerialLine(twin.port, TWIN_BAUD)
    first, second = (Session(line, baud=TWIN_BAUD, seed=seed) for seed in (1, 2))
    assert first.connect() == second.connect()
    assert second.exchange(b"12345678") == (8, b"")
    with pytest.raises(SessionLostError, match="was reset or has another host"):
        first.exchange(b"12345678")
    line.close()


@pytest.mark.slow
def test_a_twin_ends_with_its_host_and_with_whoever_started_it() -> None:
    with start_twin(BOARD, ARCH, once=True) as running:
        line = SerialLine(running.port, TWIN_BAUD)
        Session(line, baud=TWIN_BAUD).connect()
        line.close()
        assert running.wait() == 0

    script = (
        "import time\nfrom codesign.twins import start_twin\nfrom spec.arch import ArchConfig\n"
        f"twin = start_twin('{BOARD}', ArchConfig.load('tiny'), once=False)\n"
        "print(twin.process.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        simulator = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 10
    while _runs(simulator) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(simulator)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "either `--port` with a board or `--twin` with its name"),
        (("--port", "/dev/nowhere", "--twin", BOARD), "either `--port`"),
        (("--twin", "nothing"), "board nothing is unknown; known are icebreaker, "),
        (("--port", "/dev/nowhere"), "port /dev/nowhere cannot be opened: no such file"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, packed: Path, arguments: tuple[str, ...], message: str) -> None:
    status, out, err = run("run", packed, *arguments)

    assert (status, out) == (2, "")
    assert is_one_sentence(err)
    assert message in err


def test_a_port_that_another_host_has_is_one_sentence(run: Run, packed: Path) -> None:
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    line = SerialLine(name, TWIN_BAUD)

    status, out, err = run("run", packed, "--port", name)

    line.close()
    os.close(master)
    os.close(slave)
    assert (status, out) == (2, "")
    assert is_one_sentence(err)
    assert f"port {name} cannot be opened: " in err


def test_a_campaign_on_an_unknown_board_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert link_faults.main(["--board", "nowhere"]) == 2
    assert "board nowhere is unknown; known are icebreaker" in capsys.readouterr().err


def test_a_campaign_without_faults_shows_nothing_and_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        link_faults.main(["--faults", "0"])

    assert ended.value.code == 2
    assert "argument --faults: must be a whole number from 1 on, not 0" in capsys.readouterr().err
