"""Mixed-length vectors: exact counts, exact optimum, true record bits."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from spec.record import advance_records
from sw.baselines import block_mask, fine_grained_mask, vector_mask
from sw.record_path import record_paths
from sw.segments import best_dyadic, best_groups, record_bits, segment_mask

ARCH = ArchConfig(clusters=1, lanes=2, tokens=1, segment=8)
SEEDS = st.integers(0, 1 << 30)
SIZES = st.integers(1, 40)


def heavy_scores(shape: tuple[int, ...], seed: int, ties: bool = False) -> np.ndarray:
    """Scores with stripes, and with many equal values if ``ties``."""
    rng = np.random.default_rng(seed)
    scores = rng.gamma(0.5, size=shape) * (0.2 + rng.random(shape[-1]))
    return np.round(scores) if ties else scores


def slow_vectors(mask: np.ndarray, direction: Direction, arch: ArchConfig) -> list[list[tuple[int, int]]]:
    """Position and bitmap of every vector of every block, by the definition of ``spec.record``."""
    rows = len(mask)
    size, lanes, blocks = arch.segment, arch.lanes, []
    for top in range(0, rows, size):
        found: dict[int, int] = {}
        for m, k in np.argwhere(mask[top : top + size]).tolist():
            if direction is Direction.VERTICAL:
                position, group = k, m // lanes
            else:
                position, group = (k // size) * size + m, k % size // lanes
            found[position] = found.get(position, 0) | 1 << group
        blocks.append(sorted(found.items()))
    return blocks


def slow_record_bits(mask: np.ndarray, direction: Direction, arch: ArchConfig) -> int:
    records = 0
    for vectors in slow_vectors(mask, direction, arch):
        here = 0
        for position, bitmap in vectors or [(0, 0)]:
            records += len(advance_records(position - here, bitmap, bitmap == 0, arch))
            here = position + 1
    return records * arch.record_width


@settings(deadline=None)
@given(SIZES, SIZES, SEEDS, st.floats(0, 0.5), st.sampled_from(Direction), st.integers(1, 3))
def test_record_bits_are_those_of_the_encoded_records(
    rows: int, cols: int, seed: int, density: float, direction: Direction, advance_width: int
) -> None:
    arch = ARCH.model_copy(update={"advance_width": advance_width})
    mask = np.random.default_rng(seed).random((rows, cols)) < density**3

    assert record_bits(mask, direction, arch) == slow_record_bits(mask, direction, arch)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 5), st.integers(0, 5), SEEDS, st.sampled_from(Direction), st.booleans(), st.booleans())
def test_whole_groups_are_kept_to_the_exact_count(
    rows: int, cols: int, seed: int, direction: Direction, contiguous: bool, ties: bool
) -> None:
    shape = (8 * rows + 8, 8 * cols + 8)
    scores = heavy_scores(shape, seed, ties)
    kept = scores.size // 5 + seed % (4 * scores.size // 5)

    mask = segment_mask(
        scores, kept=kept, direction=direction, arch=ARCH, metadata_bits=3.0, contiguous=contiguous
    )

    assert mask.sum() == kept // 2 * 2
    along = mask if direction is Direction.VERTICAL else mask.T
    assert np.array_equal(along[::2], along[1::2])


@settings(deadline=None)
@given(SIZES, SIZES, SEEDS, st.sampled_from(Direction), st.booleans())
def test_odd_shapes_keep_within_a_group_of_the_count(
    rows: int, cols: int, seed: int, direction: Direction, contiguous: bool
) -> None:
    scores = heavy_scores((rows, cols), seed)
    kept = seed % (scores.size + 1)

    mask = segment_mask(scores, kept=kept, direction=direction, arch=ARCH, contiguous=contiguous)

    assert mask.shape == scores.shape
    assert abs(int(mask.sum()) - kept) <= 1
    along = mask if direction is Direction.VERTICAL else mask.T
    whole = len(along) // 2 * 2
    assert np.array_equal(along[:whole:2], along[1:whole:2])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(9, 70), st.integers(9, 70), SEEDS, st.sampled_from(Direction), st.booleans(), st.booleans()
)
def test_the_budget_is_respected_or_refused(
    rows: int, cols: int, seed: int, direction: Direction, contiguous: bool, escapes: bool
) -> None:
    scores = heavy_scores((rows, cols), seed)
    kept = max(round(0.3 * scores.size), 1)
    budget = 0.8 + seed % 7 / 5

    try:
        mask = segment_mask(
            scores,
            kept=kept,
            direction=direction,
            arch=ARCH,
            metadata_bits=budget,
            contiguous=contiguous,
            price_escapes=escapes,
        )
    except ConfigError as refusal:
        assert "`metadata_bits` must be at least" in str(refusal)
        assert budget < 3.0
    else:
        assert slow_record_bits(mask, direction, ARCH) <= budget * mask.sum() + 1e-9
        assert abs(int(mask.sum()) - kept) <= 1


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("contiguous", [False, True])
def test_a_tighter_budget_retains_less_in_longer_vectors(direction: Direction, contiguous: bool) -> None:
    scores = heavy_scores((128, 128), 5)
    lengths, retained = [], []
    for budget in (None, 2.2, 1.9, 1.6):
        mask = segment_mask(
            scores, kept=3276, direction=direction, arch=ARCH, metadata_bits=budget, contiguous=contiguous
        )
        vectors = sum(len(block) for block in slow_vectors(mask, direction, ARCH))
        lengths.append(mask.sum() / vectors)
        retained.append(scores[mask].sum())

    assert lengths == sorted(lengths) and len(set(lengths)) == 4
    assert retained == sorted(retained, reverse=True) and len(set(retained)) == 4


def test_pricing_escapes_retains_more_at_the_same_budget() -> None:
    scores = heavy_scores((256, 256), 9)
    retained = {}
    for escapes in (False, True):
        mask = segment_mask(
            scores,
            kept=6554,
            direction=Direction.VERTICAL,
            arch=ARCH,
            metadata_bits=2.0,
            price_escapes=escapes,
        )
        retained[escapes] = scores[mask].sum()

    assert retained[True] > 1.002 * retained[False]


def test_an_impossible_budget_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`metadata_bits` must be at least \d\.\d+ bits .* not 0\.1"):
        segment_mask(
            heavy_scores((64, 64), 1), kept=800, direction=Direction.VERTICAL, arch=ARCH, metadata_bits=0.1
        )


def test_padding_never_counts_as_kept() -> None:
    mask = segment_mask(np.zeros((9, 5)), kept=45, direction=Direction.VERTICAL, arch=ARCH)

    assert mask.all()


@settings(deadline=None)
@given(SEEDS, st.floats(0, 3), st.floats(0, 4), st.booleans())
def test_the_groups_of_a_segment_are_the_optimum_of_all_subsets(
    seed: int, threshold: float, price: float, ties: bool
) -> None:
    scores = heavy_scores((4,), seed, ties)

    chosen = best_groups(scores, threshold, price)

    def earned(groups: tuple[int, ...]) -> float:
        return float(sum(scores[g] - threshold for g in groups) - price) if groups else 0.0

    subsets = [s for n in range(5) for s in itertools.combinations(range(4), n)]
    most = max(earned(subset) for subset in subsets)
    assert earned(tuple(np.flatnonzero(chosen).tolist())) == pytest.approx(most, abs=1e-9)


@settings(deadline=None)
@given(SEEDS, st.floats(0, 3), st.floats(0, 4), st.booleans())
def test_dyadic_runs_are_the_optimum_of_all_partitions(
    seed: int, threshold: float, price: float, ties: bool
) -> None:
    scores = heavy_scores((8,), seed, ties)
    runs = [(start, size) for size in (1, 2, 4, 8) for start in range(0, 8, size)]

    def cost(groups: set[int]) -> float:
        """Earned with the fewest runs that cover exactly ``groups``."""
        whole = [(s, n) for s, n in runs if set(range(s, s + n)) <= groups]
        tops = [r for r in whole if not any(o != r and o[0] <= r[0] and r[0] + r[1] <= sum(o) for o in whole)]
        return sum(float(scores[g]) - threshold for g in groups) - price * len(tops)

    chosen = set(np.flatnonzero(best_dyadic(scores, threshold, price)).tolist())

    most = max(cost({g for g in range(8) if bits >> g & 1}) for bits in range(256))
    assert cost(chosen) == pytest.approx(most, abs=1e-9)


@settings(deadline=None)
@given(SEEDS, st.floats(0, 2), st.floats(0, 3), st.integers(1, 2))
def test_record_paths_are_the_optimum_of_all_masks(
    seed: int, threshold: float, price: float, advance_width: int
) -> None:
    arch = ARCH.model_copy(update={"advance_width": advance_width})
    scores = -np.sort(-heavy_scores((1, 7, 2), seed))

    def earned(counts: tuple[int, ...]) -> float:
        total, here, records = 0.0, 0, 0
        for position, count in enumerate(counts):
            total += float(scores[0, position, :count].sum()) - threshold * count
            if count:
                records += len(advance_records(position - here, 1, False, arch))
                here = position + 1
        return total - price * max(records, 1)

    counts = record_paths(scores, threshold, price, advance_width)

    most = max(earned(choice) for choice in itertools.product(range(3), repeat=7))
    assert earned(tuple(counts[0].tolist())) == pytest.approx(most, abs=1e-9)


@pytest.mark.parametrize("advance_width", [1, 2, 3])
def test_a_lone_vector_is_kept_if_it_earns_its_escapes(advance_width: int) -> None:
    arch = ARCH.model_copy(update={"advance_width": advance_width})
    for gap in range(40):
        records = len(advance_records(gap, 1, True, arch))
        for surplus in (-0.25, 0.25):
            scores = np.zeros((1, 41, 1))
            # Without the vector, the block still costs the one record that ends it.
            scores[0, gap] = 1 + records - 1 + surplus

            counts = record_paths(scores, 1.0, 1.0, advance_width)

            assert np.flatnonzero(counts[0]).tolist() == ([gap] if surplus > 0 else [])


@settings(deadline=None)
@given(SIZES, SIZES, SEEDS, st.integers(1, 9), st.sampled_from(Direction))
def test_fixed_vectors_are_the_strongest_aligned_ones(
    rows: int, cols: int, seed: int, length: int, direction: Direction
) -> None:
    scores = heavy_scores((rows * length, cols), seed)
    scores = scores if direction is Direction.VERTICAL else scores.T
    vectors = seed % (rows * cols + 1)

    mask = vector_mask(scores, kept=vectors * length, direction=direction, length=length)

    along, kept = (a if direction is Direction.VERTICAL else a.T for a in (scores, mask))
    sums = along.reshape(rows, length, cols).sum(axis=1)
    whole = kept.reshape(rows, length, cols)
    assert (whole.all(axis=1) == whole.any(axis=1)).all() and mask.sum() == vectors * length
    chosen = whole.any(axis=1)
    if 0 < vectors < rows * cols:
        assert sums[chosen].min() >= sums[~chosen].max() - 1e-9


@settings(deadline=None)
@given(SIZES, SIZES, SEEDS, st.integers(1, 9))
def test_blocks_are_square_and_within_a_block_of_the_count(
    rows: int, cols: int, seed: int, size: int
) -> None:
    scores = heavy_scores((rows, cols), seed)
    kept = seed % (scores.size + 1)

    mask = block_mask(scores, kept=kept, length=size)

    assert abs(int(mask.sum()) - kept) <= size * size / 2
    for top, left in itertools.product(range(0, rows, size), range(0, cols, size)):
        block = mask[top : top + size, left : left + size]
        assert block.all() or not block.any()


@settings(deadline=None)
@given(SIZES, SIZES, SEEDS)
def test_fine_grained_keeps_the_exact_count(rows: int, cols: int, seed: int) -> None:
    scores = heavy_scores((rows, cols), seed, ties=True)
    kept = seed % (scores.size + 1)

    mask = fine_grained_mask(scores, kept=kept)

    assert mask.sum() == kept
    assert scores[mask].sum() == np.sort(scores.ravel())[::-1][:kept].sum()


@pytest.mark.parametrize("mask_of", [vector_mask, block_mask])
def test_a_length_below_one_is_refused(mask_of: object) -> None:
    with pytest.raises(ConfigError, match="`length` must be at least 1, not 0"):
        if mask_of is vector_mask:
            vector_mask(np.ones((2, 2)), kept=1, direction=Direction.VERTICAL, length=0)
        else:
            block_mask(np.ones((2, 2)), kept=1, length=0)
