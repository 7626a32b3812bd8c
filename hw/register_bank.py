"""Register bank: ``spec.registers`` behind one read and one write port."""

from typing import Any, Final

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.register_shapes import access_signature, control_shape, counts_shape, levels_shape, status_shape
from spec.arch import ArchConfig
from spec.bus import Bus
from spec.registers import (
    CONTROL,
    COUNTER_WIDTH,
    EVENTS,
    LEVELS,
    MAGIC,
    STATUS,
    VERSION,
    registers_of,
)

__all__ = ["RegisterBank"]


class RegisterBank(wiring.Component):
    """Identity, status, control and counters of one wrapper.

    Reads and writes take effect at the end of their cycle; ``access.read_data`` is valid in it.

    Parameters
    ----------
    arch : ArchConfig
        What the identity registers say.
    bus : Bus
        Which registers there are.
    queue_words : int
        What register ``stream`` says of the window's queues.

    Members
    -------
    access : In(access_signature())
    status : In(status_shape())
    levels : In(levels_shape())
    counts : In(counts_shape())
    control : Out(control_shape())
    """

    access: wiring.PureInterface
    status: data.View
    levels: data.View
    counts: data.View
    control: data.View

    def __init__(self, arch: ArchConfig, bus: Bus, queue_words: int = 0) -> None:
        self.arch: Final = arch
        self.bus: Final = bus
        self.queue_words: Final = queue_words
        super().__init__(
            {
                "access": In(access_signature()),
                "status": In(status_shape()),
                "levels": In(levels_shape()),
                "counts": In(counts_shape()),
                "control": Out(control_shape()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        access: Any = self.access
        control, latch = Signal(CONTROL.layout.width), Signal(32)
        m.d.comb += self.control.as_value().eq(control)
        contents = self._contents(control, latch)
        with m.Switch(access.read_address):
            for register in registers_of(self.bus):
                with m.Case(register.offset // 4):
                    m.d.comb += [access.read_known.eq(1), access.read_data.eq(contents[register.name])]
        for number, event in enumerate(EVENTS):
            low = next(r for r in registers_of(self.bus) if r.name == f"{event.name}_low")
            with m.If(access.read & (access.read_address == low.offset // 4)):
                m.d.sync += latch.eq(self.counts[number][COUNTER_WIDTH // 2 :])
        with m.If(access.write_address == CONTROL.offset // 4):
            m.d.comb += access.write_known.eq(1)
            # All fields are in the lowest byte.
            with m.If(access.write & access.write_bytes[0]):
                m.d.sync += control.eq(access.write_data)
        return m

    def _contents(self, control: Signal, latch: Signal) -> dict[str, Value | int]:
        """What every register reads as, by name."""
        contents: dict[str, Value | int] = {
            "magic": MAGIC,
            "version": VERSION,
            "architecture": self.arch.fingerprint,
            "pes": self.arch.pes,
            "stream": self.arch.stream_width | self.queue_words << 16,
            STATUS.name: self.status.as_value(),
            CONTROL.name: control,
            LEVELS.name: self.levels.as_value(),
        }
        for number, event in enumerate(EVENTS):
            contents[f"{event.name}_low"] = self.counts[number][: COUNTER_WIDTH // 2]
            contents[f"{event.name}_high"] = latch
        return contents
