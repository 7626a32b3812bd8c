"""The drain: every row of a block once, in order, a row every T cycles."""

from typing import Final

from amaranth.hdl import Module, Mux, Signal

from hw.drain import Drain
from sim.formal.bug import Bug
from sim.formal.harness import Harness
from sim.formal.proof import Proof
from spec.arch import ArchConfig

__all__ = ["DRAIN"]

_ARCH: Final = ArchConfig(clusters=1, lanes=1, tokens=3, segment=4)
_STEPS: Final = _ARCH.groups * _ARCH.tokens


class DrainHarness(Harness):
    """Room comes and goes; ``step`` is where the block under way is, ``told`` what the outputs then say."""

    def describe(self, m: Module) -> None:
        drain, find = self.component, self.interior.signal
        i = self.source(m, "i", drain.i)
        step, told, bank, told_bank = Signal(range(_STEPS + 1)), Signal(range(_STEPS + 1)), Signal(), Signal()
        busy = step != 0
        m.d.sync += told.eq(step)
        with m.If(i.moved):
            m.d.sync += [step.eq(1), bank.eq(~bank), told_bank.eq(bank)]
        with m.Elif(busy):
            m.d.sync += step.eq(Mux(step == _STEPS, 0, step + 1))
        row, token = Signal(range(_ARCH.groups)), Signal(range(_ARCH.tokens))
        m.d.comb += [row.eq((told - 1) // _ARCH.tokens), token.eq((told - 1) % _ARCH.tokens)]
        steals = (told != 0) & (token == 0)
        self.claim(m, "valid", drain.valid == (told != 0))
        self.claim(m, "steal", drain.steal == steals)
        self.claim(m, "row", ~drain.steal | (drain.steal_row == row))
        self.claim(m, "bank", ~drain.steal | (drain.steal_bank == told_bank))
        self.claim(m, "release", drain.release == (steals & (row == _ARCH.groups - 1)))
        self.claim(m, "ready", drain.i.ready == (drain.room & ~busy))
        self.claim(m, "held", drain.held == (drain.i.valid & ~drain.room & ~busy))
        self.within(m, "takes", _ARCH.drain_cycles - 1, i.waits & drain.room)
        self.reach(m, "two_blocks_in_a_row", drain.release & (told_bank == 1))

        self.lemma(m, "state", self.interior.ongoing("rows") == busy)
        self.lemma(m, "token", find("token") == Mux(busy, (step - 1) % _ARCH.tokens, 0))
        self.lemma(m, "place", ~busy | (find("row") == (step - 1) // _ARCH.tokens))
        self.lemma(m, "next_bank", find("next_bank") == bank ^ busy)
        self.lemma(m, "told_bank", ~busy | (drain.steal_bank == told_bank))
        self.lemma(m, "steps", (step <= _STEPS) & (told <= _STEPS) & self.interior.known())
        self.lemma(m, "told", ~(busy & (step != 1)) | (told == step - 1))


DRAIN = Proof(
    subject=Drain,
    harness=lambda drain: DrainHarness(drain(_ARCH)),
    bug=Bug("token.eq(Mux(last_token, 0, token + 1))", "token.eq(Mux(last_row & last_token, 0, token + 1))"),
    depth=16,
    cover=32,
    induction=15,
)
