"""Counters of a board that wrap around."""

from dataclasses import asdict

from codesign.cycles import CycleCount
from codesign.regression.defects import sums_missed
from spec.arch import ArchConfig
from spec.counters import COUNTERS, counter_width

NARROW = ArchConfig(clusters=1, lanes=1, tokens=1, stream_width=32, activation_depth=256)
WIDE = ArchConfig(clusters=1, lanes=1, tokens=1)


def test_a_counter_fits_a_word_of_the_stream() -> None:
    assert (counter_width(NARROW), counter_width(WIDE)) == (32, 48)


def test_causes_add_up_as_counters_wrap_around() -> None:
    counts = dict.fromkeys(COUNTERS, 0)
    counts |= {"starved_cycles": (1 << 32) - 5, "loading_cycles": 11, "cycles": 6}

    counters = asdict(CycleCount(**counts))

    assert sums_missed(counters, NARROW) == []
    assert sums_missed(counters, WIDE) == [f"the causes add up to {(1 << 32) + 6} cycles, not 6"]
