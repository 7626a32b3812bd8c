"""Products with matrices over GF(2), in as little logic as they go."""

import random
from typing import Any

import pytest
from amaranth.hdl import Module, Signal, Value
from amaranth.sim import Simulator

from hw.gf2 import apply
from hw.parities import shared_parities


def products(columns: list[int], count: int, rows: int, values: list[int]) -> list[int]:
    """What gates make of each value."""
    m, value = Module(), Signal(len(columns))
    # A bit more than there should be.
    product = Signal(count + 1)
    m.d.comb += product.eq(shared_parities(value, columns, count, rows=rows))
    found: list[int] = []

    async def bench(context: Any) -> None:
        for one in values:
            context.set(value, one)
            await context.delay(1e-9)
            found.append(context.get(product))

    simulator: Any = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("bits", "count"), [(1, 1), (5, 7), (32, 32), (64, 33)])
def test_parities_are_the_product_of_matrix_and_value(bits: int, count: int, rows: int) -> None:
    """Of gates that are all exclusive or, every single bit and none at all decide; a few more besides."""
    rng = random.Random(f"parities-{bits}-{count}-{rows}")
    columns = [rng.getrandbits(count) for _ in range(bits)]
    values = [0, *(1 << bit for bit in range(bits)), *(rng.getrandbits(bits) for _ in range(20))]

    found = products(columns, count, rows, values)

    assert found == [apply(columns, value) for value in values]


def test_every_sum_goes_where_it_is_kept() -> None:
    """The kinds of two parities: bits of the one, of the other, of both; those of neither are in none."""
    kept: dict[str, Value] = {}

    def keep(part: Value, name: str) -> Value:
        kept[name] = part
        return part

    shared_parities(Signal(5), [0b01, 0b10, 0b11, 0b00, 0b01], 2, rows=2, keep=keep)

    assert list(kept) == ["0_1", "0_2", "0_3"]
