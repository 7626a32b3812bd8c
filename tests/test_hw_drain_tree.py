"""The drain tree alone."""

import pytest

from hw.drain_tree import DrainTree
from sim.subject import simulate_subject
from spec.arch import ArchConfig


@pytest.mark.parametrize("tokens", [3, 9])
def test_drain_tree_merges_what_columns_give_out(tokens: int) -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=tokens)

    simulate_subject(DrainTree(arch), "sim.cocotb_drain_tree", arch)
