"""The memory that is read in parts alone, as synthesis finds it and as block RAMs."""

import os

import pytest

from hw.family import Family
from hw.part_memory import PartMemory
from sim.cocotb_part_memory import SHAPE
from sim.subject import simulate_subject


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("shape", [(64, 8, 16), (64, 600, 1), (64, 2, 64)])
def test_part_memory_answers_after_three_cycles(
    shape: tuple[int, int, int], family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, SHAPE, " ".join(map(str, shape)))
    simulate_subject(PartMemory(*shape), "sim.cocotb_part_memory", family=family)
