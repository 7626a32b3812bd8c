"""The product tree alone."""

import pytest

from hw.product_tree import ProductTree
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


@pytest.mark.parametrize("lanes", often([1, 4], [4]))
def test_product_tree_multiplies_and_adds_up(lanes: int) -> None:
    arch = ArchConfig(clusters=1, lanes=lanes, tokens=1, weight_width=4)

    simulate_subject(ProductTree(arch), "sim.cocotb_product_tree", arch)
