"""A Wishbone host for testbenches: classic cycles, one after the other."""

import random
from typing import Any, Final

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

from spec.bus import Bus
from spec.registers import CONTROL, LEVELS, STATUS, WINDOW_OFFSET, registers_of

__all__ = ["WishboneHost"]

_OFFSETS: Final = {register.name: register.offset for register in registers_of(Bus.WISHBONE)}


class WishboneHost:
    """Master of ``hw.wishbone_wrapper.WishboneWrapper``; checks how every cycle ends.

    Parameters
    ----------
    dut : cocotb handle
    stall : float
        Chance to wait before an access, drawn every cycle.
    name : str
        Seed of the waiting.
    """

    def __init__(self, dut: Any, *, stall: float = 0.0, name: str = "") -> None:
        self.dut: Final = dut
        self.stall: Final = stall
        self._rng = random.Random(f"{name}-{stall}")
        for port in ("cyc", "stb", "we", "adr", "dat", "sel"):
            getattr(dut, f"wb_{port}_i").value = 0

    async def start(self) -> None:
        """Start the clock and hold the reset for some cycles."""
        self.dut.wb_rst_i.value = 1
        Clock(self.dut.wb_clk_i, 10, "ns", impl="gpi").start()
        await ClockCycles(self.dut.wb_clk_i, 5)
        self.dut.wb_rst_i.value = 0
        await ClockCycles(self.dut.wb_clk_i, 2)
        cocotb.start_soon(self._ends_only_what_was_begun())

    async def read(self, offset: int) -> int | None:
        """Return the word at a byte offset, or None for an error."""
        return await self._access(offset, None, 0xF)

    async def write(self, offset: int, word: int, sel: int = 0xF) -> bool:
        """Write a word; return whether it was accepted."""
        return await self._access(offset, word, sel) is not None

    async def register(self, name: str) -> int:
        """Return a register's word."""
        word = await self.read(_OFFSETS[name])
        assert word is not None
        return word

    async def count(self, name: str) -> int:
        """Return a counter by the reading rule."""
        return await self.register(f"{name}_low") | await self.register(f"{name}_high") << 32

    async def status(self) -> dict[str, int]:
        """Return the fields of the status register."""
        return STATUS.layout.decode(await self.register(STATUS.name))

    async def levels(self) -> dict[str, int]:
        """Return the fields of the levels register."""
        return LEVELS.layout.decode(await self.register(LEVELS.name))

    async def control(self, **fields: int) -> None:
        """Write the control register; a field left out is 0."""
        assert await self.write(CONTROL.offset, CONTROL.layout.encode(fields))

    async def send(self, data: bytes) -> None:
        """Write bytes to the window, without a look at the levels."""
        for start in range(0, len(data), 4):
            assert await self.write(WINDOW_OFFSET, int.from_bytes(data[start : start + 4], "little"))

    async def receive(self, size: int) -> bytes:
        """Read ``size`` bytes from the window, without a look at the levels; any address will do."""
        parts = []
        for start in range(0, size, 4):
            word = await self.read(WINDOW_OFFSET + start % 0x100)
            assert word is not None
            parts.append(word.to_bytes(4, "little"))
        return b"".join(parts)

    async def exchange(self, stream: bytes, answer_bytes: int, word_bytes: int) -> bytes:
        """Send and receive as the levels allow, until as many bytes have come back, and none more."""
        sent, received = 0, b""
        while len(received) < answer_bytes:
            levels = await self.levels()
            ready = levels["output_words"] * word_bytes
            received += await self.receive(min(ready, answer_bytes - len(received)))
            part = stream[sent : sent + levels["input_space"] * word_bytes]
            await self.send(part)
            sent += len(part)
        await self.send(stream[sent:])
        return received

    async def _access(self, offset: int, word: int | None, sel: int) -> int | None:
        dut = self.dut
        while self.stall and self._rng.random() < self.stall:
            await RisingEdge(dut.wb_clk_i)
        dut.wb_cyc_i.value = dut.wb_stb_i.value = 1
        dut.wb_adr_i.value = offset // 4
        dut.wb_we_i.value = int(word is not None)
        dut.wb_dat_i.value = word or 0
        dut.wb_sel_i.value = sel
        cycles = 0
        while True:
            await RisingEdge(dut.wb_clk_i)
            cycles += 1
            assert cycles < 3, "the access takes more than two cycles"
            acknowledged, refused = int(dut.wb_ack_o.value), int(dut.wb_err_o.value)
            if acknowledged or refused:
                break
        assert acknowledged + refused == 1
        data = int(dut.wb_dat_o.value)
        # If the next access follows at once, its values replace these before the clock's next edge.
        dut.wb_cyc_i.value = dut.wb_stb_i.value = 0
        return data if acknowledged else None

    async def _ends_only_what_was_begun(self) -> None:
        """No ACK and no ERR outside of a cycle, and none for two cycles on end."""
        ended = 0
        while True:
            await FallingEdge(self.dut.wb_clk_i)
            ends = int(self.dut.wb_ack_o.value) + int(self.dut.wb_err_o.value)
            assert ends + ended < 2, "an access ended twice"
            assert not ends or self.dut.wb_cyc_i.value == 1 == self.dut.wb_stb_i.value
            ended = ends
