"""One token column of a cluster: L PEs."""

from typing import Final

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.activation_buffer import ActivationBuffer
from hw.pipeline import delay, delay_fields, own_register
from hw.product_tree import ProductTree
from hw.psums import PsumBank
from hw.shapes import column_shape, token_shape
from spec.arch import ArchConfig

__all__ = ["Column"]


class Column(wiring.Component):
    """L multipliers, their psums and one token's activations.

    Everything arrives through a register and goes on to the next column, so nothing is broadcast.
    With the read address in the column's register in cycle 0, that register expects ``off`` in cycle
    ``LANE_CYCLE``, ``weights`` in ``WEIGHT_CYCLE`` and ``psums`` in ``psum_cycle(arch)``. One beat per cycle.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    index : In(token_shape(arch))
        Number of the column, a constant.
    chain, chain_next : In, Out(column_shape(arch))
        ``chain_next`` is ``chain`` one cycle later.
    captured : Out
        L psums of a stolen row, lane 0 lowest, ``CAPTURE_LATENCY`` cycles after its ``psums`` came in on
        ``chain``; else 0.
    """

    MODULE = "mixvec_column"
    """Name of the Verilog module that clusters place."""
    LANE_CYCLE = ActivationBuffer.LANE_DELAY
    WEIGHT_CYCLE = ActivationBuffer.LATENCY - 1
    CAPTURE_LATENCY = 4

    index: Signal
    chain: data.View
    chain_next: data.View
    captured: Signal

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
            "captured": Out(arch.lanes * arch.psum_width),
        }

    @staticmethod
    def psum_cycle(arch: ArchConfig) -> int:
        """Cycle of psum control: one before the products, for a copy of it per lane."""
        return ActivationBuffer.LATENCY + ProductTree.latency(arch) - 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        here = delay_fields(m, self.chain, "here")
        m.d.comb += self.chain_next.eq(here)

        m.submodules.activation_buffer = activations = ActivationBuffer(arch)
        m.submodules.product_tree = tree = ProductTree(arch)
        weights = delay(m, here.weights, 1, "weights")
        m.d.comb += [
            activations.index.eq(self.index),
            activations.write.eq(here.write),
            activations.read.eq(here.read),
            activations.off.eq(here.off),
            activations.horizontal.eq(here.horizontal),
            # The direction clears registers of all lanes, so every column has a copy.
            tree.horizontal.eq(own_register(m, here.horizontal, "horizontal", platform)),
            tree.activations.eq(activations.operands),
            Value.cast(tree.weights).eq(weights),
        ]
        captured: list[Value] = []
        for lane in range(arch.lanes):
            bank = PsumBank(arch, ProductTree.product_width(arch), ProductTree.sum_width(arch))
            m.submodules[f"psums_{lane}"] = bank
            m.d.comb += [
                bank.product.eq(tree.products[lane]),
                bank.sum.eq(tree.sum),
                bank.row.eq(own_register(m, here.psums.row, f"row_{lane}", platform)),
                bank.write.eq(delay(m, here.psums.write[lane], 1, f"write_{lane}")),
                bank.fresh.eq(delay(m, here.psums.fresh[lane], 1, f"fresh_{lane}")),
                bank.forward.eq(delay(m, here.psums.forward[lane], 1, f"forward_{lane}")),
                bank.steal.eq(own_register(m, here.psums.steal, f"steal_{lane}", platform)),
            ]
            captured.append(bank.captured)
        m.d.comb += self.captured.eq(Cat(captured))
        return m
