"""Scores, ranks by index, and the direction of synthetic stripes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.direction import Direction
from spec.errors import ConfigError
from sw.direction import Statistic, direction_strength
from sw.scores import Score, score_weights, strongest
from sw.statistics import LayerStatistics


def test_magnitude_is_the_absolute_weight() -> None:
    weight = np.array([[-3, 1], [0, -2]], np.float32)

    assert score_weights(weight, Score.MAGNITUDE).tolist() == [[3, 1], [0, 2]]


def statistics_of(inputs: np.ndarray, gradient_square: np.ndarray | None = None) -> LayerStatistics:
    """Statistics of inputs, tokens x K."""
    values = torch.from_numpy(inputs).float()
    squares = None if gradient_square is None else torch.from_numpy(gradient_square).float()
    return LayerStatistics(len(inputs), values.T @ values / len(inputs), squares)


def test_activation_score_is_magnitude_times_the_root_mean_square_of_its_input() -> None:
    weight = np.array([[-3, 1], [0, -2]], np.float32)
    statistics = statistics_of(np.array([[1, 0], [7, -4]], np.float32))

    scores = score_weights(weight, Score.ACTIVATION, statistics=statistics)

    assert scores == pytest.approx(np.array([[15, 8**0.5], [0, 2 * 8**0.5]]), rel=1e-6)


def test_fisher_score_is_squared_weight_times_mean_squared_gradient() -> None:
    weight = np.array([[-3, 1], [0, -2]], np.float32)
    statistics = statistics_of(np.eye(2), np.array([[2, 5], [7, 0.25]]))

    scores = score_weights(weight, Score.FISHER, statistics=statistics)

    assert scores == pytest.approx(np.array([[18, 5], [0, 1]]), rel=1e-6)


def test_fisher_without_any_gradient_ranks_by_magnitude() -> None:
    weight = np.array([[-3, 1], [0, -2]], np.float32)

    scores = score_weights(weight, Score.FISHER, statistics=statistics_of(np.eye(2), np.zeros((2, 2))))

    assert np.argsort(scores, axis=None).tolist() == np.argsort(np.abs(weight), axis=None).tolist()


@pytest.mark.parametrize("tokens", [4, 50])
def test_second_order_score_is_the_least_error_of_doing_without_the_weight(tokens: int) -> None:
    rng = np.random.default_rng(11)
    inputs = rng.normal(size=(tokens, 6)) @ rng.normal(size=(6, 6))
    weight = rng.normal(size=(3, 6)).astype(np.float32)

    scores = score_weights(weight, Score.SECOND_ORDER, statistics=statistics_of(inputs))

    # Damping is one more token for each input, of the size of the root of 1 % of the mean square.
    damping = np.sqrt(0.01 * np.square(inputs).mean()) * np.eye(6)
    system = np.concatenate([inputs / np.sqrt(tokens), damping])
    for row, col in np.ndindex(3, 6):
        dense = system @ weight[row].astype(np.float64)
        others = np.delete(system, col, axis=1)
        refitted = np.linalg.lstsq(others, dense, rcond=None)[0]
        least = np.square(others @ refitted - dense).sum()
        assert scores[row, col] == pytest.approx(least, rel=1e-3)


@pytest.mark.parametrize("score", [Score.MOVEMENT, Score.SOFT_MOVEMENT])
def test_movement_is_shifted_to_at_least_zero_and_no_further(score: Score) -> None:
    weight = np.ones((2, 2), np.float32)

    below = score_weights(weight, score, movement=np.array([[-1, 2], [-4, 0]], np.float32))
    above = score_weights(weight, score, movement=np.array([[1, 2], [4, 3]], np.float32))

    assert below.tolist() == [[3, 6], [0, 4]]
    assert above.tolist() == [[1, 2], [4, 3]]


@pytest.mark.parametrize("score", Score)
def test_scores_are_float32_and_not_negative(score: Score) -> None:
    rng = np.random.default_rng(13)
    weight, movement = rng.normal(size=(2, 5, 7)).astype(np.float32)
    statistics = statistics_of(rng.normal(size=(9, 7)), np.square(rng.normal(size=(5, 7))))

    scores = score_weights(weight, score, statistics=statistics, movement=movement)

    assert scores.dtype == np.float32
    assert scores.shape == (5, 7)
    assert scores.min() >= 0


@pytest.mark.parametrize(
    ("score", "missing"),
    [
        (Score.ACTIVATION, "a calibration Hessian"),
        (Score.SECOND_ORDER, "a calibration Hessian"),
        (Score.FISHER, "squared gradients"),
        (Score.MOVEMENT, "the movement of a fine-tuning"),
        (Score.SOFT_MOVEMENT, "the movement of a fine-tuning"),
    ],
)
@pytest.mark.parametrize("statistics", [None, LayerStatistics(tokens=8)])
def test_a_score_without_what_it_needs_is_refused(
    score: Score, missing: str, statistics: LayerStatistics | None
) -> None:
    text = f"score `{score.value}` needs {missing}; provide that or use `magnitude`"
    with pytest.raises(ConfigError, match=text):
        score_weights(np.ones((2, 3), np.float32), score, statistics=statistics)


def test_statistics_of_another_matrix_are_refused() -> None:
    weight = np.ones((2, 3), np.float32)
    statistics = statistics_of(np.ones((4, 5)), np.ones((3, 2)))
    with pytest.raises(ConfigError, match=r"Hessian of this matrix must be 3 x 3, not \(5, 5\)"):
        score_weights(weight, Score.ACTIVATION, statistics=statistics)
    with pytest.raises(ConfigError, match=r"gradients of this matrix must be 2 x 3, not \(3, 2\)"):
        score_weights(weight, Score.FISHER, statistics=statistics)
    with pytest.raises(ConfigError, match=r"fine-tuning of this matrix must be 2 x 3, not \(3, 2\)"):
        score_weights(weight, Score.MOVEMENT, movement=np.ones((3, 2), np.float32))


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
