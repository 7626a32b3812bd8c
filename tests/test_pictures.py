"""The pictures are written for any shape and show what they are given."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from codesign.cycle_registers import Input
from codesign.cycles import Timeline
from codesign.pictures import MaskPicture, save_lengths, save_mask
from codesign.timeline_picture import save_timeline
from spec.counters import Cause
from spec.direction import Direction


def picture(rows: int, cols: int, direction: Direction, density: float = 0.2) -> MaskPicture:
    generator = np.random.default_rng(0)
    permuted = rows if direction is Direction.VERTICAL else cols
    return MaskPicture(
        name="layer",
        fine=generator.random((rows, cols)) < density,
        mask=generator.random((rows, cols)) < density,
        direction=direction,
        order=generator.permutation(permuted),
        strengths={"neighbour": (direction, 0.5), "variance": (Direction.VERTICAL, 0.1)},
        retained=0.7,
    )


def is_drawn(path: Path) -> bool:
    pixels = image.imread(path)
    return pixels.shape[0] > 200 and pixels.shape[1] > 200 and float(pixels.std()) > 0.02


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (1, 300), (300, 1), (97, 640), (640, 97)])
def test_a_mask_of_any_shape_is_drawn(tmp_path: Path, rows: int, cols: int, direction: Direction) -> None:
    save_mask(picture(rows, cols, direction), tmp_path / "mask.png")

    assert is_drawn(tmp_path / "mask.png")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("density", [0.0, 1.1])
def test_an_empty_and_a_dense_mask_are_drawn(tmp_path: Path, density: float) -> None:
    save_mask(picture(64, 64, Direction.VERTICAL, density), tmp_path / "mask.png")

    assert is_drawn(tmp_path / "mask.png")


def test_the_close_up_is_in_grouped_order() -> None:
    shown = picture(8, 4, Direction.VERTICAL)

    np.testing.assert_array_equal(shown.grouped(shown.mask), shown.mask[shown.order])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("matrices", [1, 4, 24])
def test_lengths_of_any_number_of_matrices_are_drawn(tmp_path: Path, matrices: int) -> None:
    lengths = {f"layer{n}": {length: length * n for length in range(4, 36, 4)} for n in range(matrices)}

    save_lengths(lengths, tmp_path / "lengths.png")

    assert is_drawn(tmp_path / "lengths.png")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("clusters", "cycles"), [(1, 1), (1, 100), (4, 5000), (32, 1000)])
def test_a_timeline_of_any_size_is_drawn(tmp_path: Path, clusters: int, cycles: int) -> None:
    rng = np.random.default_rng(0)
    shown = Timeline(
        causes=rng.integers(0, len(Cause), (clusters, cycles), dtype=np.uint8),
        inputs=rng.integers(0, len(Input), cycles, dtype=np.uint8),
        outputs=rng.random(cycles) < 0.5,
    )

    save_timeline(shown, "title", tmp_path / "timeline.png")

    assert is_drawn(tmp_path / "timeline.png")


def test_the_same_picture_has_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        save_mask(picture(64, 64, Direction.VERTICAL), tmp_path / name)

    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
