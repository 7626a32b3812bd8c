"""Coverage: what Verilator counted, what of it counts, and how it is shown."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codesign.coverage.__main__ import main
from codesign.coverage.bins import CROSSES
from codesign.coverage.collection import Collection
from codesign.coverage.constants import constant_bits
from codesign.coverage.exclusions import EXCLUSIONS, Exclusion
from codesign.coverage.measure import component, measure
from codesign.coverage.page import render_page
from codesign.coverage.points import Kind, Point, read_points
from codesign.coverage.source import Source
from sim.counted import counted
from sim.simulator import Simulator
from sim.stream_run import run_stream
from spec.arch import ArchConfig
from spec.errors import FormatError

# Valid passes with a word; a word that is 7 is never sent, so one branch is not taken.
ECHO = """\
module mixvec(clk, rst, i__payload, i__valid, i__ready, o__payload, o__valid, o__ready);
  input clk;
  input rst;
  input [63:0] i__payload;
  input i__valid;
  output i__ready;
  output [63:0] o__payload;
  output o__valid;
  input o__ready;
  reg [63:0] o__payload = 64'h0;
  reg o__valid = 1'h0;
  reg seven = 1'h0;
  wire \\$1 ;
  assign \\$1  = ~ o__valid;
  assign i__ready = \\$1  | o__ready;
  always @(posedge clk) begin
    if (i__ready) begin
      o__valid <= i__valid;
      o__payload <= i__payload;
    end
    if (i__valid & (i__payload == 64'h7)) begin
      seven <= 1'h1;
    end
  end
endmodule
"""


def entry(count: int, **keys: object) -> str:
    """One line of Verilator's file."""
    fields = {
        "f": "folder/source_1.v",
        "l": 3,
        "n": 5,
        "t": "line",
        "page": "v_line/m",
        "o": "block",
        "h": "top.m",
    }
    text = "".join(f"\x01{key}\x02{value}" for key, value in {**fields, **keys}.items())
    return f"C '{text}' {count}\n"


def test_lines_branches_and_toggles_are_told_apart() -> None:
    text = (
        "# SystemC::Coverage-3\n"
        + entry(4, S="3-5,9")
        + entry(0, l=5, n=7, t="branch", o="else", S="9,12")
        + entry(2, l=7, n=1, o="case")
        + entry(1, l=2, t="toggle", o="o___05Fpayload__02ecount[3]:0->1")
        + entry(9, f="elsewhere/source_0.v", S="3")
    )

    points = read_points(text, "source_1.v")

    assert points == {
        **{Point(Kind.LINE, "m", line, 0, ""): 4 for line in (3, 4, 5, 9)},
        Point(Kind.LINE, "m", 12, 0, ""): 0,
        Point(Kind.BRANCH, "m", 5, 7, "else"): 0,
        Point(Kind.BRANCH, "m", 7, 1, "case"): 2,
        Point(Kind.TOGGLE, "m", 2, 5, "o__payload.count[3]:0->1"): 1,
    }


def test_instances_of_a_module_add_up() -> None:
    text = entry(0, h="top.a", S="3") + entry(5, h="top.b", S="3")

    assert read_points(text, "source_1.v") == {Point(Kind.LINE, "m", 3, 0, ""): 5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("C 'no keys' 1\n", "line 1 of the coverage file is no entry"),
        ("\n" + entry(1, l="three"), "line 2 of the coverage file lacks a key or a number"),
        (entry(1).replace("\x01page\x02v_line/m", ""), "line 1 of the coverage file lacks a key or a number"),
        (entry(-1), "line 1 of the coverage file is no entry"),
    ],
)
def test_a_file_in_another_format_is_refused(text: str, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        read_points(text, "source_1.v")


def test_a_run_counts_what_it_reaches_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "points"

    result = run_stream(ECHO, 64, [1, 2, 5], coverage=file, quiet=10)

    assert result.words[:, 0].tolist() == [1, 2, 5]
    points = read_points(file.read_text(), "source_1.v")
    lines = {
        ECHO.splitlines()[one.line - 1].strip(): count
        for one, count in points.items()
        if one.kind is Kind.LINE
    }
    assert lines["seven <= 1'h1;"] == 0
    assert lines["o__valid <= i__valid;"] > 3
    missed = {(one.line, one.name) for one, count in points.items() if one.kind is Kind.BRANCH and not count}
    assert missed == {(21, "if"), (17, "else")}
    toggled = {one.name for one, count in points.items() if one.kind is Kind.TOGGLE and count}
    # 0, 1, 2, 5: bits 0 and 2 only rise, for no word comes after 5.
    assert {one for one in toggled if one.startswith("o__payload")} == {
        "o__payload[0]:0->1",
        "o__payload[0]:1->0",
        "o__payload[1]:0->1",
        "o__payload[1]:1->0",
        "o__payload[2]:0->1",
    }
    assert not any("$" in one.name for one in points)


def test_a_simulator_that_does_not_count_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only verilator counts coverage, not icarus"):
        run_stream(ECHO, 64, [1], simulator=Simulator.ICARUS, coverage=tmp_path / "points")


def test_only_signals_are_counted() -> None:
    kept = [
        "  reg [7:0] o__payload = 8'h00;",
        "  reg [3:0] \\$signal$10  = 4'h0;",
        "  input [3:0] \\port$1$0 ;",
    ]
    left_out = [
        "  wire [3:0] \\$12 ;",
        "  reg time_zero = 1'b0;",
        "  reg [7:0] storage [3:0];",
        "  wire [1:0] \\o__payload.count ;",
    ]

    lines = counted("\n".join(kept + left_out)).split("\n")

    assert lines[: len(kept)] == kept
    assert [one.partition("*/")[2].partition("/*")[0] for one in lines[len(kept) :]] == left_out


def test_a_branch_is_described_by_the_register_that_it_decides() -> None:
    source = Source(
        "module m(clk);\n"
        "  assign \\$1  = ~ full;\n"
        "  assign \\$2  = \\$1  | ready;\n"
        "  always @(posedge clk)\n"
        "    valid <= \\$3 ;\n"
        "  always @* begin\n"
        "    \\$3  = valid;\n"
        "    if (\\$2 ) begin\n"
        "      \\$3  = 1'h1;\n"
        "    end\n"
        "  end\n"
        "endmodule\n"
    )

    assert source.describe(8) == "valid: if (((~ full) | ready)) begin"


def test_copies_of_a_component_share_a_name() -> None:
    assert component("mixvec_column.psums_3") == component("mixvec_column.psums_0") == "column.psums"
    assert component("mixvec_cluster.plane_1_values") == component("mixvec_cluster.plane_0_values")
    assert component("mixvec") == "accelerator"
    assert component("mixvec.counter_bank.tally") == "accelerator.counter_bank.tally"


def collection(points: dict[Point, int]) -> Collection:
    counts = {one.name: np.ones([len(axis) for axis in one.axes], np.int64) for one in CROSSES}
    arch = ArchConfig(clusters=1, lanes=1, tokens=1, segment=1)
    return Collection("one PE", arch, points, counts, 1, 2)


def test_shares_count_points_that_no_exclusion_means() -> None:
    points = {
        Point(Kind.TOGGLE, "mixvec.loader", 1, 0, "count[0]:0->1"): 3,
        Point(Kind.TOGGLE, "mixvec.loader", 1, 0, "count[1]:0->1"): 0,
        Point(Kind.TOGGLE, "mixvec.loader", 1, 0, "count[2]:0->1"): 0,
        Point(Kind.TOGGLE, "mixvec.loader", 1, 0, "other[1]:0->1"): 0,
    }
    meant = Exclusion(frozenset({Kind.TOGGLE}), r"mixvec\.loader", r"^count\[[12]\]", "too wide")
    stale = replace(meant, module="mixvec")

    found = measure([collection(points)], [meant, stale])

    share = found.shares["accelerator.loader"][Kind.TOGGLE]
    assert (share.reached, share.excluded, share.missed, share.ratio) == (1, 2, 1, 0.5)
    assert [(one.text, one.reason) for one in found.missed] == [
        ("count[1]:0->1", "too wide"),
        ("count[2]:0->1", "too wide"),
        ("other[1]:0->1", ""),
    ]
    assert found.unused == [stale]


def test_every_exclusion_has_a_reason() -> None:
    for one in EXCLUSIONS:
        assert len(one.reason.split()) > 2


def test_the_page_names_what_was_missed() -> None:
    missed = Point(Kind.TOGGLE, "mixvec.loader", 1, 0, "lost<1>[5]:0->1")

    page = render_page(measure([collection({missed: 0})], []), {"tiny": "{}"})

    assert "lost&lt;1&gt;" in page
    assert "[5]:0-&gt;1" in page
    assert "http" not in page


def test_bits_that_only_numbers_reach_are_constant() -> None:
    verilog = """\
module top(a, clk, rst, o);
  input [1:0] a;
  output [3:0] o;
  wire [3:0] o;
  wire [3:0] padded;
  reg [3:0] held = 4'h0;
  wire [3:0] \\$1 ;
  wire one;
  wire other;
  wire [1:0] loop;
  reg [1:0] kept = 2'h1;
  reg [1:0] changed = 2'h1;
  assign padded = { 2'h0, a };
  assign \\$1  = a[0] ? padded : 4'h1;
  always @(posedge clk)
    held <= \\$1 ;
  assign loop = kept;
  always @(posedge clk)
    kept <= loop;
  always @(posedge clk)
    changed <= 2'h2;
  \\top.child  first (
    .index(1'h0),
    .fixed(one),
    .free(o[0])
  );
  \\top.child  second (
    .index(1'h1),
    .fixed(other),
    .free(o[1])
  );
endmodule
module \\top.child (index, fixed, free);
  input index;
  output fixed;
  output free;
  wire sum;
  assign fixed = 1'h0;
  assign free = sum;
  assign sum = index + 1'h1;
endmodule
"""

    found = constant_bits(verilog, "top")

    assert found["top"] == {
        "a": set(),
        "o": {2, 3},
        "padded": {2, 3},
        "held": {2, 3},
        "$1": {2, 3},
        "one": {0},
        "other": {0},
        "loop": {0, 1},
        "kept": {0, 1},
        "changed": set(),
    }
    assert found["top.child"] == {"index": {0}, "fixed": {0}, "free": set(), "sum": set()}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--arch", "nowhere.json"], "nowhere.json"),
        (["--runs", "0"], "must be a number from 1 on, not 0"),
        (["--runs", "many"], "must be a number from 1 on, not many"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(
    arguments: list[str], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main([*arguments, "-o", str(tmp_path / "out")])
    except SystemExit as stopped:
        assert isinstance(stopped.code, int)
        status = stopped.code

    assert status == 2
    shown = capfd.readouterr()
    assert said in shown.err
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert list(tmp_path.iterdir()) == []
