"""`mixvec inspect`: what a packed file holds, every fact checked."""

from collections.abc import Mapping
from typing import Any

from codesign.commands.options import JsonFlag, Packed
from codesign.console import print_json, print_tables, waiting

__all__ = ["inspect"]


def inspect(file: Packed, as_json: JsonFlag = False) -> int:
    """Show and check what is inside a packed file."""
    from codesign.packed import load_packed, part_count
    from codesign.whole.files import load_model
    from spec.errors import ConfigError, FormatError
    from sw.layer import grouped_index
    from sw.psums import check_outputs, check_psums, psum_range

    with waiting("checking"):
        packed = load_packed(file)
        model = None if packed.model is None else load_model(file)
    arch, layers = packed.arch, []
    for layer in packed.layers:
        weights = layer.weights[grouped_index(layer.direction, layer.order)]
        try:
            check_outputs(weights, arch, layer.name)
            check_psums(weights, layer.schedule.chunk_inputs, arch, layer.name)
        except ConfigError as error:
            raise FormatError(f"{file}: {error}") from None
        psums = psum_range(weights, layer.schedule.chunk_inputs, arch.activation_width)
        facts: dict[str, Any] = {
            "name": layer.name,
            "rows": layer.rows,
            "cols": layer.cols,
            "direction": layer.direction.label,
            "kept": layer.kept,
            "density": layer.kept / layer.weights.size,
            "passes": len(layer.passes),
            "parts": part_count(layer),
            "vectors": layer.vectors,
            "mean_length": layer.kept / layer.vectors if layer.vectors else None,
            "records": layer.records,
            "bits": layer.bits,
            "bits_per_kept": layer.bits / layer.kept if layer.kept else None,
            "largest_psum": max(map(abs, psums)),
            "smoothed": layer.smoothing is not None,
            "checks": {"crc": True, "bounds": True, "counts": True, "schedule": True, "psums": True},
        }
        if model is not None:
            facts["checks"]["model"] = True
        layers.append(facts)
    if as_json:
        print_json(
            {
                "file": str(file),
                "arch": arch.model_dump(),
                "pes": arch.pes,
                "layers": layers,
                "model": packed.model,
            }
        )
        return 0
    from codesign.tables import facts_table

    shape = f"C={arch.clusters} L={arch.lanes} T={arch.tokens}, {arch.pes} PEs, segments of {arch.segment}"
    print_tables(
        f"{file}: {shape}",
        facts_table(
            "layers",
            [{name: facts[name] for name in facts if name not in ("checks", "smoothed")} for facts in layers],
        ),
        *([] if model is None else _provenance(model.provenance)),
        *([f"parameters around the layers: {len(packed.parameters):,} bytes"] if packed.parameters else []),
        f"checked: {', '.join(layers[0]['checks'])}",
    )
    return 0


def _provenance(facts: Mapping[str, Any]) -> list[str]:
    """A line on where a whole model comes from, if it says so; its words may hold anything."""
    told = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    line = "".join(letter if letter.isprintable() else "?" for letter in told)
    return [f"a whole model: {line}"] if line else []
