"""A packed file back to schedule, records and integer matrices, every fact checked."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import FormatError
from spec.packet import Stored
from spec.record import record_layout
from spec.schedule import BlockPart, Pass, Schedule
from sw.bits import unpack_fields
from sw.blocks import Blocking
from sw.container import PacketCursor, RawCluster, RawLayer, RawPass, read_header, read_layer, read_parameters
from sw.layer import grouped_index
from sw.outputs import OutputParameters
from sw.values import unpack_values

__all__ = ["ClusterStream", "PackedFile", "PackedLayer", "PackedPass", "unpack"]


@dataclass(frozen=True, eq=False)
class ClusterStream:
    """What one cluster holds in one pass.

    Parameters
    ----------
    parts : tuple of BlockPart
        In the order in which the cluster multiplies them.
    advance, bitmap, end, position : ndarray of int64, shape (records,)
        Fields of every record, in stream order; ``position`` is where its vector stands inside the
        chunk (for a record without groups: where ``next`` stood, plus ``advance``).
    beats : int
        Beats in value memory: the bits set in ``bitmap``.
    """

    parts: tuple[BlockPart, ...]
    advance: NDArray[np.int64]
    bitmap: NDArray[np.int64]
    end: NDArray[np.int64]
    position: NDArray[np.int64]
    beats: int


class _Travelling:
    """Views of a mapped file become bytes where an object is pickled or copied."""

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: bytes(value) if isinstance(value, memoryview) else value
            for name, value in vars(self).items()
        }


@dataclass(frozen=True, eq=False)
class PackedPass(_Travelling):
    """One pass: its chunk, its clusters, and its packets (PASS to the last VALUES)."""

    chunk: int
    clusters: tuple[ClusterStream, ...]
    data: bytes | memoryview


@dataclass(frozen=True, eq=False)
class PackedLayer(_Travelling):
    """One layer of a packed file.

    Parameters
    ----------
    name : str
    rows, cols : int
        M and K.
    direction : Direction
    order : ndarray of int64
        Grouped index -> original index, of outputs (vertical) or inputs (horizontal).
    scales : ndarray of float32, shape (M,)
    smoothing : ndarray of int8, shape (K,), optional
        Exponents that ``weights`` are folded with; see ``sw.input_quantizer.InputQuantizer``.
    outputs : OutputParameters, optional
        In original order: the layer answers with codes instead of psums.
    tag : int
        What answers echo.
    schedule : Schedule
    passes : tuple of PackedPass
    weights : ndarray of int8, shape (M, K)
        Original order, 0 where nothing is stored.
    mask : ndarray of bool, shape (M, K)
        Original order, True where a weight is stored.
    head, tail : bytes or memoryview
        Packets before the first pass and after the last.
    bits : int
        Bits of the layer in the file, framing and padding included.
    records, vectors, kept : int
        Records (escapes and closing records included), vectors, and weights stored.
    """

    name: str
    rows: int
    cols: int
    direction: Direction
    order: NDArray[np.int64]
    scales: NDArray[np.float32]
    smoothing: NDArray[np.int8] | None
    outputs: OutputParameters | None
    tag: int
    schedule: Schedule
    passes: tuple[PackedPass, ...]
    weights: NDArray[np.int8]
    mask: NDArray[np.bool_]
    head: bytes | memoryview
    tail: bytes | memoryview
    bits: int
    records: int
    vectors: int
    kept: int


@dataclass(frozen=True, eq=False)
class PackedFile:
    """A decoded file: its architecture, its layers in order, and what it says of their model, if anything.

    ``parameters`` are float32 numbers of that model, padded to a word; ``sw.packed_model`` knows whose.
    """

    arch: ArchConfig
    layers: tuple[PackedLayer, ...]
    model: dict[str, Any] | None = None
    parameters: bytes = b""


def unpack(data: Stored) -> PackedFile:
    """Return everything in the packed file ``data``; its packets stay views of it if it is mapped.

    Raises
    ------
    FormatError
        At the first defect; one sentence that says where and which rule.
    """
    cursor = PacketCursor(data)
    arch, count, model = read_header(cursor)
    parameters = read_parameters(cursor)
    if parameters and model is None:
        raise FormatError("the file brings parameters of a model that its header does not describe")
    layers: list[PackedLayer] = []
    for index in range(count):
        raw = read_layer(cursor, arch, index & 0xFF)
        if raw.name in [layer.name for layer in layers]:
            raise FormatError(f"two layers are called {raw.name}")
        layers.append(_decode_layer(raw, arch))
    cursor.finish()
    return PackedFile(arch, tuple(layers), model, parameters)


def _decode_layer(raw: RawLayer, arch: ArchConfig) -> PackedLayer:
    say = f"layer {raw.name}"
    blocking = Blocking(raw.rows, raw.cols, raw.direction, arch)
    schedule = _schedule(raw, blocking)
    segments = np.zeros(blocking.shape, np.int8)
    stored = np.zeros(blocking.shape[:3], np.bool_)
    passes = []
    for number, (raw_pass, scheduled) in enumerate(zip(raw.passes, schedule.passes, strict=True)):
        streams = []
        for cluster, parts in enumerate(scheduled.clusters):
            place = f"{say}, pass {number}, cluster {cluster}"
            stream = _decode_records(raw_pass.clusters[cluster], parts, arch, place)
            base = raw_pass.chunk * schedule.chunk_inputs
            _place_values(raw_pass.clusters[cluster], stream, base, segments, stored, arch, place)
            streams.append(stream)
        passes.append(PackedPass(raw_pass.chunk, tuple(streams), raw_pass.data))

    inside = blocking.inside()
    if np.any(segments[~inside]) or np.any(stored & ~inside.any(axis=-1)):
        raise FormatError(f"{say} stores weights outside its {raw.rows} x {raw.cols} matrix")
    index = grouped_index(raw.direction, raw.order)
    weights = np.empty((raw.rows, raw.cols), np.int8)
    mask = np.empty((raw.rows, raw.cols), np.bool_)
    weights[index] = blocking.join(segments)
    mask[index] = blocking.join(np.broadcast_to(stored[..., None], blocking.shape))
    streams = [stream for one in passes for stream in one.clusters]
    return PackedLayer(
        name=raw.name,
        rows=raw.rows,
        cols=raw.cols,
        direction=raw.direction,
        order=raw.order,
        scales=raw.scales,
        smoothing=raw.smoothing,
        outputs=raw.outputs,
        tag=raw.tag,
        schedule=schedule,
        passes=tuple(passes),
        weights=weights,
        mask=mask,
        head=raw.head,
        tail=raw.tail,
        bits=8 * (len(raw.head) + sum(len(one.data) for one in passes) + len(raw.tail)),
        records=sum(len(stream.bitmap) for stream in streams),
        vectors=sum(int(np.count_nonzero(stream.bitmap)) for stream in streams),
        kept=int(np.count_nonzero(mask)),
    )


def _schedule(raw: RawLayer, blocking: Blocking) -> Schedule:
    """Check that the parts of every chunk tile all blocks, and return them with their stops."""
    say, size = f"layer {raw.name}", raw.chunk_inputs
    chunks = -(-blocking.positions // size)
    starts: dict[tuple[int, int], list[int]] = {
        (chunk, block): [] for chunk in range(chunks) for block in range(blocking.blocks)
    }
    _check_whole(raw, chunks)
    for number, one in enumerate(raw.passes):
        _check_splits(one, f"{say}, pass {number}")
        for part in (part for cluster in one.clusters for part in cluster.parts):
            if (one.chunk, part.block) not in starts:
                raise FormatError(
                    f"{say}, pass {number} holds block {part.block} of chunk {one.chunk}, but the layer has "
                    f"{blocking.blocks} blocks and {chunks} chunks"
                )
            starts[one.chunk, part.block].append(part.start)
    stops: dict[tuple[int, int, int], int] = {}
    for (chunk, block), places in starts.items():
        if not places:
            raise FormatError(f"{say} lacks block {block} of chunk {chunk}")
        limit = min(size, blocking.positions - chunk * size)
        ordered = [*sorted(places), limit]
        if ordered[0] != 0 or any(one >= two for one, two in pairwise(ordered)):
            raise FormatError(
                f"{say}: the parts of block {block} of chunk {chunk} start at {ordered[:-1]}, which does not "
                f"cut positions 0 to {limit - 1} into distinct parts"
            )
        stops.update({(chunk, block, one): two for one, two in pairwise(ordered)})
    return Schedule(
        size,
        tuple(
            Pass(
                one.chunk,
                tuple(
                    tuple(
                        BlockPart(
                            part.block,
                            part.start,
                            stops[one.chunk, part.block, part.start],
                            part.slot,
                            part.others + 1,
                        )
                        for part in cluster.parts
                    )
                    for cluster in one.clusters
                ),
            )
            for one in raw.passes
        ),
    )


def _check_whole(raw: RawLayer, chunks: int) -> None:
    """Check that no block of a requantized layer is left for the host to add up."""
    if raw.outputs is None:
        return
    passes: dict[int, int] = {}
    for number, one in enumerate(raw.passes):
        for part in (part for cluster in one.clusters for part in cluster.parts):
            if chunks > 1 or passes.setdefault(part.block, number) != number:
                raise FormatError(
                    f"layer {raw.name} is requantized, but block {part.block} comes in several chunks or "
                    f"passes"
                )


def _check_splits(one: RawPass, place: str) -> None:
    """Check that the parts of every block in one pass agree on their number and have a slot of their own."""
    seen: dict[int, list[tuple[int, int, int]]] = {}
    for part in (part for cluster in one.clusters for part in cluster.parts):
        seen.setdefault(part.block, []).append((part.split, part.slot, part.others))
    owner: dict[int, int] = {}
    for block, parts in seen.items():
        split, slot, others = parts[0]
        if len(set(parts)) > 1 or others + 1 != len(parts) or split != int(others > 0):
            raise FormatError(f"{place} holds {len(parts)} parts of block {block} that do not agree")
        if split and owner.setdefault(slot, block) != block:
            raise FormatError(f"{place} sums blocks {owner[slot]} and {block} in the same slot {slot}")


def _decode_records(
    raw: RawCluster, parts: tuple[BlockPart, ...], arch: ArchConfig, place: str
) -> ClusterStream:
    """Decode the records of one cluster in one pass and walk their positions."""
    width, layout = arch.record_width, record_layout(arch)
    words = unpack_fields(raw.records, width, len(raw.records) * 8 // width)
    bitmap = words >> layout.offset("bitmap") & ((1 << arch.groups) - 1)
    end = words >> layout.offset("end") & 1
    ends = np.flatnonzero(end)
    if len(ends) < len(parts):
        raise FormatError(f"{place} has records for {len(ends)} of its {len(parts)} blocks")
    used = int(ends[len(parts) - 1]) + 1 if parts else 0
    _check_padding(raw.records, used * width, arch, f"{place}: the records")
    words, bitmap, end = words[:used], bitmap[:used], end[:used]
    advance = words & ((1 << arch.advance_width) - 1)

    escape = (bitmap == 0) & (end == 0)
    steps = np.where(escape, (advance + 1) << arch.advance_width, advance + 1)
    part = np.cumsum(end) - end
    before = np.cumsum(steps) - steps
    first = np.concatenate(([0], ends + 1))[: len(parts)]
    start = np.array([one.start for one in parts], np.int64)
    stop = np.array([one.stop for one in parts], np.int64)
    position = before - before[first][part] + start[part] + advance
    if np.any((position >= stop[part]) & (bitmap > 0)):
        raise FormatError(f"{place} has a vector beyond the end of its part")
    beats = int(np.bitwise_count(bitmap).sum())
    return ClusterStream(parts, advance, bitmap, end, position, beats)


def _check_padding(payload: bytes, bits: int, arch: ArchConfig, what: str) -> None:
    """Check that ``payload`` is ``bits`` long, rounded up to a word with zeros."""
    _check_words(payload, -(-bits // arch.stream_width), arch, what)
    tail = payload[bits // 8 :]
    if int.from_bytes(tail, "little") >> (bits % 8):
        raise FormatError(f"{what} are followed by bits that are not 0")


def _check_words(payload: bytes, words: int, arch: ArchConfig, what: str) -> None:
    """Check that ``payload`` has so many words."""
    if words * arch.stream_width != len(payload) * 8:
        sent = len(payload) * 8 // arch.stream_width
        raise FormatError(f"{what} take {words} words, but their packet has {sent}")


def _place_values(
    raw: RawCluster,
    stream: ClusterStream,
    base: int,
    segments: NDArray[np.int8],
    stored: NDArray[np.bool_],
    arch: ArchConfig,
    place: str,
) -> None:
    """Write the beats of one cluster and pass to their segments."""
    what = f"{place}: the values"
    stripes = -(-stream.beats // arch.beats_per_stripe)
    _check_words(raw.values, stripes * arch.words_per_stripe, arch, what)
    beats = unpack_values(raw.values, arch)
    if np.any(beats[stream.beats :]):
        raise FormatError(f"{what} are followed by bits that are not 0")
    vector, group = np.nonzero(stream.bitmap[:, None] >> np.arange(arch.groups) & 1)
    part = (np.cumsum(stream.end) - stream.end)[vector]
    block = np.array([one.block for one in stream.parts], np.int64)[part]
    position = base + stream.position[vector]
    segments[block, position, group] = beats[: stream.beats]
    stored[block, position, group] = True
