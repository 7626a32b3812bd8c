"""The accelerator: streams in and out, control in the middle, a chain of clusters."""

from typing import Final

from amaranth.hdl import Const, Module, Signal, Value, ValueLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.block_framer import BlockFramer
from hw.cluster import Cluster
from hw.collector import Collector
from hw.counters import Counters
from hw.deframer import Deframer
from hw.egress import Egress
from hw.instance import place
from hw.loader import Loader
from hw.output_stage import OutputStage
from hw.packet_reader import PacketReader
from hw.pipeline import delay
from hw.scheduler import Scheduler
from hw.split_adder import SplitAdder
from hw.status import Status
from spec.arch import ArchConfig
from spec.counters import counter_width
from spec.packet import Opcode

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """Packets in, packets out; see ``spec.packet`` for what they are.

    One word per cycle in, less ``PacketReader.OVERHEAD`` cycles per packet and waits for a free buffer;
    one word per cycle out. No output depends combinationally on an input.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    i, o : In, Out(stream.Signature(stream_width))
    """

    MODULE = "mixvec"
    """Name of the Verilog module."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(self.members(arch))

    @staticmethod
    def members(arch: ArchConfig) -> dict[str, wiring.Member]:
        """Ports, for whoever describes the module."""
        return {
            "i": In(stream.Signature(arch.stream_width)),
            "o": Out(stream.Signature(arch.stream_width)),
        }

    @staticmethod
    def answer_latency(arch: ArchConfig) -> int:
        """Cycles from the end of the collect chain to the output stage or the egress."""
        return SplitAdder.LATENCY if arch.split_slots else BlockFramer.LATENCY

    @staticmethod
    def egress_depth(arch: ArchConfig) -> int:
        """Entries of the egress queue: enough to cover the collect chain at one word per cycle."""
        stage = OutputStage.LATENCY if arch.output_blocks else 0
        way = arch.clusters + Cluster.DATA_LAG + Accelerator.answer_latency(arch) + stage + Egress.LATENCY
        return 1 << (way + Collector.CREDIT_CYCLES - 1).bit_length()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, depth = self.arch, self.egress_depth(self.arch)
        m.submodules.deframer = deframer = Deframer(arch)
        m.submodules.reader = reader = PacketReader(arch)
        m.submodules.loader = loader = Loader(arch)
        m.submodules.scheduler = scheduler = Scheduler(arch)
        m.submodules.collector = collector = Collector(arch, depth)
        m.submodules.adder = adder = SplitAdder(arch) if arch.split_slots else BlockFramer(arch)
        m.submodules.egress = egress = Egress(arch, depth)
        m.submodules.counter_bank = counters = Counters(arch)
        m.submodules.status = status = Status(arch, counter_width(arch))
        wiring.connect(m, wiring.flipped(self.i), deframer.i)
        wiring.connect(m, deframer.o, reader.i)
        wiring.connect(m, reader.error, status.error)
        wiring.connect(m, status.o, collector.status)
        wiring.connect(m, egress.o, wiring.flipped(self.o))
        self._connect_input(m, reader, loader, scheduler)
        self._connect_output(m, loader, collector, adder, egress)
        self._chain(m, loader, scheduler, collector, adder, counters)
        settled = Signal()
        # A layer starts only when the answer to the one before has left with its counters.
        # A job that has just started is `active` before it is no longer `idle`.
        m.d.sync += settled.eq(scheduler.idle & ~scheduler.active & collector.empty)
        m.d.comb += [
            scheduler.collected.eq(adder.job_end),
            loader.idle.eq(settled & ~status.pending),
            status.tag.eq(loader.tag),
            status.done.eq(loader.end),
            status.settled.eq(counters.complete),
            status.counter.eq(counters.value),
            counters.number.eq(status.number),
        ]
        self._count(m, reader, loader, scheduler, counters, settled)
        return m

    def _connect_input(self, m: Module, reader: PacketReader, loader: Loader, scheduler: Scheduler) -> None:
        """Packet reader, loader and scheduler answer each other."""
        m.d.comb += [
            loader.header.eq(reader.header),
            loader.opened.eq(reader.opened),
            loader.word.eq(reader.word),
            loader.word_valid.eq(reader.word_valid),
            loader.commit.eq(reader.commit),
            reader.problem.eq(loader.problem),
            reader.waiting.eq(loader.waiting),
            reader.open.eq(loader.open),
            loader.activations_free.eq(scheduler.activations_free),
            loader.weights_free.eq(scheduler.weights_free),
            scheduler.issue.eq(loader.job_valid),
            scheduler.next_pass.eq(loader.next_pass),
        ]

    def _connect_output(
        self,
        m: Module,
        loader: Loader,
        collector: Collector,
        adder: SplitAdder | BlockFramer,
        egress: Egress,
    ) -> None:
        """Collector, split adder and egress serve the layer that the loader has begun."""
        m.d.comb += [
            collector.clear.eq(loader.begin),
            collector.job_valid.eq(loader.job_valid),
            collector.job.eq(loader.job),
            collector.credit.eq(egress.credit),
            adder.tag.eq(loader.tag),
        ]
        emit: Value = Const(1)
        if isinstance(adder, SplitAdder):
            m.d.comb += adder.clear.eq(loader.begin)
            emit = adder.emit
        if not self.arch.output_blocks:
            m.d.comb += [egress.kind.eq(adder.kind), egress.word.eq(adder.word), egress.emit.eq(emit)]
            return
        m.submodules.outputs = outputs = OutputStage(self.arch)
        m.d.comb += [
            outputs.settings.eq(loader.settings),
            outputs.load_data.eq(loader.load.data),
            outputs.kind.eq(adder.kind),
            outputs.word.eq(adder.word),
            outputs.emit.eq(emit),
            outputs.block.eq(adder.block),
            egress.kind.eq(outputs.kind_out),
            egress.word.eq(outputs.word_out),
            egress.emit.eq(outputs.emit_out),
        ]

    def _count(
        self,
        m: Module,
        reader: PacketReader,
        loader: Loader,
        scheduler: Scheduler,
        counters: Counters,
        settled: Signal,
    ) -> None:
        """Counters of what input and jobs do."""
        ends = delay(m, reader.header.opcode == Opcode.END, 1, "ends", reset_less=False)
        # The deframer may keep a word for a cycle to look at the next one; that is not the host's doing.
        offered = delay(m, self.i.valid, Deframer.LATENCY, "offered", reset_less=False)
        m.d.comb += [
            counters.begin.eq(loader.begin),
            counters.end.eq(loader.end),
            counters.over.eq(settled & ends),
            counters.active.eq(scheduler.active),
            counters.busy.eq(scheduler.busy),
            counters.words.eq(reader.words),
            counters.held.eq(reader.held),
            counters.starved.eq(reader.starved & ~offered),
        ]

    def _chain(
        self,
        m: Module,
        loader: Loader,
        scheduler: Scheduler,
        collector: Collector,
        adder: SplitAdder | BlockFramer,
        counters: Counters,
    ) -> None:
        """Load bus and collect chain through all clusters."""
        load: ValueLike = loader.load
        request: ValueLike = collector.request
        answer = delay(m, collector.literal, Cluster.DATA_LAG, "literal")
        for n in range(self.arch.clusters):
            name = f"cluster_{n}"
            m.submodules[name], cluster = place(Cluster.MODULE, name, Cluster.members(self.arch))
            m.d.comb += [
                cluster.index.eq(n),
                cluster.horizontal.eq(loader.horizontal),
                cluster.load.eq(load),
                cluster.request.eq(request),
                cluster.data.eq(answer),
                scheduler.done[n].eq(cluster.job_done),
                collector.ready[n].eq(cluster.ready),
                collector.ready_job[n].eq(cluster.ready_job),
                counters.activity[n].eq(cluster.activity),
                counters.skipped[n].eq(cluster.skipped),
            ]
            load, request, answer = cluster.load_next, cluster.request_next, cluster.data_next
        item = delay(m, request, Cluster.DATA_LAG, "request", reset_less=False)
        m.d.comb += [Value.cast(adder.item).eq(item), adder.answer.eq(answer)]
