"""What a layer's stream will hold, before any byte of it: schedule, vectors, and lengths of packets."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.errors import ConfigError
from spec.numbers import OUTPUT_WIDTH, signed_range
from spec.outputs import parameter_words, table_words
from spec.packet import Opcode
from spec.schedule import BlockPart, Schedule
from sw.blocks import Blocking
from sw.layer import QuantizedLayer, grouped_index
from sw.psums import check_outputs, check_psums
from sw.schedule import LayerParts, schedule_parts
from sw.spans import KeptGroups

__all__ = ["ClusterVectors", "LayerPlan", "SegmentedLayer", "order_width", "plan_layer"]

Counts = TypeVar("Counts", int, NDArray[np.int64])


@dataclass(frozen=True, eq=False)
class ClusterVectors:
    """Vectors of one cluster in one pass, in stream order; a block without any has one without groups.

    Parameters
    ----------
    spans : list of slice
        Which of the plan's vectors each part takes.
    gaps : ndarray of int64
        Positions between a vector and where ``next`` stood.
    bitmaps : ndarray of int64
        Groups kept; 0 of a record that only closes its block.
    ends : ndarray of bool
        The vector is the last of its block.
    """

    spans: list[slice]
    gaps: NDArray[np.int64]
    bitmaps: NDArray[np.int64]
    ends: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SegmentedLayer:
    """A layer cut into segments: what all architectures of the same lanes and segment share.

    Parameters
    ----------
    layer : QuantizedLayer
    blocking : Blocking
    kept : KeptGroups
    block, position : ndarray of int64, shape (vectors,)
        Where the vectors are, ascending.
    bitmaps : ndarray of int64, shape (vectors,)
        Groups kept of every vector, as bits.
    magnitude : int
        Largest sum of absolute weights of an output.
    """

    layer: QuantizedLayer
    blocking: Blocking
    kept: KeptGroups
    block: NDArray[np.int64]
    position: NDArray[np.int64]
    bitmaps: NDArray[np.int64]
    magnitude: int

    @classmethod
    def of(cls, layer: QuantizedLayer, arch: ArchConfig) -> Self:
        """Return ``layer`` in segments of ``arch``.

        Raises
        ------
        ConfigError
            If it has more blocks or weights than a file can describe.
        """
        blocking = Blocking(layer.rows, layer.cols, layer.direction, arch)
        blocking.check(layer.name)
        mask = layer.mask[grouped_index(layer.direction, layer.order)]
        groups: NDArray[np.bool_] = np.any(blocking.split(mask), axis=-1)
        kept = KeptGroups(groups)
        block, position = kept.places
        bitmaps = groups[block, position] @ (1 << np.arange(arch.groups, dtype=np.int64))
        magnitude = int(np.abs(layer.weights.astype(np.int16)).sum(axis=1, dtype=np.int64).max())
        return cls(layer, blocking, kept, block, position, bitmaps, magnitude)

    @cached_property
    def weight_range(self) -> tuple[int, int]:
        """Smallest and largest weight."""
        weights = self.layer.weights
        return int(weights.min()), int(weights.max())

    @cached_property
    def permuted(self) -> bool:
        """Whether its outputs or inputs are in another order than in the model."""
        return not np.array_equal(self.layer.order, np.arange(len(self.layer.order)))

    @cached_property
    def kept_weights(self) -> int:
        """Weights kept, those that are 0 included."""
        return int(np.count_nonzero(self.layer.mask))

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        return self.block * self.blocking.positions + self.position

    def find(self, block: NDArray[np.int64], position: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first vector of ``block`` at ``position`` or behind, or of a later block."""
        return np.searchsorted(self._keys, block * self.blocking.positions + position)


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """A scheduled layer.

    Parameters
    ----------
    segmented : SegmentedLayer
    parts : LayerParts
    arch : ArchConfig
    """

    segmented: SegmentedLayer
    parts: LayerParts
    arch: ArchConfig

    @cached_property
    def schedule(self) -> Schedule:
        """The same parts as passes of block parts."""
        return self.parts.schedule()

    def vectors(self, parts: tuple[BlockPart, ...], chunk: int) -> ClusterVectors:
        """Return the vectors of one cluster's ``parts`` in a pass of ``chunk``."""
        base = chunk * self.parts.chunk_inputs
        spans, gaps, bitmaps, ends = [], [], [], []
        for part in parts:
            low, high = self.segmented.find(np.array(part.block), base + np.array([part.start, part.stop]))
            span = slice(int(low), int(high))
            position = self.segmented.position[span] - base
            closing = len(position) == 0
            before = np.concatenate(([part.start - 1], position[:-1]))
            spans.append(span)
            gaps.append(np.zeros(1, np.int64) if closing else position - before - 1)
            bitmaps.append(np.zeros(1, np.int64) if closing else self.segmented.bitmaps[span])
            ends.append(np.arange(len(gaps[-1])) == len(gaps[-1]) - 1)
        return ClusterVectors(spans, np.concatenate(gaps), np.concatenate(bitmaps), np.concatenate(ends))

    def info(self) -> bytes:
        """Return the payload of the layer's INFO packet, not padded."""
        its = self.segmented.layer
        about = {"name": its.name, "rows": its.rows, "cols": its.cols, "chunk": self.parts.chunk_inputs}
        return json.dumps(about, separators=(",", ":")).encode()

    def head_packets(self) -> Iterator[tuple[Opcode, int]]:
        """Yield opcode and payload words of the packets before the first pass."""
        arch, layer = self.arch, self.segmented.layer
        outputs = layer.outputs
        yield Opcode.BEGIN, 0
        yield Opcode.INFO, self._words(8 * len(self.info()))
        if self.segmented.permuted:
            yield Opcode.ORDER, self._words(len(layer.order) * order_width(len(layer.order)))
        yield Opcode.SCALES, self._words(8 * (2 + layer.rows))
        if layer.smoothing is not None:
            yield Opcode.SMOOTHING, self._words(8 * layer.cols)
        if outputs is not None:
            yield Opcode.REQUANTIZE, parameter_words(arch, layer.rows)
            if outputs.table is not None:
                yield Opcode.TABLE, table_words(arch)

    def _words(self, bits: Counts) -> Counts:
        return -(-bits // self.arch.stream_width)

    def weight_packets(self, blocks: int, records: int, beats: int) -> Iterator[tuple[Opcode, int]]:
        """Yield opcode and payload words of the packets that bring one cluster its blocks in a pass."""
        opcodes = (Opcode.BLOCKS, Opcode.RECORDS, Opcode.VALUES)
        yield from zip(opcodes, self.weight_words(blocks, records, beats), strict=True)

    def weight_words(self, blocks: Counts, records: Counts, beats: Counts) -> tuple[Counts, Counts, Counts]:
        """Return the payload words of these packets, of one cluster or of many at once."""
        arch = self.arch
        stripes = -(-beats // arch.beats_per_stripe)
        return blocks, self._words(records * arch.record_width), stripes * arch.words_per_stripe

    def activation_words(self, chunk: int) -> int:
        """Payload words of one tile of ``chunk``."""
        size, arch = self.parts.chunk_inputs, self.arch
        inputs = min(size, self.segmented.layer.cols - chunk * size)
        return -(-inputs // arch.lanes) * arch.words_per_input_word


def plan_layer(segmented: SegmentedLayer, arch: ArchConfig) -> LayerPlan:
    """Return the plan of a layer for ``arch``, whose lanes and segment are those it was cut for.

    Raises
    ------
    ConfigError
        If a weight or a psum exceeds its width, or the architecture cannot hold the layer.
    """
    layer = segmented.layer
    _check_weights(segmented, arch)
    whole = layer.outputs is not None
    parts = schedule_parts(segmented.kept, arch, name=layer.name, whole=whole)
    # Where even the largest activations at every weight's sign fit, no order of inputs need be looked at.
    largest = segmented.magnitude << arch.activation_width - 1
    if largest > signed_range(min(arch.psum_width, OUTPUT_WIDTH))[1]:
        check_outputs(layer.weights, arch, layer.name)
        weights = layer.weights[grouped_index(layer.direction, layer.order)]
        check_psums(weights, parts.chunk_inputs, arch, layer.name)
    return LayerPlan(segmented, parts, arch)


def order_width(count: int) -> int:
    """Bits of one entry of a permutation of ``count``."""
    return (count - 1).bit_length()


def _check_weights(segmented: SegmentedLayer, arch: ArchConfig) -> None:
    """Refuse weights that do not fit their width."""
    layer, (low, high) = segmented.layer, signed_range(arch.weight_width)
    smallest, largest = segmented.weight_range
    if smallest < low or largest > high:
        worst = smallest if smallest < low else largest
        raise ConfigError(
            f"layer {layer.name} has a weight of {worst}, outside {low} to {high}; raise `weight_width` "
            f"or quantize it to {arch.weight_width} bits"
        )
