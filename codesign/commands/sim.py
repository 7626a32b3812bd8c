"""`mixvec sim`: the generated RTL multiplies from a packed file, and PyTorch judges."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from codesign.commands.options import (
    Activations,
    JsonFlag,
    Packed,
    Seed,
    TimelineFile,
    Tokens,
    check_timeline,
)
from codesign.console import note, print_json, print_tables
from codesign.files import output_file, write_arrays
from spec.errors import ConfigError

__all__ = ["sim"]

_TOKENS = 64


def sim(
    file: Packed,
    simulator: Annotated[str, typer.Option("--simulator", help="verilator or icarus.")] = "verilator",
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", metavar="NAME", help="Simulate this layer only; may be repeated."),
    ] = None,
    tokens: Tokens = None,
    activations: Activations = None,
    save_outputs: Annotated[
        Path | None,
        typer.Option("--save-outputs", metavar="Y.npz", help="Write M x N outputs by layer name."),
    ] = None,
    waves: Annotated[
        Path | None, typer.Option("--waves", metavar="FILE.fst", help="Record every signal, of one layer.")
    ] = None,
    timeline: TimelineFile = None,
    seed: Seed = 0,
    as_json: JsonFlag = False,
) -> int:
    """Simulate the RTL on a packed file and compare every output with PyTorch."""
    from codesign.packed import choose_layers, layer_activations, load_packed, random_activations

    packed = load_packed(file)
    arch, layers = packed.arch, choose_layers(packed, layer or [])
    if activations is None:
        inputs = random_activations(layers, arch, _TOKENS if tokens is None else tokens, seed)
    else:
        inputs = layer_activations(activations, layers, arch, tokens)
    if waves is not None and len(layers) > 1:
        raise ConfigError(f"`--waves` {waves} records one layer, not {len(layers)}; choose it with `--layer`")
    check_timeline(timeline, layers)
    from codesign.report import build_report
    from codesign.simulation import simulate_layers
    from sim.simulator import Simulator, SimulatorError

    if simulator not in list(Simulator):
        known = ", ".join(Simulator)
        raise ConfigError(f"`--simulator` must be one of {known}, not {simulator}")
    with ExitStack() as stack:
        outputs_part = None if save_outputs is None else stack.enter_context(output_file(save_outputs))
        picture = None if timeline is None else stack.enter_context(output_file(timeline))
        waves_part = None if waves is None else stack.enter_context(output_file(waves))
        try:
            done = simulate_layers(layers, arch, inputs, simulator=Simulator(simulator), waves=waves_part)
        except SimulatorError as error:
            raise ConfigError(str(error)) from None
        if outputs_part is not None:
            write_arrays(outputs_part, done.outputs)
        if picture is not None:
            from codesign.timeline_picture import draw_timeline

            (one,) = layers
            draw_timeline(one, arch, inputs[one.name].shape[1], inputs[one.name], picture)
    report = build_report(arch, done.reports)
    if as_json:
        print_json(report)
    else:
        from codesign.tables import causes_table, report_table

        print_tables(report_table(report), causes_table(report))
    for failure in done.failures:
        note(failure)
    return 1 if done.failures else 0
