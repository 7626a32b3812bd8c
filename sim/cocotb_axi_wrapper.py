"""Testbench of the AXI wrapper around a whole core."""

import random
from collections.abc import Awaitable, Callable
from typing import Any, Final

import cocotb
from cocotb.triggers import ClockCycles, FallingEdge, Timer
from cocotbext.axi import AxiResp

from hw.axi_wrapper import AxiWrapper
from sim.axi import AxiHost
from sim.bench_jobs import BenchJob, read_jobs
from spec.bus import Bus
from spec.packet import ErrorCode, Opcode, read_packets
from spec.registers import BANK_BYTES, CONTROL, EVENTS, MAGIC, VERSION, registers_of

JOBS: Final = read_jobs()
ARCH: Final = JOBS[0].arch
KNOWN: Final = {register.offset: register for register in registers_of(Bus.AXI)}
PORTS: Final = {
    flow: [name for name, member in AxiWrapper.members(ARCH).items() if member.flow.name == flow]
    for flow in ("In", "Out")
}
INPUTS: Final = [name for name in PORTS["In"] if name not in ("aclk", "aresetn")]
OUTPUTS: Final = PORTS["Out"]


def damaged(job: BenchJob) -> bytes:
    """The job's stream with one bit of a VALUES payload turned over."""
    start = 0
    for packet in read_packets(job.stream(), job.word_bytes):
        if packet.header.opcode == Opcode.VALUES:
            break
        start += packet.words * job.word_bytes
    stream = bytearray(job.stream())
    stream[start + 2 * job.word_bytes + 3] ^= 0x10
    return bytes(stream)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.3, 0.7])
async def every_job_is_answered_by_one_transfer(dut: Any, stall: float) -> None:
    """Outputs are PyTorch's, and `tlast` stands on the CRC of DONE alone."""
    host = AxiHost(dut, stall=stall, name="jobs")
    await host.start()

    for job in JOBS:
        host.source.send_nowait(job.stream())

    for job in JOBS:
        answer = await host.answer()
        job.check(answer)
        assert job.packets(answer)[-1].header.opcode == Opcode.DONE
    assert await host.count("packets_out") > len(JOBS)
    assert host.sink.empty() and host.sink.idle()
    assert (await host.status())["busy"] == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def every_packet_is_a_transfer_if_that_is_asked_for(dut: Any, stall: float) -> None:
    """With `every_packet` set, each transfer is exactly one packet; cleared again, the old way is back."""
    host = AxiHost(dut, stall=stall, name="packets")
    await host.start()
    await host.control(every_packet=1)
    job = JOBS[0]

    host.source.send_nowait(job.stream())

    transfers = [await host.answer()]
    while job.packets(transfers[-1])[0].header.opcode != Opcode.DONE:
        transfers.append(await host.answer())
    assert [len(job.packets(transfer)) for transfer in transfers] == [1] * len(transfers)
    assert len(transfers) > 2
    job.check(b"".join(transfers))
    await host.control(every_packet=0)
    host.source.send_nowait(job.stream())
    job.check(await host.answer())


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.6])
async def registers_say_who_it_is_and_what_has_passed(dut: Any, stall: float) -> None:
    """Identity, counters of one job, and the status before, while and after it runs."""
    host = AxiHost(dut, stall=stall, name="registers")
    await host.start()
    job = JOBS[1]
    assert await host.register("magic") == MAGIC
    assert await host.register("version") == VERSION
    assert await host.register("architecture") == ARCH.fingerprint
    assert await host.register("pes") == ARCH.pes
    assert await host.register("stream") == ARCH.stream_width
    assert [await host.count(event.name) for event in EVENTS if event.name != "cycles"] == [0] * 6
    assert not any((await host.status()).values())

    host.sink.clear_pause_generator()
    host.sink.pause = True
    host.source.send_nowait(job.stream())
    await host.until("busy", 1)
    await host.until("output_waiting", 1)
    assert (await host.status())["busy"] == 1
    host.sink.pause = False
    answer = await host.answer()

    job.check(answer)
    packets = job.packets(answer)
    assert await host.count("words_in") == len(job.stream()) // job.word_bytes
    assert await host.count("words_out") == len(answer) // job.word_bytes
    assert await host.count("packets_out") == len(packets)
    assert await host.count("errors") == 0
    assert not any((await host.status()).values())


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def stalled_cycles_are_counted(dut: Any) -> None:
    """While nobody takes the output, every cycle is a stalled one; the input stalls behind it."""
    host = AxiHost(dut)
    await host.start()
    host.sink.pause = True
    for _ in range(4):
        host.source.send_nowait(JOBS[0].stream())
    await ClockCycles(dut.aclk, 3000)
    assert (await host.status())["input_stalled"] == 1
    names = ("cycles", "input_stalled_cycles", "output_stalled_cycles")

    first = [await host.register(f"{name}_low") for name in names]
    await ClockCycles(dut.aclk, 100)
    second = [await host.register(f"{name}_low") for name in names]

    elapsed = [after - before for before, after in zip(first, second, strict=True)]
    assert elapsed == [elapsed[0]] * 3 and elapsed[0] >= 100
    host.sink.pause = False
    for _ in range(4):
        JOBS[0].check(await host.answer())
    assert await host.count("output_stalled_cycles") < await host.count("cycles")


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.6])
async def only_the_control_register_can_be_written(dut: Any, stall: float) -> None:
    """Every offset of the bank: SLVERR where nothing is, or nothing to write; byte strobes count."""
    host = AxiHost(dut, stall=stall, name="access")
    await host.start()

    for offset in range(0, BANK_BYTES, 4):
        word, response = await host.read(offset)
        assert (response == AxiResp.OKAY) == (offset in KNOWN), hex(offset)
        assert offset in KNOWN or word == 0
        if offset != CONTROL.offset:
            assert await host.write(offset, b"\xff\xff\xff\xff") == AxiResp.SLVERR, hex(offset)
    every = CONTROL.layout.encode({"every_packet": 1, "interrupt": 1})
    assert await host.write(CONTROL.offset, every.to_bytes(4, "little")) == AxiResp.OKAY
    assert await host.register(CONTROL.name) == every
    assert await host.write(CONTROL.offset + 1, b"\xff\xff\xff") == AxiResp.OKAY
    assert await host.register(CONTROL.name) == every
    assert await host.write(CONTROL.offset, b"\x00") == AxiResp.OKAY
    assert await host.register(CONTROL.name) == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def a_damaged_packet_ends_with_an_error_and_is_counted(dut: Any, stall: float) -> None:
    """The transfer ends with ERROR, the registers name it, and the next job is exact."""
    host = AxiHost(dut, stall=stall, name="damage")
    await host.start()

    for number, job in enumerate(JOBS, start=1):
        host.source.send_nowait(damaged(job))
        packets = job.packets(await host.answer())
        assert packets[-1].header.opcode == Opcode.ERROR
        assert packets[-1].header.argument == ErrorCode.BAD_CRC
        assert (await host.status())["error"] == ErrorCode.BAD_CRC
        assert await host.count("errors") == number
        host.source.send_nowait(job.stream())
        job.check(await host.answer())
        assert await host.count("errors") == number


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def a_soft_reset_ends_the_job_and_the_next_one_is_exact(dut: Any, stall: float) -> None:
    """The cut answer is closed by a word of zeros; counters go on; nothing is taken in meanwhile."""
    host = AxiHost(dut, stall=stall, name="reset")
    await host.start()
    rng = random.Random(f"reset-{stall}")
    whole = {}
    for job in JOBS:
        host.source.send_nowait(job.stream())
        whole[job] = await host.answer()
    for _ in range(6):
        job = rng.choice(JOBS)
        before = await host.count("words_out")
        host.source.send_nowait(job.stream())
        while await host.count("words_out") < before + rng.randrange(1, 20):
            pass

        await host.control(reset=1)
        await host.until("in_reset", 1)
        taken = await host.count("words_in")
        await ClockCycles(dut.aclk, 50)
        assert await host.count("words_in") == taken
        host.stop_source()
        await host.control()
        await host.until("in_reset", 0)

        cut = await host.answer()
        assert cut.endswith(bytes(job.word_bytes))
        start = cut[: -job.word_bytes]
        assert len(start) < len(whole[job]) and whole[job].startswith(start)
        assert await host.count("words_out") == before + len(start) // job.word_bytes
        assert (await host.status())["busy"] == 0
        host.source.send_nowait(job.stream())
        job.check(await host.answer())
        assert await host.count("errors") == 0
    assert host.sink.empty() and host.sink.idle()


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.5])
async def a_soft_reset_forgets_words_on_their_way_in(dut: Any, stall: float) -> None:
    """Words taken from the bus and not yet by the core are gone: they would be damage to the next job."""
    host = AxiHost(dut, stall=stall, name="inputs")
    await host.start()
    rng = random.Random(f"inputs-{stall}")
    for _ in range(6):
        job = rng.choice(JOBS)
        before, left = await host.count("words_in"), await host.count("words_out")
        host.source.send_nowait(job.stream())
        words = rng.randrange(1, len(job.stream()) // job.word_bytes // 2)
        while await host.count("words_in") < before + words:
            pass

        await host.control(reset=1)
        await host.until("in_reset", 1)
        assert not host.source.idle()
        host.stop_source()
        await host.control()
        await host.until("in_reset", 0)

        assert await host.count("words_out") == left
        host.source.send_nowait(job.stream())
        job.check(await host.answer())
        assert await host.count("errors") == 0
    assert host.sink.empty() and host.sink.idle()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_soft_reset_waits_for_a_receiver_that_stalls(dut: Any) -> None:
    """What is offered is not withdrawn; the core stays in reset until the cut answer is closed."""
    host = AxiHost(dut)
    await host.start()
    job = JOBS[0]
    host.sink.pause = True
    host.source.send_nowait(job.stream())
    await host.until("output_waiting", 1)
    await ClockCycles(dut.aclk, 100)

    await host.control(reset=1)
    await host.control(reset=0)
    host.stop_source()
    await ClockCycles(dut.aclk, 100)

    assert (await host.status())["in_reset"] == 1
    assert dut.m_axis_tvalid.value == 1
    host.sink.pause = False
    cut = await host.answer()
    assert len(cut) == 3 * job.word_bytes and cut.endswith(bytes(job.word_bytes))
    await host.until("in_reset", 0)
    host.source.send_nowait(job.stream())
    job.check(await host.answer())


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_soft_reset_between_jobs_sends_nothing(dut: Any) -> None:
    """Where no answer is open there is none to close, and the last error is forgotten."""
    host = AxiHost(dut)
    await host.start()
    job = JOBS[0]
    host.source.send_nowait(damaged(job))
    await host.answer()
    await host.source.wait()
    assert (await host.status())["error"] == ErrorCode.BAD_CRC

    await host.control(reset=1)
    await host.control(reset=0)
    await ClockCycles(dut.aclk, 50)

    assert not any((await host.status()).values())
    host.source.send_nowait(job.stream())
    job.check(await host.answer())


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def valid_does_not_wait_for_ready(dut: Any) -> None:
    """A response, a word read and an answer are offered to a host that never is ready."""
    host = AxiHost(dut)
    await host.start()
    for endpoint in (host.sink, host.master.write_if.b_channel, host.master.read_if.r_channel):
        endpoint.pause = True
    await ClockCycles(dut.aclk, 2)

    host.source.send_nowait(JOBS[0].stream())
    cocotb.start_soon(host.control())
    cocotb.start_soon(host.read(0))
    await ClockCycles(dut.aclk, 3000)

    assert dut.m_axis_tready.value == dut.s_axil_bready.value == dut.s_axil_rready.value == 0
    assert dut.m_axis_tvalid.value == dut.s_axil_bvalid.value == dut.s_axil_rvalid.value == 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def address_and_data_of_a_write_come_in_any_order(dut: Any) -> None:
    """Either may be many cycles ahead of the other."""
    host = AxiHost(dut)
    await host.start()
    write = host.master.write_if

    for late in (write.aw_channel, write.w_channel):
        for value in (2, 0):
            late.pause = True
            pending = cocotb.start_soon(host.control(every_packet=value >> 1))
            await ClockCycles(dut.aclk, 20)
            assert not pending.done()
            late.pause = False
            await pending
            assert await host.register(CONTROL.name) == value


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def every_access_gets_its_own_response(dut: Any) -> None:
    """Accesses pile up while the host takes no response; then each is answered, in order."""
    host = AxiHost(dut)
    await host.start()
    channels = (host.master.write_if.b_channel, host.master.read_if.r_channel)
    for channel in channels:
        channel.pause = True
    await ClockCycles(dut.aclk, 2)
    # Offset 0 can be read but not written, control both, the last one neither.
    offsets = [0, CONTROL.offset, BANK_BYTES - 4, CONTROL.offset, 0]

    writes = [cocotb.start_soon(host.write(offset, bytes(4))) for offset in offsets]
    reads = [cocotb.start_soon(host.read(offset)) for offset in offsets]
    await ClockCycles(dut.aclk, 60)

    assert not any(task.done() for task in (*writes, *reads))
    for channel in channels:
        channel.pause = False
    for offset, write, read in zip(offsets, writes, reads, strict=True):
        assert await write == (AxiResp.OKAY if offset == CONTROL.offset else AxiResp.SLVERR)
        word, response = await read
        assert response == (AxiResp.OKAY if offset in KNOWN else AxiResp.SLVERR)
        assert word == (MAGIC if offset == 0 else 0)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def no_output_follows_an_input_within_a_cycle(dut: Any) -> None:
    """Turn every input over in the middle of a cycle, while a job and accesses go on."""
    host = AxiHost(dut, stall=0.6, name="paths")
    await host.start()
    rng = random.Random("paths")
    for job in JOBS:
        host.source.send_nowait(job.stream())

    async def forever(access: Callable[[], Awaitable[object]]) -> None:
        while True:
            await access()

    polling = [cocotb.start_soon(forever(access)) for access in 4 * (host.control, host.status)]
    seen: set[tuple[str, int]] = set()
    while host.sink.count() < len(JOBS):
        await FallingEdge(dut.aclk)
        before = {name: int(getattr(dut, name).value) for name in OUTPUTS}
        seen |= {(name, value) for name, value in before.items() if name.endswith(("valid", "ready"))}
        for name in rng.sample(INPUTS, 4):
            port = getattr(dut, name)
            kept = port.value
            port.value = int(rng.getrandbits(len(port)) if len(port) > 1 else 1 - int(kept))
            await Timer(1, "ns")
            after = {name: int(getattr(dut, name).value) for name in OUTPUTS}
            port.value = kept
            assert after == before, name
    for task in polling:
        task.cancel()
    assert len(seen) == 2 * 7, "a handshake was always or never seen"
