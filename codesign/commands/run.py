"""`mixvec run`: a board multiplies from a packed file, and PyTorch judges."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codesign.commands.options import Activations, Baud, JsonFlag, Packed, Port, Seed, Tokens, TwinName
from codesign.console import note, print_json, print_tables
from codesign.files import output_file, write_arrays
from spec.errors import ConfigError
from spec.link import BAUD

if TYPE_CHECKING:
    from boards.host import Board
    from codesign.board_run import BoardLayer

__all__ = ["run"]

_TOKENS = 16


def run(
    file: Packed,
    port: Port = None,
    twin: TwinName = None,
    baud: Baud = BAUD,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", metavar="NAME", help="Run this layer only; may be repeated."),
    ] = None,
    tokens: Tokens = None,
    activations: Activations = None,
    save_outputs: Annotated[
        Path | None,
        typer.Option("--save-outputs", metavar="Y.npz", help="Write M x N outputs by layer name."),
    ] = None,
    seed: Seed = 0,
    as_json: JsonFlag = False,
) -> int:
    """Run a packed file on a board, or on its simulated twin, and compare every output with PyTorch."""
    if (port is None) == (twin is None):
        raise ConfigError("`run` needs either `--port` with a board or `--twin` with its name")
    from boards.catalog import find_board

    if twin is not None:
        find_board(twin)
    from codesign.packed import choose_layers, layer_activations, load_packed, random_activations

    packed = load_packed(file)
    layers = choose_layers(packed, layer or [])
    if activations is None:
        inputs = random_activations(layers, packed.arch, _TOKENS if tokens is None else tokens, seed)
    else:
        inputs = layer_activations(activations, layers, packed.arch, tokens)
    from boards.host import Board
    from codesign.board_run import run_layers
    from codesign.twins import TWIN_BAUD, TWIN_TIMEOUT, start_twin

    with ExitStack() as stack:
        outputs_part = None if save_outputs is None else stack.enter_context(output_file(save_outputs))
        word_cycles = None
        if twin is not None:
            started = stack.enter_context(start_twin(twin, packed.arch))
            board = stack.enter_context(Board.open(started.port, baud=TWIN_BAUD, timeout=TWIN_TIMEOUT))
            word_cycles = started.word_cycles
        else:
            board = stack.enter_context(Board.open(str(port), baud=baud))
        board.check(packed.arch)
        done = run_layers(board, layers, inputs, word_cycles)
        if outputs_part is not None:
            write_arrays(outputs_part, {one.name: one.outputs for one in done})
    failures = [failure for one in done for failure in one.failures]
    if as_json:
        print_json(_report(board, done, inputs, twin is not None))
    else:
        from codesign.board_tables import run_table

        print_tables(run_table(board.identity.board, done, board.counts, board.restarts))
    for failure in failures:
        note(failure)
    return 1 if failures else 0


def _report(
    board: "Board", done: "list[BoardLayer]", inputs: dict[str, Any], simulated: bool
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "board": board.identity.board,
        "twin": simulated,
        "arch": board.identity.arch.model_dump(),
        "bit_exact": not any(one.mismatches for one in done),
        "layers": [
            {
                "name": one.name,
                "rows": one.outputs.shape[0],
                "cols": inputs[one.name].shape[0],
                "tokens": one.outputs.shape[1],
                "bit_exact": one.mismatches == 0,
                "seconds": one.seconds,
                "bytes": one.moved_bytes,
                "counters": asdict(one.counters),
            }
            for one in done
        ],
        "link": {**asdict(board.counts), "restarts": board.restarts},
    }
