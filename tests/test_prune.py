"""One matrix pruned by every method: counts, orders undone, figures true."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.direction import Statistic
from sw.models import load_matrices
from sw.pattern import Method, Pattern, parse_method
from sw.prune import PrunedMatrix, prune_matrix
from sw.segments import record_bits
from tests.test_segments import slow_record_bits, slow_vectors

ARCH = ArchConfig(clusters=1, lanes=2, tokens=1, segment=8)
SEEDS = st.integers(0, 1 << 30)


def heavy_scores(rows: int, cols: int, seed: int) -> NDArray[np.float32]:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, cols, generator=generator) * torch.rand(1, cols, generator=generator)
    return weight.abs().numpy()


def grouped_mask(pruned: PrunedMatrix) -> np.ndarray:
    """The mask as the stream sees it."""
    return (
        pruned.mask[pruned.order] if pruned.direction is Direction.VERTICAL else pruned.mask[:, pruned.order]
    )


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    SEEDS,
    st.sampled_from([method for method in Method if method is not Method.HEAD]),
    st.sampled_from([None, *Direction, *Statistic]),
    st.booleans(),
)
def test_every_method_keeps_the_count_and_reports_the_truth(
    rows: int,
    cols: int,
    seed: int,
    method: Method,
    direction: Direction | Statistic | None,
    grouping: bool,
) -> None:
    scores = heavy_scores(rows, cols, seed)
    kept = max(rows * cols // 5, 1)
    budget = None if method is not Method.MIXED_VECTOR or rows < 9 or cols < 9 else 3.0

    pruned = prune_matrix(
        scores,
        kept=kept,
        pattern=Pattern(ARCH, method, metadata_bits=budget),
        direction=direction,
        grouping=grouping,
    )

    assert pruned.mask.shape == (rows, cols)
    if method is Method.N_M:
        assert pruned.kept >= kept
    else:
        slack = {Method.FINE_GRAINED: 0, Method.BLOCK: 2, Method.CHANNEL: max(rows, cols) / 2}
        assert abs(pruned.kept - kept) <= slack.get(method, 1)
    grouped = grouped_mask(pruned)
    assert pruned.record_bits == slow_record_bits(grouped, pruned.direction, ARCH)
    vectors = [bitmap for block in slow_vectors(grouped, pruned.direction, ARCH) for _, bitmap in block]
    assert pruned.vectors == len(vectors)
    assert pruned.lengths == {2 * n: sum(bitmap.bit_count() == n for bitmap in vectors) for n in range(1, 5)}
    score = torch.from_numpy(scores).double()
    most = score.flatten().sort(descending=True).values[: pruned.kept].sum()
    kept_score = score[torch.from_numpy(pruned.mask)].sum()
    assert pruned.retained == pytest.approx(float(kept_score / most) if pruned.kept else 1.0, rel=1e-5)
    assert method is not Method.FINE_GRAINED or pruned.retained == pytest.approx(1)
    if isinstance(direction, Direction):
        assert pruned.direction is direction


@settings(max_examples=25, deadline=None)
@given(st.integers(9, 60), st.integers(9, 60), SEEDS, st.sampled_from([Method.MIXED_VECTOR, Method.VECTOR]))
def test_grouping_never_retains_less(rows: int, cols: int, seed: int, method: Method) -> None:
    scores, kept = heavy_scores(rows, cols, seed), rows * cols // 5
    pattern = Pattern(ARCH, method, metadata_bits=3.0 if method is Method.MIXED_VECTOR else None)

    plain, grouped = (
        prune_matrix(scores, kept=kept, pattern=pattern, grouping=grouping) for grouping in (False, True)
    )

    assert grouped.retained >= plain.retained - (0.05 if plain.kept != grouped.kept else 1e-6)
    assert np.array_equal(plain.order, np.arange(len(plain.order)))


def test_masks_are_deterministic() -> None:
    scores = heavy_scores(64, 48, 3).round(1)

    first, second = (prune_matrix(scores, kept=600, pattern=Pattern(ARCH, metadata_bits=1.5)) for _ in "ab")

    for field in fields(PrunedMatrix):
        assert np.array_equal(getattr(first, field.name), getattr(second, field.name))


@pytest.mark.parametrize("kept", [0, 1, 3072])
def test_extreme_counts_are_kept(kept: int) -> None:
    pruned = prune_matrix(heavy_scores(64, 48, 3), kept=kept, pattern=Pattern(ARCH))

    assert pruned.kept == {0: 0, 1: 0, 3072: 3072}[kept]
    assert pruned.retained == 1 or pruned.kept == 0


def test_the_strict_form_keeps_its_budget() -> None:
    pattern = Pattern(ARCH, metadata_bits=1.5, contiguous=True)

    pruned = prune_matrix(heavy_scores(64, 48, 3), kept=614, pattern=pattern)

    assert pruned.kept == 614
    assert record_bits(grouped_mask(pruned), pruned.direction, ARCH) <= 1.5 * 614


def test_a_real_matrix_retains_what_was_measured() -> None:
    weight = load_matrices("minilm")["layer0.attention_output"]

    pattern = Pattern(ArchConfig.load("ulx3s"), metadata_bits=0.6)
    pruned = prune_matrix(weight.abs().numpy(), kept=29491, pattern=pattern)

    assert pruned.kept == 29492 and pruned.record_bits_per_kept <= 0.6
    assert pruned.retained > 0.68


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"length": 4}, "`length` belongs to methods vector and block, not mixed-vector"),
        ({"length": 0, "method": Method.BLOCK}, "`length` must be at least 1, not 0"),
        ({"n_m": (2, 4)}, "`n_m` belongs to method n-m, not mixed-vector"),
        ({"n_m": (5, 4), "method": Method.N_M}, "`n_m` must keep 1 to M of every M weights, not 5 of 4"),
        ({"metadata_bits": 1.0, "method": Method.VECTOR}, "`metadata_bits` belongs to method mixed-vector"),
        ({"metadata_bits": -1.0}, "`metadata_bits` must be a number of bits, at least 0, not -1"),
        ({"contiguous": True, "method": Method.BLOCK}, "`contiguous` belongs to method mixed-vector"),
    ],
)
def test_a_pattern_with_a_wrong_parameter_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Pattern(ARCH, **parameters)


def test_a_count_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="`kept` must be from 0 to the 20 weights of the matrix, not 21"):
        prune_matrix(np.ones((4, 5), np.float32), kept=21, pattern=Pattern(ARCH))


@pytest.mark.parametrize("shape", [(4,), (0, 4)])
def test_a_bad_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="weight matrix must have rows and columns"):
        prune_matrix(np.ones(shape, np.float32), kept=0, pattern=Pattern(ARCH))


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ConfigError, match="must be finite"):
        prune_matrix(np.full((2, 2), np.nan, np.float32), kept=0, pattern=Pattern(ARCH))


def test_heads_span_matrices_and_need_their_model() -> None:
    with pytest.raises(ConfigError, match="method head needs attention layers"):
        prune_matrix(np.ones((4, 4), np.float32), kept=8, pattern=Pattern(ARCH, Method.HEAD))


def test_an_unknown_method_is_named_with_the_known_ones() -> None:
    assert parse_method("vector") is Method.VECTOR
    with pytest.raises(ConfigError, match=r"`method` must be one of mixed-vector, .*, head, not magic"):
        parse_method("magic")
