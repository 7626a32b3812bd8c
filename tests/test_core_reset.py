"""Reset of the whole core: at every moment, and from anything that registers may hold."""

import re
import shutil

import pytest

from codesign.regression.resets import reset_defects, reset_trial
from hw.emit import emit_verilog
from sim.simulator import Simulator
from sim.unknown_start import unknown_start
from spec.arch import ArchConfig

# A reset of one cycle must reach every cluster.
ARCH = ArchConfig(clusters=5, lanes=2, tokens=1)


def test_a_job_behind_a_reset_is_exact_whatever_was_interrupted() -> None:
    """Every moment of loading, computing, draining, an error and idling."""
    count, wrong = reset_defects(reset_trial(ARCH, 0))

    assert wrong == []
    assert count > 500


def test_unknown_bits_at_the_start_change_no_word_and_no_cycle() -> None:
    _, wrong = reset_defects(reset_trial(ARCH, 1), step=151, initials=range(4))

    assert wrong == []


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on PATH")
def test_nothing_unknown_leaves_after_a_reset() -> None:
    """In Icarus registers and memories are unknown until they are set."""
    count, wrong = reset_defects(reset_trial(ARCH, 2), step=300, simulator=Simulator.ICARUS)

    assert wrong == []
    assert count > 1


def test_first_values_are_gone_and_tables_stay() -> None:
    verilog = emit_verilog(ArchConfig.load("tiny"))

    text = unknown_start(verilog)

    assert len(re.findall(r"^  reg [^;]* = ", verilog, re.MULTILINE)) > 500
    kept = re.findall(r"^  reg [^;]* = .*", text, re.MULTILINE)
    assert {line.split()[1] for line in kept} == {"time_zero"}
    assert "_row = 0;" in verilog and "_row = 0;" not in text


def test_verilog_without_first_values_is_refused() -> None:
    with pytest.raises(ValueError, match="no register with a first value, so nothing would start unknown"):
        unknown_start("module mixvec;\nendmodule\n")
