"""Behaviour of the ECP5 primitives that the array places, for simulators: the vendor's models are not free.

Only what the array uses is modelled; anything else stops the simulation.
"""

__all__ = ["ecp5_models"]


# The network it drives sets every register of the device to its first value, which no module can; a
# simulation begins with these values, as a device does after configuration.
_GLOBAL_RESET = "module SGSR (input CLK, GSR);\nendmodule\n"


def _list(letter: str, count: int) -> str:
    return ", ".join(f"{letter}{n}" for n in range(count))


def _bus(letter: str, count: int) -> str:
    return "{" + ", ".join(f"{letter}{n}" for n in reversed(range(count))) + "}"


def _check(*rules: str) -> str:
    """An initial block that stops unless every rule holds."""
    return f'  initial if (!({" && ".join(rules)})) begin $display("not modelled: %m"); $finish; end\n'


def ecp5_models() -> str:
    """Return MULT18X18D, PDPW16KD, DP16KD, CCU2C and SGSR as Verilog."""
    return "\n".join((_multiplier(), _simple_dual_port(), _dual_port(), _carry(), _GLOBAL_RESET))


def _multiplier() -> str:
    names = ("REG_INPUTA", "REG_INPUTB", "REG_OUTPUT")
    parameters = [f'parameter {name}_{what} = "NONE"' for name in names for what in ("CLK", "CE", "RST")]
    parameters += [f'parameter {name} = ""' for name in ("REG_PIPELINE_CLK", "CLK0_DIV", "GSR", "RESETMODE")]
    clocked = [f'{name}_CLK == "CLK0"' for name in names]
    return f"""module MULT18X18D #({", ".join(parameters)}) (
  input {_list("A", 18)}, {_list("B", 18)}, CLK0, CE0, RST0, SIGNEDA, SIGNEDB,
  output {_list("P", 36)});
{_check(*clocked, 'REG_PIPELINE_CLK == "NONE"')}
  reg [17:0] a, b;
  reg [35:0] p;
  wire signed [18:0] left = {{SIGNEDA & a[17], a}};
  wire signed [18:0] right = {{SIGNEDB & b[17], b}};
  wire signed [37:0] product = left * right;
  assign {_bus("P", 36)} = p;
  always @(posedge CLK0) if (CE0) begin
    a <= {_bus("A", 18)};
    b <= {_bus("B", 18)};
    p <= product[35:0];
  end
endmodule
"""


def _simple_dual_port() -> str:
    names = ("GSR", "REGMODE", "RESETMODE")
    parameters = [f'parameter {name} = ""' for name in names]
    parameters += ["parameter DATA_WIDTH_W = 36", "parameter DATA_WIDTH_R = 36"]
    return f"""module PDPW16KD #({", ".join(parameters)}) (
  input {_list("DI", 36)}, {_list("ADW", 9)}, {_list("BE", 4)}, CEW, CLKW, {_list("CSW", 3)},
  input {_list("ADR", 14)}, CER, OCER, CLKR, {_list("CSR", 3)}, RST,
  output {_list("DO", 36)});
{_check("DATA_WIDTH_W == 36", "DATA_WIDTH_R == 36", 'REGMODE == "OUTREG"')}
  reg [35:0] words [0:511];
  reg [35:0] found, out;
  integer n;
  initial for (n = 0; n < 512; n = n + 1) words[n] = 0;
  // The lower half of a word leaves by the upper pins.
  assign {_bus("DO", 36)} = {{out[17:0], out[35:18]}};
  wire selected = {_bus("BE", 4)} == 4'hf && {_bus("CSW", 3)} == 0;
  always @(posedge CLKW) if (CEW && selected) words[{_bus("ADW", 9)}] <= {_bus("DI", 36)};
  wire [13:0] address = {_bus("ADR", 14)};
  always @(posedge CLKR) begin
    if (CER && {_bus("CSR", 3)} == 0) found <= words[address[13:5]];
    if (OCER) out <= found;
  end
endmodule
"""


def _dual_port() -> str:
    names = ("REGMODE_A", "REGMODE_B", "RESETMODE", "GSR")
    parameters = [f'parameter {name} = ""' for name in names]
    ports = (
        f"{', '.join(f'{pin}{side}' for pin in ('CLK', 'CE', 'WE', 'OCE', 'RST'))}, "
        f"{_list(f'CS{side}', 3)}, {_list(f'AD{side}', 14)}"
        for side in "AB"
    )
    parameters += ["parameter DATA_WIDTH_A = 18", "parameter DATA_WIDTH_B = 18"]
    return f"""module DP16KD #({", ".join(parameters)}) (
  input {", ".join(ports)},
  input {_list("DIA", 18)},
  output {_list("DOB", 18)});
{_check("DATA_WIDTH_A == DATA_WIDTH_B", 'REGMODE_B == "OUTREG"')}
  localparam LOW = DATA_WIDTH_A == 18 ? 4 : DATA_WIDTH_A == 9 ? 3 : DATA_WIDTH_A == 4 ? 2 : DATA_WIDTH_A == 2;
  reg [DATA_WIDTH_A-1:0] words [0:(1<<(14-LOW))-1];
  reg [DATA_WIDTH_A-1:0] found, out;
  integer n;
  initial for (n = 0; n < 1 << (14 - LOW); n = n + 1) words[n] = 0;
  wire [17:0] data = {_bus("DIA", 18)};
  wire [13:0] write = {_bus("ADA", 14)};
  wire [13:0] read = {_bus("ADB", 14)};
  wire [17:0] wide = {{{{(18-DATA_WIDTH_A){{1'b0}}}}, out}};
  assign {_bus("DOB", 18)} = wide;
  // Of a word of two bytes, each byte has its enable among the low address pins.
  wire [1:0] bytes = DATA_WIDTH_A == 18 ? write[1:0] : 2'b11;
  always @(posedge CLKA) if (CEA && WEA && {_bus("CSA", 3)} == 0) begin
    if (bytes == 2'b11) words[write[13:LOW]] <= data[DATA_WIDTH_A-1:0];
    else $display("not modelled: a write of less than a word in %m");
  end
  always @(posedge CLKB) begin
    if (CEB && !WEB && {_bus("CSB", 3)} == 0) found <= words[read[13:LOW]];
    if (OCEB) out <= found;
  end
endmodule
"""


def _carry() -> str:
    half = """  wire sum_{n} = INIT{n}[{{D{n}, C{n}, B{n}, A{n}}}];
  wire carry_{n} = sum_{n} ? {carry} : INIT{n}[{{2'b00, B{n}, A{n}}}];
  assign S{n} = sum_{n} ^ {carry};
"""
    parameters = [f'parameter {name} = "NO"' for name in ("INJECT1_0", "INJECT1_1")]
    parameters += [f"parameter [15:0] INIT{n} = 0" for n in range(2)]
    inputs = ", ".join(f"{pin}{n}" for n in range(2) for pin in "ABCD")
    halves = half.format(n=0, carry="CIN") + half.format(n=1, carry="carry_0")
    return f"""module CCU2C #({", ".join(parameters)}) (
  input CIN, {inputs}, output S0, S1, COUT);
{_check('INJECT1_0 == "NO"', 'INJECT1_1 == "NO"')}{halves}  assign COUT = carry_1;
endmodule
"""
