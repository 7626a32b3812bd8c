"""A packed layer and its activations to the words that are sent; the words that come back to outputs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.direction import Direction
from spec.errors import ConfigError, FormatError
from spec.numbers import OUTPUT_WIDTH, signed_range
from spec.packet import ErrorCode, Header, Opcode, Packet, frame_packet, read_answers
from sw.bits import pack_fields, unpack_fields
from sw.unpack import PackedLayer, PackedPass

__all__ = ["JobResult", "answer_format", "job_stream", "read_outputs", "tile_count"]


@dataclass(frozen=True, eq=False)
class JobResult:
    """What the accelerator answered.

    Parameters
    ----------
    outputs : ndarray of int32, or of int8 if requantized, shape (M, N)
        Original row order; all zero when there are ``errors``.
    counters : dict of str to int
        From DONE, named as in ``spec.counters.COUNTERS``; empty without DONE.
    errors : tuple of str
        One sentence for every ERROR answer.
    """

    outputs: NDArray[np.int32] | NDArray[np.int8]
    counters: dict[str, int]
    errors: tuple[str, ...]


def tile_count(tokens: int, arch: ArchConfig) -> int:
    """Tiles of T tokens that hold ``tokens``."""
    return -(-tokens // arch.tokens)


def job_stream(layer: PackedLayer, activations: NDArray[Any], arch: ArchConfig) -> bytes:
    """Return the words that multiply ``layer`` with ``activations`` (K x N integers).

    The layer's own packets, with one ACTIVATIONS packet per tile after each pass's weights.

    Raises
    ------
    ConfigError
        If the shape or a value of ``activations`` does not fit.
    """
    low, high = signed_range(arch.activation_width)
    if activations.ndim != 2 or activations.shape[0] != layer.cols or not activations.shape[1]:
        raise ConfigError(
            f"layer {layer.name} multiplies {layer.cols} x N activations, N at least 1, not an array "
            f"of shape {activations.shape}"
        )
    if not np.issubdtype(activations.dtype, np.integer):
        raise ConfigError(f"activations of layer {layer.name} must be integers, not {activations.dtype}")
    if int(activations.min()) < low or int(activations.max()) > high:
        raise ConfigError(
            f"activations of layer {layer.name} must lie in {low} to {high}, not "
            f"{int(activations.min())} to {int(activations.max())}; quantize them to "
            f"{arch.activation_width} bits"
        )
    if layer.direction is Direction.HORIZONTAL:
        activations = activations[layer.order]
    size = layer.schedule.chunk_inputs
    tiles: dict[int, bytes] = {}
    parts = [layer.head]
    for one in layer.passes:
        if one.chunk not in tiles:
            chunk = activations[one.chunk * size : (one.chunk + 1) * size]
            tiles[one.chunk] = b"".join(_tiles(chunk.astype(np.int8), arch))
        parts += [one.data, tiles[one.chunk]]
    return b"".join([*parts, layer.tail])


def _tiles(chunk: NDArray[np.int8], arch: ArchConfig) -> Iterator[bytes]:
    """ACTIVATIONS packets of one chunk of inputs, a tile after the other."""
    inputs, tokens = chunk.shape
    words, tiles = -(-inputs // arch.lanes), tile_count(tokens, arch)
    per_word, parts = arch.tokens_per_word, arch.words_per_input_word
    padded = np.zeros((words * arch.lanes, tiles, parts * per_word), np.int8)
    spread = np.zeros((inputs, tiles * arch.tokens), np.int8)
    spread[:, :tokens] = chunk
    padded[:inputs, :, : arch.tokens] = spread.reshape(inputs, tiles, arch.tokens)
    # tile, input word, stream word, token column, lane
    fields = padded.reshape(words, arch.lanes, tiles, parts, per_word).transpose(2, 0, 3, 4, 1)
    slots = arch.stream_width // arch.activation_width
    stream_words = np.zeros((tiles, words * parts, slots), np.int8)
    stream_words[:, :, : per_word * arch.lanes] = fields.reshape(tiles, words * parts, per_word * arch.lanes)
    for tile in stream_words:
        header = Header(Opcode.ACTIVATIONS, words * parts)
        payload = pack_fields(tile, arch.activation_width)
        yield frame_packet(header, payload, arch.stream_width // 8)


def read_outputs(answer: bytes, layer: PackedLayer, tokens: int, arch: ArchConfig) -> JobResult:
    """Return the outputs of ``layer`` for ``tokens`` columns from the accelerator's answer.

    Raises
    ------
    FormatError
        If the answer is damaged, or without any ERROR misses or repeats a block.
    """
    packets = list(read_answers(answer, arch.stream_width // 8))
    errors = tuple(_error(one.header) for one in packets if one.header.opcode == Opcode.ERROR)
    done = [one for one in packets if one.header.opcode == Opcode.DONE]
    counters: dict[str, int] = {}
    if done:
        counters = _counters(done[-1], arch)
    outputs = np.zeros((layer.rows, tokens), np.int32 if layer.outputs is None else np.int8)
    if errors:
        return JobResult(outputs, counters, errors)
    if len(done) > 1 or (done and packets[-1] is not done[0]):
        raise FormatError("the answer must end with its only DONE packet")

    blocks, tiles = -(-layer.rows // arch.segment), tile_count(tokens, arch)
    sums = np.zeros((blocks, arch.segment, tiles, arch.tokens), np.int64)
    psums = iter(packets[: len(packets) - len(done)])
    for number, one in enumerate(layer.passes):
        for tile in range(tiles):
            place = f"pass {number}, tile {tile}"
            for block, values in _job_blocks(psums, one, layer, arch, place):
                sums[block, :, tile] += values
    if next(psums, None) is not None:
        raise FormatError("more packets follow than the layer has jobs")
    grouped = sums.reshape(blocks * arch.segment, tiles * arch.tokens)[: layer.rows, :tokens]
    # Chunks are summed here, so an output may be wider than the psums of the array.
    low, high = signed_range(OUTPUT_WIDTH)
    if int(grouped.min()) < low or int(grouped.max()) > high:
        raise FormatError(f"an output lies outside the {OUTPUT_WIDTH}-bit range {low} to {high}")
    outputs[layer.order if layer.direction is Direction.VERTICAL else slice(None)] = grouped
    return JobResult(outputs, counters, ())


def answer_format(layer: PackedLayer, arch: ArchConfig) -> tuple[Opcode, int, int]:
    """Return what the blocks of a layer come as: opcode, words of a block, bits of an output."""
    if layer.outputs is None:
        return Opcode.PSUMS, arch.words_per_block, arch.output_width
    return Opcode.CODES, arch.code_words_per_block, arch.activation_width


def _job_blocks(
    packets: Iterator[Packet], one: PackedPass, layer: PackedLayer, arch: ArchConfig, place: str
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield every block of one job once, with its psums or codes as B x T."""
    opcode, words, width = answer_format(layer, arch)
    missing = {part.block for cluster in one.clusters for part in cluster.parts}
    while missing:
        packet = next(packets, None)
        if packet is None:
            raise FormatError(f"{place}: the answer ends without block {min(missing)}")
        header = packet.header
        if header.opcode != opcode or header.length != words or header.tag != layer.tag:
            raise FormatError(
                f"{place}: {opcode.name} of {words} words with tag {layer.tag} must follow, not {header}"
            )
        if header.cluster >= arch.clusters or header.argument >= len(one.clusters[header.cluster].parts):
            raise FormatError(f"{place}: cluster {header.cluster} has no part {header.argument}")
        block = one.clusters[header.cluster].parts[header.argument].block
        if block not in missing:
            raise FormatError(f"{place}: block {block} came twice")
        missing.remove(block)
        values = _signed(packet.payload, width, arch.segment * arch.tokens)
        rows = values.reshape(arch.groups, arch.tokens, arch.lanes).transpose(0, 2, 1)
        yield block, rows.reshape(arch.segment, arch.tokens)


def _signed(payload: bytes, width: int, count: int) -> NDArray[np.int64]:
    """Return the first ``count`` two's complement numbers of ``width`` bits."""
    sign = 1 << (width - 1)
    return (unpack_fields(payload, width, count) ^ sign) - sign


def _error(header: Header) -> str:
    """One sentence about an ERROR answer."""
    known = {code.value for code in ErrorCode}
    name = ErrorCode(header.argument).name if header.argument in known else f"code {header.argument}"
    return f"the accelerator refused the stream: {name} at a packet with opcode {header.cluster:#04x}"


def _counters(packet: Packet, arch: ArchConfig) -> dict[str, int]:
    size = arch.stream_width // 8
    if packet.header.length != len(COUNTERS):
        raise FormatError(f"DONE holds {len(COUNTERS)} counters, not {packet.header.length} words")
    words = [packet.payload[at : at + size] for at in range(0, len(packet.payload), size)]
    return {name: int.from_bytes(word, "little") for name, word in zip(COUNTERS, words, strict=True)}
