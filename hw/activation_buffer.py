"""Activations of one token, double-buffered, and the choice of operands."""

from functools import reduce
from operator import or_
from typing import Final

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import BlockMemory, MemorySize
from hw.pipeline import delay, own_register
from hw.shapes import column_shape, token_shape
from spec.arch import ArchConfig

__all__ = ["ActivationBuffer"]


class ActivationBuffer(wiring.Component):
    """Hold one token's activations and give every multiplier its operand.

    Vertical: all lanes get the activation of the one lane that is not ``off``. Horizontal: every lane gets
    its own. Latency ``LATENCY`` cycles from ``read`` to ``operands``, of which ``off`` joins ``LANE_DELAY``
    cycles after its ``read``. One operand vector per cycle.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``lanes``, ``tokens``, ``activation_width``, ``activation_depth``, ``stream_width``.

    Members
    -------
    index : In(token_shape(arch))
        Number of the token column; a constant where the column is placed.
    write, read, off, horizontal : In
        As in ``hw.shapes.column_shape``. ``horizontal`` does not change while beats are under way.
    operands : Out(ArrayLayout)
        One signed activation per lane.
    """

    LATENCY = 5
    LANE_DELAY = 1

    index: Signal
    write: data.View
    read: data.View
    off: Signal
    horizontal: Signal
    operands: data.View

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        chain = column_shape(arch)
        super().__init__(
            {
                "index": In(token_shape(arch)),
                **{name: In(chain[name].shape) for name in ("write", "read", "off", "horizontal")},
                "operands": Out(data.ArrayLayout(signed(arch.activation_width), arch.lanes)),
            }
        )

    @staticmethod
    def memory(arch: ArchConfig) -> MemorySize:
        """Size of the double buffer."""
        return MemorySize(arch.lanes * arch.activation_width, 2 * arch.activation_depth)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes, width = self.arch.lanes, self.arch.activation_width
        m.submodules.storage = storage = BlockMemory(*self.memory(self.arch))
        self._connect_write(m, storage)
        m.d.comb += storage.read_address.eq(Value.cast(self.read))

        # No multiplexer: what an operand is not made of is held at 0 by its register's own clear, and of
        # the rest, a lane's own activation and what comes from the other lanes, it is the OR.
        own: list[Value] = []
        others: list[Value] = []
        for lane in range(lanes):
            word = storage.read_data.word_select(lane, width)
            off = own_register(m, self.off[lane], f"off_{lane}", platform)
            gated, other = (
                Signal(width, name=f"{name}_{lane}", reset_less=True) for name in ("gated", "other")
            )
            m.d.sync += [gated.eq(Mux(off, 0, word)), other.eq(Mux(self.horizontal, 0, gated))]
            own.append(delay(m, gated, 1, f"own_{lane}"))
            others.append(other)
        operands = []
        for lane in range(lanes):
            operand = Signal(width, name=f"operand_{lane}", reset_less=True)
            m.d.sync += operand.eq(reduce(or_, (own[lane], *others[:lane], *others[lane + 1 :])))
            operands.append(operand)
        m.d.comb += Value.cast(self.operands).eq(Cat(operands))
        return m

    def _connect_write(self, m: Module, storage: BlockMemory) -> None:
        """Take this token's share of a stream word, registered once more before the memory."""
        arch = self.arch
        share = arch.lanes * arch.activation_width
        shares = [self.write.data.word_select(n, share) for n in range(arch.tokens_per_word)]
        parts = Array(token // arch.tokens_per_word for token in range(arch.tokens))
        places = Array(token % arch.tokens_per_word for token in range(arch.tokens))
        mine = Signal()
        m.d.comb += mine.eq(self.write.enable & (self.write.part == parts[self.index]))
        enable = delay(m, mine, 1, "write_enable", reset_less=False)
        address = delay(m, Cat(self.write.word, self.write.bank), 1, "write_address")
        word = delay(m, Array(shares)[places[self.index]], 1, "write_data")
        m.d.comb += [
            storage.write_enable.eq(enable),
            storage.write_address.eq(address),
            storage.write_data.eq(word),
        ]
