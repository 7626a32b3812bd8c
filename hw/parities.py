"""Parities: a matrix over GF(2) times a value, one bit of the product per row."""

from collections.abc import Callable, Sequence

from amaranth.hdl import Cat, Const, Value

__all__ = ["shared_parities"]


def shared_parities(
    value: Value,
    columns: Sequence[int],
    count: int,
    *,
    rows: int,
    keep: Callable[[Value, str], Value] = lambda part, name: part,
) -> Value:
    """Return ``columns`` times ``value``, of ``count`` bits: what several have in common, added once.

    Parities are taken ``rows`` at a time. Bits of ``value`` that count in the same of these are a kind, and
    each kind is summed up first: 2^``rows`` - 1 sums, of which a parity takes half.

    Parameters
    ----------
    value : Value
    columns : sequence of int
        One per bit of ``value``; bit n of it counts the bit in parity n.
    count, rows : int
    keep : function of Value and str, optional
        Called with every sum and a name for it; what it returns takes the sum's place, as a register may.
    """
    found: list[Value] = []
    for low in range(0, count, rows):
        kinds: dict[int, list[Value]] = {}
        for bit, column in enumerate(columns):
            kind = column >> low & (1 << rows) - 1
            if kind:
                kinds.setdefault(kind, []).append(value[bit])
        sums = {kind: keep(Cat(bits).xor(), f"{low}_{kind}") for kind, bits in kinds.items()}
        for pair in range(0, rows, 2):
            # What two neighbours have in common is once more added only once.
            first, second, both = (
                Cat(Const(0, 1), *(part for kind, part in sums.items() if kind >> pair & 3 == which)).xor()
                for which in (1, 2, 3)
            )
            found += [first ^ both, second ^ both][: rows - pair]
    return Cat(found)[:count]
