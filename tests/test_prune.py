"""One matrix pruned by every method: counts, orders undone, figures true."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.direction import Statistic
from sw.models import load_matrices
from sw.prune import Method, PrunedMatrix, parse_method, prune_matrix
from sw.scores import Score
from sw.segments import record_bits
from tests.test_segments import slow_record_bits, slow_vectors

ARCH = ArchConfig(clusters=1, lanes=2, tokens=1, segment=8)
SEEDS = st.integers(0, 1 << 30)


def heavy_weight(rows: int, cols: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, cols, generator=generator) * torch.rand(1, cols, generator=generator)


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
    st.sampled_from(Method),
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
    weight = heavy_weight(rows, cols, seed)
    kept = max(rows * cols // 5, 1)

    pruned = prune_matrix(
        weight,
        kept=kept,
        arch=ARCH,
        method=method,
        direction=direction,
        grouping=grouping,
        metadata_bits=None if rows < 9 or cols < 9 else 3.0,
    )

    slack = {Method.FINE_GRAINED: 0, Method.BLOCK: 2}.get(method, 1)
    assert pruned.mask.shape == (rows, cols) and abs(pruned.kept - kept) <= slack
    grouped = grouped_mask(pruned)
    assert pruned.record_bits == slow_record_bits(grouped, pruned.direction, ARCH)
    vectors = [bitmap for block in slow_vectors(grouped, pruned.direction, ARCH) for _, bitmap in block]
    assert pruned.vectors == len(vectors)
    assert pruned.lengths == {2 * n: sum(bitmap.bit_count() == n for bitmap in vectors) for n in range(1, 5)}
    score = weight.abs().flatten().double()
    most = score.sort(descending=True).values[: pruned.kept].sum()
    kept_score = weight.abs().double()[torch.from_numpy(pruned.mask)].sum()
    assert pruned.retained == pytest.approx(float(kept_score / most) if pruned.kept else 1.0, rel=1e-5)
    assert method is not Method.FINE_GRAINED or pruned.retained == pytest.approx(1)
    if isinstance(direction, Direction):
        assert pruned.direction is direction


@settings(max_examples=25, deadline=None)
@given(st.integers(9, 60), st.integers(9, 60), SEEDS, st.sampled_from([Method.MIXED_VECTOR, Method.VECTOR]))
def test_grouping_never_retains_less(rows: int, cols: int, seed: int, method: Method) -> None:
    weight, kept = heavy_weight(rows, cols, seed), rows * cols // 5

    plain, grouped = (
        prune_matrix(weight, kept=kept, arch=ARCH, method=method, grouping=grouping, metadata_bits=3.0)
        for grouping in (False, True)
    )

    assert grouped.retained >= plain.retained - (0.05 if plain.kept != grouped.kept else 1e-6)
    assert np.array_equal(plain.order, np.arange(len(plain.order)))


def test_masks_are_deterministic() -> None:
    weight = heavy_weight(64, 48, 3).round(decimals=1)

    first, second = (prune_matrix(weight, kept=600, arch=ARCH, metadata_bits=1.5) for _ in range(2))

    for field in fields(PrunedMatrix):
        assert np.array_equal(getattr(first, field.name), getattr(second, field.name))


@pytest.mark.parametrize("kept", [0, 1, 3072])
def test_extreme_counts_are_kept(kept: int) -> None:
    pruned = prune_matrix(heavy_weight(64, 48, 3), kept=kept, arch=ARCH, metadata_bits=None)

    assert pruned.kept == {0: 0, 1: 0, 3072: 3072}[kept]
    assert pruned.retained == 1 or pruned.kept == 0


def test_activation_scores_decide_what_is_kept() -> None:
    weight = torch.ones(16, 16)
    activations = torch.arange(16).float()[:, None].expand(16, 5)

    pruned = prune_matrix(
        weight,
        kept=64,
        arch=ARCH,
        method=Method.FINE_GRAINED,
        score=Score.ACTIVATION,
        activations=activations,
    )

    assert pruned.mask[:, 12:].all() and not pruned.mask[:, :12].any()


def test_the_strict_form_keeps_its_budget() -> None:
    pruned = prune_matrix(heavy_weight(64, 48, 3), kept=614, arch=ARCH, metadata_bits=1.5, contiguous=True)

    assert pruned.kept == 614
    assert record_bits(grouped_mask(pruned), pruned.direction, ARCH) <= 1.5 * 614


def test_a_real_matrix_retains_what_was_measured() -> None:
    weight = load_matrices("minilm")["layer0.attention_output"]

    pruned = prune_matrix(weight, kept=29491, arch=ArchConfig.load("ulx3s"))

    assert pruned.kept == 29492 and pruned.record_bits_per_kept <= 0.6
    assert pruned.retained > 0.68


BAD = [
    ({"kept": 21}, "`kept` must be from 0 to the 20 weights of the matrix, not 21"),
    ({"kept": 2, "length": 4}, "`length` belongs to methods vector and block, not mixed-vector"),
    ({"kept": 2, "length": 0, "method": Method.BLOCK}, "`length` must be at least 1, not 0"),
    ({"kept": 2, "score": Score.ACTIVATION}, "needs calibration activations"),
]


@pytest.mark.parametrize(("request_", "message"), BAD)
def test_a_bad_request_is_refused(request_: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        prune_matrix(torch.ones(4, 5), arch=ARCH, **request_)  # type: ignore[arg-type]


@pytest.mark.parametrize("weight", [torch.ones(4), torch.ones(0, 4), torch.full((2, 2), torch.nan)])
def test_a_bad_matrix_is_refused(weight: torch.Tensor) -> None:
    with pytest.raises(ConfigError, match=r"weight matrix must have rows and columns|must be finite"):
        prune_matrix(weight, kept=0, arch=ARCH)


def test_an_unavailable_method_is_named_with_the_available_ones() -> None:
    assert parse_method("vector") is Method.VECTOR
    with pytest.raises(
        ConfigError,
        match="`method` n-m is not available; available are mixed-vector, vector, fine-grained, block",
    ):
        parse_method("n-m")
