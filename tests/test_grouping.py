"""Grouping: a permutation that gains, and pairs and sets that are what they claim."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.arch import ArchConfig
from spec.direction import Direction
from sw.baselines import vector_mask
from sw.grouping import group_order
from sw.pairing import join_gains, pair_greedily

ARCH = ArchConfig(clusters=1, lanes=2, tokens=1, segment=8)
SEEDS = st.integers(0, 1 << 30)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), SEEDS, st.sampled_from(Direction))
def test_the_order_is_a_permutation_of_the_right_axis(
    rows: int, cols: int, seed: int, direction: Direction
) -> None:
    score = np.random.default_rng(seed).gamma(0.5, size=(rows, cols)).astype(np.float32)

    order = group_order(score, kept=seed % (score.size + 1), direction=direction, arch=ARCH)

    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(rows if direction is Direction.VERTICAL else cols))


def test_the_weakest_items_are_left_over() -> None:
    score = np.ones((19, 30), np.float32)
    score[[3, 7, 11]] = 0.5

    order = group_order(score, kept=100, direction=Direction.VERTICAL, arch=ARCH)

    assert sorted(order[16:].tolist()) == [3, 7, 11]


@pytest.mark.parametrize("direction", Direction)
def test_shuffled_families_are_found_again(direction: Direction) -> None:
    rng = np.random.default_rng(4)
    families = rng.random((8, 64)) < 0.25
    shuffled = rng.permutation(np.repeat(np.arange(8), 8))
    score = families[shuffled] * (1 + rng.random((64, 64))) + 0.1 * rng.random((64, 64))
    score = (score if direction is Direction.VERTICAL else score.T).astype(np.float32)

    order = group_order(score, kept=1024, direction=direction, arch=ARCH)

    found = shuffled[order].reshape(8, 8)
    assert (found == found[:, :1]).all()


@pytest.mark.parametrize("direction", Direction)
def test_grouping_lifts_fixed_vectors_of_noise(direction: Direction) -> None:
    score = np.random.default_rng(6).gamma(0.5, size=(96, 64)).astype(np.float32)

    order = group_order(score, kept=1228, direction=direction, arch=ARCH)

    def retained(scores: np.ndarray) -> float:
        return float(scores[vector_mask(scores, kept=1228, direction=direction, length=2)].sum())

    assert retained(np.take(score, order, axis=int(direction))) > 1.03 * retained(score)


def test_the_order_is_deterministic_with_ties() -> None:
    score = np.random.default_rng(8).integers(0, 3, (64, 48)).astype(np.float32)

    first, second = (group_order(score, kept=600, direction=Direction.VERTICAL, arch=ARCH) for _ in range(2))

    assert np.array_equal(first, second)


def slow_pairs(gains: np.ndarray) -> list[list[int]]:
    """The greedy order, pair by pair; equal gains by index."""
    left, pairs = set(range(len(gains))), []
    for low, high in sorted(itertools.combinations(range(len(gains)), 2), key=lambda pair: -gains[pair]):
        if {low, high} <= left and gains[low, high] > -np.inf:
            pairs.append([low, high])
            left -= {low, high}
    return pairs


@settings(deadline=None)
@given(st.integers(1, 12), SEEDS, st.booleans(), st.floats(0, 1))
def test_pairs_are_those_of_the_greedy_order(items: int, seed: int, ties: bool, barred: float) -> None:
    rng = np.random.default_rng(seed)
    gains = (rng.integers(-3, 3, (items, items)) if ties else rng.normal(size=(items, items))).astype("f4")
    gains[rng.random((items, items)) < barred / 2] = -np.inf
    gains = np.triu(gains, 1) + np.triu(gains, 1).T

    pairs = pair_greedily(gains)

    assert sorted(pairs.tolist()) == sorted(slow_pairs(gains))


@settings(deadline=None)
@given(st.integers(1, 70), st.integers(1, 10), st.integers(1, 40), SEEDS)
def test_join_gains_are_what_exceeds_the_price(items: int, rests: int, features: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    offered, rest = (rng.gamma(0.5, size=(count, features)).astype("f4") for count in (items, rests))

    for one, other in ((offered, rest), (rest, offered)):
        expected = np.maximum(one[:, None] + other[None].astype("f8") - 0.75, 0).sum(axis=2)
        assert np.allclose(join_gains(one, other, 0.75), expected, rtol=1e-5, atol=1e-5)
