"""Decompressor: records to vectors with their place, block after block, job after job."""

from dataclasses import dataclass
from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import BlockMemory, MemorySize
from hw.one_hot import OneHot
from hw.pipeline import delay, own_register
from hw.record_decoder import RecordDecoder
from hw.record_reader import RecordReader
from hw.shapes import JOB_WIDTH, LoadKind, bundle, descriptor_shape, load_shape, part_shape, vector_shape
from spec.arch import ArchConfig

__all__ = ["Decompressor"]

_STATES: Final = ("idle", "start", "fetch", "block", "records")


@dataclass(frozen=True, eq=False)
class _Walk:
    """Registers and flags of the job under way."""

    job: data.View
    number: Signal
    """Blocks whose descriptor has been fetched."""
    is_last: Signal
    descriptor: data.View
    values: Signal
    """Address of the next vector's first value."""
    machine: OneHot


class Decompressor(wiring.Component):
    """Walk a bank's records once per job and send every vector with position and first value address.

    Latency 1 cycle; one record per cycle while ``o.ready``. An escape takes a cycle and sends nothing.
    Two cycles pass between blocks, for the descriptor, and ``START_LATENCY`` between jobs; the
    zero-skip controller's queue hides both while it holds work. Records that run out before the last
    block's end are made up: empty ends, so that a job always finishes. A job without blocks sends one
    vector without groups that closes the job.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    load : In(load_shape(arch))
        Load bus, already filtered: BLOCK and RECORD for this cluster, RUN and PASS for all. At most two
        jobs wait.
    o : Out(stream.Signature(vector_shape(arch)))
        ``live`` equals ``bitmap``. ``ready`` is a credit: it takes the vector of the next cycle.
    """

    START_LATENCY = RecordReader.START_LATENCY + RecordDecoder.LATENCY
    """Cycles from the last idle one to the job's first record."""

    load: data.View
    o: stream.Interface

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "load": In(load_shape(arch)),
                "o": Out(stream.Signature(vector_shape(arch))),
            }
        )

    @staticmethod
    def memory(arch: ArchConfig) -> MemorySize:
        """Size of both banks of block descriptors."""
        return MemorySize(descriptor_shape(arch).size, 2 * arch.block_depth)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        m.submodules.reader = reader = RecordReader(arch)
        m.submodules.decoder = decoder = RecordDecoder(arch)
        m.submodules.blocks = blocks = BlockMemory(*self.memory(arch))
        block_counts, word_counts = self._connect_load(m, reader, blocks, platform)
        jobs = self._queue_jobs(m)
        job = bundle(_job_shape(), "job_here", reset_less=True)
        fresh: data.View = jobs.payload
        walk = _Walk(
            job=job,
            number=Signal(range(arch.block_depth + 1), name="number"),
            is_last=Signal(name="is_last"),
            descriptor=bundle(descriptor_shape(arch), "descriptor", reset_less=True),
            values=Signal(self.o.payload.values.shape(), name="values", reset_less=True),
            machine=OneHot(m, _STATES),
        )
        wiring.connect(m, reader.o, decoder.i)
        m.d.comb += [
            decoder.exhausted.eq(reader.exhausted),
            decoder.clear.eq(reader.start),
            blocks.read_address.eq(Cat(walk.number[: len(blocks.read_address) - 1], job.weight_bank)),
            reader.bank.eq(fresh.weight_bank),
            reader.words.eq(word_counts[fresh.weight_bank]),
        ]
        with m.If(jobs.ready):
            # No block at all, so the job's end comes next.
            m.d.sync += [job.eq(fresh), walk.is_last.eq(block_counts[fresh.weight_bank] == 0)]
        with m.Else():
            m.d.sync += walk.is_last.eq(walk.number == block_counts[job.weight_bank])
        self._step(m, reader, decoder, blocks, jobs, walk)
        self._vector(m, decoder.o.payload, walk)
        return m

    def _step(
        self,
        m: Module,
        reader: RecordReader,
        decoder: RecordDecoder,
        blocks: BlockMemory,
        jobs: stream.Interface,
        walk: _Walk,
    ) -> None:
        """Take jobs, blocks and records in their order."""
        m.d.sync += self.o.valid.eq(0)
        machine = walk.machine
        with machine.state("idle"):
            m.d.comb += [reader.start.eq(1), jobs.ready.eq(1)]
            m.d.sync += [walk.number.eq(0), walk.values.eq(0)]
            with m.If(jobs.valid):
                machine.enter("start")
        with machine.state("start"):
            # Memory of the descriptor takes two cycles; a job without blocks still reports its end.
            with m.If(~walk.is_last):
                machine.enter("fetch")
            with m.If(walk.is_last & self.o.ready):
                m.d.sync += self.o.valid.eq(1)
                machine.enter("idle")
        with machine.state("fetch"):
            m.d.sync += walk.number.eq(walk.number + 1)
            machine.enter("block")
        with machine.state("block"):
            descriptor = data.View(descriptor_shape(self.arch), blocks.read_data)
            m.d.sync += [walk.descriptor.eq(descriptor), self.o.payload.position.eq(descriptor.start)]
            machine.enter("records")
        with machine.state("records"):
            self._records(m, decoder.o, walk)

    def _connect_load(
        self, m: Module, reader: RecordReader, blocks: BlockMemory, platform: object
    ) -> tuple[data.View, data.View]:
        """Write both memories; return the blocks and record words of each bank."""
        arch, load = self.arch, self.load
        block_counts = bundle(data.ArrayLayout(range(arch.block_depth + 1), 2), "block_counts")
        word_counts = bundle(data.ArrayLayout(range(arch.record_depth + 1), 2), "word_counts")
        # A register more: the block RAMs lie far apart, and nothing reads them so early.
        is_block, is_record = (
            delay(m, load.kind == kind, 1, f"is_{kind.name.lower()}", reset_less=False)
            for kind in (LoadKind.BLOCK, LoadKind.RECORD)
        )
        bank, address, word = (
            own_register(m, load[field], f"late_{field}", platform) for field in ("bank", "address", "data")
        )
        layout = descriptor_shape(arch)
        given, descriptor = data.View(layout, word[: layout.size]), bundle(layout, "stored_descriptor")
        # Steps count from the input before the start: taken off here, that is not on the way of positions.
        m.d.comb += [descriptor.eq(given), descriptor.start.eq(given.start - 1)]
        m.d.comb += [
            blocks.write_enable.eq(is_block),
            blocks.write_address.eq(Cat(address[: len(blocks.write_address) - 1], bank)),
            blocks.write_data.eq(descriptor),
            reader.write_enable.eq(is_record),
            reader.write_bank.eq(bank),
            reader.write_address.eq(address),
            reader.write_data.eq(word),
        ]
        with m.If(load.kind == LoadKind.PASS):
            m.d.sync += [block_counts[load.bank].eq(0), word_counts[load.bank].eq(0)]
        with m.If(load.kind == LoadKind.BLOCK):
            m.d.sync += block_counts[load.bank].eq(load.address + 1)
        with m.If(load.kind == LoadKind.RECORD):
            m.d.sync += word_counts[load.bank].eq(load.address + 1)
        return block_counts, word_counts

    def _queue_jobs(self, m: Module) -> stream.Interface:
        """Jobs not begun yet: at most two, since there are two activation banks."""
        layout = _job_shape()
        entries = bundle(data.ArrayLayout(layout, 2), "entries")
        count, slot = Signal(range(3)), Signal()
        head = stream.Signature(layout).create(path=("job",))
        push, pop = Signal(), Signal()
        m.d.comb += [
            push.eq(self.load.kind == LoadKind.RUN),
            pop.eq(head.valid & head.ready),
            slot.eq(count - pop),
            head.valid.eq(count != 0),
            head.payload.eq(entries[0]),
        ]
        m.d.sync += count.eq(count + push - pop)
        with m.If(pop):
            m.d.sync += entries[0].eq(entries[1])
        with m.If(push):
            m.d.sync += entries[slot].eq(Cat(self.load.address[: 1 + JOB_WIDTH], self.load.bank))
        return head

    def _records(self, m: Module, records: stream.Interface, walk: _Walk) -> None:
        """Take one record per cycle while the zero-skip controller has room."""
        record, machine = records.payload, walk.machine
        m.d.comb += records.ready.eq(self.o.ready)
        with m.If(self.o.ready & records.valid):
            m.d.sync += [
                self.o.valid.eq(~record.escape),
                self.o.payload.position.eq(self.o.payload.position + record.step),
                walk.values.eq(walk.values + record.count),
            ]
            with m.If(record.end & walk.is_last):
                machine.enter("idle")
            with m.If(record.end & ~walk.is_last):
                machine.enter("fetch")

    def _vector(self, m: Module, record: data.View, walk: _Walk) -> None:
        """Register what the next component gets if ``o.valid`` says so; there is a credit for it.

        The position stays that of the vector or escape before, until the next record.
        """
        vector, receiving = self.o.payload, walk.machine.here["records"]
        bitmap = Mux(receiving, record.bitmap, 0)
        m.d.sync += [
            vector.bitmap.eq(bitmap),
            vector.live.eq(bitmap),
            vector.values.eq(walk.values),
            vector.weight_bank.eq(walk.job.weight_bank),
            vector.activation_bank.eq(walk.job.activation_bank),
            vector.end.eq(receiving & record.end),
            vector.last.eq(walk.is_last & (record.end | ~receiving)),
            vector.job.eq(walk.job.job),
            *(vector[name].eq(walk.descriptor[name]) for name in part_shape(self.arch)),
        ]


def _job_shape() -> data.StructLayout:
    """What a RUN says of a job."""
    return data.StructLayout({"weight_bank": 1, "job": JOB_WIDTH, "activation_bank": 1})
