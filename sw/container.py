"""The packets of a packed file in their order, before records and values are decoded."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError, FormatError
from spec.numbers import signed_range
from spec.outputs import MODE
from spec.packet import (
    Header,
    Opcode,
    Packet,
    Stored,
    descriptor_layout,
    length_limit,
    read_packets,
    word_bytes_of,
)
from spec.scale import MAX_BASE, MIN_BASE
from sw.bits import unpack_fields
from sw.blocks import Blocking
from sw.output_packets import unpack_parameters, unpack_table
from sw.outputs import OutputParameters
from sw.pack import FORMAT_NAME, FORMAT_VERSION
from sw.plan import order_width
from sw.quantize import check_smoothing, scale_values

__all__ = [
    "Descriptor",
    "PacketCursor",
    "RawCluster",
    "RawLayer",
    "RawPass",
    "check_version",
    "read_header",
    "read_layer",
    "read_parameters",
]


@dataclass(frozen=True)
class Descriptor:
    """A block descriptor's fields (see ``spec.packet.descriptor_layout``)."""

    start: int
    block: int
    split: int = 0
    slot: int = 0
    others: int = 0


@dataclass(frozen=True)
class RawCluster:
    """One cluster's descriptors and payloads in one pass; all empty if it has no block."""

    parts: tuple[Descriptor, ...] = ()
    records: bytes = b""
    values: bytes = b""


@dataclass(frozen=True)
class RawPass:
    """One pass: its chunk, its clusters and its packets."""

    chunk: int
    clusters: tuple[RawCluster, ...]
    data: bytes | memoryview


@dataclass(frozen=True, eq=False)
class RawLayer:
    """One layer, its sizes checked against each other, its records and values not yet decoded."""

    name: str
    rows: int
    cols: int
    direction: Direction
    chunk_inputs: int
    order: NDArray[np.int64]
    scales: NDArray[np.float32]
    smoothing: NDArray[np.int8] | None
    outputs: OutputParameters | None
    tag: int
    passes: tuple[RawPass, ...]
    head: bytes | memoryview
    tail: bytes | memoryview


class PacketCursor:
    """Reads packets one by one, knowing the next and its byte offset."""

    def __init__(self, data: Stored) -> None:
        # Of a mapped file only views are kept, so that its pages come and go.
        self._data = data if isinstance(data, bytes) else memoryview(data)
        self.word_bytes = word_bytes_of(data)
        self.offset = 0
        self._packets: Iterator[Packet] = read_packets(data, self.word_bytes)
        self.next = next(self._packets, None)

    def between(self, begin: int, end: int) -> bytes | memoryview:
        """Return the words from one byte offset to another."""
        return self._data[begin:end]

    def at(self, opcode: Opcode) -> bool:
        """Whether the next packet has ``opcode``."""
        return self.next is not None and self.next.header.opcode == opcode

    def take(self, opcode: Opcode, arch: ArchConfig | None = None, **fields: int) -> Packet:
        """Return the next packet, which must have ``opcode``, these header ``fields`` and a legal length."""
        packet = self.next
        if packet is None:
            raise FormatError(f"byte {self.offset}: the file ends where {opcode.name} must follow")
        header = packet.header
        if header.opcode != opcode:
            raise FormatError(
                f"byte {self.offset}: {opcode.name} must follow, not opcode {header.opcode:#04x}"
            )
        if arch is not None and header.length > length_limit(opcode, arch):
            raise FormatError(
                f"byte {self.offset}: {opcode.name} holds at most {length_limit(opcode, arch)} words, "
                f"not {header.length}"
            )
        expected = Header(**{**vars(Header(opcode, header.length)), **fields})
        if header != expected:
            raise FormatError(
                f"byte {self.offset}: the header of {opcode.name} must be {expected}, not {header}"
            )
        self.offset += packet.words * self.word_bytes
        self.next = next(self._packets, None)
        return packet

    def finish(self) -> None:
        """Check that nothing follows."""
        if self.next is not None:
            raise FormatError(f"byte {self.offset}: more packets follow than the header announces layers")


def read_header(cursor: PacketCursor) -> tuple[ArchConfig, int, dict[str, Any] | None]:
    """Return architecture, number of layers, and what is said of the model from a file's first packet."""
    about = _json_object(cursor.take(Opcode.INFO).payload, "the file's header")
    if about.get("format") != FORMAT_NAME:
        raise FormatError(
            f"the file's header must name the format {FORMAT_NAME}, not {about.get('format')!r}"
        )
    check_version(about.get("version"), FORMAT_VERSION, "the file has")
    if not isinstance(about.get("arch"), dict):
        raise FormatError("the file's header lacks its architecture")
    try:
        arch = ArchConfig.parse(json.dumps(about["arch"]), source="the file's architecture")
    except ConfigError as error:
        raise FormatError(str(error)) from None
    if arch.stream_width != cursor.word_bytes * 8:
        raise FormatError(
            f"the file's words have {cursor.word_bytes * 8} bits, its architecture's {arch.stream_width}"
        )
    model = about.get("model")
    if model is not None and not isinstance(model, dict):
        raise FormatError(f"the file's header must describe its model by an object, not {model!r}")
    return arch, _count(about, "layers", "the file's header"), model


def read_parameters(cursor: PacketCursor) -> bytes:
    """Return the numbers that follow a file's first packet, padded to a word; empty if there are none."""
    parts = []
    while cursor.at(Opcode.PARAMETERS):
        parts.append(cursor.take(Opcode.PARAMETERS).payload)
    return b"".join(parts)


def check_version(found: Any, known: int, what: str) -> None:
    """Refuse what another mixvec wrote.

    Raises
    ------
    FormatError
        If ``found`` is not ``known``.
    """
    if found != known:
        way_out = "use a newer mixvec" if isinstance(found, int) and found > known else "pack it again"
        raise FormatError(f"{what} version {found!r}, and this mixvec reads {known}; {way_out}")


def read_layer(cursor: PacketCursor, arch: ArchConfig, tag: int) -> RawLayer:
    """Return the next layer, BEGIN to END."""
    begin = cursor.offset
    field = 0 if cursor.next is None else cursor.next.header.cluster
    cursor.take(Opcode.BEGIN, arch, argument=arch.fingerprint, cluster=field, tag=tag)
    mode = _mode(field, arch, begin)
    direction = mode["horizontal"]
    about = _json_object(cursor.take(Opcode.INFO).payload, "a layer's header")
    name = about.get("name")
    if not isinstance(name, str):
        raise FormatError("a layer's header lacks its name")
    rows, cols, chunk = (_count(about, field, f"layer {name}") for field in ("rows", "cols", "chunk"))
    if chunk % arch.segment or chunk > arch.max_inputs:
        raise FormatError(
            f"layer {name} has chunks of {chunk} inputs, which must be a multiple of {arch.segment} "
            f"up to {arch.max_inputs}"
        )
    try:
        blocking = Blocking(rows, cols, Direction(direction), arch)
        blocking.check(name)
    except ConfigError as error:
        raise FormatError(str(error)) from None
    order = _order(cursor, blocking.permuted, name)
    scales = _scales(cursor, rows, name)
    smoothing = _smoothing(cursor, cols, name)
    grouped = order if direction == Direction.VERTICAL else None
    outputs = _outputs(cursor, mode, rows, grouped, arch, name)
    passes, start = [], cursor.offset
    while cursor.at(Opcode.PASS):
        passes.append(_read_pass(cursor, arch))
    end = cursor.offset
    cursor.take(Opcode.END, arch)
    parts = sum(len(cluster.parts) for one in passes for cluster in one.clusters)
    needed = blocking.blocks * -(-blocking.positions // chunk)
    if parts < needed:
        raise FormatError(f"layer {name} has {parts} block descriptors, fewer than the {needed} it needs")
    return RawLayer(
        name,
        rows,
        cols,
        Direction(direction),
        chunk,
        np.arange(blocking.permuted) if order is None else order,
        scales,
        smoothing,
        outputs,
        tag,
        tuple(passes),
        head=cursor.between(begin, start),
        tail=cursor.between(end, cursor.offset),
    )


def _order(cursor: PacketCursor, count: int, name: str) -> NDArray[np.int64] | None:
    """The permutation, or None where the identity was left out."""
    if not cursor.at(Opcode.ORDER):
        return None
    width, payload = order_width(count), cursor.take(Opcode.ORDER).payload
    _check_length(payload, count * width, cursor.word_bytes, f"layer {name}: the order")
    order = unpack_fields(payload, width, count)
    if not np.array_equal(np.sort(order), np.arange(count)):
        raise FormatError(f"layer {name}: the order is not a permutation of 0 to {count - 1}")
    return order


def _scales(cursor: PacketCursor, rows: int, name: str) -> NDArray[np.float32]:
    payload = cursor.take(Opcode.SCALES).payload
    _check_length(payload, 16 + rows * 8, cursor.word_bytes, f"layer {name}: the scales")
    base = int.from_bytes(payload[:2], "little", signed=True)
    if not MIN_BASE <= base <= MAX_BASE:
        raise FormatError(
            f"layer {name} has a scale base of {base}, which must lie in {MIN_BASE} to {MAX_BASE}"
        )
    return scale_values(base - np.frombuffer(payload, np.uint8, rows, 2).astype(np.int64))


def _smoothing(cursor: PacketCursor, cols: int, name: str) -> NDArray[np.int8] | None:
    """The exponents, or None where they were left out."""
    if not cursor.at(Opcode.SMOOTHING):
        return None
    payload = cursor.take(Opcode.SMOOTHING).payload
    _check_length(payload, 8 * cols, cursor.word_bytes, f"layer {name}: the smoothing")
    exponents = np.frombuffer(payload, np.int8, cols)
    try:
        check_smoothing(exponents, cols, f"layer {name}")
    except ConfigError as error:
        raise FormatError(str(error)) from None
    return exponents


def _mode(field: int, arch: ArchConfig, offset: int) -> dict[str, int]:
    """What BEGIN says of the layer, as far as the architecture has it."""
    known = MODE.width if arch.output_blocks else 1
    if field >> known:
        raise FormatError(f"byte {offset}: BEGIN asks for mode {field:#x}, which its architecture lacks")
    mode = MODE.decode(field)
    if not mode["requantize"] and (mode["relu"] or mode["table"]):
        raise FormatError(f"byte {offset}: BEGIN asks for ReLU or a table without requantizing")
    return mode


def _outputs(
    cursor: PacketCursor,
    mode: dict[str, int],
    rows: int,
    order: NDArray[np.int64] | None,
    arch: ArchConfig,
    name: str,
) -> OutputParameters | None:
    """Output parameters in original order, if the mode asks for them; ``order`` is None if that is theirs."""
    if not mode["requantize"]:
        return None
    field = 0 if cursor.next is None else cursor.next.header.argument
    low, high = signed_range(arch.activation_width)
    if field > high - low:
        raise FormatError(f"layer {name} has a zero point of {arch.activation_width} bits, not {field:#x}")
    packet = cursor.take(Opcode.REQUANTIZE, arch, argument=field)
    try:
        columns = unpack_parameters(packet.payload, rows, arch)
        table = unpack_table(cursor.take(Opcode.TABLE, arch).payload, arch) if mode["table"] else None
    except FormatError as error:
        raise FormatError(f"layer {name}: {error}") from None
    if order is not None:
        back = np.argsort(order)
        columns = (columns[0][back], columns[1][back], columns[2][back])
    zero_point = field - (high - low + 1 if field > high else 0)
    try:
        return OutputParameters(*columns, zero_point, bool(mode["relu"]), table)
    except ConfigError as error:
        raise FormatError(f"layer {name}: {error}") from None


def _check_length(payload: bytes, bits: int, word_bytes: int, what: str) -> None:
    words = -(-bits // (8 * word_bytes))
    if len(payload) != words * word_bytes:
        raise FormatError(f"{what} must take {words} words, not {len(payload) // word_bytes}")


def _read_pass(cursor: PacketCursor, arch: ArchConfig) -> RawPass:
    begin = cursor.offset
    chunk = 0 if cursor.next is None else cursor.next.header.argument
    cursor.take(Opcode.PASS, arch, argument=chunk)
    clusters = [RawCluster()] * arch.clusters
    last = -1
    while cursor.at(Opcode.BLOCKS) and cursor.next is not None:
        number, offset = cursor.next.header.cluster, cursor.offset
        if not last < number < arch.clusters:
            raise FormatError(f"byte {offset}: cluster {number} follows cluster {last} of {arch.clusters}")
        last = number
        blocks = cursor.take(Opcode.BLOCKS, arch, cluster=number).payload
        clusters[number] = RawCluster(
            _descriptors(blocks, arch, offset),
            cursor.take(Opcode.RECORDS, arch, cluster=number).payload,
            cursor.take(Opcode.VALUES, arch, cluster=number).payload,
        )
        if not clusters[number].parts:
            raise FormatError(f"byte {offset}: cluster {number} has packets but no block")
    return RawPass(chunk, tuple(clusters), cursor.between(begin, cursor.offset))


def _descriptors(payload: bytes, arch: ArchConfig, offset: int) -> tuple[Descriptor, ...]:
    layout, size = descriptor_layout(arch), arch.stream_width // 8
    try:
        return tuple(
            Descriptor(**layout.decode(int.from_bytes(payload[at : at + size], "little")))
            for at in range(0, len(payload), size)
        )
    except FormatError as error:
        raise FormatError(f"byte {offset}: {error}") from None


def _json_object(payload: bytes, what: str) -> dict[str, Any]:
    try:
        data = json.loads(payload.rstrip(b"\0").decode())
    except (ValueError, RecursionError):
        raise FormatError(f"{what} is not JSON text") from None
    if not isinstance(data, dict):
        raise FormatError(f"{what} must be a JSON object, not {type(data).__name__}")
    return data


def _count(about: dict[str, Any], field: str, what: str) -> int:
    value = about.get(field)
    if type(value) is not int or value < 1:
        raise FormatError(f"{what}: `{field}` must be a positive whole number, not {value!r}")
    return value
