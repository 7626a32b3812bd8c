"""Masks of a whole model: exact counts, whole units, one budget, and brute force on small cases."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.blocks import Blocking
from sw.mask_search import Allocation, MaskSearch, Placement, shares
from sw.n_m import n_m_mask
from sw.pattern import Method, Pattern
from sw.segment_pool import SegmentPool
from sw.units import HeadUnits, MatrixShape, named_shapes
from tests.test_segments import slow_record_bits

ARCH = ArchConfig(clusters=1, lanes=2, tokens=1, segment=8)
SHAPES = [MatrixShape("a", 16, 24), MatrixShape("b", 32, 8), MatrixShape("c", 8, 40)]
WEIGHTS = sum(its.size for its in SHAPES)
SEEDS = st.integers(0, 1 << 30)

Scores = dict[str, NDArray[np.float32]]


def random_scores(seed: int, scale: float = 1.0) -> Scores:
    rng = np.random.default_rng(seed)
    return {
        its.name: (rng.random((its.rows, its.cols)) * scale**index).astype(np.float32)
        for index, its in enumerate(SHAPES)
    }


def random_placements(seed: int) -> dict[str, Placement]:
    rng = np.random.default_rng(seed)
    placements = {}
    for its in SHAPES:
        direction = Direction(int(rng.integers(2)))
        count = its.rows if direction is Direction.VERTICAL else its.cols
        placements[its.name] = Placement(direction, rng.permutation(count))
    return placements


PATTERNS = [
    (Pattern(ARCH, Method.FINE_GRAINED), 1),
    (Pattern(ARCH, Method.VECTOR, length=4), 4),
    (Pattern(ARCH, Method.BLOCK, length=4), 16),
    (Pattern(ARCH), 2),
    (Pattern(ARCH, metadata_bits=5.0), 2),
]


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(PATTERNS), st.sampled_from(Allocation), st.floats(0.1, 1.0))
def test_every_pattern_keeps_the_count_in_whole_units(
    seed: int, case: tuple[Pattern, int], allocation: Allocation, density: float
) -> None:
    pattern, unit = case
    placements, kept = random_placements(seed), round(WEIGHTS * density)

    masks = MaskSearch(pattern, SHAPES, placements, allocation).masks(random_scores(seed), kept)

    slack = unit / 2 if allocation is Allocation.GLOBAL else len(SHAPES) * (unit + 1) / 2
    assert abs(sum(int(mask.sum()) for mask in masks.values()) - kept) <= slack
    for its in SHAPES:
        grouped = placements[its.name].grouped(masks[its.name])
        lines = grouped.T if placements[its.name].direction is Direction.VERTICAL else grouped
        if pattern.method in (Method.VECTOR, Method.MIXED_VECTOR):
            runs = lines.reshape(len(lines), -1, unit)
            assert (runs.all(axis=2) == runs.any(axis=2)).all()


def test_a_global_threshold_follows_the_scores() -> None:
    scores = random_scores(1, scale=8.0)
    placements = {its.name: Placement.plain(its, Direction.VERTICAL) for its in SHAPES}

    masks = MaskSearch(Pattern(ARCH, Method.FINE_GRAINED), SHAPES, placements, Allocation.GLOBAL).masks(
        scores, 300
    )

    flat = np.sort(np.concatenate([one.ravel() for one in scores.values()]))[-300]
    assert all((masks[name] == (scores[name] >= flat)).all() for name in scores)
    assert masks["a"].sum() == 0 and masks["c"].sum() > 200


def test_shares_have_one_density_and_the_exact_sum() -> None:
    assert sum(shares(100, SHAPES)) == 100 and shares(96, SHAPES) == [38, 26, 32]
    assert shares(0, SHAPES) == [0, 0, 0]
    assert shares(WEIGHTS, SHAPES) == [its.size for its in SHAPES]


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.floats(0.9, 3.0), st.integers(150, 600))
def test_a_pool_keeps_its_budget_from_mask_to_mask(seed: int, budget: float, kept: int) -> None:
    placements = random_placements(seed)
    blockings = [Blocking(its.rows, its.cols, placements[its.name].direction, ARCH) for its in SHAPES]
    pool = SegmentPool(blockings, budget)

    for drift in range(3):
        scores = list(random_scores(seed + drift).values())
        try:
            masks = pool.masks(scores, kept)
        except ConfigError:
            continue

        bits = sum(
            slow_record_bits(mask, its.direction, ARCH) for mask, its in zip(masks, blockings, strict=True)
        )
        count = sum(int(mask.sum()) for mask in masks)
        assert abs(count - kept) <= 1
        assert bits <= budget * count


def test_a_pool_without_a_budget_takes_the_strongest_groups_of_all_matrices() -> None:
    shapes = [MatrixShape("a", 4, 2), MatrixShape("b", 2, 3)]
    rng = np.random.default_rng(4)
    scores = [rng.random((its.rows, its.cols)) for its in shapes]
    blockings = [Blocking(its.rows, its.cols, Direction.VERTICAL, ARCH) for its in shapes]

    masks = SegmentPool(blockings, None).masks(scores, 6)

    sums = np.concatenate([one.reshape(-1, 2, one.shape[1]).sum(axis=1).ravel() for one in scores])
    best = max(combinations(range(len(sums)), 3), key=lambda some: sums[list(some)].sum())
    kept = sum(float(score[mask].sum()) for score, mask in zip(scores, masks, strict=True))
    assert kept == pytest.approx(float(sums[list(best)].sum()))


def test_an_impossible_budget_is_refused_with_the_least() -> None:
    placements = {its.name: Placement.plain(its, Direction.VERTICAL) for its in SHAPES}

    with pytest.raises(ConfigError, match=r"`metadata_bits` must be at least \d\.\d+ bits .*, not 0.01"):
        MaskSearch(Pattern(ARCH, metadata_bits=0.01), SHAPES, placements).masks(random_scores(0), 200)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 30), st.integers(1, 30), st.sampled_from([(2, 4), (1, 5), (3, 10)]))
def test_n_m_masks_keep_the_strongest_n_of_every_m(
    seed: int, rows: int, cols: int, n_m: tuple[int, int]
) -> None:
    scores, (n, m) = np.random.default_rng(seed).random((rows, cols)), n_m

    horizontal = n_m_mask(scores, kept=0, n=n, m=m, direction=Direction.HORIZONTAL)
    vertical = n_m_mask(scores.T, kept=0, n=n, m=m, direction=Direction.VERTICAL)

    assert (vertical == horizontal.T).all()
    for row, mask in zip(scores, horizontal, strict=True):
        for start in range(0, cols - m + 1, m):
            strongest = sorted(range(start, start + m), key=lambda k: -row[k])[:n]
            assert sorted(np.flatnonzero(mask[start : start + m]) + start) == sorted(strongest)


def test_an_n_m_mask_on_its_way_keeps_more_than_n() -> None:
    scores = np.random.default_rng(2).random((8, 20))

    mask = n_m_mask(scores, kept=90, n=2, m=4, direction=Direction.HORIZONTAL)

    assert mask.sum() == 90
    assert (mask.reshape(8, 5, 4).sum(axis=2) >= 2).all()


def test_heads_are_kept_whole_in_both_matrices_of_a_layer() -> None:
    shapes = named_shapes({"layer0.qkv": (24, 8), "layer0.attention_output": (8, 8)}, 2)
    shapes += named_shapes({"layer0.ff_up": (16, 8)}, 2)
    scores = {its.name: np.ones((its.rows, its.cols), np.float32) for its in shapes}
    scores["layer0.qkv"][12:16] = 5
    placements = {its.name: Placement.plain(its, Direction.VERTICAL) for its in shapes}

    masks = MaskSearch(Pattern(ARCH, Method.HEAD), shapes, placements).masks(scores, 256)

    assert masks["layer0.ff_up"].all()
    kept_rows = np.flatnonzero(masks["layer0.qkv"].all(axis=1))
    assert kept_rows.tolist() == [4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23]
    assert np.flatnonzero(masks["layer0.attention_output"].all(axis=0)).tolist() == [4, 5, 6, 7]
    assert sum(int(mask.sum()) for mask in masks.values()) == 256


def test_heads_that_do_not_divide_are_refused() -> None:
    shapes = named_shapes({"layer0.qkv": (25, 8), "layer0.attention_output": (8, 8)}, 2)

    with pytest.raises(ConfigError, match=r"layer0.qkv of 25 rows must divide into 2 heads"):
        HeadUnits(shapes)


def test_channels_are_whole_rows_or_columns() -> None:
    placements = {its.name: Placement.plain(its, Direction(index % 2)) for index, its in enumerate(SHAPES)}

    masks = MaskSearch(Pattern(ARCH, Method.CHANNEL), SHAPES, placements).masks(random_scores(3), 400)

    assert (masks["a"].all(axis=0) == masks["a"].any(axis=0)).all()
    assert (masks["b"].all(axis=1) == masks["b"].any(axis=1)).all()
