"""Scores, ranks by index, and the direction of synthetic stripes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.direction import Direction
from spec.errors import ConfigError
from sw.direction import Statistic, direction_strength
from sw.scores import Score, score_weights, strongest


def test_magnitude_is_the_absolute_weight() -> None:
    weight = np.array([[-3, 1], [0, -2]], np.float32)

    assert score_weights(weight, Score.MAGNITUDE).tolist() == [[3, 1], [0, 2]]


def test_activation_score_is_magnitude_times_the_norm_of_its_input() -> None:
    weight = np.array([[-3, 1], [0, -2]], np.float32)
    activations = np.array([[3, 4], [0, -1]], np.float32)

    scores = score_weights(weight, Score.ACTIVATION, activations)

    assert scores.tolist() == [[15, 1], [0, 2]]


def test_activation_score_without_fitting_activations_is_refused() -> None:
    weight = np.ones((2, 3), np.float32)
    with pytest.raises(ConfigError, match="needs calibration activations"):
        score_weights(weight, Score.ACTIVATION)
    with pytest.raises(ConfigError, match=r"one row for each of the 3 inputs, not shape \(2, 5\)"):
        score_weights(weight, Score.ACTIVATION, np.ones((2, 5), np.float32))


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.data())
def test_strongest_units_rank_by_value_then_index(values: list[int], data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, len(values)))

    chosen = strongest(np.array(values, float), 1, kept)

    expected = sorted(range(len(values)), key=lambda i: (-values[i], i))[:kept]
    assert np.flatnonzero(chosen).tolist() == sorted(expected)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=20),
    st.integers(0, 60),
)
def test_strongest_units_come_closest_to_the_count(units: list[tuple[int, int]], kept: int) -> None:
    values, sizes = (np.array(column) for column in zip(*units, strict=True))

    chosen = strongest(values.astype(float), sizes, kept)

    ranked = sorted((i for i in range(len(units)) if sizes[i]), key=lambda i: (-values[i], i))
    prefixes = [ranked[:n] for n in range(len(ranked) + 1)]
    expected = min(prefixes, key=lambda prefix: abs(sum(int(sizes[i]) for i in prefix) - kept))
    assert np.flatnonzero(chosen).tolist() == sorted(expected)


def stripes(direction: Direction, noise: float) -> np.ndarray:
    """Whole stripes along ``direction``: one input (column) at all outputs is vertical."""
    rng = np.random.default_rng(3)
    if direction is Direction.VERTICAL:
        mask = np.broadcast_to(rng.random(60) < 0.2, (80, 60))
    else:
        mask = np.broadcast_to((rng.random(80) < 0.2)[:, None], (80, 60))
    return mask ^ (rng.random((80, 60)) < noise)


@pytest.mark.parametrize("statistic", Statistic)
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
def test_stripes_show_their_direction(statistic: Statistic, direction: Direction, noise: float) -> None:
    found, strength = direction_strength(stripes(direction, noise), statistic)

    assert found is direction
    assert strength > 0.1
    assert noise or strength == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("direction", Direction)
def test_short_vectors_show_in_the_neighbours_alone(direction: Direction) -> None:
    groups = np.random.default_rng(5).random((16, 64)) < 0.2
    mask = np.repeat(groups, 4, axis=0)
    mask = mask if direction is Direction.VERTICAL else mask.T

    found, strength = direction_strength(mask)

    assert found is direction
    assert strength == pytest.approx(0.75, abs=0.1)


@pytest.mark.parametrize("statistic", Statistic)
def test_noise_has_hardly_a_direction(statistic: Statistic) -> None:
    assert direction_strength(np.random.default_rng(7).random((300, 300)) < 0.2, statistic)[1] < 0.03


@pytest.mark.parametrize("statistic", Statistic)
@pytest.mark.parametrize("mask", [np.zeros((4, 5), bool), np.ones((4, 5), bool), np.eye(1, 1, dtype=bool)])
def test_a_uniform_mask_has_no_direction(statistic: Statistic, mask: np.ndarray) -> None:
    assert direction_strength(mask, statistic) == (Direction.VERTICAL, 0.0)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 1 << 30))
def test_transposing_turns_the_direction(rows: int, cols: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((rows, cols)) < 0.4

    for statistic in Statistic:
        here, strength = direction_strength(mask, statistic)
        there, same = direction_strength(mask.T, statistic)
        assert strength == pytest.approx(same)
        assert here is not there or strength == pytest.approx(0, abs=1e-9)
