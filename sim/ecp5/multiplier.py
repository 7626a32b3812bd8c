"""The multiplier of a DSP block."""

from sim.ecp5.pins import bus, parameters, pins, refuse_unless

__all__ = ["multiplier"]

_STAGES = {"INPUTA": 18, "INPUTB": 18, "PIPELINE": 36, "OUTPUT": 36}
"""Registers that can be left out, and their bits."""


def multiplier() -> str:
    """Return MULT18X18D with registers at both operands, in its middle and at its output, each or none.

    Operands are signed where SIGNEDA and SIGNEDB say so. Of its clocks, enables and resets, 0 is modelled.
    """
    options: dict[str, str | int] = {}
    for stage in _STAGES:
        options |= {f"REG_{stage}_{what}": f"{what}0" for what in ("CE", "RST")}
        options[f"REG_{stage}_CLK"] = "NONE"
    options |= {"CLK0_DIV": "ENABLED", "GSR": "ENABLED", "RESETMODE": "SYNC"}
    rules = ['RESETMODE == "SYNC"']
    for stage in _STAGES:
        clock, others = f"REG_{stage}_CLK", ("CE", "RST")
        zero = " && ".join(f'REG_{stage}_{what} == "{what}0"' for what in others)
        rules.append(f'({clock} == "NONE" || {clock} == "CLK0" && {zero})')
    return f"""module MULT18X18D #({parameters(**options)}) (
  input {pins("A", 18)}, {pins("B", 18)}, {pins("C", 18)},
  input CLK0, CE0, RST0, SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
  output {pins("P", 36)});
{refuse_unless(*rules)}
  reg [18:0] a_kept, b_kept;
  reg [35:0] middle_kept, out_kept;
  wire [18:0] a_here = {{SIGNEDA && A17, {bus("A", 18)}}};
  wire [18:0] b_here = {{SIGNEDB && B17, {bus("B", 18)}}};
  wire signed [18:0] a = REG_INPUTA_CLK == "NONE" ? a_here : a_kept;
  wire signed [18:0] b = REG_INPUTB_CLK == "NONE" ? b_here : b_kept;
  wire signed [37:0] product = a * b;
  wire [35:0] middle = REG_PIPELINE_CLK == "NONE" ? product[35:0] : middle_kept;
  assign {bus("P", 36)} = REG_OUTPUT_CLK == "NONE" ? middle : out_kept;
  initial begin
    a_kept = 0;
    b_kept = 0;
    middle_kept = 0;
    out_kept = 0;
  end
  always @(posedge CLK0) begin
    a_kept <= RST0 ? 19'd0 : CE0 ? a_here : a_kept;
    b_kept <= RST0 ? 19'd0 : CE0 ? b_here : b_kept;
    middle_kept <= RST0 ? 36'd0 : CE0 ? product[35:0] : middle_kept;
    out_kept <= RST0 ? 36'd0 : CE0 ? middle : out_kept;
  end
endmodule
"""
