"""One token column of a cluster: L PEs."""

from typing import Final

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.activation_buffer import ActivationBuffer
from hw.drain_station import DrainStation
from hw.pipeline import delay, delay_fields
from hw.product_tree import ProductTree
from hw.psums import PsumBank
from hw.shapes import column_shape, token_shape
from spec.arch import ArchConfig

__all__ = ["Column"]


class Column(wiring.Component):
    """L multipliers, their psums and one token's activations.

    Everything arrives through a register and goes on to the next column, so nothing is broadcast.
    With the read address in the column's register in cycle 0, that register expects ``lane`` in cycle
    ``LANE_CYCLE``, ``weights`` in ``WEIGHT_CYCLE``, ``psums`` in ``psum_cycle(arch)``, and the first
    ``drain`` select of a captured row in ``drain_cycle(arch)``. One beat per cycle.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    index : In(token_shape(arch))
        Number of the column, a constant.
    chain, chain_next : In, Out(column_shape(arch))
        ``chain_next`` is ``chain`` one cycle later.
    drained, drained_next : In, Out
        L psums on their way out, lane 0 lowest; ``drained`` is expected one cycle before
        ``drained_next``.
    """

    MODULE = "mixvec_column"
    """Name of the Verilog module that clusters place."""
    LANE_CYCLE = ActivationBuffer.LANE_DELAY
    WEIGHT_CYCLE = ActivationBuffer.LATENCY - 1

    index: Signal
    chain: data.View
    chain_next: data.View
    drained: Signal
    drained_next: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(self.members(arch))

    @staticmethod
    def members(arch: ArchConfig) -> dict[str, wiring.Member]:
        """Ports, for whoever places the module."""
        return {
            "index": In(token_shape(arch)),
            "chain": In(column_shape(arch)),
            "chain_next": Out(column_shape(arch)),
            "drained": In(arch.lanes * arch.psum_width),
            "drained_next": Out(arch.lanes * arch.psum_width),
        }

    @staticmethod
    def psum_cycle(arch: ArchConfig) -> int:
        """Cycle of psum control: one before the addend, for a copy of it per lane."""
        return ActivationBuffer.LATENCY + ProductTree.latency(arch) - 1

    @classmethod
    def drain_cycle(cls, arch: ArchConfig) -> int:
        """Earliest cycle of a select: the captured row is there one cycle later, when it is gated."""
        return cls.psum_cycle(arch) + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        here = delay_fields(m, self.chain, "here")
        m.d.comb += self.chain_next.eq(here)

        m.submodules.activation_buffer = activations = ActivationBuffer(arch)
        m.submodules.product_tree = tree = ProductTree(arch)
        m.submodules.drain_station = drain = DrainStation(arch)
        weights = delay(m, here.weights, 1, "weights")
        m.d.comb += [
            activations.index.eq(self.index),
            activations.write.eq(here.write),
            activations.read.eq(here.read),
            activations.lane.eq(here.lane),
            activations.horizontal.eq(here.horizontal),
            tree.activations.eq(activations.operands),
            Value.cast(tree.weights).eq(weights),
            tree.horizontal.eq(here.horizontal),
            drain.index.eq(self.index),
            drain.select.eq(here.drain),
            drain.i.eq(self.drained),
            self.drained_next.eq(drain.o),
        ]
        for lane in range(arch.lanes):
            bank = PsumBank(arch, ProductTree.addend_width(arch))
            m.submodules[f"psums_{lane}"] = bank
            m.d.comb += [
                bank.addend.eq(tree.addends[lane]),
                bank.row.eq(delay(m, here.psums.row, 1, f"row_{lane}")),
                bank.write.eq(delay(m, here.psums.write[lane], 1, f"write_{lane}")),
                bank.first.eq(delay(m, here.psums.first[lane], 1, f"first_{lane}")),
                bank.forward.eq(delay(m, here.psums.forward[lane], 1, f"forward_{lane}")),
                bank.steal.eq(delay(m, here.psums.steal, 1, f"steal_{lane}")),
                drain.captured[lane].eq(bank.captured),
            ]
        return m
