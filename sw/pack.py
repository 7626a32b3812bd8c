"""Quantized layers to a packed file: exactly the words that the accelerator is sent."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from spec.outputs import MODE, stage_holds
from spec.packet import MAX_LENGTH, Header, Opcode, descriptor_layout, frame_packet
from spec.record import record_layout
from spec.schedule import BlockPart
from sw.bits import pack_fields, pad_to_word
from sw.layer import QuantizedLayer, grouped_index
from sw.output_packets import pack_parameters, pack_table
from sw.plan import ClusterVectors, SegmentedLayer, order_width, plan_layer
from sw.psums import check_accumulators
from sw.quantize import scale_codes
from sw.spans import escape_counts
from sw.values import pack_values

__all__ = ["FORMAT_NAME", "FORMAT_VERSION", "pack"]

FORMAT_NAME = "mixvec"
FORMAT_VERSION = 3


def pack(
    layers: Sequence[QuantizedLayer],
    arch: ArchConfig,
    model: Mapping[str, Any] | None = None,
    parameters: bytes = b"",
) -> bytes:
    """Return the packed file (.mxv) of ``layers`` for ``arch``; the same input gives the same bytes.

    Parameters
    ----------
    layers : sequence of QuantizedLayer
    arch : ArchConfig
    model : mapping, optional
        What the file's header says of the model that the layers are of; JSON.
    parameters : bytes
        Of that model, for the host alone: float32 numbers, little-endian.

    Raises
    ------
    ConfigError
        If there is no layer, parameters are of no model, two layers have one name, a weight or a psum
        exceeds its width, or the architecture cannot hold a layer.
    """
    if parameters and model is None:
        raise ConfigError("parameters of a model need a `model` that says whose they are")
    names = [layer.name for layer in layers]
    if not names:
        raise ConfigError("a packed file needs at least one layer")
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"layer names must differ, but {name} occurs {names.count(name)} times")
    about = {"format": FORMAT_NAME, "version": FORMAT_VERSION, "layers": len(layers)}
    writer = _Writer(arch)
    own = {} if model is None else {"model": dict(model)}
    text = json.dumps({**about, "arch": arch.model_dump(), **own}, separators=(",", ":"), allow_nan=False)
    parts = [writer.packet(Opcode.INFO, text.encode()), *writer.parameters(parameters)]
    for index, layer in enumerate(layers):
        parts += writer.layer(layer, index & 0xFF)
    return b"".join(parts)


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

    def parameters(self, data: bytes) -> Iterator[bytes]:
        """As many packets as ``data`` takes."""
        most = MAX_LENGTH * self.word_bytes
        for start in range(0, len(data), most):
            yield self.packet(Opcode.PARAMETERS, data[start : start + most])

    def layer(self, layer: QuantizedLayer, tag: int) -> Iterator[bytes]:
        """All packets of one layer, BEGIN to END."""
        its = SegmentedLayer.of(layer, self.arch)
        plan = plan_layer(its, self.arch)
        _check_stage(layer, self.arch)
        segments = its.blocking.split(layer.weights[grouped_index(layer.direction, layer.order)])

        yield self.packet(Opcode.BEGIN, cluster=_mode(layer), argument=self.arch.fingerprint, tag=tag)
        yield self.packet(Opcode.INFO, plan.info())
        if not np.array_equal(layer.order, np.arange(len(layer.order))):
            yield self.packet(Opcode.ORDER, pack_fields(layer.order, order_width(len(layer.order))))
        yield self.packet(Opcode.SCALES, _scales(layer))
        if layer.smoothing is not None:
            yield self.packet(Opcode.SMOOTHING, layer.smoothing.tobytes())
        yield from self._outputs(layer)
        for weights in plan.schedule.passes:
            yield self.packet(Opcode.PASS, argument=weights.chunk)
            for cluster, parts in enumerate(weights.clusters):
                if parts:
                    vectors = plan.vectors(parts, weights.chunk)
                    places = [(its.block[span], its.position[span]) for span in vectors.spans]
                    beats = [segments[place][its.kept.groups[place]] for place in places]
                    yield from self._cluster(vectors, parts, cluster, np.concatenate(beats))
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
        self, vectors: ClusterVectors, parts: tuple[BlockPart, ...], cluster: int, beats: NDArray[np.int8]
    ) -> Iterator[bytes]:
        """Descriptors, records and values of one cluster in one pass; ``beats`` x lanes in stream order."""
        arch, layout = self.arch, descriptor_layout(self.arch)
        words = []
        for part in parts:
            fields = {"start": part.start, "block": part.block}
            if arch.split_slots:
                fields |= {"split": int(part.parts > 1), "slot": part.slot, "others": part.parts - 1}
            words.append(layout.encode(fields).to_bytes(self.word_bytes, "little"))
        yield self.packet(Opcode.BLOCKS, b"".join(words), cluster)
        yield self.packet(Opcode.RECORDS, pack_fields(_records(vectors, arch), arch.record_width), cluster)
        yield self.packet(Opcode.VALUES, pack_values(beats, arch), cluster)


def _records(vectors: ClusterVectors, arch: ArchConfig) -> NDArray[np.int64]:
    """Return the encoded records of vectors: for each its escapes, then itself.

    The vectorised form of ``spec.record.advance_records``.
    """
    gaps, bitmaps, ends = vectors.gaps, vectors.bitmaps, vectors.ends
    width, step = arch.advance_width, 1 << arch.advance_width
    jumps, escapes = gaps >> width, escape_counts(gaps, arch)
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


def _mode(layer: QuantizedLayer) -> int:
    """The ``cluster`` field of BEGIN."""
    its, horizontal = layer.outputs, int(layer.direction)
    if its is None:
        return MODE.encode({"horizontal": horizontal})
    wants = {"requantize": 1, "relu": int(its.relu), "table": int(its.table is not None)}
    return MODE.encode({"horizontal": horizontal, **wants})


def _check_stage(layer: QuantizedLayer, arch: ArchConfig) -> None:
    """Refuse output parameters that the architecture or the layer has no place for."""
    if layer.outputs is None:
        return
    layer.outputs.check(layer.rows, arch.activation_width, layer.name)
    if not stage_holds(layer.rows, arch):
        blocks = -(-layer.rows // arch.segment)
        raise ConfigError(
            f"layer {layer.name} is requantized and has {blocks} blocks, but the output parameters "
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
