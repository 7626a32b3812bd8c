"""`mixvec estimate`: the figures of `sim` from the exact cycle model, without simulating."""

from typing import Annotated

import typer

from codesign.commands.options import Activations, JsonFlag, Packed, Tokens
from codesign.console import print_json, print_tables, waiting
from spec.arch import ArchConfig

__all__ = ["estimate"]

_TOKENS = 64


def estimate(
    file: Packed,
    arch: Annotated[
        str | None,
        typer.Option(
            "--arch", metavar="ARCH", help="Another architecture than the file's: JSON file or preset."
        ),
    ] = None,
    tokens: Tokens = None,
    activations: Activations = None,
    as_json: JsonFlag = False,
) -> int:
    """Count the cycles of a packed file exactly; without activations none of them is taken to be zero."""
    from codesign.packed import layer_activations, load_packed, repack

    other = None if arch is None else ArchConfig.load(arch)
    packed = load_packed(file)
    if other is not None:
        with waiting("packing"):
            packed = repack(packed, other)
    layers, inputs = packed.layers, None
    columns = {layer.name: _TOKENS if tokens is None else tokens for layer in layers}
    if activations is not None:
        inputs = layer_activations(activations, layers, packed.arch, tokens)
        columns = {name: array.shape[1] for name, array in inputs.items()}
    from codesign.report import build_report
    from codesign.simulation import estimate_layers

    report = build_report(packed.arch, estimate_layers(layers, packed.arch, columns, inputs))
    if as_json:
        print_json(report)
    else:
        from codesign.tables import report_table

        print_tables(report_table(report))
    return 0
