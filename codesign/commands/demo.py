"""`mixvec demo`: the main job on a real model, from its weights to checked RTL, with pictures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from codesign.commands.options import Arch, JsonFlag
from codesign.console import note, print_json, print_tables, progress, waiting
from codesign.files import output_folder
from spec.arch import ArchConfig
from spec.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from codesign.simulation import Simulation
    from sw.prune import PrunedMatrix
    from sw.unpack import PackedFile

__all__ = ["demo"]

_MODEL: Final = "minilm"
_STREAM, _VERILOG, _REPORT = "layers.mxv", "accelerator.v", "report.json"


def demo(
    arch: Arch = "ulx3s",
    layer: Annotated[int, typer.Option("--layer", metavar="N", help="Encoder layer of MiniLM.")] = 0,
    all_layers: Annotated[bool, typer.Option("--all-layers", help="All six encoder layers.")] = False,
    tokens: Annotated[int, typer.Option("--tokens", min=1, metavar="N", help="Activation columns.")] = 64,
    sparsity: Annotated[float, typer.Option("--sparsity", help="Fraction pruned, 0 to 1.")] = 0.8,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")] = Path(
        "mixvec-demo"
    ),
    as_json: JsonFlag = False,
) -> int:
    """Prune, pack, generate, simulate and check a layer of a pretrained MiniLM on real sentences."""
    from codesign.pruned import kept_count

    config = ArchConfig.load(arch)
    kept_count(sparsity, 1)
    started = monotonic()
    with output_folder(output) as folder:
        from codesign.report import build_report
        from codesign.simulation import simulate_layers
        from sim.simulator import SimulatorError

        matrices, inputs = _load(layer, all_layers, tokens)
        pruned = _prune(matrices, sparsity, config)
        activations = _quantize(inputs, config)
        packed = _pack(matrices, pruned, config, folder / _STREAM)
        note("generating the accelerator and simulating it; its first build takes about a minute")
        try:
            done = simulate_layers(packed.layers, config, activations)
        except SimulatorError as error:
            raise ConfigError(str(error)) from None
        _write_verilog(config, folder)
        storage = _storage(packed, matrices)
        pictures = _draw(folder, matrices, pruned, packed, activations, done)
        report = build_report(config, done.reports)
        full = {**report, "storage": storage, "pruned": _facts(pruned)}
        (folder / _REPORT).write_text(json.dumps(full, indent=2, allow_nan=False) + "\n")
    files = [_STREAM, _VERILOG, "accelerator.json", _REPORT, *pictures]
    if as_json:
        print_json({**full, "output": str(output), "files": files})
    else:
        _print(full, output, files, monotonic() - started)
    for failure in done.failures:
        note(failure)
    return 1 if done.failures else 0


def _load(
    layer: int, all_layers: bool, tokens: int
) -> "tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]":
    """Weights and the activations that they meet, of the layers asked for."""
    with waiting("reading MiniLM and running sentences through it"):
        from sw.calibration import capture_activations
        from sw.models import load_matrices

        matrices = load_matrices(_MODEL)
        layers = sorted({int(name.split(".")[0].removeprefix("layer")) for name in matrices})
        if layer not in layers:
            raise ConfigError(f"`--layer` must be one of {layers[0]} to {layers[-1]}, not {layer}")
        inputs = capture_activations(_MODEL, tokens)
    chosen = {
        name: matrix for name, matrix in matrices.items() if all_layers or name.startswith(f"layer{layer}.")
    }
    note(f"read {len(chosen)} matrices of MiniLM-L6 and their inputs for {tokens} tokens of real sentences")
    return chosen, {name: inputs[name] for name in chosen}


def _prune(
    matrices: "Mapping[str, torch.Tensor]", sparsity: float, arch: ArchConfig
) -> "dict[str, PrunedMatrix]":
    from codesign.pruned import kept_count
    from sw.prune_model import PruneOptions, prune_model
    from sw.scores import Score, score_weights
    from sw.units import MatrixShape

    shapes = [MatrixShape(name, *weight.shape) for name, weight in matrices.items()]
    weights = sum(its.size for its in shapes)
    scores = {name: score_weights(weight.numpy(), Score.MAGNITUDE) for name, weight in matrices.items()}
    with progress("pruning", weights, "weights") as advance:
        kept = kept_count(sparsity, weights)
        pruned = prune_model(scores, shapes, kept, PruneOptions.default(arch), advance)
    note(f"pruned {weights:,} weights to {1 - sparsity:.0%}")
    return pruned


def _quantize(inputs: "Mapping[str, torch.Tensor]", arch: ArchConfig) -> "dict[str, NDArray[np.int8]]":
    from sw.quantize import quantize_activations

    return {name: quantize_activations(x.numpy(), arch.activation_width)[0] for name, x in inputs.items()}


def _pack(
    matrices: "Mapping[str, torch.Tensor]",
    pruned: "Mapping[str, PrunedMatrix]",
    arch: ArchConfig,
    path: Path,
) -> "PackedFile":
    from codesign.pruned import store_pruned
    from sw.pack import pack
    from sw.unpack import unpack

    with waiting("quantizing and packing"):
        layers = [
            store_pruned(name, matrices[name].numpy(), its).quantize(arch) for name, its in pruned.items()
        ]
        data = pack(layers, arch)
        path.write_bytes(data)
        packed = unpack(data)
    note(f"packed {len(layers)} matrices into {len(data):,} bytes")
    return packed


def _write_verilog(arch: ArchConfig, folder: Path) -> None:
    from codesign.verilog import accelerator_interface, accelerator_verilog

    with waiting("writing Verilog"):
        (folder / _VERILOG).write_text(accelerator_verilog(arch))
        (folder / _VERILOG).with_suffix(".json").write_text(accelerator_interface(arch))


def _storage(packed: "PackedFile", matrices: "Mapping[str, torch.Tensor]") -> list[dict[str, Any]]:
    from codesign.compression import compare_storage

    with waiting("comparing storage formats"):
        dense = {layer.name: matrices[layer.name].numpy() for layer in packed.layers}
        return [row.figures() for row in compare_storage(packed.layers, packed.arch, dense)]


def _facts(pruned: "Mapping[str, PrunedMatrix]") -> list[dict[str, Any]]:
    from codesign.pruned import layer_facts

    return [layer_facts(name, its) for name, its in pruned.items()]


def _draw(
    folder: Path,
    matrices: "Mapping[str, torch.Tensor]",
    pruned: "Mapping[str, PrunedMatrix]",
    packed: "PackedFile",
    activations: "Mapping[str, NDArray[np.int8]]",
    done: "Simulation",
) -> list[str]:
    """Draw every picture; return the file names."""
    from codesign.pictures import MaskPicture, save_lengths, save_mask
    from codesign.timeline_picture import LONGEST, draw_timeline

    names: list[str] = ["lengths.png"]
    save_lengths({name: its.lengths for name, its in pruned.items()}, folder / names[0])
    with progress("drawing", 2 * len(packed.layers), "pictures") as advance:
        for layer, report in zip(packed.layers, done.reports, strict=True):
            picture = MaskPicture.of(layer.name, matrices[layer.name].abs().numpy(), pruned[layer.name])
            names.append(f"mask-{layer.name}.png")
            save_mask(picture, folder / names[-1])
            advance(1)
            if report.counts.cycles * packed.arch.clusters <= LONGEST:
                inputs = activations[layer.name]
                names.append(f"timeline-{layer.name}.png")
                draw_timeline(layer, packed.arch, inputs.shape[1], inputs, folder / names[-1])
            advance(1)
    return names


def _print(report: Mapping[str, Any], output: Path, files: Sequence[str], seconds: float) -> None:
    from codesign.tables import report_table, storage_table

    exact = "every output equals PyTorch's" if report["bit_exact"] else "OUTPUTS DIFFER FROM PYTORCH'S"
    print_tables(
        report_table(report),
        f"{exact}: {sum(line['rows'] * line['tokens'] for line in report['layers']):,} int32 values",
        "",
        storage_table(report["storage"]),
        f"written to {output}: {', '.join(file for file in files if not file.endswith('.png'))}; "
        f"pictures: lengths.png, and mask-LAYER.png and timeline-LAYER.png of every layer",
        f"{seconds:.0f} seconds",
    )
