"""Block RAMs and the RAM of lookup tables."""

from sim.ecp5.pins import bus, initial_values, parameters, pins, refuse_unless

__all__ = ["distributed", "dual_port", "simple_dual_port"]

# A word read at one port while the other writes it is neither the old nor the new one.
_CLASH = """`ifdef __ICARUS__
  localparam CLASH = {18{1'bx}};
`else
  localparam CLASH = {9{2'b10}};
`endif
"""


def distributed() -> str:
    """Return TRELLIS_DPR16X4: written in its clock, read at once; nibble n of INITVAL is word n."""
    declared = parameters(WCKMUX="WCK", WREMUX="WRE") + ", parameter [63:0] INITVAL = 0"
    return f"""module TRELLIS_DPR16X4 #({declared}) (
  input [3:0] DI, WAD, RAD, input WRE, WCK, output [3:0] DO);
  reg [3:0] words [0:15];
  integer n;
  initial for (n = 0; n < 16; n = n + 1) words[n] = INITVAL[4*n+:4];
  wire clock = WCKMUX == "INV" ? !WCK : WCK;
  wire enable = WREMUX == "1" ? 1'b1 : WREMUX == "0" ? 1'b0 : WREMUX == "INV" ? !WRE : WRE;
  always @(posedge clock) if (enable) words[WAD] <= DI;
  assign DO = words[RAD];
endmodule
"""


def dual_port(contents: bool) -> str:
    """Return DP16KD: two ports that read or write words of 1 to 18 bits, each of its own width.

    An address is counted in bits, so that a wider word leaves the lowest pins free; of 18 bits, each byte
    has its write enable there. INITVAL holds bytes of nine bits, two in each twenty bits; narrower words
    leave the ninth out.
    """
    options: dict[str, str | int] = {"RESETMODE": "SYNC", "ASYNC_RESET_RELEASE": "SYNC", "GSR": "ENABLED"}
    for side in "AB":
        options |= {f"DATA_WIDTH_{side}": 18, f"REGMODE_{side}": "NOREG", f"WRITEMODE_{side}": "NORMAL"}
        options |= {f"CSDECODE_{side}": "0b000", f"CLK{side}MUX": f"CLK{side}"}
    declared, rows = initial_values() if contents else ("", "")
    ports = ", ".join(
        f"input {', '.join(f'{pin}{side}' for pin in ('CLK', 'CE', 'WE', 'OCE', 'RST'))}, "
        f"{pins(f'CS{side}', 3)}, {pins(f'AD{side}', 14)}, {pins(f'DI{side}', 18)}, "
        f"output {pins(f'DO{side}', 18)}"
        for side in "AB"
    )
    rules = []
    for side in "AB":
        modes = " || ".join(
            f'WRITEMODE_{side} == "{mode}"' for mode in ("NORMAL", "WRITETHROUGH", "READBEFOREWRITE")
        )
        rules += [f'CLK{side}MUX == "CLK{side}"', f'CSDECODE_{side} == "0b000"', f"({modes})"]
    return f"""module DP16KD #({parameters(**options)}{declared}) ({ports});
{refuse_unless(*rules)}{_CLASH}
  // Synthesis names this mode where it ties the resets to 0.
  always @(posedge RSTA or posedge RSTB)
    if (RESETMODE != "SYNC") begin $display("not modelled: %m"); $finish; end
  reg [17:0] words [0:1023];
{_filled("10", rows, "rows[20*n+:18]")}{_side("A", "B")}{_side("B", "A")}endmodule
"""


def _filled(address: str, rows: str, word: str) -> str:
    """Fill ``words``: with zeros, or from the rows of the parameters, of which ``word`` is the n-th word."""
    start = f"    rows = {rows};\n" if rows else ""
    declared = "  reg [64*320-1:0] rows;\n" if rows else ""
    return f"""{declared}  integer n;
  initial begin
{start}    for (n = 0; n < 1 << ({address}); n = n + 1) words[n] = {word if rows else "0"};
  end
"""


def _side(side: str, other: str) -> str:
    """One port: its bits of a row of two bytes of nine bits."""
    return f"""
  localparam WIDTH_{side} = DATA_WIDTH_{side};
  wire [17:0] data_{side} = {bus(f"DI{side}", 18)};
  wire [13:0] pins_{side} = {bus(f"AD{side}", 14)};
  wire [3:0] in_byte_{side} = WIDTH_{side} == 1 ? pins_{side}[2:0] : WIDTH_{side} == 2 ? pins_{side}[2:1] << 1
    : WIDTH_{side} == 4 ? pins_{side}[2] << 2 : 0;
  wire [4:0] low_{side} = (WIDTH_{side} == 18 ? 0 : 9 * pins_{side}[3]) + in_byte_{side};
  wire [9:0] row_{side} = pins_{side}[13:4];
  wire chosen_{side} = CE{side} && {bus(f"CS{side}", 3)} == 3'b000;
  wire [17:0] bytes_{side} = {{{{9{{pins_{side}[1]}}}}, {{9{{pins_{side}[0]}}}}}};
  wire [17:0] all_{side} = 18'h3ffff >> (18 - WIDTH_{side});
  wire [17:0] place_{side} = all_{side} << low_{side};
  wire [17:0] mask_{side} = WIDTH_{side} == 18 ? bytes_{side} : place_{side};
  wire writes_{side} = chosen_{side} && WE{side} && !RST{side} && mask_{side} != 0;
  wire [17:0] old_{side} = words[row_{side}];
  wire [17:0] new_{side} = ((data_{side} << low_{side}) & mask_{side}) | (old_{side} & ~mask_{side});
  wire clash_{side} = writes_{other} && row_{other} == row_{side} && (place_{other} & place_{side}) != 0;
  reg [17:0] found_{side}, out_{side};
  initial begin
    found_{side} = 0;
    out_{side} = 0;
  end
  integer bit_{side};
  always @(posedge CLK{side}) begin
    // Bit by bit, since the other port may write others of the row.
    for (bit_{side} = 0; bit_{side} < 18; bit_{side} = bit_{side} + 1)
      if (writes_{side} && mask_{side}[bit_{side}])
        words[row_{side}][bit_{side}] <= clash_{side} ? CLASH[bit_{side}] : new_{side}[bit_{side}];
    if (RST{side}) found_{side} <= 0;
    else if (chosen_{side} && !WE{side})
      found_{side} <= clash_{side} ? CLASH & all_{side} : (old_{side} >> low_{side}) & all_{side};
    else if (writes_{side} && WRITEMODE_{side} == "WRITETHROUGH")
      found_{side} <= (new_{side} >> low_{side}) & all_{side};
    else if (writes_{side} && WRITEMODE_{side} == "READBEFOREWRITE")
      found_{side} <= (old_{side} >> low_{side}) & all_{side};
    if (RST{side}) out_{side} <= 0;
    else if (OCE{side}) out_{side} <= found_{side};
  end
  wire [17:0] word_{side} = REGMODE_{side} == "OUTREG" ? out_{side} : found_{side};
  assign {bus(f"DO{side}", 18)} = word_{side};
"""


def simple_dual_port(contents: bool) -> str:
    """Return PDPW16KD: words of 36 bits, written at one port in bytes of nine, read at the other."""
    options: dict[str, str | int] = {"DATA_WIDTH_W": 36, "DATA_WIDTH_R": 36}
    options |= {"REGMODE": "NOREG", "RESETMODE": "SYNC", "ASYNC_RESET_RELEASE": "SYNC", "GSR": "ENABLED"}
    options |= {"CSDECODE_W": "0b000", "CSDECODE_R": "0b000", "CLKWMUX": "CLKW", "CLKRMUX": "CLKR"}
    declared, rows = initial_values() if contents else ("", "")
    rules = ["DATA_WIDTH_W == 36", "DATA_WIDTH_R == 36"]
    rules += ['CSDECODE_W == "0b000"', 'CSDECODE_R == "0b000"', 'CLKWMUX == "CLKW"', 'CLKRMUX == "CLKR"']
    mask = ", ".join(f"{{9{{BE{n}}}}}" for n in reversed(range(4)))
    return f"""module PDPW16KD #({parameters(**options)}{declared}) (
  input {pins("DI", 36)}, {pins("ADW", 9)}, {pins("BE", 4)}, CEW, CLKW, {pins("CSW", 3)},
  input {pins("ADR", 14)}, CER, OCER, CLKR, {pins("CSR", 3)}, RST,
  output {pins("DO", 36)});
{refuse_unless(*rules)}{_CLASH}
  always @(posedge RST) if (RESETMODE != "SYNC") begin $display("not modelled: %m"); $finish; end
  reg [35:0] words [0:511];
  reg [35:0] found, out;
{_filled("9", rows, "{rows[20*(2*n+1)+:18], rows[20*2*n+:18]}")}  wire [8:0] write = {bus("ADW", 9)};
  wire [13:0] read = {bus("ADR", 14)};
  wire [35:0] mask = {{{mask}}};
  wire [35:0] new_word = ({bus("DI", 36)} & mask) | (words[write] & ~mask);
  wire writes = CEW && {bus("CSW", 3)} == 3'b000 && mask != 0;
  wire clash = writes && write == read[13:5];
  initial begin
    found = 0;
    out = 0;
  end
  always @(posedge CLKW) if (writes) words[write] <= new_word;
  always @(posedge CLKR) begin
    if (RST) found <= 0;
    else if (CER && {bus("CSR", 3)} == 3'b000) found <= clash ? {{CLASH, CLASH}} : words[read[13:5]];
    if (RST) out <= 0;
    else if (OCER) out <= found;
  end
  wire [35:0] word = REGMODE == "OUTREG" ? out : found;
  // The lower half of a word leaves by the upper pins.
  assign {bus("DO", 36)} = {{word[17:0], word[35:18]}};
endmodule
"""
