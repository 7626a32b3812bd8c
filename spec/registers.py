"""Registers of the bus wrappers: name, place, fields, access and meaning, each once.

Registers are 32 bits wide and lie at multiples of 4 bytes; fields are packed from bit 0 up, without gaps,
and bits above them read as 0. A counter has 64 bits in two registers. Reading its low half latches its
high half, and every high register returns what was latched last: read low, then high, and no other
counter in between.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spec.bus import Bus
from spec.layout import Layout

__all__ = [
    "BANK_BYTES",
    "CONTROL",
    "COUNTER_WIDTH",
    "EVENTS",
    "LEVELS",
    "MAGIC",
    "REGISTERS",
    "STATUS",
    "VERSION",
    "WINDOW_BYTES",
    "WINDOW_OFFSET",
    "Access",
    "Event",
    "Field",
    "Register",
    "registers_of",
]

MAGIC: Final = int.from_bytes(b"mxvc", "little")
VERSION: Final = 1
"""Of this map; a register that moves or changes its meaning raises it."""
BANK_BYTES: Final = 0x100
"""Bytes of addresses that the registers take."""
WINDOW_OFFSET: Final = 0x100
WINDOW_BYTES: Final = 0x100
"""Wishbone only: a write anywhere in the window is the next 32 bits in, a read the next 32 bits out."""
COUNTER_WIDTH: Final = 64

_WRAPPERS: Final = frozenset({Bus.AXI, Bus.WISHBONE})


class Access(StrEnum):
    """What the bus may do with a register."""

    READ_ONLY = "read"
    READ_WRITE = "read, write"


@dataclass(frozen=True)
class Field:
    """Some bits of a register, above those of the field before."""

    name: str
    width: int
    meaning: str


@dataclass(frozen=True)
class Register:
    """One 32-bit register.

    Parameters
    ----------
    name : str
    offset : int
        Bytes from the start of the registers.
    fields : tuple of Field
        Lowest first.
    meaning : str
    access : Access
    buses : frozenset of Bus
        Wrappers that have it.
    """

    name: str
    offset: int
    fields: tuple[Field, ...]
    meaning: str
    access: Access = Access.READ_ONLY
    buses: frozenset[Bus] = _WRAPPERS

    @property
    def layout(self) -> Layout:
        """The fields as bits of one word."""
        return Layout(self.name, tuple((field.name, field.width) for field in self.fields))


@dataclass(frozen=True)
class Event:
    """What one counter counts."""

    name: str
    meaning: str


EVENTS: Final = (
    Event("words_in", "words that the core took"),
    Event("words_out", "words that left the core"),
    Event("cycles", "clock cycles"),
    Event("input_stalled_cycles", "cycles in which a word waited for the core to take it"),
    Event("output_stalled_cycles", "cycles in which the core had a word that nobody took"),
    Event("packets_out", "complete packets that left the core"),
    Event("errors", "ERROR packets among them"),
)
"""Counters, in the order of their registers. They count from reset on; a soft reset does not stop them."""

STATUS: Final = Register(
    "status",
    0x14,
    (
        Field("error", 8, "`ErrorCode` of the last ERROR packet since reset or soft reset; 0: none"),
        Field("busy", 1, "more BEGIN packets went in than DONE or ERROR packets came out"),
        Field("in_reset", 1, "the core is held in reset"),
        Field("input_stalled", 1, "a word waits for the core to take it"),
        Field("output_waiting", 1, "a word waits to be taken"),
        Field("answer_waiting", 1, "Wishbone: the end of an answer, or half a queue of words, can be read"),
        Field("write_refused", 1, "Wishbone: a window write found the queue full, since reset or soft reset"),
        Field("read_refused", 1, "Wishbone: a window read found no word, since reset or soft reset"),
    ),
    "what goes on at this moment",
)
CONTROL: Final = Register(
    "control",
    0x18,
    (
        Field("reset", 1, "1 holds the core in reset (soft reset)"),
        Field("every_packet", 1, "1: every packet ends a transfer (`tlast`); 0: only DONE and ERROR do"),
        Field("interrupt", 1, "Wishbone: `irq_o` follows `answer_waiting`"),
    ),
    "what the host wants; 0 after reset",
    Access.READ_WRITE,
)
LEVELS: Final = Register(
    "levels",
    0x1C,
    (
        Field("input_space", 16, "stream words that the window takes for sure"),
        Field("output_words", 16, "stream words that the window gives for sure"),
    ),
    "the window's queues",
    buses=frozenset({Bus.WISHBONE}),
)
_FIRST_COUNTER: Final = 0x40


def _halves(number: int, event: Event) -> tuple[Register, Register]:
    """Low and high register of a counter."""
    offset = _FIRST_COUNTER + 8 * number
    return (
        Register(f"{event.name}_low", offset, (Field("count", 32, "bits 31 to 0"),), event.meaning),
        Register(f"{event.name}_high", offset + 4, (Field("count", 32, "bits 63 to 32"),), "as latched"),
    )


REGISTERS: Final = (
    Register(
        "magic", 0x00, (Field("magic", 32, f"{MAGIC:#010x}, `mxvc` in little-endian order"),), "identity"
    ),
    Register("version", 0x04, (Field("version", 32, f"{VERSION}"),), "of this register map"),
    Register(
        "architecture",
        0x08,
        (Field("fingerprint", 16, "`ArchConfig.fingerprint`, as in BEGIN"),),
        "which packed files it runs",
    ),
    Register("pes", 0x0C, (Field("pes", 32, "multipliers, C x L x T"),), "size of the array"),
    Register(
        "stream",
        0x10,
        (
            Field("width", 16, "bits of a stream word"),
            Field("queue_words", 16, "Wishbone: words that each of the window's queues holds"),
        ),
        "shape of the streams",
    ),
    STATUS,
    CONTROL,
    LEVELS,
    *(half for number, event in enumerate(EVENTS) for half in _halves(number, event)),
)


def registers_of(bus: Bus) -> tuple[Register, ...]:
    """Return the registers that the wrapper for ``bus`` has; the core alone has none."""
    return tuple(register for register in REGISTERS if bus in register.buses)
