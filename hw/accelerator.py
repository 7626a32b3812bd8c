"""The accelerator: streams in and out, control in the middle, a chain of clusters."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.cluster import Cluster
from hw.collector import Collector
from hw.counters import Counters
from hw.deframer import Deframer
from hw.egress import Egress
from hw.instance import place
from hw.loader import Loader
from hw.packet_reader import PacketReader
from hw.pipeline import delay
from hw.scheduler import Scheduler
from hw.split_adder import SplitAdder
from hw.status import Status
from spec.arch import ArchConfig

__all__ = ["CLUSTER_MODULE", "Accelerator", "egress_depth"]

CLUSTER_MODULE = "mixvec_cluster"
"""Verilog name of :class:`hw.cluster.Cluster`."""


def egress_depth(arch: ArchConfig) -> int:
    """Entries of the egress queue: enough to cover the collect chain at one word per cycle."""
    return 1 << (arch.clusters + 16 - 1).bit_length()


class Accelerator(wiring.Component):
    """Packets in, packets out; see ``spec.packet`` for what they are.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    i, o : In, Out(stream.Signature(stream_width))
    """

    def __init__(self, arch: ArchConfig) -> None:
        self.arch = arch
        super().__init__(
            {
                "i": In(stream.Signature(arch.stream_width)),
                "o": Out(stream.Signature(arch.stream_width)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, depth = self.arch, egress_depth(self.arch)
        m.submodules.deframer = deframer = Deframer(arch)
        m.submodules.reader = reader = PacketReader(arch)
        m.submodules.loader = loader = Loader(arch)
        m.submodules.scheduler = scheduler = Scheduler(arch)
        m.submodules.collector = collector = Collector(arch, depth)
        m.submodules.adder = adder = SplitAdder(arch)
        m.submodules.egress = egress = Egress(arch, depth)
        m.submodules.counters = counters = Counters(arch)
        m.submodules.status = status = Status(arch, Counters.WIDTH)
        wiring.connect(m, wiring.flipped(self.i), deframer.i)
        wiring.connect(m, deframer.o, reader.i)
        wiring.connect(m, reader.error, status.error)
        wiring.connect(m, status.o, collector.status)
        wiring.connect(m, egress.o, wiring.flipped(self.o))
        self._connect_input(m, reader, loader, scheduler)
        m.d.comb += [
            scheduler.collected.eq(adder.job_end),
            collector.clear.eq(loader.begin),
            collector.job_valid.eq(loader.job_valid),
            collector.job.eq(loader.job),
            collector.credit.eq(egress.credit),
            adder.clear.eq(loader.begin),
            adder.tag.eq(loader.tag),
            egress.kind.eq(adder.kind),
            egress.word.eq(adder.word),
            egress.emit.eq(adder.emit),
            counters.begin.eq(loader.begin),
            counters.active.eq(scheduler.active),
            counters.words.eq(reader.words),
            counters.psums_out.eq(egress.psums_out),
            status.tag.eq(loader.tag),
            status.done.eq(loader.end),
            status.settled.eq(scheduler.idle & collector.empty),
            status.counters.eq(counters.values),
        ]
        self._chain(m, loader, scheduler, collector, adder, counters)
        return m

    def _connect_input(
        self, m: Module, reader: PacketReader, loader: Loader, scheduler: Scheduler
    ) -> None:
        """Packet reader, loader and scheduler answer each other."""
        m.d.comb += [
            loader.header.eq(reader.header),
            loader.opened.eq(reader.opened),
            loader.word.eq(reader.word),
            loader.word_valid.eq(reader.word_valid),
            loader.commit.eq(reader.commit),
            reader.problem.eq(loader.problem),
            reader.waiting.eq(loader.waiting),
            loader.activations_free.eq(scheduler.activations_free),
            loader.weights_free.eq(scheduler.weights_free),
            loader.idle.eq(scheduler.idle),
            scheduler.issue.eq(loader.job_valid),
            scheduler.next_pass.eq(loader.next_pass),
        ]

    def _chain(
        self,
        m: Module,
        loader: Loader,
        scheduler: Scheduler,
        collector: Collector,
        adder: SplitAdder,
        counters: Counters,
    ) -> None:
        """Load bus and collect chain through all clusters."""
        load, request = Value.cast(loader.load), Value.cast(collector.request)
        answer = delay(m, collector.literal, Cluster.DATA_LAG, "literal")
        for n in range(self.arch.clusters):
            cluster = Cluster(self.arch)
            m.submodules[f"cluster_{n}"] = place(CLUSTER_MODULE, cluster)
            m.d.comb += [
                cluster.index.eq(n),
                cluster.horizontal.eq(loader.horizontal),
                Value.cast(cluster.load).eq(load),
                Value.cast(cluster.request).eq(request),
                cluster.data.eq(answer),
                scheduler.done[n].eq(cluster.job_done),
                collector.ready[n].eq(cluster.ready),
                collector.ready_job[n].eq(cluster.ready_job),
                counters.beats[n].eq(cluster.beat),
                counters.skipped[n].eq(cluster.skipped),
            ]
            load, request = Value.cast(cluster.load_next), Value.cast(cluster.request_next)
            answer = cluster.data_next
        aligned = Signal(len(request))
        m.d.comb += [
            aligned.eq(delay(m, request, Cluster.DATA_LAG, "request", reset_less=False)),
            Value.cast(adder.item).eq(aligned),
            adder.answer.eq(answer),
        ]
