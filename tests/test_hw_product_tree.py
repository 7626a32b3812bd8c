"""The product tree alone."""

import pytest

from hw.family import Family
from hw.product_tree import ProductTree
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


@pytest.mark.parametrize(
    ("lanes", "weight_width", "family"),
    often(
        [(lanes, width, family) for lanes in (1, 4) for width in (4, 7) for family in Family],
        [(4, 4, Family.GENERIC), (4, 7, Family.ECP5)],
    ),
)
def test_product_tree_multiplies_and_adds_up(lanes: int, weight_width: int, family: Family) -> None:
    arch = ArchConfig(clusters=1, lanes=lanes, tokens=1, weight_width=weight_width)

    simulate_subject(ProductTree(arch), "sim.cocotb_product_tree", arch, family)
