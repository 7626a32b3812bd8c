"""Decompressor: records to vectors with their place, block after block, job after job."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory import BlockMemory
from hw.record_reader import RecordReader
from hw.shapes import JOB_WIDTH, LoadKind, descriptor_shape, load_shape, vector_shape
from spec.arch import ArchConfig

__all__ = ["Decompressor"]


class Decompressor(wiring.Component):
    """Walk a bank's records once per job and send every vector with position and first value address.

    One record per cycle; an escape takes a cycle and sends nothing. A block costs ``BLOCK_GAP`` cycles
    for its descriptor, a job ``JOB_GAP`` more; the zero-skip controller's queue hides both. Records that
    run out before the last block's end are made up: empty ends, so that a job always finishes.

    Members
    -------
    load : In(load_shape(arch))
        Load bus, already filtered: BLOCK and RECORD for this cluster, RUN and PASS for all.
    o : Out(stream.Signature(vector_shape(arch)))
        ``live`` equals ``bitmap``.
    """

    def __init__(self, arch: ArchConfig) -> None:
        self.arch = arch
        super().__init__(
            {
                "load": In(load_shape(arch)),
                "o": Out(stream.Signature(vector_shape(arch))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        m.submodules.reader = reader = RecordReader(arch)
        m.submodules.blocks = blocks = BlockMemory(descriptor_shape(arch).size, 2 * arch.block_depth)
        block_counts, word_counts = self._connect_load(m, reader, blocks)
        job_ready, job = self._queue_jobs(m)

        number = Signal(range(arch.block_depth + 1))
        descriptor = Signal(descriptor_shape(arch), reset_less=True)
        following = Signal(arch.position_width, reset_less=True)
        values = Signal(self.o.payload.values.shape(), reset_less=True)
        finish = Signal()
        m.d.comb += [
            blocks.read_address.eq(Cat(number[: len(blocks.read_address) - 1], job.weight_bank)),
            reader.bank.eq(job.weight_bank),
            reader.words.eq(word_counts[job.weight_bank]),
            job_ready.ready.eq(finish),
        ]
        m.d.sync += self.o.valid.eq(0)
        is_last = Signal()
        m.d.comb += is_last.eq(number == block_counts[job.weight_bank])
        with m.FSM():
            with m.State("idle"):
                m.d.comb += reader.start.eq(1)
                m.d.sync += [number.eq(0), values.eq(0)]
                with m.If(job_ready.valid):
                    m.next = "start"
            with m.State("start"):
                # Memory of the descriptor takes two cycles; a job without blocks still reports its end.
                with m.If(is_last):
                    self._send(m, job, values, last=1)
                    m.d.comb += finish.eq(1)
                    m.next = "idle"
                with m.Else():
                    m.next = "fetch"
            with m.State("fetch"):
                m.d.sync += number.eq(number + 1)
                m.next = "block"
            with m.State("block"):
                m.d.sync += [
                    descriptor.eq(blocks.read_data),
                    following.eq(data.View(descriptor_shape(arch), blocks.read_data).start),
                ]
                m.next = "records"
            with m.State("records"):
                self._records(m, reader, job, descriptor, following, values, is_last, finish)
        return m

    def _connect_load(self, m: Module, reader: RecordReader, blocks: BlockMemory) -> tuple[data.View, data.View]:
        """Write both memories; return the blocks and record words of each bank."""
        arch, load = self.arch, self.load
        block_counts = Signal(data.ArrayLayout(range(arch.block_depth + 1), 2))
        word_counts = Signal(data.ArrayLayout(range(arch.record_depth + 1), 2))
        m.d.comb += [
            blocks.write_enable.eq(load.kind == LoadKind.BLOCK),
            blocks.write_address.eq(
                Cat(load.address[: len(blocks.write_address) - 1], load.bank)
            ),
            blocks.write_data.eq(load.data),
            reader.write_enable.eq(load.kind == LoadKind.RECORD),
            reader.write_bank.eq(load.bank),
            reader.write_address.eq(load.address),
            reader.write_data.eq(load.data),
        ]
        with m.If(load.kind == LoadKind.PASS):
            m.d.sync += [block_counts[load.bank].eq(0), word_counts[load.bank].eq(0)]
        with m.If(load.kind == LoadKind.BLOCK):
            m.d.sync += block_counts[load.bank].eq(load.address + 1)
        with m.If(load.kind == LoadKind.RECORD):
            m.d.sync += word_counts[load.bank].eq(load.address + 1)
        return block_counts, word_counts

    def _queue_jobs(self, m: Module) -> tuple[stream.Interface, data.View]:
        """Jobs not begun yet: at most two, since there are two activation banks."""
        layout = data.StructLayout({"weight_bank": 1, "job": JOB_WIDTH, "activation_bank": 1})
        entries = Signal(data.ArrayLayout(layout, 2))
        count = Signal(range(3))
        head = stream.Signature(layout).create(path=("job",))
        push, pop = Signal(), Signal()
        m.d.comb += [
            push.eq(self.load.kind == LoadKind.RUN),
            pop.eq(head.valid & head.ready),
            head.valid.eq(count != 0),
            head.payload.eq(entries[0]),
        ]
        m.d.sync += count.eq(count + push - pop)
        with m.If(pop):
            m.d.sync += entries[0].eq(entries[1])
        with m.If(push):
            slot = Signal()
            m.d.comb += slot.eq(count - pop)
            m.d.sync += entries[slot].eq(Cat(self.load.address[: 1 + JOB_WIDTH], self.load.bank))
        return head, head.payload

    def _records(
        self,
        m: Module,
        reader: RecordReader,
        job: data.View,
        descriptor: Signal,
        following: Signal,
        values: Signal,
        is_last: Signal,
        finish: Signal,
    ) -> None:
        """Take one record per cycle while the zero-skip controller has room."""
        record = reader.o.payload
        end, escape, groups = Signal(), Signal(), Signal(range(self.arch.groups + 1))
        step = Signal(self.arch.advance_width + 1)
        bitmap = Signal(self.arch.groups)
        place = Signal(self.arch.position_width)
        m.d.comb += [
            bitmap.eq(Mux(reader.exhausted, 0, record.bitmap)),
            end.eq(record.end | reader.exhausted),
            escape.eq((bitmap == 0) & ~end),
            groups.eq(sum(bitmap[n] for n in range(self.arch.groups))),
            step.eq(record.advance + 1),
            place.eq(following + record.advance),
        ]
        with m.If(self.o.ready & (reader.o.valid | reader.exhausted)):
            m.d.comb += reader.o.ready.eq(1)
            with m.If(escape):
                m.d.sync += following.eq(following + (step << self.arch.advance_width))
            with m.Else():
                m.d.sync += [following.eq(place + 1), values.eq(values + groups)]
                self._send(m, job, values, place=place, bitmap=bitmap, end=end, last=end & is_last, block=descriptor)
            with m.If(end):
                with m.If(is_last):
                    m.d.comb += finish.eq(1)
                    m.next = "idle"
                with m.Else():
                    m.next = "fetch"

    def _send(
        self,
        m: Module,
        job: data.View,
        values: Signal,
        *,
        last: object,
        place: object = 0,
        bitmap: object = 0,
        end: object = 0,
        block: object = None,
    ) -> None:
        """Register one vector for the next component; the receiver's credit makes room for it."""
        vector = self.o.payload
        m.d.sync += [
            self.o.valid.eq(1),
            vector.position.eq(place),
            vector.bitmap.eq(bitmap),
            vector.live.eq(bitmap),
            vector.values.eq(values),
            vector.weight_bank.eq(job.weight_bank),
            vector.activation_bank.eq(job.activation_bank),
            vector.end.eq(end),
            vector.last.eq(last),
            vector.job.eq(job.job),
        ]
        if block is not None:
            m.d.sync += vector.block.eq(block)
