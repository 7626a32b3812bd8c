"""Testbench of the Wishbone wrapper around a whole core."""

import random
from typing import Any, Final

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, Timer

from hw.stream_window import StreamWindow
from sim.bench_jobs import BenchJob, read_jobs
from sim.wishbone import WishboneHost
from spec.bus import Bus
from spec.counters import COUNTERS
from spec.packet import ErrorCode, Opcode, read_packets
from spec.registers import CONTROL, EVENTS, MAGIC, VERSION, WINDOW_BYTES, WINDOW_OFFSET, registers_of
from sw.job import tile_count

JOBS: Final = read_jobs()
ARCH: Final = JOBS[0].arch
KNOWN: Final = {register.offset for register in registers_of(Bus.WISHBONE)}
DEPTH: Final = StreamWindow.DEPTH
FRAME_WORDS: Final = ARCH.answer_frame_words
"""Header and CRC of an answer; an ERROR has no others."""
INPUTS: Final = ("cyc", "stb", "we", "adr", "dat", "sel")
OUTPUTS: Final = ("wb_dat_o", "wb_ack_o", "wb_err_o", "irq_o")


def answer_bytes(job: BenchJob) -> int:
    """Bytes of the answer to a job in one pass: its blocks for every tile, then DONE."""
    blocks = -(-job.packed.rows // ARCH.segment) * tile_count(job.activations.shape[1], ARCH)
    return job.word_bytes * (blocks * (ARCH.words_per_block + FRAME_WORDS) + len(COUNTERS) + FRAME_WORDS)


def damaged(job: BenchJob) -> bytes:
    """The job up to its first RECORDS packet, whose CRC is wrong."""
    start = 0
    for packet in read_packets(job.stream(), job.word_bytes):
        start += packet.words * job.word_bytes
        if packet.header.opcode == Opcode.RECORDS:
            break
    stream = bytearray(job.stream()[:start])
    stream[-job.word_bytes] ^= 1
    return bytes(stream)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def every_job_is_exact(dut: Any, stall: float) -> None:
    """Word by word through the window; outputs are PyTorch's, counters those of the words."""
    host = WishboneHost(dut, stall=stall, name="jobs")
    await host.start()
    words_in = words_out = packets = 0

    for job in (*JOBS, *reversed(JOBS)):
        answer = await host.exchange(job.stream(), answer_bytes(job), job.word_bytes)
        job.check(answer)
        words_in += len(job.stream()) // job.word_bytes
        words_out += len(answer) // job.word_bytes
        packets += len(job.packets(answer))

    assert await host.count("words_in") == words_in
    assert await host.count("words_out") == words_out
    assert await host.count("packets_out") == packets
    assert await host.count("errors") == 0
    assert not any((await host.status()).values())
    assert await host.levels() == {"input_space": DEPTH, "output_words": 0}


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def every_address_is_answered(dut: Any, stall: float) -> None:
    """ACK where there is a register, ERR elsewhere and for every write but to control."""
    host = WishboneHost(dut, stall=stall, name="access")
    await host.start()

    for offset in range(0, WINDOW_OFFSET, 4):
        assert (await host.read(offset) is not None) == (offset in KNOWN), hex(offset)
        if offset != CONTROL.offset:
            assert not await host.write(offset, 0xFFFFFFFF), hex(offset)
    assert await host.register("magic") == MAGIC
    assert await host.register("version") == VERSION
    assert await host.register("architecture") == ARCH.fingerprint
    assert await host.register("pes") == ARCH.pes
    assert await host.register("stream") == ARCH.stream_width | DEPTH << 16
    every = CONTROL.layout.encode({"every_packet": 1, "interrupt": 1})
    assert await host.write(CONTROL.offset, every)
    assert await host.write(CONTROL.offset, 0, sel=0b1110)
    assert await host.register("control") == every
    await host.control()
    assert await host.register("control") == 0
    assert [await host.count(event.name) for event in EVENTS if event.name != "cycles"] == [0] * 6


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def the_window_refuses_what_it_has_no_place_for(dut: Any) -> None:
    """A full queue, an empty one, and a write of single bytes end with ERR and change nothing."""
    host = WishboneHost(dut, name="full")
    await host.start()
    job = JOBS[0]
    size = job.word_bytes
    assert await host.read(WINDOW_OFFSET + WINDOW_BYTES - 4) is None
    assert (await host.status())["read_refused"] == 1
    assert not await host.write(WINDOW_OFFSET, 5, sel=0b0111)

    # Nobody reads, so the output fills up, then the core, then the input: many jobs in a row do that.
    stream = job.stream() * 8
    pieces = [int.from_bytes(stream[at : at + 4], "little") for at in range(0, len(stream), 4)]
    sent = 0
    while sent < len(pieces):
        if await host.write(WINDOW_OFFSET + 4 * sent % WINDOW_BYTES, pieces[sent]):
            sent += 1
        elif (await host.levels()) == {"input_space": 0, "output_words": DEPTH + 1}:
            break
    assert sent < len(pieces)
    await ClockCycles(dut.wb_clk_i, 200)
    for _ in range(3):
        assert not await host.write(WINDOW_OFFSET, pieces[sent])
    status = await host.status()
    assert status["write_refused"] == status["output_waiting"] == status["answer_waiting"] == 1
    assert status["input_stalled"] == status["busy"] == 1

    rest = b"".join(piece.to_bytes(4, "little") for piece in pieces[sent:])
    answer = await host.exchange(rest, 8 * answer_bytes(job), size)
    for at in range(0, len(answer), answer_bytes(job)):
        job.check(answer[at : at + answer_bytes(job)])


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(every_packet=[0, 1])
async def the_interrupt_says_that_an_answer_waits(dut: Any, every_packet: int) -> None:
    """It rises with the end of an answer or half a queue of words, and falls when that is read."""
    host = WishboneHost(dut, name="interrupt")
    await host.start()
    job = JOBS[0]
    await host.send(damaged(job))
    await ClockCycles(dut.wb_clk_i, 100)
    assert (await host.status())["answer_waiting"] == 1
    assert dut.irq_o.value == 0
    await host.control(interrupt=1, every_packet=every_packet)
    await ClockCycles(dut.wb_clk_i, 2)
    assert dut.irq_o.value == 1

    packets = job.packets(await host.receive(FRAME_WORDS * job.word_bytes))

    assert [packet.header.argument for packet in packets] == [ErrorCode.BAD_CRC]
    await ClockCycles(dut.wb_clk_i, 3)
    assert dut.irq_o.value == 0
    # A block is more than half a queue: here its words raise the interrupt, long before DONE.
    stream, received, sent = job.stream(), b"", 0
    while len(received) < answer_bytes(job):
        await ClockCycles(dut.wb_clk_i, 2)
        levels, raised = await host.levels(), dut.irq_o.value == 1
        if raised:
            before = len(received)
            received += await host.receive(levels["output_words"] * job.word_bytes)
            assert len(received) > before
        elif sent == len(stream):
            await ClockCycles(dut.wb_clk_i, 20)
        part = stream[sent : sent + levels["input_space"] * job.word_bytes]
        await host.send(part)
        sent += len(part)
    job.check(received)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(every_packet=[0, 1])
async def a_packet_ends_an_answer_only_if_asked_for(dut: Any, every_packet: int) -> None:
    """Psums of one tile alone, read down to less than half a queue: does an answer wait?"""
    host = WishboneHost(dut, name="ends")
    await host.start()
    await host.control(every_packet=every_packet)
    job = JOBS[0]
    block = ARCH.words_per_block + FRAME_WORDS
    parts = list(read_packets(job.stream(), job.word_bytes))
    tile = next(n for n, packet in enumerate(parts) if packet.header.opcode == Opcode.ACTIVATIONS)
    size = sum(packet.words for packet in parts[: tile + 1]) * job.word_bytes
    blocks = -(-job.packed.rows // ARCH.segment)

    received = await host.exchange(job.stream()[:size], (blocks * block - 4) * job.word_bytes, job.word_bytes)
    await ClockCycles(dut.wb_clk_i, 100)

    assert len(received) == (blocks * block - 4) * job.word_bytes
    assert (await host.levels())["output_words"] == 4 < DEPTH // 2
    assert (await host.status())["answer_waiting"] == every_packet


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def a_soft_reset_forgets_the_job_and_the_next_one_is_exact(dut: Any, stall: float) -> None:
    """Words and halves of words in the window are gone, and so are status and last error."""
    host = WishboneHost(dut, stall=stall, name="reset")
    await host.start()
    rng = random.Random(f"reset-{stall}")
    for _ in range(6):
        job = rng.choice(JOBS)
        stream = job.stream()
        size = rng.randrange(len(stream) // 8, len(stream)) // 4 * 4
        at = 0
        while at < size:
            at += 4 * await host.write(WINDOW_OFFSET, int.from_bytes(stream[at : at + 4], "little"))
            if (await host.status())["write_refused"]:
                break

        await host.control(reset=1)
        assert (await host.status())["in_reset"] == 1
        await host.control()

        assert not any((await host.status()).values())
        assert await host.levels() == {"input_space": DEPTH, "output_words": 0}
        errors = await host.count("errors")
        answer = await host.exchange(stream, answer_bytes(job), job.word_bytes)
        job.check(answer)
        assert await host.count("errors") == errors


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def damage_is_counted(dut: Any) -> None:
    """The registers name the error until the next one, and the next job is exact."""
    host = WishboneHost(dut, name="damage")
    await host.start()

    for number, job in enumerate(JOBS, start=1):
        answer = await host.exchange(damaged(job), FRAME_WORDS * job.word_bytes, job.word_bytes)
        assert [packet.header.opcode for packet in job.packets(answer)] == [Opcode.ERROR]
        assert await host.count("errors") == number
        assert (await host.status())["error"] == ErrorCode.BAD_CRC
        assert (await host.status())["busy"] == 0
        job.check(await host.exchange(job.stream(), answer_bytes(job), job.word_bytes))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def no_output_follows_an_input_within_a_cycle(dut: Any) -> None:
    """Turn every input over in the middle of a cycle, while a job goes on."""
    host = WishboneHost(dut, stall=0.3, name="paths")
    await host.start()
    job = JOBS[0]
    rng = random.Random("paths")
    running = cocotb.start_soon(host.exchange(job.stream(), answer_bytes(job), job.word_bytes))
    seen = set()
    while not running.done():
        await FallingEdge(dut.wb_clk_i)
        before = {name: int(getattr(dut, name).value) for name in OUTPUTS}
        seen.add(before["wb_ack_o"])
        name = rng.choice(INPUTS)
        port = getattr(dut, f"wb_{name}_i")
        kept = port.value
        port.value = int(kept) ^ rng.randrange(1, 1 << len(port))
        await Timer(1, "ns")
        after = {name: int(getattr(dut, name).value) for name in OUTPUTS}
        port.value = kept
        assert after == before, name
    job.check(running.result())
    assert seen == {0, 1}
