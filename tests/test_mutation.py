"""Mutants: what a judge can see is killed, what nobody can see survives, and the report counts both."""

from pathlib import Path

import numpy as np
import pytest

from codesign.mutation.__main__ import main
from codesign.mutation.campaign import Fate, Outcome, run_campaign
from codesign.mutation.mutant import Mutant
from codesign.mutation.netlist import MutatedNetlist, mutate
from codesign.mutation.programs import Program
from codesign.mutation.report import report, report_lines
from sim.simulator import Build, SimulatorError
from sim.stream_run import build_stream

WORDS = np.random.default_rng(3).integers(0, 1 << 64, (40, 1), dtype=np.uint64)
INVERTER = """
module mixvec(input clk, input rst,
  input [63:0] i__payload, input i__valid, output i__ready,
  output [63:0] o__payload, output o__valid, input o__ready);
  reg full = 0, spare = 0;
  reg [63:0] word;
  wire taken = i__valid & i__ready;
  assign i__ready = !full;
  assign o__payload = word;
  // `spare` has no say: where `full` is 1, so is what follows it.
  wire absorbed = full | spare;
  assign o__valid = full & absorbed;
  always @(posedge clk) begin
    spare <= !spare;
    if (taken) word <= ~i__payload;
    full <= taken | full & !o__ready;
  end
endmodule
"""


def judge(answer: bytes) -> list[str]:
    return [] if answer == (~WORDS).tobytes() else ["the words are not inverted"]


PROGRAM = Program("words", WORDS, judge, expected=len(WORDS), stall_i=0.3, stall_o=0.3)


@pytest.fixture(scope="module")
def netlist(tmp_path_factory: pytest.TempPathFactory) -> MutatedNetlist:
    """Mutants of the inverter."""
    return mutate(INVERTER, "mixvec", 64, count=60, seed=1, folder=tmp_path_factory.mktemp("netlist"))


@pytest.fixture(scope="module")
def model(netlist: MutatedNetlist) -> Build:
    """The mutants, compiled."""
    return build_stream(netlist.verilog, 64)


def test_mutants_of_what_has_no_say_survive_and_the_others_are_killed(
    netlist: MutatedNetlist, model: Build
) -> None:
    seen: list[tuple[str, int]] = []

    outcomes = run_campaign(
        model,
        64,
        len(netlist.mutants),
        [PROGRAM],
        progress=lambda name, found: seen.append((name, len(found))),
    )

    alive = {netlist.mutants[number - 1].site for number, one in outcomes.items() if not one.fate.killed}
    # `spare`, its inverter, and the `|` that would have to be 1 without it.
    assert alive == {
        "const0 spare[0] at Q[0] of $procdff",
        "const1 spare[0] at Q[0] of $procdff",
        "inv spare[0] at Q[0] of $procdff",
        "inv at A[0] of $logic_not",
        "const1 at A[0] of $logic_not",
        "const0 at Y[0] of $logic_not",
        "const1 at Y[0] of $logic_not",
        "const1 at A[0] of $or",
    }
    assert {one.fate for one in outcomes.values()} == {Fate.SAME, Fate.WRONG, Fate.HANG}
    assert seen == [("words", len(netlist.mutants))]


def test_a_wrong_answer_of_the_unmutated_design_is_no_yardstick(model: Build) -> None:
    wrong = Program("words", WORDS, lambda _: ["the words are odd"], expected=len(WORDS))

    with pytest.raises(SimulatorError, match="the unmutated design is wrong in words: the words are odd"):
        run_campaign(model, 64, 1, [wrong])


def test_other_answers_that_the_judge_accepts_kill_nothing(model: Build) -> None:
    lenient = Program("words", WORDS, lambda _: [], expected=len(WORDS))

    outcomes = run_campaign(model, 64, 20, [lenient])

    assert {one.fate for one in outcomes.values()} <= {Fate.ACCEPTED, Fate.SAME, Fate.HANG}
    assert Fate.ACCEPTED in {one.fate for one in outcomes.values()}


LINE = (
    r"mutate -mode cnot0 -module mixvec -cell $flatten\outputs.$procdff$9677 -port D -portbit 3 -ctrlbit 5 "
    "-wire outputs.emit_5 -wirebit 2 -src design.v:11826.7-11826.13"
)


def test_a_line_of_the_list_becomes_a_command_and_a_site() -> None:
    mutant = Mutant.parse(LINE)

    assert mutant.command == LINE.removeprefix("mutate ").partition(" -wire")[0]
    assert mutant.site == "cnot0 by bit 5 outputs.emit_5[2] at D[3] of outputs.$procdff"
    assert not mutant.clocks and Mutant.parse(LINE.replace("-port D", "-port CLK")).clocks


def test_other_lines_are_refused() -> None:
    with pytest.raises(ValueError, match="must start with `mutate -mode`, not 'stat'"):
        Mutant.parse("stat")


def test_the_score_leaves_reviewed_survivors_out() -> None:
    killed, alive = Outcome(Fate.WRONG, "one", ["wrong"]), Outcome()
    mutants = [Mutant(f"-mode inv -cell c{number}", f"inv of c{number}") for number in range(4)]
    outcomes = {1: killed, 2: alive, 3: killed, 4: alive}

    found = report(
        mutants, outcomes, {"-mode inv -cell c1": "nothing reads it", "-mode inv -cell c9": "gone"}
    )

    assert (found["killed"], found["score"]) == (2, 2 / 3)
    assert [(one["site"], one["reason"]) for one in found["equivalent"]] == [
        ("inv of c1", "nothing reads it")
    ]
    assert [one["number"] for one in found["survivors"]] == [4]
    assert report_lines(found)[-1] == "2 of 3 killed: 66.7%"


def test_an_unknown_architecture_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rtl", "--arch", "huge", "-o", str(tmp_path)]) == 2
    assert "huge" in capsys.readouterr().err
