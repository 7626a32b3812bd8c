"""Testbench of the product tree."""

import random
from typing import Any, Final

import cocotb

from hw.product_tree import ProductTree
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch
from spec.numbers import signed_range

ARCH: Final = subject_arch()


@cocotb.test(timeout_time=100, timeout_unit="us")
@cocotb.parametrize(horizontal=[0, 1])
async def products_or_their_sum_come_in_time(dut: Any, horizontal: int) -> None:
    """A beat per cycle, the extremes of all lanes at once among them; what is not asked for is 0."""
    rng = random.Random("tree")
    low_a, high_a = signed_range(ARCH.activation_width)
    low_w, high_w = signed_range(ARCH.weight_width)
    lanes = range(ARCH.lanes)
    beats = [([a for _ in lanes], [w for _ in lanes]) for a in (low_a, high_a) for w in (low_w, high_w)] + [
        ([rng.randint(low_a, high_a) for _ in lanes], [rng.randint(low_w, high_w) for _ in lanes])
        for _ in range(300)
    ]
    ports = Ports(dut, ProductTree(ARCH))
    await start(dut)
    ports.hold(horizontal=horizontal)
    await ports.cycles(1)

    latency = ProductTree.latency(ARCH)
    seen = [await ports.cycle(activations=a, weights=w) for a, w in beats] + await ports.cycles(latency)

    for (activations, weights), out in zip(beats, seen[latency:], strict=True):
        products = [a * w for a, w in zip(activations, weights, strict=True)]
        total = sum(products)
        if ARCH.lanes > 1:
            products, total = ([0 for _ in lanes], total) if horizontal else (products, 0)
        assert (out["products"], out["sum"]) == (products, total)
