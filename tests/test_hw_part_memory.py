"""The memory that is read in parts alone, as synthesis finds it and as block RAMs."""

import os
import re

import pytest

from hw.emit import emit_component
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


@pytest.mark.parametrize(("part", "width"), [(64, 9), (32, 4), (16, 2), (8, 1)])
def test_block_rams_choose_the_part_themselves(part: int, width: int) -> None:
    """The port that reads is as narrow as its share of a part, and nothing chooses behind it."""
    text = emit_component(PartMemory(128, 1024, part), "memory", Family.ECP5)

    assert set(re.findall(r"DATA_WIDTH_[AB]\(32'd(\d+)\)", text)) == {"18", str(width)}
    assert text.count("DP16KD") == 8
    assert not re.search(r"case|>>", text)
