"""The accelerator in NumPy: executes a stream packet by packet, sharing no decoder with ``sw.unpack``."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import FormatError
from spec.layout import Layout
from spec.numbers import signed_range
from spec.outputs import (
    MODE,
    OUTPUT_PARAMETERS,
    TABLE_ENTRIES_PER_WORD,
    entries_per_word,
    table_words,
    words_per_entry,
)
from spec.packet import (
    HOST_ONLY,
    Header,
    Opcode,
    Packet,
    descriptor_layout,
    frame_answer,
    length_limit,
    read_packets,
)
from spec.record import decode_record
from sw.bits import pack_fields
from sw.outputs import OutputParameters, requantize

__all__ = ["decode_values", "execute"]


@dataclass
class _Bank:
    """The weights of one cluster and pass, as its three memories hold them, and what they decode to.

    ``part``, ``group`` (row group or group of inputs), ``position``: one entry per beat of ``weights``.
    """

    blocks: list[dict[str, int]] = field(default_factory=list)
    records: bytes = b""
    part: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    group: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    position: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 1), np.int64))


def execute(stream: bytes, arch: ArchConfig) -> bytes:
    """Return the PSUMS or CODES answers to the jobs in ``stream``, cluster by cluster, without DONE.

    Raises
    ------
    FormatError
        If the stream is damaged, out of sequence, or exceeds a memory, or a psum overflows.
    """
    machine = _Machine(arch)
    for packet in read_packets(stream, arch.stream_width // 8):
        machine.step(packet)
    return b"".join(machine.answers)


class _Machine:
    """State between packets."""

    def __init__(self, arch: ArchConfig) -> None:
        self.arch = arch
        self.answers: list[bytes] = []
        self.direction: Direction | None = None
        self.tag = 0
        self.mode: dict[str, int] = {}
        self.parameters: NDArray[np.int64] | None = None
        self.zero_point = 0
        self.table: NDArray[np.int8] | None = None
        self.banks: list[_Bank] | None = None

    def step(self, packet: Packet) -> None:
        """Execute one packet."""
        header, arch = packet.header, self.arch
        if HOST_ONLY <= header.opcode < 0x80:
            return
        if header.length > length_limit(header.opcode, arch):
            raise FormatError(f"opcode {header.opcode:#04x} with {header.length} words exceeds its memory")
        if header.opcode == Opcode.BEGIN:
            if header.argument != arch.fingerprint:
                raise FormatError("the stream was packed for another architecture")
            self.mode = MODE.decode(header.cluster if arch.output_blocks else header.cluster & 1)
            self.direction, self.tag, self.banks = Direction(self.mode["horizontal"]), header.tag, None
            self.parameters = self.table = None
        elif self.direction is None:
            raise FormatError(f"opcode {header.opcode:#04x} comes before BEGIN")
        elif header.opcode in (Opcode.REQUANTIZE, Opcode.TABLE) and arch.output_blocks:
            self._settle(packet)
        elif header.opcode == Opcode.PASS:
            if self.mode["requantize"] and (
                self.parameters is None or (self.mode["table"] and self.table is None)
            ):
                raise FormatError("PASS comes before the output parameters")
            self.banks = [_Bank() for _ in range(arch.clusters)]
        elif header.opcode == Opcode.END:
            self.direction, self.banks = None, None
        elif self.banks is None:
            raise FormatError(f"opcode {header.opcode:#04x} comes before PASS")
        elif header.opcode == Opcode.ACTIVATIONS:
            self._multiply(_activations(packet.payload, arch), self.direction, self.banks)
        elif header.cluster >= arch.clusters:
            raise FormatError(f"there is no cluster {header.cluster}")
        else:
            self._load(packet, self.banks[header.cluster])

    def _load(self, packet: Packet, bank: _Bank) -> None:
        size = self.arch.stream_width // 8
        match packet.header.opcode:
            case Opcode.BLOCKS:
                layout = descriptor_layout(self.arch)
                words = [packet.payload[at : at + size] for at in range(0, len(packet.payload), size)]
                bank.blocks = [layout.decode(int.from_bytes(word, "little")) for word in words]
            case Opcode.RECORDS:
                bank.records = packet.payload
            case Opcode.VALUES:
                _walk(bank, self.arch)
                bank.weights = decode_values(packet.payload, len(bank.part), self.arch)
            case _:
                raise FormatError(f"opcode {packet.header.opcode:#04x} is unknown")

    def _multiply(self, inputs: NDArray[np.int64], direction: Direction, banks: list[_Bank]) -> None:
        """Run one job: all parts of all clusters on one tile."""
        slots: dict[int, tuple[NDArray[np.int64], int]] = {}
        for cluster, bank in enumerate(banks):
            for part, psums in enumerate(_psums(bank, inputs, direction, self.arch)):
                self._check(psums, cluster)
                block = bank.blocks[part]
                if block.get("split"):
                    summed, left = slots.pop(block["slot"], (np.zeros_like(psums), block["others"] + 1))
                    psums, left = summed + psums, left - 1
                    self._check(psums, cluster)
                    if left:
                        slots[block["slot"]] = psums, left
                        continue
                self._answer(psums, cluster, part, block["block"])
        if slots:
            raise FormatError(f"slot {min(slots)} waits for parts that no cluster has")

    def _check(self, psums: NDArray[np.int64], cluster: int) -> None:
        """Refuse psums of a part, or of the parts of a block so far, that the array cannot hold."""
        low, high = signed_range(self.arch.psum_width)
        if int(psums.min()) < low or int(psums.max()) > high:
            raise FormatError(f"a psum of cluster {cluster} overflows {self.arch.psum_width} bits")

    def _settle(self, packet: Packet) -> None:
        """Take output parameters."""
        opcode = Opcode(packet.header.opcode)
        if self.banks is not None or not self.mode["requantize" if opcode == Opcode.REQUANTIZE else "table"]:
            raise FormatError(f"{opcode.name} comes where no output parameters are expected")
        if opcode == Opcode.REQUANTIZE:
            self.parameters = _parameters(packet.payload, self.arch)
            width = self.arch.activation_width
            self.zero_point = int(_signed((packet.header.argument >> np.arange(width) & 1).astype(np.uint8)))
        else:
            self.table = _table(packet.payload, self.arch)

    def _answer(self, outputs: NDArray[np.int64], cluster: int, part: int, block: int) -> None:
        arch, opcode, words, width = (
            self.arch,
            Opcode.PSUMS,
            self.arch.words_per_block,
            self.arch.output_width,
        )
        if self.mode["requantize"]:
            opcode, words, width = Opcode.CODES, arch.code_words_per_block, arch.activation_width
            outputs = self._requantize(outputs, block)
        rows = outputs.reshape(arch.groups, arch.lanes, arch.tokens).transpose(0, 2, 1)
        payload = pack_fields(rows, width)
        payload += bytes(-len(payload) % (arch.stream_width // 8))
        header = Header(opcode, words, cluster, part, self.tag)
        self.answers.append(frame_answer(header, payload, arch.stream_width // 8))

    def _requantize(self, psums: NDArray[np.int64], block: int) -> NDArray[np.int64]:
        """Codes of one block, B x T; outputs that no entry was sent for are of padding."""
        size = self.arch.segment
        if self.parameters is None or block * size >= len(self.parameters):
            raise FormatError(f"block {block} has no output parameters")
        its = self.parameters[block * size : (block + 1) * size]
        its = np.pad(its, ((0, size - len(its)), (0, 0)), constant_values=1)
        relu, table = bool(self.mode["relu"]), self.table if self.mode["table"] else None
        parameters = OutputParameters(its[:, 0], its[:, 1], its[:, 2], self.zero_point, relu, table)
        return requantize(psums, parameters, self.arch.activation_width).astype(np.int64)


def _walk(bank: _Bank, arch: ArchConfig) -> None:
    """Walk the records of a bank from vector to vector, as the decompressor does."""
    parts, groups, positions = [], [], []
    width, offset = arch.record_width, 0
    for part, block in enumerate(bank.blocks):
        following, ended = block["start"], False
        while not ended:
            if offset + width > len(bank.records) * 8:
                raise FormatError("the records end before their last block")
            piece = int.from_bytes(bank.records[offset // 8 : offset // 8 + 5], "little")
            record = decode_record(piece >> offset % 8 & ((1 << width) - 1), arch)
            offset += width
            if record.is_escape:
                following += (record.advance + 1) << arch.advance_width
                continue
            position = following + record.advance
            following, ended = position + 1, record.end
            for group in range(arch.groups):
                if record.bitmap >> group & 1:
                    parts.append(part)
                    groups.append(group)
                    positions.append(position)
    bank.part, bank.group = np.array(parts, np.int64), np.array(groups, np.int64)
    bank.position = np.array(positions, np.int64)


def _signed(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Two's complement numbers of the bits along the last axis."""
    place = 1 << np.arange(bits.shape[-1], dtype=np.int64)
    place[-1] = -place[-1]
    return np.asarray(bits @ place, np.int64)


def decode_values(payload: bytes, beats: int, arch: ArchConfig) -> NDArray[np.int64]:
    """Return value memory as beats x lanes, every bit of a weight fetched from where its plane has it.

    Raises
    ------
    FormatError
        If there are fewer beats in ``payload``.
    """
    stripe, number = np.divmod(np.arange(beats), arch.beats_per_stripe)
    place = np.empty((beats, arch.lanes, arch.weight_width), np.int64)
    for plane in arch.planes:
        bits = arch.lanes * plane.width
        start = (stripe * arch.words_per_stripe + plane.first) * arch.stream_width + number * bits
        own = np.arange(bits).reshape(arch.lanes, plane.width)
        place[:, :, plane.offset : plane.offset + plane.width] = start[:, None, None] + own
    if int(place.max(initial=-1)) >= len(payload) * 8:
        raise FormatError(f"a payload of {len(payload) * 8} bits lacks some of its {beats} beats")
    return _signed(np.unpackbits(np.frombuffer(payload, np.uint8), bitorder="little")[place])


def _parameters(payload: bytes, arch: ArchConfig) -> NDArray[np.int64]:
    """Parameter memory as outputs x (bias, multiplier, shift)."""
    together, width = entries_per_word(arch), OUTPUT_PARAMETERS.width
    _check_words(payload, words_per_entry(arch), "an entry of output parameters", arch)
    bits = np.unpackbits(np.frombuffer(payload, np.uint8), bitorder="little")
    entries = bits.reshape(-1, words_per_entry(arch) * arch.stream_width)[:, : together * width]
    fields, start = [], 0
    for name, size in OUTPUT_PARAMETERS.widths:
        field = entries.reshape(-1, width)[:, start : start + size]
        unsigned = np.pad(field, ((0, 0), (0, 1)))
        fields.append(_signed(field if name == "bias" else unsigned) + (name == "shift"))
        start += size
    return np.stack(fields, axis=1)


def _check_words(payload: bytes, each: int, what: str, arch: ArchConfig) -> None:
    """Refuse a payload that ends within what takes ``each`` words."""
    words = len(payload) * 8 // arch.stream_width
    if words % each:
        raise FormatError(f"{what} takes {each} words, so {words} words end within one")


def _table(payload: bytes, arch: ArchConfig) -> NDArray[np.int8]:
    """Table memory, entry by entry."""
    width = arch.activation_width
    if len(payload) * 8 < table_words(arch) * arch.stream_width:
        raise FormatError(
            f"a table takes {table_words(arch)} words, not {len(payload) * 8 // arch.stream_width}"
        )
    bits = np.unpackbits(np.frombuffer(payload, np.uint8), bitorder="little").reshape(-1, arch.stream_width)
    used = bits[:, : TABLE_ENTRIES_PER_WORD * width].reshape(-1, width)
    return _signed(used).astype(np.int8)


def _activations(payload: bytes, arch: ArchConfig) -> NDArray[np.int64]:
    """An activation buffer as inputs x tokens."""
    layout = Layout("token column", (("inputs", arch.lanes * arch.activation_width),))
    per_word, parts = arch.tokens_per_word, arch.words_per_input_word
    _check_words(payload, parts, "an input word", arch)
    words = len(payload) * 8 // arch.stream_width // parts
    raw = np.frombuffer(payload, np.uint8)
    bits = np.unpackbits(raw, bitorder="little").reshape(words, parts, arch.stream_width)
    columns = bits[:, :, : per_word * layout.width]
    if bits[:, :, per_word * layout.width :].any():
        raise FormatError("unused bits of an activation word must be 0")
    fields = columns.reshape(words, parts * per_word, arch.lanes, arch.activation_width)
    numbers = _signed(fields)[:, : arch.tokens]
    return np.asarray(numbers.transpose(0, 2, 1).reshape(words * arch.lanes, arch.tokens), np.int64)


def _psums(
    bank: _Bank, inputs: NDArray[np.int64], direction: Direction, arch: ArchConfig
) -> NDArray[np.int64]:
    """Multiply every beat and add it up: parts x B x T, the outputs of a block in order."""
    lanes, size = arch.lanes, arch.segment
    shape = (len(bank.blocks), size, arch.tokens)
    if not len(bank.part):
        return np.zeros(shape, np.int64)
    if direction is Direction.VERTICAL:
        if int(bank.position.max()) >= len(inputs):
            raise FormatError("a vector reads beyond the activations")
        products = bank.weights[:, :, None] * inputs[bank.position][:, None, :]
        row = bank.part * arch.groups + bank.group
    else:
        first = bank.position // size * size + bank.group * lanes
        if int(first.max()) >= len(inputs):
            raise FormatError("a vector reads beyond the activations")
        products = np.einsum("bl,blt->bt", bank.weights, inputs[first[:, None] + np.arange(lanes)])[:, None]
        row = bank.part * size + bank.position % size
    order = np.argsort(row, kind="stable")
    rows, starts = np.unique(row[order], return_index=True)
    height = products.shape[1]
    sums = np.zeros((len(bank.blocks) * size // height, height, arch.tokens), np.int64)
    sums[rows] = np.add.reduceat(products[order], starts, axis=0)
    return sums.reshape(shape)
