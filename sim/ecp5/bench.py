"""Every cell of the models, with the options that its table of cases needs, behind ports that are buses."""

__all__ = ["FLIP_FLOPS", "MIXED", "MULTIPLIERS", "RAMS", "TOP", "cell_bench"]

TOP = "cells"

FLIP_FLOPS: dict[str, str] = {
    "plain": "",
    "starts_set": 'REGSET("SET")',
    "enabled": 'CEMUX("CE")',
    "enabled_low": 'CEMUX("INV")',
    "never": 'CEMUX("0")',
    "reset_low": 'LSRMUX("INV")',
    "reset_first": 'CEMUX("CE"), SRMODE("LSR_OVER_CE"), REGSET("SET")',
    "enable_first": 'CEMUX("CE"), SRMODE("CE_OVER_LSR"), REGSET("SET")',
    "at_once": 'CEMUX("CE"), SRMODE("ASYNC"), REGSET("SET")',
    "falling": 'CLKMUX("INV")',
    "listening": 'GSR("ENABLED"), REGSET("SET")',
    "listening_at_once": 'GSR("ENABLED"), SRMODE("ASYNC")',
}
"""Options of each TRELLIS_FF, by name; those that say nothing of GSR do not listen to it."""

RAMS: dict[str, tuple[int, str]] = {
    "plain": (18, ""),
    "through": (9, 'WRITEMODE_A("WRITETHROUGH"), WRITEMODE_B("WRITETHROUGH")'),
    "before": (9, 'WRITEMODE_A("READBEFOREWRITE"), WRITEMODE_B("READBEFOREWRITE")'),
    "registered": (18, 'REGMODE_A("OUTREG"), REGMODE_B("OUTREG")'),
    "nibbles": (4, ""),
    "pairs": (2, ""),
    "bits": (1, ""),
}
"""Width and further options of each DP16KD, by name."""

MIXED: dict[str, tuple[int, int]] = {
    "to_bytes": (18, 9),
    "to_nibbles": (18, 4),
    "to_pairs": (18, 2),
    "to_bits": (4, 1),
}
"""Width of port A and of port B of each DP16KD whose ports differ, by name."""

MULTIPLIERS: dict[str, tuple[str, ...]] = {
    "direct": (),
    "operand_a": ("INPUTA",),
    "operand_b": ("INPUTB",),
    "middle": ("PIPELINE",),
    "output": ("OUTPUT",),
    "all": ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT"),
}
"""Registers of each MULT18X18D, by name."""

_LOOKUPS = {"a": 0xAAAA, "b": 0xCCCC, "c": 0xF0F0, "d": 0xFF00, "odd": 0x8AC1}
_CARRIES = {
    "adder": 'INIT0(16\'h96AA), .INIT1(16\'h96AA), .INJECT1_0("NO"), .INJECT1_1("NO")',
    "merging": 'INIT0(16\'h111E), .INIT1(16\'h111E), .INJECT1_0("NO"), .INJECT1_1("NO")',
    "gated": 'INIT0(16\'h6A6A), .INIT1(16\'h6A6A), .INJECT1_0("NO"), .INJECT1_1("NO")',
    "cut_first": 'INIT0(16\'h96AA), .INIT1(16\'h96AA), .INJECT1_0("YES"), .INJECT1_1("NO")',
    "cut_second": 'INIT0(16\'h96AA), .INIT1(16\'h96AA), .INJECT1_0("NO"), .INJECT1_1("YES")',
}


def _wired(letter: str, bus: str, count: int, suffix: str = "") -> str:
    return ", ".join(f".{letter}{n}{suffix}({bus}[{n}])" for n in range(count))


def cell_bench() -> str:
    """Return module ``cells``; the models are not in it."""
    ports = [
        "input clk, gsr, ce, lsr, di, input [3:0] lut, input [3:0] a, b, c, d, input cin",
        "input [17:0] x, y, input x_signed, y_signed",
        "input wre, input [3:0] wad, rad, nibble, output [3:0] nibble_out",
        "input we_a, we_b, oce, rst, input [2:0] cs, input [13:0] address_a, address_b",
        "input [17:0] data_a, data_b",
        "input [35:0] wide, input [3:0] bytes, input [8:0] wide_write, wide_read, output [35:0] wide_out",
        "output muxed, muxed_6",
    ]
    body = ["  SGSR network (.CLK(clk), .GSR(gsr));"]
    body += ["  PFUMX pfumx (.ALUT(lut[0]), .BLUT(lut[1]), .C0(lut[2]), .Z(muxed));"]
    body += ["  L6MUX21 l6mux (.D0(lut[0]), .D1(lut[1]), .SD(lut[2]), .Z(muxed_6));"]
    for name, table in _LOOKUPS.items():
        ports.append(f"output lut_{name}")
        body.append(
            f"  LUT4 #(.INIT({table})) at_lut_{name} "
            f"(.A(lut[0]), .B(lut[1]), .C(lut[2]), .D(lut[3]), .Z(lut_{name}));"
        )
    for name, options in _CARRIES.items():
        ports.append(f"output [2:0] carry_{name}")
        halves = ", ".join(f".{pin.upper()}{n}({pin}[{n}])" for pin in "abcd" for n in range(2))
        body.append(
            f"  CCU2C #(.{options}) at_carry_{name} (.CIN(cin), {halves}, "
            f".S0(carry_{name}[0]), .S1(carry_{name}[1]), .COUT(carry_{name}[2]));"
        )
    for name, options in FLIP_FLOPS.items():
        ports.append(f"output ff_{name}")
        chosen = [option for option in (options, "" if "GSR" in options else 'GSR("DISABLED")') if option]
        named = ", ".join(f".{option}" for option in ", ".join(chosen).split(", "))
        body.append(
            f"  TRELLIS_FF #({named}) at_ff_{name} "
            f"(.CLK(clk), .CE(ce), .LSR(lsr), .DI(di), .M(1'b0), .Q(ff_{name}));"
        )
    body.append(
        "  TRELLIS_DPR16X4 #(.INITVAL(64'hFEDCBA9876543210)) at_nibble (.DI(nibble), .WAD(wad), .RAD(rad), "
        ".WRE(wre), .WCK(clk), .DO(nibble_out));"
    )
    for name, stages in MULTIPLIERS.items():
        ports.append(f"output [35:0] product_{name}")
        clocks = ", ".join(f'.REG_{stage}_CLK("CLK0")' for stage in stages)
        body.append(
            f"  MULT18X18D #({clocks}) at_product_{name} ({_wired('A', 'x', 18)}, {_wired('B', 'y', 18)}, "
            f".CLK0(clk), .CE0(ce), .RST0(rst), .SIGNEDA(x_signed), .SIGNEDB(y_signed), "
            f"{_wired('P', f'product_{name}', 36)});"
        )
    body += [_ram(name, (width, width), options, ports) for name, (width, options) in RAMS.items()]
    body += [_ram(name, widths, "", ports) for name, widths in MIXED.items()]
    body.append(
        f"  PDPW16KD #(.INITVAL_00(320'h{_first_rows()})) wide_ram ({_wired('DI', 'wide', 36)}, "
        f"{_wired('ADW', 'wide_write', 9)}, {_wired('BE', 'bytes', 4)}, .CEW(ce), .CLKW(clk), "
        f"{_wired('CSW', 'cs', 3)}, "
        + ", ".join(f".ADR{n}({f'wide_read[{n - 5}]' if n >= 5 else 1}" + ")" for n in range(14))
        + f", .CER(ce), .OCER(oce), .CLKR(clk), {_wired('CSR', 'cs', 3)}, .RST(rst), "
        f"{_wired('DO', 'wide_out', 36)});"
    )
    return f"module {TOP} ({', '.join(ports)});\n" + "\n".join(body) + "\nendmodule\n"


def _first_rows() -> str:
    """Rows 0 to 3 of twenty bits: 0x15555, 0x2aaaa, 0x00001, 0x30000."""
    return "".join(reversed([f"{row:05x}" for row in (0x15555, 0x2AAAA, 0x00001, 0x30000)]))


def _ram(name: str, widths: tuple[int, int], options: str, ports: list[str]) -> str:
    ports += [f"output [17:0] ram_{name}_a, ram_{name}_b"]
    given = [f".DATA_WIDTH_A({widths[0]}), .DATA_WIDTH_B({widths[1]}), .INITVAL_00(320'h{_first_rows()})"]
    given += [f".{option}" for option in options.split(", ") if option]
    sides = ", ".join(
        f".CLK{side}(clk), .CE{side}(ce), .WE{side}(we_{side.lower()}), .OCE{side}(oce), .RST{side}(rst), "
        f"{_wired(f'CS{side}', 'cs', 3)}, {_wired(f'AD{side}', f'address_{side.lower()}', 14)}, "
        f"{_wired(f'DI{side}', f'data_{side.lower()}', 18)}, "
        f"{_wired(f'DO{side}', f'ram_{name}_{side.lower()}', 18)}"
        for side in "AB"
    )
    return f"  DP16KD #({', '.join(given)}) at_ram_{name} ({sides});"
