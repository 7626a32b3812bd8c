"""Harness: a component with what is assumed of its surroundings and asserted of itself."""

import re
from typing import Any, Final

from amaranth.back import rtlil  # type: ignore[attr-defined]  # the stubs lack it
from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, ResetSignal, Signal, Value, ValueLike
from amaranth.lib import stream

from hw.instance import flat_ports
from sim.formal.contract import StreamContract
from sim.formal.interior import Interior
from sim.formal.order import TaggedOrder
from sim.formal.patience import Patience

__all__ = ["Harness"]

_CHECK: Final = re.compile(
    r"cell \$check \S+(?P<body>(?:\n(?!  end).*)*connect \\A \\(?P<kind>[a-z]+)_(?P<name>\w+) )"
)
_CLOCK: Final = re.compile(r"^  wire width 1 input \d+ +\\clk$", re.MULTILINE)


class Harness(Elaboratable):
    """Base of the proofs' harnesses: override ``describe``.

    Every input of the component is an input of the harness, so the solver chooses it, ``rst`` in every cycle
    included. The harness has no clock domain of its own: with one, the clock would be undriven, no register
    would ever change, and everything could be proven.

    Parameters
    ----------
    component : wiring.Component
        Under proof. ``Any``, since a seeded bug is a class made at run time.

    Attributes
    ----------
    interior : Interior
        Of the component.
    has_lemmas : bool
        Set it to 0 to leave out what is said of registers inside: a seeded bug must break a claim.
    """

    TOP = "harness"

    def __init__(self, component: Any) -> None:
        self.component = component
        self.interior = Interior(component)
        self.has_lemmas = True

    def describe(self, m: Module) -> None:
        """Add checkers and claims."""
        raise NotImplementedError

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.component = self.interior
        self.describe(m)
        return m

    def to_rtlil(self) -> str:
        """Return the design that the solver gets; checks carry their names.

        Raises
        ------
        ValueError
            If the clock is no input.
        """
        ports = {
            name: (value, None) for name, _, value in flat_ports(self.component.signature, self.component)
        }
        text: str = rtlil.convert(self, name=self.TOP, ports=ports, emit_src=False)
        if not _CLOCK.search(text[text.index(f"module \\{self.TOP}\n") :]):
            raise ValueError(f"{type(self).__name__} must leave clk to the solver; define no clock domain")
        return _CHECK.sub(r"cell $check \\\g<kind>.\g<name>\g<body>", text)

    def claim(self, m: Module, name: str, condition: ValueLike) -> None:
        """Assert ``condition``; a failure is reported by ``name``."""
        m.d.comb += Assert(_named(m, f"claim_{name}", condition), "")

    def lemma(self, m: Module, name: str, condition: ValueLike) -> None:
        """Assert ``condition`` of registers inside, which induction over a claim needs."""
        if self.has_lemmas:
            m.d.comb += Assert(_named(m, f"lemma_{name}", condition), "")

    def suppose(self, m: Module, name: str, condition: ValueLike) -> None:
        """Assume ``condition`` of the surroundings."""
        m.d.comb += Assume(_named(m, f"suppose_{name}", condition), "")

    def suppose_no_reset(self, m: Module) -> None:
        """Leave ``rst`` at 0: bounded proofs get further from the first cycle."""
        self.suppose(m, "no_reset", ~ResetSignal())

    def reach(self, m: Module, name: str, condition: ValueLike) -> None:
        """Ask for an execution in which ``condition`` comes true."""
        m.d.comb += Cover(_named(m, f"reach_{name}", condition), "")

    def source(self, m: Module, name: str, port: stream.Interface, clear: ValueLike = 0) -> StreamContract:
        """Watch an input and assume that it is a proper stream."""
        m.submodules[name] = contract = StreamContract(port, clear)
        self.suppose(m, f"{name}_kept", contract.kept)
        return contract

    def sink(
        self, m: Module, name: str, port: stream.Interface, patience: int, clear: ValueLike = 0
    ) -> StreamContract:
        """Watch an output and assert that it is a proper stream; a word is taken in ``patience`` cycles."""
        m.submodules[name] = contract = StreamContract(port, clear)
        m.submodules[f"{name}_patience"] = wait = Patience(patience)
        m.d.comb += wait.waits.eq(contract.waits)
        self.claim(m, f"{name}_kept", contract.kept)
        self.suppose(m, f"{name}_taken", wait.kept)
        return contract

    def within(self, m: Module, name: str, cycles: int, waits: ValueLike) -> Patience:
        """Assert that ``waits`` lasts ``cycles`` cycles at most."""
        m.submodules[name] = wait = Patience(cycles)
        m.d.comb += wait.waits.eq(waits)
        self.claim(m, name, wait.kept)
        return wait

    def order(
        self,
        m: Module,
        name: str,
        enter: tuple[ValueLike, ValueLike],
        leave: tuple[ValueLike, ValueLike],
        *,
        most: int,
        clear: ValueLike = 0,
        passes: bool = False,
    ) -> TaggedOrder:
        """Assert that what enters leaves in order; ``enter`` and ``leave`` are an event and its word."""
        entering, leaving = Value.cast(enter[1]), Value.cast(leave[1])
        m.submodules[name] = order = TaggedOrder(len(leaving), most, passes=passes)
        m.d.comb += [
            order.enter.eq(enter[0]),
            order.entering.eq(entering),
            order.leave.eq(leave[0]),
            order.leaving.eq(leaving),
            order.clear.eq(clear),
        ]
        self.claim(m, name, order.kept)
        return order


def _named(m: Module, name: str, condition: ValueLike) -> Signal:
    """Return ``condition`` in a signal that the solver's report knows by ``name``."""
    signal = Signal(name=name)
    m.d.comb += signal.eq(Value.cast(condition).bool())
    return signal
