"""Batches of samples of unequal length."""

import torch

from sw.batches import draw_neighbours, evenly


def test_choices_are_even_and_windows_stay_inside() -> None:
    assert evenly(10, 4) == [0, 2, 5, 7] and evenly(3, 9) == [0, 1, 2]
    generator = torch.Generator().manual_seed(9)
    for count, size in ((1, 1), (5, 5), (30, 7), (100, 3)):
        for _ in range(50):
            drawn = draw_neighbours(count, size, generator)
            assert len(set(drawn)) == size and drawn == sorted(drawn)
            assert drawn[0] >= 0 and drawn[-1] < count and drawn[-1] - drawn[0] < 4 * size
