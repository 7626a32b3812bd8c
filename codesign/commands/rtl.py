"""`mixvec rtl`: the Verilog of one architecture."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from codesign.commands.options import JsonFlag
from codesign.console import print_json, print_tables, waiting
from codesign.files import output_file
from spec.arch import ArchConfig
from spec.errors import ConfigError

__all__ = ["rtl"]


def rtl(
    arch: Annotated[str, typer.Argument(metavar="ARCH", help="A JSON file, or tiny, small, ulx3s or paper.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.v", help="File to write.")],
    as_json: JsonFlag = False,
) -> int:
    """Write the accelerator's Verilog, and its interface as JSON beside it."""
    config = ArchConfig.load(arch)
    if output.suffix not in (".v", ".sv"):
        raise ConfigError(
            f"output {output} must end in .v, so that the interface can go to the same name .json"
        )
    interface = output.with_suffix(".json")
    with ExitStack() as stack:
        verilog_part = stack.enter_context(output_file(output))
        interface_part = stack.enter_context(output_file(interface))
        stack.enter_context(waiting("writing Verilog"))
        from codesign.verilog import accelerator_interface, accelerator_verilog

        text = accelerator_verilog(config)
        verilog_part.write_text(text)
        interface_part.write_text(accelerator_interface(config))
    if as_json:
        print_json(
            {
                "output": str(output),
                "interface": str(interface),
                "module": "mixvec",
                "lines": text.count("\n"),
                "pes": config.pes,
                "arch": config.model_dump(),
            }
        )
    else:
        print_tables(f"{text.count(chr(10)):,} lines of Verilog, {config.pes} PEs: {output}, {interface}")
    return 0
