"""Mutants: what a judge can see is killed, what nobody can see survives, and the report counts both."""

from pathlib import Path

import numpy as np
import pytest

from codesign.mutation.__main__ import main
from codesign.mutation.campaign import Fate, Outcome, run_campaign
from codesign.mutation.cell_nets import CellNets
from codesign.mutation.mutant import Mutant
from codesign.mutation.netlist import MutatedNetlist, mutate
from codesign.mutation.programs import Program
from codesign.mutation.report import load_reviews, report, report_lines
from codesign.mutation.source_text import SourceText
from sim.simulator import Build, SimulatorError
from sim.stream_run import Pace, build_stream

WORDS = np.random.default_rng(3).integers(0, 1 << 32, (40, 2), dtype=np.uint32)
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


PROGRAM = Program("words", WORDS, judge, Pace(0.3, 0.3, expected=len(WORDS)))


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
    wrong = Program("words", WORDS, lambda _: ["the words are odd"], Pace(expected=len(WORDS)))

    with pytest.raises(SimulatorError, match="the unmutated design is wrong in words: the words are odd"):
        run_campaign(model, 64, 1, [wrong])


def test_other_answers_that_the_judge_accepts_kill_nothing(model: Build) -> None:
    lenient = Program("words", WORDS, lambda _: [], Pace(expected=len(WORDS)))

    outcomes = run_campaign(model, 64, 20, [lenient])

    assert {one.fate for one in outcomes.values()} <= {Fate.ACCEPTED, Fate.SAME, Fate.HANG}
    assert Fate.ACCEPTED in {one.fate for one in outcomes.values()}


SOURCE = r"""
module other(a);
  assign \$9  = a;
endmodule

module \mixvec.outputs (rst);
  wire \$5 ;
  assign \$5  = \$signal$12  | \$7 ;
  assign \$7  = ~ full;
  assign  \$8  = \$5  & \$9 ;
  always @*
    if (\$7 ) begin
      \$9  = emit$3;
    end
    casez (state)
      2'h0:
        \$9  = 1'h0;
      2'h1:
        \$9  = \$5 ;
    endcase
endmodule
"""


def listed(wire: int = 7, cell: int = 10, net: int = 5, number: int = 9677) -> str:
    """A line of the list, of an `assign` whose net and cell stand in these lines of the source."""
    return (
        rf"mutate -mode cnot0 -module mixvec -cell $flatten\outputs.$and$design.v:{cell}${number} -port A "
        rf"-portbit 3 -ctrlbit 5 -wire outputs.${net} -wirebit 2 -src design.v:{wire}.8-{wire}.11 "
        f"-src design.v:{cell}.11-{cell}.30"
    )


NO_CELLS = CellNets("")
LINE = listed()


def test_a_line_of_the_list_becomes_a_command_and_a_site() -> None:
    mutant = Mutant.parse(LINE, SourceText(SOURCE), NO_CELLS)

    assert mutant.command == LINE.removeprefix("mutate ").partition(" -wire")[0]
    assert mutant.site == "cnot0 by bit 5 outputs.$[2] at A[3] of outputs.$and"
    assert not mutant.clocks
    assert Mutant.parse(LINE.replace("-port A", "-port CLK"), SourceText(SOURCE), NO_CELLS).clocks


@pytest.mark.parametrize(
    ("places", "text"),
    [
        # A net's expression takes its place, of this module; what is no `assign` stays.
        (["7.8-7.11", "10.11-10.30"], "wire $ ; / assign $ = ($signal | (~ full)) & $ ;"),
        (["10.11-10.30", "10.11-10.30"], "assign $ = ($signal | (~ full)) & $ ;"),
        (["12.5-14.8"], "if ((~ full) ) begin $ = emit; end"),
        # Of a statement as long as that only the head.
        (["15.5-20.12"], "casez (state) ..."),
        ([], ""),
    ],
)
def test_the_verilog_behind_a_mutant_has_no_numbers(places: list[str], text: str) -> None:
    line = " ".join(["mutate -mode inv", *(f"-src design.v:{place}" for place in places)])

    assert SourceText(SOURCE).behind(line) == text


def test_a_mutant_reads_the_same_after_an_edit_elsewhere() -> None:
    """Lines, nets and cells have other numbers; another expression does not pass for the same."""
    moved = "\n" + SOURCE.replace("$12", "$31").replace(r"\$5 ", r"\$19 ").replace(r"\$7 ", r"\$5 ")
    line, other = listed(8, 11, 19, 12), moved.replace("~ full", "~ empty")
    before, after = (
        (one.site, one.line)
        for one in (
            Mutant.parse(LINE, SourceText(SOURCE), NO_CELLS),
            Mutant.parse(line, SourceText(moved), NO_CELLS),
        )
    )

    assert after == before
    assert Mutant.parse(line, SourceText(other), NO_CELLS).line != before[1]


def test_cells_of_yosys_are_told_by_their_nets() -> None:
    rtlil = """module \\mixvec
  cell $reduce_and $auto$simple.cc:211:make_patterns$5
    parameter \\A_WIDTH 2
    connect \\A { \\collector.place_1 \\cluster.ready$7 }
    connect \\Y $auto$simple.cc:210:make_patterns_logic$4
  end
  cell $not \\other
    connect \\A \\clk
    connect \\Y \\collector.place_1
  end
end
"""
    line = "mutate -mode const1 -module mixvec -cell $auto$simple.cc:211:make_patterns$5 -port A -portbit 0"

    mutant = Mutant.parse(line, SourceText(SOURCE), CellNets(rtlil))

    assert mutant.line == "A: { collector.place_1 cluster.ready }"
    assert Mutant.parse(line.replace("$5", "$6"), SourceText(SOURCE), CellNets(rtlil)).line == ""


def test_other_lines_are_refused() -> None:
    with pytest.raises(ValueError, match="must start with `mutate -mode`, not 'stat'"):
        Mutant.parse("stat", SourceText(SOURCE), NO_CELLS)


KILLED, ALIVE = Outcome(Fate.WRONG, "one", ["wrong"]), Outcome()


def mutants(*sites: tuple[str, str]) -> list[Mutant]:
    return [Mutant(f"-mode inv -cell c{number}", *site) for number, site in enumerate(sites)]


def test_the_score_leaves_reviewed_survivors_out() -> None:
    sites = mutants(("inv a", "x"), ("inv b", "x"), ("inv c", "x"), ("inv b", "y"))
    outcomes = {1: KILLED, 2: ALIVE, 3: KILLED, 4: ALIVE}

    found = report(sites, outcomes, {("inv b", "x"): "nothing reads it", ("inv z", "x"): "gone"})

    assert (found["killed"], found["score"]) == (2, 2 / 3)
    assert [(one["number"], one["reason"]) for one in found["equivalent"]] == [(2, "nothing reads it")]
    assert [(one["number"], one["line"]) for one in found["survivors"]] == [(4, "y")]
    assert not found["refuted"]
    assert report_lines(found)[-1] == "2 of 3 killed: 66.7%"


def test_copies_of_one_place_share_a_review() -> None:
    found = report(mutants(*[("inv a", "x")] * 3), dict.fromkeys((1, 2, 3), ALIVE), {("inv a", "x"): "dead"})

    assert [one["number"] for one in found["equivalent"]] == [1, 2, 3]


def test_a_review_of_a_killed_mutant_is_named_and_excuses_nobody() -> None:
    outcomes = {1: ALIVE, 2: KILLED}

    found = report(mutants(("inv a", "x"), ("inv a", "x")), outcomes, {("inv a", "x"): "dead"})

    assert (found["score"], found["equivalent"]) == (1 / 2, [])
    assert [one["number"] for one in found["survivors"]] == [1]
    assert [one["number"] for one in found["refuted"]] == [2]
    assert "2 was reviewed as equivalent, but one kills it, so the review must go: inv a" in report_lines(
        found
    )


def test_every_review_says_where_and_why() -> None:
    for (site, _), reason in load_reviews().items():
        assert " at " in site and len(reason) > 20


def test_an_unknown_architecture_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rtl", "--arch", "huge", "-o", str(tmp_path)]) == 2
    assert "huge" in capsys.readouterr().err
