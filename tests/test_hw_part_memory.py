"""The memory that is read in parts alone, as synthesis finds it and as block RAMs."""

import os

import pytest

from hw.family import Family
from hw.part_memory import PartMemory
from sim.cocotb_part_memory import SHAPE
from sim.subject import simulate_subject
from tests.slices import often


@pytest.mark.parametrize(
    ("shape", "family"),
    often(
        [
            *[(shape, family) for shape in ((64, 8, 16), (64, 600, 1), (64, 2, 64)) for family in Family],
            # Block RAMs of ECP5 that choose the part themselves: 18 bits to 9, 4, 2 and 1, and 4 to 1.
            *[((64, 600, part), Family.ECP5) for part in (32, 16, 8, 4)],
            ((128, 1024, 16), Family.ECP5),
            ((128, 4096, 32), Family.ECP5),
        ],
        [((64, 8, 16), Family.ECP5), ((128, 1024, 16), Family.ECP5), ((64, 2, 64), Family.GENERIC)],
    ),
)
def test_part_memory_answers_after_three_cycles(
    shape: tuple[int, int, int], family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, SHAPE, " ".join(map(str, shape)))
    simulate_subject(PartMemory(*shape), "sim.cocotb_part_memory", family=family)
