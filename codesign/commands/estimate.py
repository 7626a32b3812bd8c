"""`mixvec estimate`: the figures of `sim` from the exact cycle model, without simulating."""

from contextlib import ExitStack
from typing import Annotated

import typer

from codesign.commands.options import Activations, JsonFlag, Packed, TimelineFile, Tokens, check_timeline
from codesign.console import note, print_json, print_tables, waiting
from codesign.files import output_file
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
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", metavar="NAME", help="Count this layer only; may be repeated."),
    ] = None,
    timeline: TimelineFile = None,
    as_json: JsonFlag = False,
) -> int:
    """Count the cycles of a packed file exactly; without activations none of them is taken to be zero."""
    from codesign.packed import choose_layers, layer_activations, load_packed, repack

    other = None if arch is None else ArchConfig.load(arch)
    packed, requantized = load_packed(file), set[str]()
    if other is not None:
        requantized = {one.name for one in packed.layers if one.outputs is not None}
        with waiting("packing"):
            packed = repack(packed, other)
    layers, inputs = choose_layers(packed, layer or []), None
    raw = [one.name for one in layers if one.outputs is None and one.name in requantized]
    if raw:
        note(f"counted with raw psums, as {arch} cannot requantize them: {', '.join(raw)}")
    check_timeline(timeline, layers)
    columns = {layer.name: _TOKENS if tokens is None else tokens for layer in layers}
    if activations is not None:
        inputs = layer_activations(activations, layers, packed.arch, tokens)
        columns = {name: array.shape[1] for name, array in inputs.items()}
    from codesign.report import build_report
    from codesign.simulation import estimate_layers

    with ExitStack() as stack:
        picture = None if timeline is None else stack.enter_context(output_file(timeline))
        report = build_report(packed.arch, estimate_layers(layers, packed.arch, columns, inputs))
        if picture is not None:
            from codesign.timeline_picture import draw_timeline

            (one,) = layers
            its = None if inputs is None else inputs[one.name]
            draw_timeline(one, packed.arch, columns[one.name], its, picture)
    if as_json:
        print_json(report)
    else:
        from codesign.tables import causes_table, report_table

        print_tables(report_table(report), causes_table(report))
    return 0
