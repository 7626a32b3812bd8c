"""`mixvec rtl`: the Verilog of one architecture, and what a driver needs to know of it."""

import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from codesign.commands.options import JsonFlag
from codesign.console import print_json, print_tables, waiting
from codesign.files import output_file, output_folder
from hw.family import Family
from spec.arch import ArchConfig
from spec.bus import Bus
from spec.errors import ConfigError
from spec.presets import PRESETS

__all__ = ["rtl"]


def rtl(
    arch: Annotated[
        str, typer.Argument(metavar="ARCH", help=f"A JSON file, or one of {', '.join(PRESETS)}.")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.v", help="File to write.")
    ] = None,
    fusesoc: Annotated[
        Path | None,
        typer.Option("--fusesoc", metavar="DIR", help="Folder for a FuseSoC core: lint, sim, synth."),
    ] = None,
    bus: Annotated[
        Bus, typer.Option("--bus", help="What the ports are: see docs/integration.md.")
    ] = Bus.STREAM,
    family: Annotated[
        Family,
        typer.Option(
            "--family",
            help="ecp5 places DSP blocks and block RAMs, ice40 DSP blocks; it and gowin ask for block RAMs.",
        ),
    ] = Family.GENERIC,
    filelist: Annotated[
        Path | None,
        typer.Option("--filelist", metavar="FILE.f", help="Also write a file list that names FILE.v."),
    ] = None,
    header: Annotated[
        Path | None,
        typer.Option("--header", metavar="FILE.h", help="Also write registers and packets for C."),
    ] = None,
    constants: Annotated[
        Path | None,
        typer.Option("--constants", metavar="FILE.py", help="Also write registers and packets for Python."),
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Write the accelerator's Verilog, and its interface as JSON beside it; or a FuseSoC core."""
    config = ArchConfig.load(arch)
    _check_names(output, fusesoc, filelist, header, constants)
    interface = None if output is None else output.with_suffix(".json")
    paths = [path for path in (output, interface, filelist, header, constants) if path is not None]
    with ExitStack() as stack:
        parts = {path: stack.enter_context(output_file(path)) for path in paths}
        core = None if fusesoc is None else stack.enter_context(output_folder(fusesoc))
        stack.enter_context(waiting("writing Verilog"))
        from codesign.driver_constants import c_header, python_constants
        from codesign.fusesoc_core import core_files, core_name, file_list
        from codesign.verilog import accelerator_interface, accelerator_verilog

        text, ports = accelerator_verilog(config, bus, family), accelerator_interface(config, bus)
        name = core_name(arch, bus, family)
        if output is not None and interface is not None:
            parts[output].write_text(text)
            parts[interface].write_text(ports)
            if filelist is not None:
                parts[filelist].write_text(file_list([os.path.relpath(output, filelist.parent)]))
        if core is not None:
            for file, content in core_files(name, config, bus, family).items():
                (core / file).write_text(content)
        if header is not None:
            parts[header].write_text(c_header(config, bus))
        if constants is not None:
            parts[constants].write_text(python_constants(config, bus))
    if as_json:
        print_json(
            {
                "output": _name(output),
                "interface": _name(interface),
                "module": json.loads(ports)["module"],
                "lines": text.count("\n"),
                "pes": config.pes,
                "arch": config.model_dump(),
                "bus": bus.value,
                "family": family.value,
                "filelist": _name(filelist),
                "header": _name(header),
                "constants": _name(constants),
                "fusesoc": _name(fusesoc),
                "core": name if fusesoc is not None else None,
            }
        )
    else:
        files = ", ".join(map(str, paths))
        print_tables(f"{text.count(chr(10)):,} lines of Verilog, {config.pes} PEs: {files or fusesoc}")
        if fusesoc is not None:
            print_tables(f"fusesoc --cores-root {fusesoc} run --target lint {name}")
    return 0


def _check_names(
    output: Path | None,
    fusesoc: Path | None,
    filelist: Path | None,
    header: Path | None,
    constants: Path | None,
) -> None:
    """Refuse what cannot be written before anything is."""
    if output is None and fusesoc is None:
        raise ConfigError("`rtl` needs `-o` with a file, or `--fusesoc` with a folder to write")
    if output is None and filelist is not None:
        raise ConfigError(f"`--filelist` {filelist} names the file of `-o`; give that too")
    if output is not None and output.suffix not in (".v", ".sv"):
        raise ConfigError(
            f"output {output} must end in .v, so that the interface can go to the same name .json"
        )
    for path, suffix in ((filelist, ".f"), (header, ".h"), (constants, ".py")):
        if path is not None and path.suffix != suffix:
            raise ConfigError(f"output {path} must end in {suffix}; choose another name")
    if fusesoc is not None and fusesoc.is_dir():
        from codesign.fusesoc_core import FILES

        other = sorted(entry.name for entry in fusesoc.iterdir() if entry.name not in FILES)
        if other:
            raise ConfigError(
                f"folder {fusesoc} holds {other[0]}, which is not of a core; choose an empty or a new one"
            )


def _name(path: Path | None) -> str | None:
    return None if path is None else str(path)
