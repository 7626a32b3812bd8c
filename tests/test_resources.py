"""Block memories counted ahead are those that the Verilog places."""

import re
from collections import Counter

import pytest

from hw.accelerator import Accelerator
from hw.emit import emit_verilog
from hw.family import Family
from hw.resources import block_memories, ecp5_memory_blocks, multipliers
from spec.arch import ArchConfig
from spec.presets import PRESETS

_MODULE = re.compile(r"^module (\\\S+|\w+) ?\(.*?^endmodule", re.MULTILINE | re.DOTALL)
_INSTANCE = re.compile(r"^  (\\\S+|\w+) +(?:#\(\n(?:    .*\n)*?  \) )?(?:\\\S+|\w+) +\(\n", re.MULTILINE)
_BLOCK_RAMS = ("DP16KD", "PDPW16KD")


def placed_primitives(text: str, top: str) -> Counter[str]:
    """Primitives of ECP5 below ``top``, modules followed through all their instances."""
    bodies = {match[1]: match[0] for match in _MODULE.finditer(text)}
    found: Counter[str] = Counter()
    for cell in _INSTANCE.findall(bodies[top]):
        if cell in bodies:
            found += placed_primitives(text, cell)
        elif cell.isupper():
            found[cell] += 1
    return found


@pytest.mark.parametrize(
    "fields",
    [
        PRESETS["tiny"],
        PRESETS["small_int8"],
        {"clusters": 2, "lanes": 2, "tokens": 3, "weight_width": 3, "psum_width": 20},
        {"clusters": 2, "lanes": 8, "tokens": 1, "activation_width": 4, "value_depth": 1024},
        {"clusters": 2, "lanes": 4, "tokens": 2, "stream_width": 128},
    ],
)
def test_block_rams_and_multipliers_are_those_of_the_verilog(fields: dict[str, int]) -> None:
    arch = ArchConfig(**fields)
    text = emit_verilog(arch, family=Family.ECP5)
    placed = placed_primitives(text, Accelerator.MODULE)
    assert ecp5_memory_blocks(arch) == sum(placed[name] for name in _BLOCK_RAMS)
    assert multipliers(arch) == placed["MULT18X18D"]


def test_memories_are_counted_per_cluster_and_per_token() -> None:
    one = block_memories(ArchConfig(clusters=1, lanes=4, tokens=4))
    two = block_memories(ArchConfig(clusters=2, lanes=4, tokens=4, split_slots=4))
    assert two.total() == 2 * one.total() - 1


def test_a_memory_deeper_than_a_block_ram_is_left_to_synthesis() -> None:
    assert ecp5_memory_blocks(ArchConfig(clusters=1, lanes=1, tokens=1, record_depth=1 << 14)) is None
