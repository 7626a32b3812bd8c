"""`mixvec pack`: a pruned model to the stream that the accelerator is sent."""

from pathlib import Path
from typing import Annotated, Any

import typer

from codesign.commands.options import Arch, JsonFlag
from codesign.console import note, print_json, print_tables, waiting
from codesign.files import output_file
from spec.arch import ArchConfig

__all__ = ["pack"]


def pack(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `mixvec prune` wrote.")],
    arch: Arch,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.mxv", help="File to write.")],
    as_json: JsonFlag = False,
) -> int:
    """Quantize, schedule and pack a pruned model into one file."""
    from codesign.packed import part_count
    from codesign.pruned import load_pruned
    from sw.pack import pack as pack_layers
    from sw.unpack import unpack

    config = ArchConfig.load(arch)
    with output_file(output) as part, waiting("packing"):
        manifest, pruned = load_pruned(folder)
        data = pack_layers([layer.quantize(config) for layer in pruned], config)
        part.write_bytes(data)
        packed = unpack(data)
    wanted = sum(int(layer.mask.sum()) for layer in pruned)
    stored = sum(layer.kept for layer in packed.layers)
    if stored > wanted:
        note(
            f"{stored - wanted} of {stored} stored weights are pruned ones: the model was pruned by "
            f"{manifest.get('method')} and not for groups of {config.lanes} in this architecture"
        )
    layers: list[dict[str, Any]] = [
        {
            "name": layer.name,
            "rows": layer.rows,
            "cols": layer.cols,
            "direction": layer.direction.label,
            "kept": layer.kept,
            "passes": len(layer.passes),
            "parts": part_count(layer),
            "bits": layer.bits,
            "bits_per_kept": layer.bits / layer.kept if layer.kept else None,
        }
        for layer in packed.layers
    ]
    if as_json:
        print_json({"output": str(output), "bytes": len(data), "arch": config.model_dump(), "layers": layers})
    else:
        from codesign.tables import facts_table

        print_tables(facts_table("packed layers", layers), f"{len(data):,} bytes: {output}")
    return 0
