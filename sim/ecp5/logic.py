"""Lookup tables, carry chains, registers, and the network that resets them all."""

from sim.ecp5.pins import parameters, refuse_unless

__all__ = ["carry", "flip_flop", "global_reset", "lookup", "lookup_multiplexers"]


def global_reset() -> str:
    """Return SGSR: it resets every register that listens, at once, and lets them go after a rising edge.

    Icarus Verilog cannot model a network without ports; there SGSR stops the simulation once it is used.
    """
    return """package ecp5_device;
  logic reset = 1'b0;
endpackage

module SGSR (input CLK, GSR);
`ifdef __ICARUS__
  always @(negedge GSR) begin $display("not modelled: %m"); $finish; end
`else
  reg released = 1'b1;
  always @(posedge CLK or negedge GSR) released <= GSR;
  always @(released) ecp5_device::reset = !released;
`endif
endmodule
"""


def lookup() -> str:
    """Return LUT4: bit ``D C B A`` of INIT; a tree, so that an input that does not matter may be unknown."""
    return """module LUT4 #(parameter [15:0] INIT = 0) (input A, B, C, D, output Z);
  wire [7:0] half = D ? INIT[15:8] : INIT[7:0];
  wire [3:0] quarter = C ? half[7:4] : half[3:0];
  wire [1:0] pair = B ? quarter[3:2] : quarter[1:0];
  assign Z = A ? pair[1] : pair[0];
endmodule
"""


def lookup_multiplexers() -> str:
    """Return PFUMX and L6MUX21, which join lookup tables to wider ones."""
    return """module PFUMX (input ALUT, BLUT, C0, output Z);
  assign Z = C0 ? ALUT : BLUT;
endmodule

module L6MUX21 (input D0, D1, SD, output Z);
  assign Z = SD ? D1 : D0;
endmodule
"""


def carry() -> str:
    """Return CCU2C: two lookup tables; a carry passes where they are 1, else their lowest quarter makes it.

    INJECT1 cuts the chain before its lookup table.
    """
    declared = ", ".join(f"parameter [15:0] INIT{n} = 0" for n in range(2))
    declared += ", " + parameters(INJECT1_0="YES", INJECT1_1="YES")
    inputs = ", ".join(f"{pin}{n}" for n in range(2) for pin in "ABCD")
    halves = "".join(
        f"""  wire pass_{n}, make_{n};
  LUT4 #(INIT{n}) table_{n} (A{n}, B{n}, C{n}, D{n}, pass_{n});
  LUT4 #(INIT{n}) start_{n} (A{n}, B{n}, 1'b0, 1'b0, make_{n});
  wire in_{n} = INJECT1_{n} == "YES" ? 1'b0 : {before};
  assign S{n} = pass_{n} ^ in_{n};
  wire carry_{n} = pass_{n} ? {before} : INJECT1_{n} == "YES" ? 1'b0 : make_{n};
"""
        for n, before in enumerate(("CIN", "carry_0"))
    )
    return f"""module CCU2C #({declared}) (
  input CIN, {inputs}, output S0, S1, COUT);
{halves}  assign COUT = carry_1;
endmodule
"""


def flip_flop() -> str:
    """Return TRELLIS_FF: set or reset in its clock or at once, before or behind the enable."""
    declared = parameters(
        GSR="ENABLED",
        CEMUX="1",
        CLKMUX="CLK",
        LSRMUX="LSR",
        SRMODE="LSR_OVER_CE",
        REGSET="RESET",
        LSRMODE="LSR",
    )
    modes = " || ".join(f'SRMODE == "{mode}"' for mode in ("LSR_OVER_CE", "CE_OVER_LSR", "ASYNC"))
    return f"""module TRELLIS_FF #({declared}) (input CLK, LSR, CE, DI, M, output reg Q);
{refuse_unless('LSRMODE == "LSR"', f"({modes})")}
  localparam FIRST = REGSET == "SET";
  wire clock = CLKMUX == "INV" ? !CLK : CLK;
  wire enable = CEMUX == "1" ? 1'b1 : CEMUX == "0" ? 1'b0 : CEMUX == "INV" ? !CE : CE;
  wire local_reset = LSRMUX == "INV" ? !LSR : LSR;
  wire next = SRMODE == "CE_OVER_LSR" ? (enable ? local_reset ? FIRST : DI : Q)
            : local_reset && SRMODE != "ASYNC" ? FIRST : enable ? DI : Q;
  initial Q = FIRST;
  generate
    if (GSR == "ENABLED" && SRMODE == "ASYNC") begin
      wire now = local_reset || ecp5_device::reset;
      always @(posedge clock or posedge now) if (now) Q <= FIRST; else Q <= next;
    end else if (GSR == "ENABLED") begin
      always @(posedge clock or posedge ecp5_device::reset)
        if (ecp5_device::reset) Q <= FIRST; else Q <= next;
    end else if (SRMODE == "ASYNC") begin
      always @(posedge clock or posedge local_reset) if (local_reset) Q <= FIRST; else Q <= next;
    end else begin
      always @(posedge clock) Q <= next;
    end
  endgenerate
endmodule
"""
