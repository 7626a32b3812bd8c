"""Registers in a row: what aligns two paths of different length."""

from amaranth.hdl import Cat, Module, Shape, Signal, Value, ValueLike
from amaranth.lib import data

from hw.ecp5 import ecp5_register
from hw.family import Family, family_of

__all__ = ["delay", "delay_fields", "own_register"]


def delay(m: Module, value: ValueLike, cycles: int, name: str, *, reset_less: bool = True) -> Value:
    """Return ``value`` as it was ``cycles`` cycles before; the registers are called ``name_1``, ``name_2``…

    Call it outside of conditions, which would hold the registers too. Datapath registers need no reset; give
    ``reset_less=False`` for a flag that must start at 0.
    """
    current = Value.cast(value)
    shape: Shape = current.shape()
    for number in range(1, cycles + 1):
        stage = Signal(shape, name=f"{name}_{number}", reset_less=reset_less)
        m.d.sync += stage.eq(current)
        current = stage
    return current


def own_register(m: Module, value: ValueLike, name: str, platform: object) -> Value:
    """Return ``value`` as it was one cycle before, in registers apart from others of the same input.

    A signal that many cells take is copied for a few of them each; synthesis for ECP5 would merge the copies.
    """
    if family_of(platform) is Family.ECP5:
        return ecp5_register(m, Value.cast(value), name)
    return delay(m, value, 1, name)


def delay_fields(m: Module, bundle: data.View, name: str) -> data.View:
    """Return ``bundle`` as it was one cycle before, in a register per field.

    Fields that go to different submodules are then ports with names of their own.
    """
    layout = bundle.shape()
    registers = (delay(m, bundle[field], 1, f"{name}_{field}") for field, _ in layout)
    return data.View(layout, Cat(registers))
