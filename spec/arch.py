"""One immutable description of an accelerator, checked where it enters."""

import json
import zlib
from pathlib import Path
from typing import Any, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from spec.errors import ConfigError
from spec.header import HEADER, header_words
from spec.numbers import OUTPUT_WIDTH
from spec.planes import Plane, weight_planes
from spec.presets import PRESETS

__all__ = ["BLOCK_WIDTH", "ArchConfig"]

_POWERS: Final = {
    "lanes": (1, 16),
    "segment": (1, 256),
    "activation_width": (2, 8),
    "stream_width": (32, 1024),
    "activation_depth": (2, 1 << 16),
    "value_depth": (16, 1 << 20),
    "record_depth": (2, 1 << 16),
    "block_depth": (2, 1 << 12),
    "queue_depth": (4, 64),
}
BLOCK_WIDTH: Final = 16
"""Bits of a block's number in its descriptor."""
_MOST_OUTPUT_BLOCKS: Final = 1 << 12
_TREE_COLUMNS: Final = 8
"""Columns that a drain tree serves where there are several trees."""
_MOST_SPLIT_SLOTS: Final = 256


def _is_power(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


class ArchConfig(BaseModel):
    """Parameters of one accelerator. Only ``clusters``, ``lanes`` and ``tokens`` are needed.

    Every other field has a default, which for some depends on these three.

    Parameters
    ----------
    clusters, lanes, tokens : int
        C (1-64), L (power of two, 1-16) and T (1-32): C·L·T processing elements.
    segment : int
        B, weights per segment and outputs per block; a power of two, 1 to 16 groups of L. Default 8·L.
    weight_width : int
        Bits of a signed weight, 2 to 8; see ``spec.planes``.
    activation_width : int
        Bits of a signed activation: 2, 4 or 8.
    psum_width : int
        Bits of a signed partial sum inside the array, 16 to 32.
    advance_width : int
        Bits of a record's advance field.
    stream_width : int
        Bits of one word of the input and of the output stream (W). 32 only for a single cluster without split
        slots and output stage.
    activation_depth : int
        Words of L inputs in one of the two activation buffers: K of one pass is at most this times L.
    value_depth : int
        Beats in one of the two value banks of a cluster.
    record_depth : int
        Stream words in one of the two record banks of a cluster.
    block_depth : int
        Block descriptors in one of the two banks of a cluster.
    queue_depth : int
        Vectors the zero-skip controller looks ahead.
    split_slots : int
        Blocks that may be split along K and be under way at once; a power of two, or 0 with a single cluster,
        which has nobody to share blocks with: there is no split adder then. 0 by default with words of 32
        bits.
    output_blocks : int
        Blocks of a layer whose output parameters fit on chip; a power of two, or 0: there is no output
        stage, and every answer is psums. See ``spec.outputs``.

    Raises
    ------
    ConfigError
        From :meth:`load`, :meth:`parse` and the presets; names field, value, rule and way out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    clusters: int = Field(ge=1, le=64)
    lanes: int
    tokens: int = Field(ge=1, le=32)
    segment: int = 0
    weight_width: int = Field(default=8, ge=2, le=8)
    activation_width: int = 8
    psum_width: int = Field(default=OUTPUT_WIDTH, ge=16, le=OUTPUT_WIDTH)
    advance_width: int = Field(default=2, ge=1, le=8)
    stream_width: int = 0
    activation_depth: int = 0
    value_depth: int = 4096
    record_depth: int = 0
    block_depth: int = 64
    queue_depth: int = 8
    split_slots: int = 0
    output_blocks: int = 0

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, data: Any) -> Any:
        """Fill the defaults that follow from the array's shape."""
        if not isinstance(data, dict) or "lanes" not in data:
            return data
        if any(type(value) is not int for value in data.values()):
            return data
        lanes, filled = data["lanes"], dict(data)
        if not _is_power(lanes):
            return data
        widest = max(filled.get("weight_width", 8), filled.get("activation_width", 8), 4)
        clusters = filled.get("clusters", 1)
        if not isinstance(widest, int) or not isinstance(clusters, int):
            return data
        # A single cluster needs no split slots, and with such words it can have none.
        narrow = clusters == 1 and 0 < filled.get("stream_width", 0) < HEADER.width
        derived = {
            "segment": 8 * lanes,
            "stream_width": max(64, lanes << (widest - 1).bit_length()),
            "activation_depth": max(4096 // lanes, 256),
            "split_slots": 0 if narrow else 1 << max(clusters - 1, 1).bit_length(),
        }
        for name, value in derived.items():
            # No split slots at all is a choice of its own.
            if name not in filled or (filled[name] == 0 and name != "split_slots"):
                filled[name] = value
        if filled.get("record_depth", 0) == 0 and isinstance(filled.get("value_depth", 4096), int):
            # Half as many records as beats, of the default record width: ample at every metadata budget.
            bits = filled.get("value_depth", 4096) * 12 // 2
            filled["record_depth"] = max(16, 1 << max(bits // filled["stream_width"] - 1, 1).bit_length())
        return filled

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, (low, high) in _POWERS.items():
            value = getattr(self, name)
            if not _is_power(value) or not low <= value <= high:
                raise ValueError(f"`{name}` must be a power of two from {low} to {high}, not {value}")
        blocks = self.output_blocks
        if blocks and not (_is_power(blocks) and blocks <= _MOST_OUTPUT_BLOCKS):
            raise ValueError(
                f"`output_blocks` must be 0 or a power of two up to {_MOST_OUTPUT_BLOCKS}, not {blocks}"
            )
        slots = self.split_slots
        if not ((_is_power(slots) and slots <= _MOST_SPLIT_SLOTS) or (slots == 0 and self.clusters == 1)):
            raise ValueError(
                f"`split_slots` must be a power of two from 1 to {_MOST_SPLIT_SLOTS}, "
                f"or 0 with a single cluster, not {slots}"
            )
        if not self.lanes <= self.segment <= 16 * self.lanes:
            raise ValueError(
                f"`segment` must hold 1 to 16 groups of {self.lanes} lanes, not {self.segment} weights"
            )
        for name in ("weight_width", "activation_width"):
            bits = self.lanes * getattr(self, name)
            if bits > self.stream_width:
                raise ValueError(
                    f"`stream_width` must be at least lanes x {name} = {bits} bits, not {self.stream_width}"
                )
        self._check_narrow()
        if self.activation_depth < self.groups:
            raise ValueError(
                f"`activation_depth` must hold one segment, {self.groups} words, not {self.activation_depth}"
            )
        stripe = self.beats_per_stripe
        if self.value_depth < stripe:
            raise ValueError(f"`value_depth` must hold one stripe, {stripe} beats, not {self.value_depth}")
        return self

    def _check_narrow(self) -> None:
        """What words shorter than a header leave out: blocks whose header is written anew on its way."""
        if self.stream_width >= HEADER.width:
            return
        if self.split_slots or self.output_blocks:
            raise ValueError(
                f"`stream_width` must be at least {HEADER.width} with split slots or an output stage, not "
                f"{self.stream_width}; set `split_slots` and `output_blocks` to 0, with a single cluster"
            )
        most = 1 << self.stream_width - BLOCK_WIDTH
        if self.max_inputs > most:
            raise ValueError(
                f"`activation_depth` x lanes must be at most {most} inputs with words of {self.stream_width} "
                f"bits, which a block descriptor must fit in, not {self.max_inputs}"
            )

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, int]:
        """Leave ``output_blocks`` out where it is 0: such architectures keep the fingerprints they had."""
        fields: dict[str, int] = handler(self)
        return {name: value for name, value in fields.items() if value or name != "output_blocks"}

    @property
    def pes(self) -> int:
        """Processing elements: C·L·T multipliers."""
        return self.clusters * self.lanes * self.tokens

    @property
    def groups(self) -> int:
        """Groups per segment, B/L: the bits of a record's bitmap."""
        return self.segment // self.lanes

    @property
    def record_width(self) -> int:
        """Bits of one record: advance, bitmap and end-of-block flag."""
        return self.advance_width + self.groups + 1

    @property
    def max_inputs(self) -> int:
        """Largest K of one pass."""
        return self.activation_depth * self.lanes

    @property
    def position_width(self) -> int:
        """Bits of a position inside a block (see ``spec.record``)."""
        return max((self.max_inputs - 1).bit_length(), 1)

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Planes of a weight, lowest bits first."""
        return weight_planes(self.weight_width)

    @property
    def words_per_stripe(self) -> int:
        """Stream words of values that hold the same beats, those of all planes; 1 if there is one plane."""
        return sum(plane.words for plane in self.planes)

    @property
    def beats_per_stripe(self) -> int:
        """Beats of L weights in ``words_per_stripe`` stream words."""
        return self.beats_per_word(self.planes[-1])

    def beats_per_word(self, plane: Plane) -> int:
        """Beats of L weights of which one stream word holds the bits in ``plane``; a power of two."""
        return self.stream_width // (self.lanes * plane.width)

    @property
    def tokens_per_word(self) -> int:
        """Token columns of L activations that travel in one stream word."""
        return min(self.stream_width // (self.lanes * self.activation_width), self.tokens)

    @property
    def words_per_input_word(self) -> int:
        """Stream words that carry L inputs of all T tokens."""
        return -(-self.tokens // self.tokens_per_word)

    @property
    def output_width(self) -> int:
        """Bits of a psum once it has left the array, sign-extended: 16 or 32."""
        return 16 if self.psum_width <= 16 else 32

    @property
    def header_words(self) -> int:
        """Stream words that a packet's header takes: 1, or 2 of 32 bits."""
        return header_words(self.stream_width)

    @property
    def answer_frame_words(self) -> int:
        """Stream words of an answer besides its payload: header and CRC."""
        return self.header_words + 1

    @property
    def frame_words(self) -> int:
        """Stream words of a packet on the way in besides its payload: SYNC, header and CRC."""
        return 1 + self.answer_frame_words

    @property
    def psums_per_word(self) -> int:
        """Psums in one word of the output stream."""
        return self.stream_width // self.output_width

    @property
    def words_per_block(self) -> int:
        """Output stream words of one block of B outputs and T tokens."""
        return -(-self.segment * self.tokens // self.psums_per_word)

    @property
    def code_words_per_block(self) -> int:
        """Output stream words of one block whose outputs are requantized to ``activation_width`` bits."""
        return -(-self.segment * self.tokens * self.activation_width // self.stream_width)

    @property
    def drain_trees(self) -> int:
        """Ways by which psums leave the T columns of a cluster at the same time: one for every 8 columns.

        One alone unless T is 16 or 32 and a word of the output stream holds psums of one way only, so that
        a word's number says in its bits where it lies.
        """
        fits = self.psums_per_word <= _TREE_COLUMNS * self.lanes
        return self.tokens // _TREE_COLUMNS if fits and self.tokens in (16, 32) else 1

    @property
    def row_cycles(self) -> int:
        """Cycles in which one row of psums leaves a cluster; columns that share a drain tree."""
        return self.tokens // self.drain_trees

    @property
    def drain_cycles(self) -> int:
        """Cycles in which a cluster gives out one block: L psums per tree and cycle, and the start."""
        return self.groups * self.row_cycles + 1

    @property
    def collect_cycles(self) -> int:
        """Cycles in which the collect chain takes one block: choice, header, words, trailer."""
        return self.words_per_block + self.header_words + 2

    @property
    def fingerprint(self) -> int:
        """16 bits that tell streams of different architectures apart."""
        return zlib.crc32(self.to_json().encode()) & 0xFFFF

    def to_json(self) -> str:
        """Every field as one line of JSON, in declaration order."""
        return json.dumps(self.model_dump())

    @classmethod
    def parse(cls, text: str, source: str = "architecture") -> Self:
        """Return the architecture that JSON ``text`` describes; ``source`` names it in errors."""
        try:
            data = json.loads(text)
        except RecursionError:
            raise ConfigError(f"{source} must be a JSON object, but it is nested too deeply") from None
        except json.JSONDecodeError as error:
            raise ConfigError(
                f"{source} must be a JSON object, but line {error.lineno} is not JSON: {error.msg}"
            ) from None
        if not isinstance(data, dict):
            raise ConfigError(f"{source} must be a JSON object, not {type(data).__name__}")
        try:
            return cls(**data)
        except ValidationError as error:
            raise ConfigError(f"{source}: {_sentence(error)}") from None

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """Return a preset by name, or the architecture in a JSON file."""
        if str(name) in PRESETS:
            return cls(**PRESETS[str(name)])
        path = Path(name)
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError):
            known = ", ".join(PRESETS)
            raise ConfigError(
                f"architecture {name} is neither a readable file nor a preset ({known})"
            ) from None
        return cls.parse(text, source=str(name))


def _sentence(error: ValidationError) -> str:
    """First problem of a pydantic error as one sentence."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    value = first.get("input")
    match first["type"]:
        case "missing":
            return f"`{field}` is missing; it has no default"
        case "extra_forbidden":
            return f"`{field}` is not a parameter; known are {', '.join(ArchConfig.model_fields)}"
        case "value_error":
            return str(first["msg"]).removeprefix("Value error, ")
        case _:
            rule = first["msg"].replace("Input should", "must")
            return f"`{field}` {rule}, not {value!r}"
