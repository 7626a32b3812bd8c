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
        [(shape, family) for shape in ((64, 8, 16), (64, 600, 1), (64, 2, 64)) for family in Family],
        [((64, 8, 16), Family.ECP5), ((64, 2, 64), Family.GENERIC)],
    ),
)
def test_part_memory_answers_after_three_cycles(
    shape: tuple[int, int, int], family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, SHAPE, " ".join(map(str, shape)))
    simulate_subject(PartMemory(*shape), "sim.cocotb_part_memory", family=family)
