"""Models of iCE40 cells that the array places, in this project's own words: the vendor's are not free."""

from typing import Final

__all__ = ["ice40_models"]

_USED: Final = {
    "A_REG": 1,
    "B_REG": 1,
    "PIPELINE_16x16_MULT_REG2": 1,
    "TOPOUTPUT_SELECT": 3,
    "BOTOUTPUT_SELECT": 3,
    "A_SIGNED": 1,
    "B_SIGNED": 1,
}
"""What the model is set to; anything else stops the simulation."""


def ice40_models() -> str:
    """Return SB_MAC16 as a signed multiplier with registers at its operands and behind the product."""
    parameters = ", ".join(f"parameter {name} = 0" for name in _USED)
    rule = " && ".join(f"{name} == {value}" for name, value in _USED.items())
    return f"""module SB_MAC16 #({parameters}) (
  input CLK, CE, AHOLD, BHOLD, CHOLD, DHOLD, IRSTTOP, IRSTBOT, ORSTTOP, ORSTBOT, OLOADTOP, OLOADBOT,
  input ADDSUBTOP, ADDSUBBOT, OHOLDTOP, OHOLDBOT, CI, ACCUMCI, SIGNEXTIN,
  input signed [15:0] A, B, input [15:0] C, D, output reg signed [31:0] O);
  initial if (!({rule})) begin $display("not modelled: %m"); $finish; end
  reg signed [15:0] a, b;
  initial begin
    a = 0;
    b = 0;
    O = 0;
  end
  always @(posedge CLK) if (CE) begin
    a <= A;
    b <= B;
    O <= a * b;
  end
endmodule
"""
