"""Loader: what each packet means, in which order packets may come, and the load bus."""

from typing import Final

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.shapes import JOB_WIDTH, LoadKind, header_shape, job_shape, load_shape
from spec.arch import ArchConfig
from spec.packet import HOST_ONLY, ErrorCode, Opcode, length_limit

__all__ = ["Loader"]

_KINDS = {
    Opcode.BLOCKS: LoadKind.BLOCK,
    Opcode.RECORDS: LoadKind.RECORD,
    Opcode.VALUES: LoadKind.VALUE,
    Opcode.ACTIVATIONS: LoadKind.ACTIVATION,
}
_WEIGHTS = (Opcode.BLOCKS, Opcode.RECORDS, Opcode.VALUES)


class Loader(wiring.Component):
    """Judge headers, put payload on the load bus, and act on packets that proved undamaged.

    Payload reaches the memories before its CRC is known; nothing reads it before an ACTIVATIONS packet,
    itself undamaged, starts a job.

    Parameters
    ----------
    arch : ArchConfig

    Members
    -------
    header, opened, word, word_valid, commit : In
        From the packet reader.
    problem, waiting : Out
        To the packet reader.
    load : Out(load_shape(arch))
        Registered: payload one cycle after ``word_valid``, RUN and PASS one cycle after ``commit``.
    horizontal, tag : Out
        Of the layer under way.
    begin, end : Out(1)
        Pulses with ``commit``: a layer starts; its DONE is due.
    job_valid, job : Out
        Pulse with ``commit``: a job starts, with so many blocks.
    next_pass : Out(1)
        Pulse with ``commit``: the weight bank changes.
    activations_free, weights_free, idle : In
        What ACTIVATIONS, PASS, and BEGIN and END wait for.
    """

    header: data.View
    opened: Signal
    word: Signal
    word_valid: Signal
    commit: Signal
    problem: Signal
    waiting: Signal
    load: data.View
    horizontal: Signal
    tag: Signal
    begin: Signal
    end: Signal
    job_valid: Signal
    job: data.View
    next_pass: Signal
    activations_free: Signal
    weights_free: Signal
    idle: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "header": In(header_shape()),
                "opened": In(1),
                "word": In(arch.stream_width),
                "word_valid": In(1),
                "commit": In(1),
                "problem": Out(8),
                "waiting": Out(1),
                "load": Out(load_shape(arch)),
                "horizontal": Out(1),
                "tag": Out(8),
                "begin": Out(1),
                "end": Out(1),
                "job_valid": Out(1),
                "job": Out(job_shape(arch)),
                "next_pass": Out(1),
                "activations_free": In(1),
                "weights_free": In(1),
                "idle": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        begun, loading = Signal(), Signal()
        seen = Signal(arch.clusters)
        blocks = Signal(self.job.blocks.shape())
        weight_bank, activation_bank = Signal(), Signal()
        job = Signal(JOB_WIDTH)
        self._judge(m, begun, loading, blocks, seen.bit_select(self.header.cluster, 1))

        m.d.sync += self.load.kind.eq(LoadKind.IDLE)
        self._load(m, weight_bank, activation_bank)
        commits = {opcode: Signal(name=f"commit_{opcode.name.lower()}") for opcode in Opcode}
        for opcode, signal in commits.items():
            m.d.comb += signal.eq(self.commit & (self.header.opcode == opcode))
        m.d.comb += [
            self.begin.eq(commits[Opcode.BEGIN]),
            self.end.eq(commits[Opcode.END]),
            self.next_pass.eq(commits[Opcode.PASS]),
            self.job_valid.eq(commits[Opcode.ACTIVATIONS]),
            self.job.blocks.eq(blocks),
        ]
        with m.If(self.begin):
            m.d.sync += [self.horizontal.eq(self.header.cluster), self.tag.eq(self.header.tag)]
            m.d.sync += [begun.eq(1), loading.eq(0), blocks.eq(0)]
        with m.If(self.end):
            m.d.sync += [begun.eq(0), loading.eq(0), blocks.eq(0)]
        with m.If(self.next_pass):
            m.d.sync += [loading.eq(1), blocks.eq(0), seen.eq(0), weight_bank.eq(~weight_bank)]
            m.d.sync += [self.load.kind.eq(LoadKind.PASS), self.load.bank.eq(~weight_bank)]
        with m.If(commits[Opcode.BLOCKS]):
            m.d.sync += blocks.eq(blocks + self.header.length)
            m.d.sync += seen.bit_select(self.header.cluster, 1).eq(1)
        with m.If(self.job_valid):
            m.d.sync += [loading.eq(0), activation_bank.eq(~activation_bank), job.eq(job + 1)]
            m.d.sync += [
                self.load.kind.eq(LoadKind.RUN),
                self.load.bank.eq(activation_bank),
                self.load.address.eq(Cat(weight_bank, job)),
            ]
        return m

    def _load(self, m: Module, weight_bank: Signal, activation_bank: Signal) -> None:
        """Put payload words on the load bus, numbered from 0 in every packet."""
        last_parts = {
            Opcode.ACTIVATIONS: self.arch.words_per_input_word - 1,
            Opcode.VALUES: self.arch.words_per_stripe - 1,
        }
        address, part = Signal(self.load.address.shape()), Signal(self.load.part.shape())
        is_activation, more = Signal(), Signal()
        m.d.comb += is_activation.eq(self.header.opcode == Opcode.ACTIVATIONS)
        for opcode, last_part in last_parts.items():
            with m.If((self.header.opcode == opcode) & (part != last_part)):
                m.d.comb += more.eq(1)
        with m.If(self.opened):
            m.d.sync += [address.eq(0), part.eq(0)]
        with m.If(self.word_valid):
            with m.If(more):
                m.d.sync += part.eq(part + 1)
            with m.Else():
                m.d.sync += [part.eq(0), address.eq(address + 1)]
            with m.Switch(self.header.opcode):
                for opcode, kind in _KINDS.items():
                    with m.Case(opcode):
                        m.d.sync += self.load.kind.eq(kind)
            m.d.sync += [
                self.load.cluster.eq(self.header.cluster),
                self.load.bank.eq(Mux(is_activation, activation_bank, weight_bank)),
                self.load.part.eq(part),
                self.load.address.eq(address),
                self.load.data.eq(self.word),
            ]

    def _judge(self, m: Module, begun: Signal, loading: Signal, blocks: Signal, seen: Value) -> None:
        """Find the rule that forbids a packet, and what an admitted one waits for."""
        header = self.header
        misplaced, limit = Signal(), Signal(24)
        waits = {
            Opcode.BEGIN: self.idle,
            Opcode.PASS: self.weights_free,
            Opcode.ACTIVATIONS: self.activations_free,
            Opcode.END: self.idle,
        }
        places = {
            Opcode.PASS: begun,
            Opcode.END: begun,
            Opcode.BLOCKS: loading & ~seen,
            Opcode.RECORDS: loading,
            Opcode.VALUES: loading,
            Opcode.ACTIVATIONS: begun & (blocks != 0),
        }
        known, weights = Signal(), Signal()
        m.d.comb += [known.eq(1), weights.eq(Cat(header.opcode == op for op in _WEIGHTS).any())]
        with m.Switch(header.opcode):
            for opcode in (Opcode.BEGIN, *places):
                with m.Case(opcode):
                    m.d.comb += [
                        limit.eq(length_limit(opcode, self.arch)),
                        misplaced.eq(~places[opcode] if opcode in places else 0),
                        self.waiting.eq(~waits[opcode] if opcode in waits else 0),
                    ]
            with m.Default():
                m.d.comb += known.eq((header.opcode >= HOST_ONLY) & (header.opcode < 0x80))
                m.d.comb += limit.eq(-1)
        stranger = (header.opcode == Opcode.BEGIN) & (header.argument != self.arch.fingerprint)
        rules = (
            (~known, ErrorCode.BAD_OPCODE),
            (stranger, ErrorCode.BAD_ARCHITECTURE),
            (weights & (header.cluster >= self.arch.clusters), ErrorCode.BAD_CLUSTER),
            (header.length > limit, ErrorCode.TOO_LONG),
            (misplaced, ErrorCode.BAD_SEQUENCE),
        )
        for broken, code in reversed(rules):
            with m.If(broken):
                m.d.comb += self.problem.eq(code)
