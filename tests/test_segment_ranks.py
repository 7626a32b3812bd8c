"""Counts by rank against masks by rank, records against those of the spec, and limits that are met."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from spec.record import advance_records
from sw.bracket import fall_to
from sw.scores import strongest
from sw.segment_ranks import count_records, strongest_counts, vector_entries
from sw.segments import entry_prices, segment_mask

ARCH = ArchConfig(clusters=1, lanes=2, tokens=1, segment=8)
SEEDS = st.integers(0, 1 << 30)
SPREADS = st.sampled_from([0.0, 1.0, 1e6])


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 30), SEEDS, st.floats(0, 1), SPREADS, st.booleans())
def test_counts_are_those_of_the_strongest_groups(
    blocks: int, positions: int, seed: int, part: float, price: float, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.gamma(0.1, size=(blocks, positions, 4)) * rng.choice([1.0, 1e9], p=[0.99, 0.01])
    ranked = -np.sort(-(np.round(scores) if ties else scores), axis=-1)
    entries = vector_entries(ranked, ranked.cumsum(axis=-1), price)
    groups = round(part * entries.size)

    counts, weakest = strongest_counts(entries, groups)

    assert np.allclose(entries, entry_prices(ranked, price), rtol=1e-12)
    chosen = strongest(entries, 1, groups)
    assert np.array_equal(counts, chosen.sum(axis=-1))
    assert weakest == entries[chosen].min(initial=np.inf)


@pytest.mark.parametrize("groups", [0, 1, 7, 8])
def test_infinite_entries_rank_like_others(groups: int) -> None:
    entries = np.array([[[np.inf, 3.0], [np.inf, np.inf], [-np.inf, -np.inf], [3.0, -np.inf]]])

    counts, _ = strongest_counts(entries, groups)

    assert np.array_equal(counts, strongest(entries, 1, groups).sum(axis=-1))


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 60), SEEDS, st.integers(1, 3))
def test_records_are_counted_as_they_are_encoded(
    blocks: int, positions: int, seed: int, advance_width: int
) -> None:
    arch = ARCH.model_copy(update={"advance_width": advance_width})
    rng = np.random.default_rng(seed)
    occupied = rng.random((blocks, positions)) < rng.random() ** 3
    records = 0
    for block in occupied:
        here = 0
        for position in np.flatnonzero(block).tolist():
            records += len(advance_records(position - here, 1, False, arch))
            here = position + 1
        records += not block.any()

    assert count_records(occupied, advance_width) == records


@settings(deadline=None)
@given(st.floats(0, 100), st.floats(-5, 150), st.floats(1e-6, 10), st.floats(0.5, 4), st.integers(1, 9))
def test_a_limit_is_met_from_below(
    limit: float, start: float, width: float, power: float, steps: int
) -> None:
    def value(point: float) -> tuple[str, float]:
        falling = 100 * (1 - point / 100) ** power
        return f"at {point}", round(falling * steps) / steps

    met = fall_to(value, limit, start=start, width=width, lowest=0.0, highest=100.0, slack=0.01)

    assert met == (met.point, *value(met.point)) and 0 <= met.point <= 100
    assert met.value <= limit
    assert met.point == 0 or met.value >= 0.98 * limit - 1.01 / steps


def test_a_limit_below_every_value_returns_the_last() -> None:
    met = fall_to(lambda point: (None, 5.0), 1.0, start=1, width=0.1, lowest=0, highest=9, slack=0.01)

    assert met == (9, None, 5.0)


@pytest.mark.parametrize("seed", range(8))
def test_the_least_budget_that_a_refusal_names_can_be_met(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.gamma(0.5, size=tuple(rng.integers(20, 140, 2)))

    def mask(bits: float) -> np.ndarray:
        return segment_mask(
            scores, kept=scores.size // 5, direction=Direction(seed % 2), arch=ARCH, metadata_bits=bits
        )

    with pytest.raises(ConfigError) as refusal:
        mask(0.05)
    named = re.search(r"at least (\d+\.\d+) bits", str(refusal.value))

    assert named is not None and mask(float(named[1])).any()
