"""Loader: what each packet means, in which order packets may come, and the load bus."""

from typing import Final

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.output_settings import OutputSettings, settings_shape
from hw.pipeline import delay
from hw.shapes import JOB_WIDTH, LoadKind, arriving_header, header_shape, job_shape, load_shape
from spec.arch import ArchConfig
from spec.packet import HOST_ONLY, ErrorCode, Opcode, length_limit, opcodes_of

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
        From the packet reader; ``word`` is also the header, a cycle before it is in ``header``.
    problem, waiting : Out
        To the packet reader, of the header of the cycle before.
    load : Out(load_shape(arch))
        Registered: payload one cycle after ``word_valid``, RUN and PASS one cycle after ``commit``, which
        is more than two cycles after the last word.
    horizontal, tag : Out
        Of the layer under way.
    open : Out(1)
        A layer has begun and not ended.
    begin, end : Out(1)
        Pulses with ``commit``: a layer starts; its DONE is due.
    job_valid, job : Out
        Pulse with ``commit``: a job starts, with so many blocks.
    next_pass : Out(1)
        Pulse with ``commit``: the weight bank changes.
    activations_free, weights_free, idle : In
        What ACTIVATIONS, PASS, and BEGIN and END wait for.
    settings : Out(settings_shape(arch))
        For the output stage, if there is one.
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
    open: Signal
    begin: Signal
    end: Signal
    job_valid: Signal
    job: data.View
    next_pass: Signal
    activations_free: Signal
    weights_free: Signal
    idle: Signal
    settings: data.View

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
                "open": Out(1),
                "begin": Out(1),
                "end": Out(1),
                "job_valid": Out(1),
                "job": Out(job_shape(arch)),
                "next_pass": Out(1),
                "activations_free": In(1),
                "weights_free": In(1),
                "idle": In(1),
            }
            | ({"settings": Out(settings_shape(arch))} if arch.output_blocks else {})
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        begun, loading = Signal(), Signal()
        seen = Signal(arch.clusters)
        blocks = Signal(self.job.blocks.shape())
        weight_bank, activation_bank = Signal(), Signal()
        allowed = self._allow(begun, loading, blocks, seen.bit_select(self.header.cluster, 1))
        commits = {opcode: Signal(name=f"commit_{opcode.name.lower()}") for opcode in opcodes_of(arch)}
        if arch.output_blocks:
            self._settle_outputs(m, begun, commits, allowed)
        self._judge(m, allowed)

        m.d.sync += self.load.kind.eq(LoadKind.IDLE)
        self._load(m, weight_bank, activation_bank)
        self._name_commits(m, commits)
        m.d.comb += [
            self.open.eq(begun),
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
        self._start_job(m, loading, weight_bank, activation_bank)
        return m

    def _start_job(self, m: Module, loading: Signal, weight_bank: Signal, activation_bank: Signal) -> None:
        """Number a job that starts, and tell the clusters."""
        job = Signal(JOB_WIDTH)
        with m.If(self.job_valid):
            m.d.sync += [loading.eq(0), activation_bank.eq(~activation_bank), job.eq(job + 1)]
            m.d.sync += [
                self.load.kind.eq(LoadKind.RUN),
                self.load.bank.eq(activation_bank),
                self.load.address.eq(Cat(weight_bank, job)),
            ]

    def _name_commits(self, m: Module, commits: dict[Opcode, Signal]) -> None:
        """Say which packet a commit is of."""
        for opcode, signal in commits.items():
            # Known long before, so that the commit itself goes through one gate.
            named = delay(m, self.header.opcode == opcode, 1, f"is_{opcode.name.lower()}")
            m.d.comb += signal.eq(self.commit & named)

    def _load(self, m: Module, weight_bank: Signal, activation_bank: Signal) -> None:
        """Put payload words on the load bus, numbered from 0 in every packet."""
        last_parts = {
            LoadKind.ACTIVATION: self.arch.words_per_input_word - 1,
            LoadKind.VALUE: self.arch.words_per_stripe - 1,
        }
        address, part = Signal(self.load.address.shape()), Signal(self.load.part.shape())
        kind = Signal(LoadKind, reset_less=True)
        m.d.sync += kind.eq(LoadKind.IDLE)
        with m.Switch(self.header.opcode):
            for opcode, its in _KINDS.items():
                with m.Case(opcode):
                    m.d.sync += kind.eq(its)
        more = Signal()
        for its, last_part in last_parts.items():
            with m.If((kind == its) & (part != last_part)):
                m.d.comb += more.eq(1)
        with m.If(self.opened):
            m.d.sync += [address.eq(0), part.eq(0)]
        with m.If(self.word_valid):
            with m.If(more):
                m.d.sync += part.eq(part + 1)
            with m.Else():
                m.d.sync += [part.eq(0), address.eq(address + 1)]
            m.d.sync += [
                self.load.kind.eq(kind),
                self.load.cluster.eq(self.header.cluster),
                self.load.bank.eq(Mux(kind == LoadKind.ACTIVATION, activation_bank, weight_bank)),
                self.load.part.eq(part),
                self.load.address.eq(address),
                self.load.data.eq(self.word),
            ]

    def _allow(self, begun: Signal, loading: Signal, blocks: Signal, seen: Value) -> dict[Opcode, Value]:
        """Return where each packet may come."""
        return {
            Opcode.BEGIN: Const(1),
            Opcode.PASS: begun,
            Opcode.END: begun,
            Opcode.BLOCKS: loading & ~seen,
            Opcode.RECORDS: loading,
            Opcode.VALUES: loading,
            Opcode.ACTIVATIONS: begun & (blocks != 0),
        }

    def _settle_outputs(
        self, m: Module, begun: Signal, commits: dict[Opcode, Signal], allowed: dict[Opcode, Value]
    ) -> None:
        """Keep what the output stage is told; it has a say in which packets may come."""
        m.submodules.outputs = outputs = OutputSettings(self.arch)
        m.d.comb += [
            outputs.header.eq(self.header),
            outputs.opened.eq(self.opened),
            outputs.word_valid.eq(self.word_valid),
            outputs.begin.eq(commits[Opcode.BEGIN]),
            outputs.next_pass.eq(commits[Opcode.PASS]),
            outputs.requantize.eq(commits[Opcode.REQUANTIZE]),
            outputs.table.eq(commits[Opcode.TABLE]),
            self.settings.eq(outputs.settings),
        ]
        allowed[Opcode.PASS] &= outputs.complete
        allowed[Opcode.REQUANTIZE] = begun & outputs.takes_parameters
        allowed[Opcode.TABLE] = begun & outputs.takes_table

    def _judge(self, m: Module, allowed: dict[Opcode, Value]) -> None:
        """Find the rules that forbid a packet, and what an admitted one waits for."""
        header = self.header
        waits = {
            Opcode.BEGIN: self.idle,
            Opcode.PASS: self.weights_free,
            Opcode.ACTIVATIONS: self.activations_free,
            Opcode.END: self.idle,
        }
        # Compared while the header is still on its way into its register; every limit at once.
        fresh = arriving_header(self.arch, header.as_value(), self.word)
        named = {op: delay(m, fresh.opcode == op, 1, f"fresh_{op.name.lower()}") for op in allowed}
        host_only = delay(m, (fresh.opcode >= HOST_ONLY) & (fresh.opcode < 0x80), 1, "fresh_host_only")
        weights = Cat(named[opcode] for opcode in _WEIGHTS).any()
        limits = {opcode: length_limit(opcode, self.arch) for opcode in allowed}
        longer = {
            limit: delay(m, fresh.length > limit, 1, f"longer_than_{limit}")
            for limit in sorted(set(limits.values()))
        }
        foreign = delay(m, fresh.argument != self.arch.fingerprint, 1, "foreign")
        outside = delay(m, fresh.cluster >= self.arch.clusters, 1, "outside")
        too_long = Cat(one & longer[limits[opcode]] for opcode, one in named.items()).any()
        misplaced = Cat(one & ~allowed[opcode] for opcode, one in named.items()).any()
        rules = (
            (~(Cat(named.values()).any() | host_only), ErrorCode.BAD_OPCODE),
            (named[Opcode.BEGIN] & foreign, ErrorCode.BAD_ARCHITECTURE),
            (weights & outside, ErrorCode.BAD_CLUSTER),
            (too_long, ErrorCode.TOO_LONG),
            (misplaced, ErrorCode.BAD_SEQUENCE),
        )
        m.d.sync += self.waiting.eq(Cat((header.opcode == op) & ~free for op, free in waits.items()).any())
        broken = [(Signal(name=f"breaks_{code.name.lower()}", reset_less=True), code) for _, code in rules]
        with m.If(self.opened):
            m.d.sync += [flag.eq(rule) for (flag, _), (rule, _) in zip(broken, rules, strict=True)]
        for rule, code in reversed(broken):
            with m.If(rule):
                m.d.comb += self.problem.eq(code)
