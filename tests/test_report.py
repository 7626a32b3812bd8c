"""The figures of `sim`, `estimate` and `demo`, and the comparison of storage formats."""

import numpy as np
import pytest

from codesign.compression import compare_storage
from codesign.cycles import CycleCount
from codesign.regression.layers import random_layer
from codesign.report import Counts, LayerReport, build_report
from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.direction import Direction
from sw.pack import pack
from sw.unpack import PackedFile, unpack

ARCH = ArchConfig.load("small")
LAYER_KEYS = [
    *("name", "rows", "cols", "tokens", "direction", "kept", "density", "vectors", "mean_length"),
    *("metadata_bits_per_kept", "bits_per_kept", "compression", "compute_cycles", "load_cycles", "cycles"),
    *("dense_compute_cycles", "dense_cycles", "speedup", "end_to_end_speedup"),
    *("utilization", "end_to_end_utilization", "bit_exact", "counters"),
]


def packed(density: float = 0.3) -> PackedFile:
    generator = np.random.default_rng(1)
    shapes = {"a": (40, 24), "b": (24, 33)}
    layers = [
        random_layer(generator, ARCH, shape, direction, density, name=name)
        for (name, shape), direction in zip(shapes.items(), Direction, strict=True)
    ]
    return unpack(pack(layers, ARCH))


def count(compute: int, cycles: int) -> CycleCount:
    given = {"compute_cycles": compute, "load_cycles": 7, "cycles": cycles, "busy_cycles": cycles}
    return CycleCount(**(dict.fromkeys(COUNTERS, 0) | given))


def reports(bit_exact: tuple[bool | None, bool | None] = (True, True)) -> list[LayerReport]:
    first, second = packed().layers
    return [
        LayerReport.of(first, 5, count(100, 150), count(300, 400), bit_exact[0]),
        LayerReport.of(second, 3, count(50, 60), count(80, 90), bit_exact[1]),
    ]


def test_every_key_of_the_contract_is_there_and_no_other() -> None:
    report = build_report(ARCH, reports())

    assert list(report) == ["arch", "pes", "bit_exact", "layers", "total"]
    assert [list(line) for line in report["layers"]] == [LAYER_KEYS, LAYER_KEYS]
    assert set(report["total"]) == set(LAYER_KEYS) - {"name", "direction"}


def test_a_layer_s_ratios_follow_from_its_counts() -> None:
    layer = packed().layers[0]

    line = build_report(ARCH, reports())["layers"][0]

    assert line["kept"] == layer.kept
    assert line["density"] == layer.kept / (40 * 24)
    assert line["mean_length"] == layer.kept / layer.vectors
    assert line["bits_per_kept"] == layer.bits / layer.kept
    assert line["metadata_bits_per_kept"] == pytest.approx(layer.bits / layer.kept - 8)
    assert line["compression"] == 40 * 24 * 8 / layer.bits
    assert (line["speedup"], line["end_to_end_speedup"]) == (3, 400 / 150)
    assert line["utilization"] == layer.kept * 5 / (16 * 100)
    assert line["end_to_end_utilization"] == layer.kept * 5 / (16 * 150)


def test_the_total_sums_counts_and_takes_ratios_of_sums() -> None:
    first, second = packed().layers

    total = build_report(ARCH, reports())["total"]

    assert total["kept"] == first.kept + second.kept
    assert (total["compute_cycles"], total["cycles"], total["load_cycles"]) == (150, 210, 14)
    assert total["speedup"] == 380 / 150
    assert {name: n for name, n in total["counters"].items() if n} == {
        "compute_cycles": 150,
        "load_cycles": 14,
        "cycles": 210,
        "busy_cycles": 210,
    }
    assert total["utilization"] == (first.kept * 5 + second.kept * 3) / (16 * 150)
    assert total["bits_per_kept"] == (first.bits + second.bits) / (first.kept + second.kept)


@pytest.mark.parametrize(
    ("layers", "whole"), [((True, True), True), ((True, False), False), ((None, None), None)]
)
def test_the_whole_is_bit_exact_if_every_layer_is(
    layers: tuple[bool | None, bool | None], whole: bool | None
) -> None:
    report = build_report(ARCH, reports(layers))

    assert report["bit_exact"] is whole
    assert report["total"]["bit_exact"] is whole


def test_a_ratio_over_nothing_is_null() -> None:
    figures = Counts(*[0] * 13).figures(ARCH)

    assert figures["mean_length"] is None
    assert figures["bits_per_kept"] is None
    assert figures["speedup"] is None


def test_storage_formats_hold_the_same_weights() -> None:
    file = packed()
    kept = sum(layer.kept for layer in file.layers)

    rows = {row.format: row for row in compare_storage(file.layers, ARCH)}

    assert {row.kept for row in rows.values()} == {kept}
    assert rows["mixed vectors (this file)"].bits == sum(layer.bits for layer in file.layers)
    assert rows["dense"].bits == 8 * (40 * 24 + 24 * 33)
    assert rows["bitmap"].bits == 8 * kept + 40 * 24 + 24 * 33
    # 24 columns take 5 bits, 33 take 6; one more row pointer than rows.
    first, second = file.layers
    assert rows["compressed sparse row"].bits == 13 * first.kept + 14 * second.kept + 32 * (41 + 25)


def test_fixed_vectors_are_packed_and_counted_like_ours() -> None:
    file = packed()
    generator = np.random.default_rng(2)
    dense = {layer.name: generator.normal(size=layer.weights.shape) for layer in file.layers}

    rows = {row.format: row for row in compare_storage(file.layers, ARCH, dense)}

    ours, fixed = rows["mixed vectors (this file)"], rows["fixed vectors of 4"]
    assert abs(fixed.kept - ours.kept) <= 4 * len(file.layers)
    assert fixed.bits > 8 * fixed.kept
    assert ours.retained is not None and fixed.retained is not None
    # The strongest vectors retain more than those of a random mask.
    assert ours.retained < fixed.retained <= 1


def test_a_row_without_weights_has_no_bits_per_kept() -> None:
    row = compare_storage(packed(density=0.0).layers, ARCH)[0].figures()

    assert row["kept"] == 0
    assert row["bits_per_kept"] is None
