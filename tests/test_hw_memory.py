"""The block memory alone, as synthesis finds it and as block RAMs of every shape."""

import os

import pytest

from hw.emit import emit_component
from hw.family import Family
from hw.memory import BlockMemory
from hw.queue import Queue
from sim.cocotb_memory import SHAPE
from sim.subject import simulate_subject
from tests.slices import often

# One block RAM and several, from the widest to the deepest shape.
SHAPES = ((16, 6), (40, 512), (40, 513), (20, 1500), (9, 2048), (7, 4096), (3, 8192), (2, 16384))


@pytest.mark.parametrize(
    ("width", "depth", "family"),
    often(
        [(*SHAPES[0], Family.GENERIC), *((*shape, Family.ECP5) for shape in SHAPES)],
        [(*SHAPES[0], Family.GENERIC), (*SHAPES[2], Family.ECP5)],
    ),
)
def test_memory_answers_after_two_cycles(
    width: int, depth: int, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, SHAPE, f"{width} {depth}")
    simulate_subject(BlockMemory(width, depth), "sim.cocotb_memory", family=family)


def test_memory_deeper_than_a_block_ram_is_left_to_synthesis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, SHAPE, "2 16385")
    simulate_subject(BlockMemory(2, 16385), "sim.cocotb_memory", family=Family.ECP5)


@pytest.mark.parametrize("component", [BlockMemory, Queue])
def test_a_memory_of_512_bits_is_a_block_ram_on_gowin(component: type[BlockMemory] | type[Queue]) -> None:
    asked = [
        'ram_style = "block"' in emit_component(component(width, 32), "subject", family)
        for width, family in ((16, Family.GOWIN), (15, Family.GOWIN), (16, Family.GENERIC))
    ]

    assert asked == [True, False, False]
