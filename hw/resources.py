"""What an accelerator takes of a device's multipliers and block memories, without elaborating it."""

from collections import Counter

from hw.accelerator import Accelerator
from hw.activation_buffer import ActivationBuffer
from hw.cluster import Cluster
from hw.code_table import CodeTable
from hw.decompressor import Decompressor
from hw.ecp5_memory import ecp5_block_rams
from hw.egress import Egress
from hw.memory import MemorySize
from hw.output_buffer import OutputBuffer
from hw.parameter_memory import ParameterMemory
from hw.record_reader import RecordReader
from hw.split_adder import SplitAdder
from hw.wide_multiplier import WideMultiplier
from hw.zero_skip import ZeroSkip
from spec.arch import ArchConfig

__all__ = ["block_memories", "ecp5_memory_blocks", "multipliers"]


def block_memories(arch: ArchConfig) -> Counter[MemorySize]:
    """Return the block memories of the whole accelerator: how many there are of each size."""
    found: Counter[MemorySize] = Counter()
    for size in (
        Decompressor.memory(arch),
        RecordReader.memory(arch),
        ZeroSkip.memory(arch),
        *(Cluster.value_memory(arch, plane) for plane in arch.planes),
    ):
        found[size] += arch.clusters
    found[OutputBuffer.memory(arch)] += arch.clusters * arch.drain_trees
    found[ActivationBuffer.memory(arch)] += arch.clusters * arch.tokens
    if arch.split_slots:
        found[SplitAdder.memory(arch)] += 1
    if arch.output_blocks:
        size, places, copies = ParameterMemory.memories(arch)
        found[size] += places * copies
        found[CodeTable.memory(arch)] += arch.psums_per_word
    return found


def multipliers(arch: ArchConfig) -> int:
    """Return the multipliers of at most 18 x 18 bits: one per PE, and those of the output stage."""
    stage = arch.psums_per_word * WideMultiplier.PRODUCTS if arch.output_blocks else 0
    return arch.pes + stage


def ecp5_memory_blocks(arch: ArchConfig) -> int | None:
    """Return the block RAMs of 18 Kibit that ``arch`` takes on ECP5.

    None if a memory is deeper than one block RAM: how many it takes is then up to synthesis.
    """
    blocks = Egress.block_rams(arch, Accelerator.egress_depth(arch))
    for size, count in block_memories(arch).items():
        each = ecp5_block_rams(*size)
        if each is None:
            return None
        blocks += count * each
    return blocks
