"""Quantized layers to a packed file: exactly the words that the accelerator is sent."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from spec.numbers import signed_range
from spec.outputs import MODE
from spec.packet import Header, Opcode, descriptor_layout, frame_packet
from spec.record import record_layout
from spec.schedule import BlockPart
from sw.bits import pack_fields, pad_to_word
from sw.blocks import Blocking
from sw.layer import QuantizedLayer, grouped_index
from sw.output_packets import pack_parameters, pack_table
from sw.psums import check_accumulators, check_outputs, check_psums
from sw.quantize import scale_codes
from sw.schedule import schedule_layer
from sw.values import pack_values

__all__ = ["FORMAT_NAME", "FORMAT_VERSION", "order_width", "pack"]

FORMAT_NAME = "mixvec"
FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class _Vectors:
    """All vectors of a layer by block and position, and the layer's weights as segments.

    ``key`` is block * positions + position, ascending.
    """

    key: NDArray[np.int64]
    block: NDArray[np.int64]
    position: NDArray[np.int64]
    bitmap: NDArray[np.int64]
    groups: NDArray[np.bool_]
    segments: NDArray[np.int8]

    def span(self, block: int, start: int, stop: int) -> slice:
        """Vectors of ``block`` at positions ``start`` to ``stop`` - 1."""
        base = block * self.segments.shape[1]
        low, high = np.searchsorted(self.key, [base + start, base + stop])
        return slice(int(low), int(high))

    def beats(self, span: slice) -> NDArray[np.int8]:
        """Kept groups of the vectors in ``span``, in stream order: beats x lanes."""
        segments: NDArray[np.int8] = self.segments[self.block[span], self.position[span]]
        return segments[self.groups[span]]


def pack(layers: Sequence[QuantizedLayer], arch: ArchConfig) -> bytes:
    """Return the packed file (.mxv) of ``layers`` for ``arch``; the same input gives the same bytes.

    Raises
    ------
    ConfigError
        If there is no layer, two have one name, a weight or a psum exceeds its width, or the
        architecture cannot hold a layer.
    """
    names = [layer.name for layer in layers]
    if not names:
        raise ConfigError("a packed file needs at least one layer")
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"layer names must differ, but {name} occurs {names.count(name)} times")
    about = {"format": FORMAT_NAME, "version": FORMAT_VERSION, "layers": len(layers)}
    writer = _Writer(arch)
    parts = [writer.packet(Opcode.INFO, _json({**about, "arch": arch.model_dump()}))]
    for index, layer in enumerate(layers):
        parts += writer.layer(layer, index & 0xFF)
    return b"".join(parts)


def order_width(count: int) -> int:
    """Bits of one entry of a permutation of ``count``."""
    return (count - 1).bit_length()


def _json(data: object) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


class _Writer:
    """Frames the packets of one architecture."""

    def __init__(self, arch: ArchConfig) -> None:
        self.arch = arch
        self.word_bytes = arch.stream_width // 8

    def packet(
        self, opcode: Opcode, payload: bytes = b"", cluster: int = 0, argument: int = 0, tag: int = 0
    ) -> bytes:
        """One packet, its payload padded to a word."""
        padded = pad_to_word(payload, self.word_bytes)
        header = Header(opcode, len(padded) // self.word_bytes, cluster, argument, tag)
        return frame_packet(header, padded, self.word_bytes)

    def layer(self, layer: QuantizedLayer, tag: int) -> Iterator[bytes]:
        """All packets of one layer, BEGIN to END."""
        _check_weights(layer, self.arch)
        check_outputs(layer.weights, self.arch, layer.name)
        blocking = Blocking(layer.rows, layer.cols, layer.direction, self.arch)
        blocking.check(layer.name)
        _check_stage(layer, blocking, self.arch)
        index = grouped_index(layer.direction, layer.order)
        groups: NDArray[np.bool_] = np.any(blocking.split(layer.mask[index]), axis=-1)
        schedule = schedule_layer(groups, self.arch, name=layer.name, whole=layer.outputs is not None)
        check_psums(layer.weights[index], schedule.chunk_inputs, self.arch, layer.name)
        block, position = np.nonzero(groups.any(axis=-1))
        kept = groups[block, position]
        bitmap = kept @ (1 << np.arange(self.arch.groups, dtype=np.int64))
        vectors = _Vectors(
            block * blocking.positions + position,
            block,
            position,
            bitmap,
            kept,
            blocking.split(layer.weights[index]),
        )

        yield self.packet(Opcode.BEGIN, cluster=_mode(layer), argument=self.arch.fingerprint, tag=tag)
        about = {"name": layer.name, "rows": layer.rows, "cols": layer.cols, "chunk": schedule.chunk_inputs}
        yield self.packet(Opcode.INFO, _json(about))
        if not np.array_equal(layer.order, np.arange(len(layer.order))):
            yield self.packet(Opcode.ORDER, pack_fields(layer.order, order_width(len(layer.order))))
        yield self.packet(Opcode.SCALES, _scales(layer))
        yield from self._outputs(layer)
        for weights in schedule.passes:
            yield self.packet(Opcode.PASS, argument=weights.chunk)
            for cluster, parts in enumerate(weights.clusters):
                if parts:
                    yield from self._cluster(vectors, parts, cluster, weights.chunk * schedule.chunk_inputs)
        yield self.packet(Opcode.END)

    def _outputs(self, layer: QuantizedLayer) -> Iterator[bytes]:
        """Output parameters in grouped order, if the layer has any."""
        its = layer.outputs
        if its is None:
            return
        order = layer.order if layer.direction is Direction.VERTICAL else slice(None)
        entries = pack_parameters(its.bias[order], its.multiplier[order], its.shift[order], self.arch)
        zero_point = its.zero_point % (1 << self.arch.activation_width)
        yield self.packet(Opcode.REQUANTIZE, entries, argument=zero_point)
        if its.table is not None:
            yield self.packet(Opcode.TABLE, pack_table(its.table, self.arch))

    def _cluster(
        self, vectors: _Vectors, parts: tuple[BlockPart, ...], cluster: int, base: int
    ) -> Iterator[bytes]:
        """Descriptors, records and values of one cluster in one pass; chunk inputs start at ``base``."""
        arch, layout = self.arch, descriptor_layout(self.arch)
        words = []
        for part in parts:
            fields = {
                "start": part.start,
                "split": int(part.parts > 1),
                "slot": part.slot,
                "others": part.parts - 1,
                "block": part.block,
            }
            words.append(layout.encode(fields).to_bytes(self.word_bytes, "little"))
        yield self.packet(Opcode.BLOCKS, b"".join(words), cluster)

        spans = [vectors.span(part.block, base + part.start, base + part.stop) for part in parts]
        gaps, bitmaps, ends = [], [], []
        for part, span in zip(parts, spans, strict=True):
            position = vectors.position[span] - base
            closing = len(position) == 0
            before = np.concatenate(([part.start - 1], position[:-1]))
            gaps.append(np.zeros(1, np.int64) if closing else position - before - 1)
            bitmaps.append(np.zeros(1, np.int64) if closing else vectors.bitmap[span])
            ends.append(np.arange(len(gaps[-1])) == len(gaps[-1]) - 1)
        records = _records(np.concatenate(gaps), np.concatenate(bitmaps), np.concatenate(ends), arch)
        yield self.packet(Opcode.RECORDS, pack_fields(records, arch.record_width), cluster)

        beats = [vectors.beats(span) for span in spans]
        yield self.packet(Opcode.VALUES, pack_values(np.concatenate(beats), arch), cluster)


def _records(
    gaps: NDArray[np.int64], bitmaps: NDArray[np.int64], ends: NDArray[np.bool_], arch: ArchConfig
) -> NDArray[np.int64]:
    """Return the encoded records of vectors: for each its escapes, then itself.

    The vectorised form of ``spec.record.advance_records``.
    """
    width, step = arch.advance_width, 1 << arch.advance_width
    jumps = gaps >> width
    escapes = -(-jumps >> width)
    own = np.cumsum(escapes + 1) - 1
    layout = record_layout(arch)
    fields = (
        (gaps & (step - 1)) << layout.offset("advance")
        | bitmaps << layout.offset("bitmap")
        | ends.astype(np.int64) << layout.offset("end")
    )
    vector = np.repeat(np.arange(len(gaps)), escapes)
    nth = np.arange(len(vector)) - np.repeat(np.cumsum(escapes) - escapes, escapes)
    advance = np.minimum(jumps[vector] - nth * step, step) - 1
    records = np.zeros(len(gaps) + len(vector), np.int64)
    is_escape = np.ones(len(records), np.bool_)
    is_escape[own] = False
    records[is_escape] = advance << layout.offset("advance")
    records[own] = fields
    return records


def _check_weights(layer: QuantizedLayer, arch: ArchConfig) -> None:
    """Refuse weights that do not fit their width."""
    low, high = signed_range(arch.weight_width)
    smallest, largest = int(layer.weights.min()), int(layer.weights.max())
    if smallest < low or largest > high:
        worst = smallest if smallest < low else largest
        raise ConfigError(
            f"layer {layer.name} has a weight of {worst}, outside {low} to {high}; raise `weight_width` "
            f"or quantize it to {arch.weight_width} bits"
        )


def _mode(layer: QuantizedLayer) -> int:
    """The ``cluster`` field of BEGIN."""
    its, horizontal = layer.outputs, int(layer.direction)
    if its is None:
        return MODE.encode({"horizontal": horizontal})
    wants = {"requantize": 1, "relu": int(its.relu), "table": int(its.table is not None)}
    return MODE.encode({"horizontal": horizontal, **wants})


def _check_stage(layer: QuantizedLayer, blocking: Blocking, arch: ArchConfig) -> None:
    """Refuse output parameters that the architecture or the layer has no place for."""
    if layer.outputs is None:
        return
    layer.outputs.check(layer.rows, arch.activation_width, layer.name)
    if blocking.blocks > arch.output_blocks:
        raise ConfigError(
            f"layer {layer.name} is requantized and has {blocking.blocks} blocks, but the output parameters "
            f"of {arch.output_blocks} fit on chip; raise `output_blocks`"
        )
    check_accumulators(layer.weights, layer.outputs.bias, arch, layer.name)


def _scales(layer: QuantizedLayer) -> bytes:
    """Base and codes; the layer has checked that there are some."""
    found = scale_codes(layer.scales)
    if found is None:
        raise ConfigError(f"layer {layer.name} has scales that cannot be stored")
    base, codes = found
    return base.to_bytes(2, "little", signed=True) + codes.tobytes()
