"""The formats of ``spec`` as signal shapes, and the bundles that components pass to each other."""

from amaranth.hdl import Cat, Module, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, enum

from spec.arch import ArchConfig
from spec.layout import Layout
from spec.outputs import MODE, OUTPUT_PARAMETERS
from spec.packet import HEADER, Opcode, descriptor_layout
from spec.record import record_layout

__all__ = [
    "JOB_WIDTH",
    "ItemKind",
    "LoadKind",
    "arriving_header",
    "beat_shape",
    "block_shape",
    "bundle",
    "closed_shape",
    "column_shape",
    "descriptor_shape",
    "header_shape",
    "item_shape",
    "job_shape",
    "load_shape",
    "mode_shape",
    "offer_shape",
    "parameters_shape",
    "part_shape",
    "psums_header",
    "record_shape",
    "token_shape",
    "vector_shape",
]


JOB_WIDTH = 2
"""Bits of a job number: at most three jobs are under way, so four numbers tell them apart."""


class LoadKind(enum.Enum, shape=unsigned(3)):
    """What the word on the load bus is for."""

    IDLE = 0
    BLOCK = 1
    RECORD = 2
    VALUE = 3
    ACTIVATION = 4
    RUN = 5
    PASS = 6


class ItemKind(enum.Enum, shape=unsigned(3)):
    """What a word on the collect chain is."""

    IDLE = 0
    BLOCK_HEADER = 1
    BLOCK_DATA = 2
    BLOCK_TRAILER = 3
    STATUS_HEADER = 4
    STATUS_DATA = 5
    STATUS_TRAILER = 6
    BLOCK_LENGTH = 7
    """Second word of a block's header, where that takes two."""


def bundle(layout: data.Layout, name: str, *, reset_less: bool = False) -> data.View:
    """Return a signal with the fields of ``layout``; ``Signal(layout)`` is typed as a plain number."""
    return data.View(layout, Signal(layout, name=name, reset_less=reset_less))


def _shape(layout: Layout) -> data.StructLayout:
    return data.StructLayout({name: unsigned(width) for name, width in layout.widths})


def _index(count: int) -> Shape:
    """Shape of a number below ``count``; never empty, so that every field exists in Verilog."""
    return unsigned(max((count - 1).bit_length(), 1))


def token_shape(arch: ArchConfig) -> Shape:
    """Number of a token column."""
    return _index(arch.tokens)


def record_shape(arch: ArchConfig) -> data.StructLayout:
    """``spec.record.record_layout``."""
    return _shape(record_layout(arch))


def descriptor_shape(arch: ArchConfig) -> data.StructLayout:
    """``spec.packet.descriptor_layout`` with as much of the last field, ``block``, as the core reads."""
    fields = {name: unsigned(width) for name, width in descriptor_layout(arch).widths if name != "block"}
    return data.StructLayout(fields | block_shape(arch))


def part_shape(arch: ArchConfig) -> dict[str, Shape]:
    """Fields of a block descriptor that stay with the block once its first position is known."""
    return {name: field.shape for name, field in descriptor_shape(arch) if name != "start"}


def block_shape(arch: ArchConfig) -> dict[str, Shape]:
    """Number of the block whose output parameters are meant; empty without an output stage."""
    return {"block": _index(arch.output_blocks)} if arch.output_blocks else {}


def mode_shape() -> data.StructLayout:
    """``spec.outputs.MODE``."""
    return _shape(MODE)


def parameters_shape() -> data.StructLayout:
    """``spec.outputs.OUTPUT_PARAMETERS``."""
    fields = {name: unsigned(width) for name, width in OUTPUT_PARAMETERS.widths}
    return data.StructLayout(fields | {"bias": signed(fields["bias"].width)})


def header_shape() -> data.StructLayout:
    """``spec.packet.HEADER``."""
    return _shape(HEADER)


def arriving_header(arch: ArchConfig, header: Value, word: Value) -> data.View:
    """Return the header whose last word is ``word``, and whose first, if there are two, ``header`` has."""
    width = header_shape().size
    bits = word[:width] if arch.header_words == 1 else Cat(header[: width - arch.stream_width], word)
    return data.View(header_shape(), bits)


def _value_address(arch: ArchConfig) -> Shape:
    """Number of a beat in one value bank."""
    return _index(arch.value_depth)


def _activation_address(arch: ArchConfig) -> Shape:
    """Number of a word of L inputs in one activation bank."""
    return _index(arch.activation_depth)


def load_shape(arch: ArchConfig) -> data.StructLayout:
    """Load bus: one word for a memory, or RUN and PASS, in stream order through all clusters.

    RUN: ``bank`` is the activation bank, bit 0 of ``address`` the weight bank, above it the job number.
    PASS: ``bank`` is the weight bank that is emptied. ``part`` numbers the stream words of one address:
    those of one input word, which is L inputs of all T tokens, or of one stripe of values.
    """
    deepest = max(arch.block_depth, arch.record_depth, arch.value_depth, arch.activation_depth)
    return data.StructLayout(
        {
            "kind": LoadKind,
            "cluster": _index(arch.clusters),
            "bank": 1,
            "part": _index(max(arch.words_per_input_word, arch.words_per_stripe)),
            "address": _index(deepest),
            "data": arch.stream_width,
        }
    )


def vector_shape(arch: ArchConfig) -> data.StructLayout:
    """One vector between decompressor, zero-skip controller and beat issuer.

    ``bitmap`` are the groups it has, ``live`` those worth a beat; ``values`` is its first beat's address.
    ``end`` closes a block, whose ``part_shape`` fields are then valid; ``last`` closes the job.
    """
    return data.StructLayout(
        {
            "position": arch.position_width,
            "bitmap": arch.groups,
            "live": arch.groups,
            "values": _value_address(arch),
            "weight_bank": 1,
            "activation_bank": 1,
            "end": 1,
            "last": 1,
            "job": JOB_WIDTH,
        }
        | part_shape(arch)
    )


def closed_shape(arch: ArchConfig) -> data.StructLayout:
    """A block that has got its last beat."""
    return data.StructLayout(part_shape(arch) | {"job": JOB_WIDTH, "last": 1})


def beat_shape(arch: ArchConfig) -> data.StructLayout:
    """What the array does in one cycle: multiply (``valid``), or read a psum row out (``steal``).

    ``lanes`` are the psum lanes written, ``first`` those whose psum starts from 0 (or, for ``steal``,
    was never written).
    """
    return data.StructLayout(
        {
            "valid": 1,
            "steal": 1,
            "value": data.StructLayout({"index": _value_address(arch), "bank": 1}),
            "activation": data.StructLayout({"word": _activation_address(arch), "bank": 1}),
            "lane": _index(arch.lanes),
            "row": _index(arch.groups),
            "psum_bank": 1,
            "lanes": arch.lanes,
            "first": arch.lanes,
        }
    )


def _psum_control(arch: ArchConfig) -> data.StructLayout:
    """Psum memory control of all lanes of a column; ``row`` includes the bank as its top bit.

    ``fresh`` are the lanes whose row in memory does not count: it starts from 0, or is forwarded.
    """
    return data.StructLayout(
        {
            "row": _index(2 * arch.groups),
            "write": arch.lanes,
            "fresh": arch.lanes,
            "forward": arch.lanes,
            "steal": 1,
        }
    )


def column_shape(arch: ArchConfig) -> data.StructLayout:
    """What moves from column to column, a register at each.

    ``off`` are the lanes whose activation nobody takes; none if ``horizontal``.
    """
    return data.StructLayout(
        {
            "write": data.StructLayout(
                {
                    "enable": 1,
                    "part": _index(arch.words_per_input_word),
                    "word": _activation_address(arch),
                    "bank": 1,
                    "data": arch.stream_width,
                }
            ),
            "read": data.StructLayout({"word": _activation_address(arch), "bank": 1}),
            "off": arch.lanes,
            "horizontal": 1,
            "weights": data.ArrayLayout(signed(arch.weight_width), arch.lanes),
            "psums": _psum_control(arch),
        }
    )


def offer_shape(arch: ArchConfig) -> data.StructLayout:
    """What a cluster says of a drained block in its BLOCK_HEADER item."""
    return data.StructLayout({"sequence": _index(arch.block_depth)} | part_shape(arch))


def item_shape(arch: ArchConfig) -> data.StructLayout:
    """Collect chain: a request to ``cluster``; its answer joins ``data`` on the way."""
    return data.StructLayout(
        {
            "kind": ItemKind,
            "job_end": 1,
            "cluster": _index(arch.clusters),
            "address": _index(arch.words_per_block),
        }
    )


def psums_header(m: Module, arch: ArchConfig, item: data.View, offer: data.View, tag: Signal) -> data.View:
    """Return the header of the answer with the block of ``offer``, which ``item`` was the request for."""
    header = bundle(header_shape(), "header")
    m.d.comb += [
        header.opcode.eq(Opcode.PSUMS),
        header.cluster.eq(item.cluster),
        header.argument.eq(offer.sequence),
        header.length.eq(arch.words_per_block),
        header.tag.eq(tag),
    ]
    return header


def job_shape(arch: ArchConfig) -> data.StructLayout:
    """A job as the collector sees it: how many blocks it answers with."""
    return data.StructLayout({"blocks": (arch.clusters * arch.block_depth).bit_length()})
