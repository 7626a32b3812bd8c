"""Testbench of the record reader."""

import random
from typing import Any, Final

import cocotb
from cocotb.triggers import ClockCycles

from hw.record_reader import RecordReader
from sim.ports import Ports
from sim.streams import StreamSink, start
from sim.subject import subject_arch
from spec.record import Record, decode_record, encode_record

ARCH: Final = subject_arch()
WIDTH: Final = ARCH.record_width


def random_records(rng: random.Random, words: int) -> list[Record]:
    """As many records as ``words`` stream words hold."""
    return [decode_record(rng.getrandbits(WIDTH), ARCH) for _ in range(words * ARCH.stream_width // WIDTH)]


def pack(records: list[Record]) -> list[int]:
    """Records from bit 0 up without gaps, as stream words."""
    bits = sum(encode_record(record, ARCH) << (n * WIDTH) for n, record in enumerate(records))
    count = -(-len(records) * WIDTH // ARCH.stream_width)
    return [bits >> (n * ARCH.stream_width) & ((1 << ARCH.stream_width) - 1) for n in range(count)]


async def write(ports: Ports, bank: int, words: list[int]) -> None:
    for address, word in enumerate(words):
        await ports.cycle(write_enable=1, write_bank=bank, write_address=address, write_data=word)
    await ports.cycles(2)


def record_of(ports: Ports, word: int) -> Record:
    fields = ports.decode("o__payload", word)
    return Record(fields["advance"], fields["bitmap"], bool(fields["end"]))


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def records_come_back_across_word_boundaries(dut: Any, stall: float) -> None:
    """Every record of a bank in order, then none: full banks, short banks, one bank after the other."""
    rng = random.Random(f"records-{stall}")
    ports = Ports(dut, RecordReader(ARCH))
    sink = StreamSink(dut, "o", stall=stall, rng=rng)
    await start(dut)
    for bank, words in ((0, ARCH.record_depth), (1, 1), (0, 2), (1, ARCH.record_depth)):
        records = random_records(rng, words)
        await write(ports, bank, pack(records))

        await ports.cycle(start=1, bank=bank, words=words)

        exhausted = (await ports.cycle())["exhausted"]
        assert not exhausted
        assert [record_of(ports, await sink.receive()) for _ in records] == records
        assert (await ports.cycles(RecordReader.EXHAUSTED_DELAY + 1))[-1]["exhausted"]
        await ports.cycles(20)
        assert sink.received == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_record_comes_in_every_cycle_after_the_start_latency(dut: Any) -> None:
    """From the first record on no cycle is without one."""
    rng = random.Random("rate")
    ports = Ports(dut, RecordReader(ARCH))
    await start(dut)
    records = random_records(rng, ARCH.record_depth)
    await write(ports, 0, pack(records))
    ports.hold(o__ready=1)

    await ports.cycle(start=1, words=ARCH.record_depth)
    seen = await ports.cycles(RecordReader.START_LATENCY - 1 + len(records) + 5)

    valid = [out["o__valid"] for out in seen]
    before = RecordReader.START_LATENCY - 1
    assert valid == [0] * before + [1] * len(records) + [0] * 5
    exhausted = [out["exhausted"] for out in seen]
    assert not any(exhausted[: before + len(records)])
    assert all(exhausted[before + len(records) + RecordReader.EXHAUSTED_DELAY :])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_restart_drops_what_is_left(dut: Any) -> None:
    """Restarted at any moment, the reader begins with the new bank's first record."""
    rng = random.Random("restart")
    ports = Ports(dut, RecordReader(ARCH))
    await start(dut)
    banks = [random_records(rng, ARCH.record_depth) for _ in range(2)]
    for bank, records in enumerate(banks):
        await write(ports, bank, pack(records))
    for moment in range(40):
        bank = moment % 2
        ports.hold(o__ready=rng.randrange(2))
        await ports.cycle(start=1, bank=1 - bank, words=ARCH.record_depth)
        await ports.cycles(moment)

        ports.hold(o__ready=1)
        await ports.cycle(start=1, bank=bank, words=ARCH.record_depth)

        seen = [out["o__payload"] for out in await ports.cycles(120) if out["o__valid"]]
        expected = [
            {"advance": record.advance, "bitmap": record.bitmap, "end": int(record.end)}
            for record in banks[bank]
        ]
        assert seen == expected[: len(seen)]
        assert len(seen) >= min(len(expected), 100)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_bank_without_words_is_exhausted(dut: Any) -> None:
    """A start with no words brings no record."""
    ports = Ports(dut, RecordReader(ARCH))
    sink = StreamSink(dut, "o")
    await start(dut)
    await write(ports, 0, [(1 << ARCH.stream_width) - 1])

    await ports.cycle(start=1, words=0)

    await ports.cycles(RecordReader.EXHAUSTED_DELAY)
    assert all(out["exhausted"] for out in await ports.cycles(20))
    await ClockCycles(dut.clk, 5)
    assert sink.received == 0
