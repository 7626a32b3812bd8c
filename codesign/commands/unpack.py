"""`mixvec unpack`: the integer matrices back from the stream alone."""

from pathlib import Path
from typing import Annotated

import typer

from codesign.commands.options import JsonFlag, Packed
from codesign.console import print_json, print_tables, waiting
from codesign.files import output_file, write_arrays

__all__ = ["unpack"]


def unpack(
    file: Packed,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="W.npz", help="File to write.")],
    as_json: JsonFlag = False,
) -> int:
    """Decode a packed file into integer matrices, M x K in original order, by layer name."""
    from codesign.packed import load_packed

    with output_file(output) as part, waiting("decoding"):
        layers = load_packed(file).layers
        write_arrays(part, {layer.name: layer.weights for layer in layers})
    facts = [
        {"name": layer.name, "rows": layer.rows, "cols": layer.cols, "kept": layer.kept} for layer in layers
    ]
    if as_json:
        print_json({"output": str(output), "layers": facts})
    else:
        from codesign.tables import facts_table

        print_tables(facts_table("integer matrices", facts), f"written: {output}")
    return 0
