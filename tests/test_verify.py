"""`make verify`: its parts run side by side, a failure is told, an interruption leaves nothing behind."""

import os
import time
from pathlib import Path

import pytest

from codesign import verify
from codesign.verify import PARTS, Outcome, Part, main, run_parts


def python(text: str) -> Part:
    return Part(("-c", text), "nothing")


def test_every_part_has_its_outcome_and_its_log(tmp_path: Path) -> None:
    parts = {
        "good": python("import sys; print('said'); print('noted', file=sys.stderr)"),
        "bad": python("raise SystemExit(3)"),
        "busy": python("import time\nwhile time.process_time() < 0.3: pass"),
    }
    seen: list[Outcome] = []

    outcomes = run_parts(parts, tmp_path / "logs", 2, seen.append)

    assert [(outcome.name, outcome.status) for outcome in outcomes] == [("good", 0), ("bad", 3), ("busy", 0)]
    assert sorted(outcome.name for outcome in seen) == ["bad", "busy", "good"]
    assert sorted((tmp_path / "logs" / "good.log").read_text().split()) == ["noted", "said"]
    assert 0.3 <= outcomes[2].processor_seconds <= outcomes[2].seconds + 0.1


def test_an_interruption_ends_what_a_part_has_started(tmp_path: Path) -> None:
    number = tmp_path / "pid"
    grandchild = f"""
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path({str(number)!r}).write_text(str(child.pid))
child.wait()
"""
    first = f"import pathlib, time\nwhile not pathlib.Path({str(number)!r}).exists(): time.sleep(0.05)"

    def interrupted(_: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_parts({"first": python(first), "long": python(grandchild)}, tmp_path, 2, interrupted)

    pid = int(number.read_text())
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break
        time.sleep(0.1)
    else:
        os.kill(pid, 9)
        pytest.fail("the child of a part goes on")


def test_a_part_that_fails_fails_the_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify, "_FOLDER", tmp_path)
    monkeypatch.setattr(
        verify,
        "PARTS",
        {
            "good": python(""),
            "bad": python("raise SystemExit(1)"),
            "absent": Part(("-c", "raise SystemExit(1)"), "nothing", tool="no-such-program"),
        },
    )

    assert main(["good", "bad", "absent"]) == 1
    said = capsys.readouterr()
    assert "fails, status 1" in said.out and "passes" in said.out
    assert "absent is left out: `no-such-program` is not on PATH" in said.err
    assert main(["good"]) == 0


def test_an_unknown_part_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in PARTS)
