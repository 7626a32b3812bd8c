"""A pruned matrix of MiniLM on a board, or on its twin: `python -m codesign.board_check --board ulx3s`."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from boards.catalog import find_board
from boards.host import Board
from codesign.board_run import WordCycles, run_layers
from codesign.console import note, print_json, print_tables, waiting
from codesign.count_argument import count
from codesign.pruned import kept_count, store_pruned
from codesign.twins import TWIN_BAUD, TWIN_TIMEOUT, start_twin
from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.errors import ConfigError, FormatError, LinkError
from spec.link import BAUD
from sw.calibration import capture_activations
from sw.models import load_matrices
from sw.pack import pack
from sw.prune_model import PruneOptions, prune_layer
from sw.quantize import quantize_activations
from sw.scores import Score, score_weights
from sw.unpack import PackedLayer, unpack

__all__ = ["check_board", "pruned_minilm"]

_MODEL: Final = "minilm"
_LAYER: Final = "layer0.attention_output"


def pruned_minilm(
    name: str, sparsity: float, tokens: int, arch: ArchConfig
) -> tuple[PackedLayer, NDArray[np.int8]]:
    """Return a matrix of MiniLM, pruned by magnitude and packed, and its inputs in real sentences.

    Raises
    ------
    ConfigError
        If there is no matrix of that name, or ``arch`` cannot hold it.
    """
    matrices = load_matrices(_MODEL)
    if name not in matrices:
        raise ConfigError(f"`--layer` {name} is none of {', '.join(matrices)}")
    weight = matrices[name].numpy()
    scores = score_weights(weight, Score.MAGNITUDE)
    pruned = prune_layer(name, scores, kept_count(sparsity, weight.size), PruneOptions.default(arch))
    layer = unpack(pack([store_pruned(name, weight, pruned).quantize(arch)], arch)).layers[0]
    inputs = capture_activations(_MODEL, tokens)[name].numpy()
    return layer, quantize_activations(inputs, arch.activation_width)[0]


def check_board(
    board: Board, layer: PackedLayer, activations: NDArray[np.int8], word_cycles: WordCycles | None = None
) -> dict[str, Any]:
    """Run ``layer``; return what came of it, every counter beside the cycle model's."""
    arch = board.identity.arch
    (done,) = run_layers(board, [layer], {layer.name: activations}, word_cycles)
    return {
        "board": board.identity.board,
        "arch": arch.model_dump(),
        "layer": layer.name,
        "rows": layer.rows,
        "cols": layer.cols,
        "kept": int(layer.mask.sum()),
        "tokens": activations.shape[1],
        "outputs": int(done.outputs.size),
        "mismatches": done.mismatches,
        "bytes": done.moved_bytes,
        "seconds": done.seconds,
        "link": {**asdict(board.counts), "restarts": board.restarts},
        "counters": {name: [getattr(done.counters, name), getattr(done.model, name)] for name in COUNTERS},
        "compared": list(done.compared),
        "failures": list(done.failures),
    }


def _counter_table(report: dict[str, Any]) -> Table:
    """The board's counters and the model's; which of them must be equal."""
    table = Table(
        box=None,
        caption=f"{report['board']}: {report['layer']}, {report['rows']} x {report['cols']}, "
        f"{report['kept']:,} weights kept, {report['tokens']} tokens, "
        f"{report['bytes']:,} bytes in {report['seconds']:.1f} s; "
        f"{report['mismatches']} of {report['outputs']:,} outputs differ from PyTorch",
        caption_justify="left",
    )
    table.add_column("counter")
    table.add_column("board", justify="right")
    table.add_column("cycle model", justify="right")
    table.add_column("")
    for name, (own, model) in report["counters"].items():
        said = "equal" if own == model else "DIFFERS"
        if name not in report["compared"]:
            said = "depends on when words come"
        table.add_row(name, f"{own:,}", f"{model:,}", said)
    return table


def _check(options: argparse.Namespace) -> int:
    """Check the board, or its twin, that the command line names."""
    facts = find_board(options.board)
    arch = facts.identity().arch
    with waiting("pruning and packing a matrix of MiniLM"):
        layer, activations = pruned_minilm(options.layer, options.sparsity, options.tokens, arch)
    with ExitStack() as stack:
        word_cycles = None
        if options.port is None:
            twin = stack.enter_context(start_twin(options.board))
            port, baud, timeout, word_cycles = twin.port, TWIN_BAUD, TWIN_TIMEOUT, twin.word_cycles
        else:
            port, baud, timeout = options.port, BAUD, 0.25
        board = stack.enter_context(Board.open(port, baud=baud, timeout=timeout))
        board.check(arch)
        report = check_board(board, layer, activations, word_cycles)
    if options.as_json:
        print_json(report)
    else:
        print_tables(_counter_table(report))
    for failure in report["failures"]:
        note(failure)
    return 1 if report["failures"] else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Check one matrix on a board; 1 if anything was wrong, 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m codesign.board_check",
        description="Run a pruned matrix of MiniLM on a board or its twin.",
    )
    parser.add_argument("--board", required=True, help="whose default architecture is run")
    parser.add_argument("--port", help="of a board; without it a twin is simulated")
    parser.add_argument("--layer", default=_LAYER)
    parser.add_argument("--sparsity", type=float, default=0.8)
    parser.add_argument("--tokens", type=count, default=16)
    parser.add_argument("--json", dest="as_json", action="store_true")
    try:
        return _check(parser.parse_args(arguments))
    except (ConfigError, FormatError, LinkError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
