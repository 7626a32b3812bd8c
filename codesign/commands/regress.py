"""`mixvec regress`: random jobs through the RTL of one architecture, or of many random ones."""

import os
from typing import Annotated, Any, Final

import typer

from codesign.commands.options import JsonFlag, Seed
from codesign.console import note, print_json, print_tables, progress
from spec.errors import ConfigError
from spec.presets import PRESETS

__all__ = ["regress"]

_SHOWN: Final = 10
"""Defects of a scenario that are printed."""


def regress(
    arch: Annotated[
        str | None,
        typer.Argument(
            metavar="ARCH", help=f"A JSON file, one of {', '.join(PRESETS)}, or random:N; none draws many."
        ),
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Scenarios for each architecture.")] = 2,
    archs: Annotated[
        int | None, typer.Option("--archs", min=1, help="Random architectures, without ARCH; 5.")
    ] = None,
    outputs: Annotated[
        int, typer.Option("--outputs", min=1, help="Outputs of each scenario, at least.")
    ] = 3000,
    simulator: Annotated[str, typer.Option("--simulator", help="verilator or icarus.")] = "verilator",
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes; as many as there are cores.")
    ] = None,
    seed: Seed = 0,
    as_json: JsonFlag = False,
) -> int:
    """Compare random jobs on the RTL with PyTorch and the cycle model: shapes, densities, zeros, stalls."""
    if arch is not None and archs is not None:
        raise ConfigError("`--archs` draws random architectures, so give no ARCH with it, or leave it out")
    from codesign.regression.campaign import RANDOM, Batch, load_arch, run_batches
    from codesign.regression.summary import summary, summary_table
    from codesign.regression.trial import ScenarioResult
    from sim.simulator import Simulator, SimulatorError, check_simulator

    if simulator not in list(Simulator):
        raise ConfigError(f"`--simulator` must be one of {', '.join(Simulator)}, not {simulator}")
    try:
        check_simulator(Simulator(simulator))
    except SimulatorError as error:
        raise ConfigError(str(error)) from None
    names = [f"{RANDOM}{seed + number}" for number in range(archs or 5)] if arch is None else [arch]
    for name in names:
        load_arch(name)
    seeds = tuple(range(seed, seed + runs))
    batches = [Batch(name, seeds, outputs, Simulator(simulator)) for name in names]
    with progress("regression", runs * len(batches), "scenarios") as advance:

        def step(_: ScenarioResult) -> None:
            advance(1)

        results = run_batches(batches, workers=workers or os.cpu_count() or 1, progress=step)
    found: dict[str, Any] = summary(results)
    if as_json:
        print_json(found)
    else:
        print_tables(summary_table(found))
    for batch, result in results:
        for defect in result.defects[:_SHOWN]:
            note(f"{batch.arch}, seed {result.seed}: {defect}")
        if result.defects:
            options = f"--runs 1 --seed {result.seed} --outputs {outputs} --simulator {simulator}"
            note(f"once more: mixvec regress {batch.arch} {options}")
    return 1 if found["defects"] else 0
