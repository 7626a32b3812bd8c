"""`mixvec rtl`: the Verilog of one architecture, and what a driver needs to know of it."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from codesign.commands.options import JsonFlag
from codesign.console import print_json, print_tables, waiting
from codesign.files import output_file
from hw.family import Family
from spec.arch import PRESETS, ArchConfig
from spec.bus import Bus
from spec.errors import ConfigError

__all__ = ["rtl"]


def rtl(
    arch: Annotated[
        str, typer.Argument(metavar="ARCH", help=f"A JSON file, or one of {', '.join(PRESETS)}.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.v", help="File to write.")],
    bus: Annotated[
        Bus, typer.Option("--bus", help="What the ports are: see docs/integration.md.")
    ] = Bus.STREAM,
    family: Annotated[
        Family, typer.Option("--family", help="ecp5 places its DSP blocks and block RAMs as such.")
    ] = Family.GENERIC,
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
    """Write the accelerator's Verilog, and its interface as JSON beside it."""
    config = ArchConfig.load(arch)
    if output.suffix not in (".v", ".sv"):
        raise ConfigError(
            f"output {output} must end in .v, so that the interface can go to the same name .json"
        )
    for path, suffix in ((header, ".h"), (constants, ".py")):
        if path is not None and path.suffix != suffix:
            raise ConfigError(f"output {path} must end in {suffix}; choose another name")
    paths = [output, output.with_suffix(".json"), *(path for path in (header, constants) if path is not None)]
    with ExitStack() as stack:
        parts = {path: stack.enter_context(output_file(path)) for path in paths}
        stack.enter_context(waiting("writing Verilog"))
        from codesign.driver_constants import c_header, python_constants
        from codesign.verilog import accelerator_interface, accelerator_verilog

        text, interface = accelerator_verilog(config, bus, family), accelerator_interface(config, bus)
        parts[output].write_text(text)
        parts[output.with_suffix(".json")].write_text(interface)
        if header is not None:
            parts[header].write_text(c_header(config, bus))
        if constants is not None:
            parts[constants].write_text(python_constants(config, bus))
    if as_json:
        print_json(
            {
                "output": str(output),
                "interface": str(output.with_suffix(".json")),
                "module": json.loads(interface)["module"],
                "lines": text.count("\n"),
                "pes": config.pes,
                "arch": config.model_dump(),
                "bus": bus.value,
                "family": family.value,
                "header": str(header) if header else None,
                "constants": str(constants) if constants else None,
            }
        )
    else:
        files = ", ".join(map(str, paths))
        print_tables(f"{text.count(chr(10)):,} lines of Verilog, {config.pes} PEs: {files}")
    return 0
