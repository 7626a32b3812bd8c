"""The drain tree alone."""

import pytest

from hw.drain_tree import DrainTree
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


@pytest.mark.parametrize("tokens", often([3, 9, 16], [9, 16]))
def test_drain_tree_merges_what_columns_give_out(tokens: int) -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=tokens)

    simulate_subject(DrainTree(arch), "sim.cocotb_drain_tree", arch)
