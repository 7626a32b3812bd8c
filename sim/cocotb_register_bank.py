"""Testbench of the register bank: the Wishbone wrapper's, as it has every register."""

import random
from typing import Any, Final

import cocotb

from hw.register_bank import RegisterBank
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch
from spec.bus import Bus
from spec.registers import BANK_BYTES, CONTROL, EVENTS, LEVELS, STATUS, registers_of

BANK: Final = RegisterBank(subject_arch(), Bus.WISHBONE, 32)
REGISTERS: Final = {register.name: register.offset // 4 for register in registers_of(Bus.WISHBONE)}


async def read(ports: Ports, name: str, *, pulse: int = 1) -> int:
    """Return a register's word; without ``pulse`` only its address is set."""
    out = await ports.cycle(access__read=pulse, access__read_address=REGISTERS[name])
    assert out["access__read_known"] == 1
    return int(out["access__read_data"])


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_counter_is_read_in_two_halves(dut: Any) -> None:
    """The low half latches the high half, until the next low half of any counter is read."""
    ports = Ports(dut, BANK)
    await start(dut)
    rng = random.Random("halves")
    counts = [rng.getrandbits(64) for _ in EVENTS]
    ports.hold(counts=counts)

    for event, count in zip(EVENTS, counts, strict=True):
        low = await read(ports, f"{event.name}_low")
        ports.hold(counts=[0xDEADBEEF_00000000 + n for n in range(len(EVENTS))])
        await read(ports, f"{EVENTS[0].name}_low", pulse=0)
        await ports.cycles(3)
        high = await read(ports, f"{event.name}_high")
        ports.hold(counts=counts)
        assert low | high << 32 == count

    await read(ports, f"{EVENTS[1].name}_low")
    await read(ports, f"{EVENTS[2].name}_low")
    assert await read(ports, f"{EVENTS[1].name}_high") == counts[2] >> 32


@cocotb.test(timeout_time=100, timeout_unit="us")
async def fields_lie_where_the_map_says(dut: Any) -> None:
    """Status and levels are read, control is written, each in the bits of `spec.registers`."""
    ports = Ports(dut, BANK)
    await start(dut)
    rng = random.Random("fields")

    for _ in range(30):
        status, levels, control = (
            {field.name: rng.getrandbits(field.width) for field in register.fields}
            for register in (STATUS, LEVELS, CONTROL)
        )
        ports.hold(status=status, levels=levels)
        assert await read(ports, STATUS.name) == STATUS.layout.encode(status)
        assert await read(ports, LEVELS.name) == LEVELS.layout.encode(levels)
        word = CONTROL.layout.encode(control) | rng.getrandbits(29) << 3
        out = await ports.cycle(
            access__write=1,
            access__write_address=CONTROL.offset // 4,
            access__write_data=word,
            access__write_bytes=rng.getrandbits(3) << 1 | 1,
        )
        assert out["access__write_known"] == 1
        assert (await ports.cycle())["control"] == control
        assert await read(ports, CONTROL.name) == CONTROL.layout.encode(control)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def only_control_is_written(dut: Any) -> None:
    """No other address, no pulse missing, no byte but its own."""
    ports = Ports(dut, BANK)
    await start(dut)

    for address in range(2 * BANK_BYTES // 4):
        for pulse, strobes in ((1, 0b1111), (0, 0b1111), (1, 0b1110)):
            if address == CONTROL.offset // 4 and (pulse, strobes) == (1, 0b1111):
                continue
            out = await ports.cycle(
                access__write=pulse,
                access__write_address=address,
                access__write_data=0xFFFFFFFF,
                access__write_bytes=strobes,
                access__read_address=address,
            )
            assert out["access__write_known"] == (address == CONTROL.offset // 4)
            assert out["access__read_known"] == (address in REGISTERS.values())
    assert not any((await ports.cycle())["control"].values())
