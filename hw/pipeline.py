"""Registers in a row: what aligns two paths of different length."""

from amaranth.hdl import Module, Shape, Signal, Value, ValueLike

__all__ = ["delay"]


def delay(m: Module, value: ValueLike, cycles: int, name: str, *, reset_less: bool = True) -> Value:
    """Return ``value`` as it was ``cycles`` cycles before; the registers are called ``name_1``, ``name_2``…

    Datapath registers need no reset; give ``reset_less=False`` for a flag that must start at 0.
    """
    current = Value.cast(value)
    shape: Shape = current.shape()
    for number in range(1, cycles + 1):
        stage = Signal(shape, name=f"{name}_{number}", reset_less=reset_less)
        m.d.sync += stage.eq(current)
        current = stage
    return current
