"""State machine with a register per state."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from amaranth.hdl import Module, Signal

__all__ = ["OneHot"]


class OneHot:
    """A state machine for short paths: to know a state takes no gate, and to enter one takes few.

    It begins in the first state, and stays where it is until :meth:`enter`.

    Parameters
    ----------
    m : Module
        Gets the registers.
    states : sequence of str

    Attributes
    ----------
    here, then : dict of str to Signal
        Whether it is in a state now, and in the next cycle.
    """

    def __init__(self, m: Module, states: Sequence[str]) -> None:
        self.here = {name: Signal(name=f"in_{name}", init=name == states[0]) for name in states}
        self.then = {name: Signal(name=f"to_{name}") for name in states}
        self._m, self._current = m, states[0]
        m.d.comb += [then.eq(self.here[name]) for name, then in self.then.items()]
        m.d.sync += [here.eq(self.then[name]) for name, here in self.here.items()]

    @contextmanager
    def state(self, name: str) -> Iterator[None]:
        """What is said inside holds in state ``name``."""
        self._current = name
        with self._m.If(self.here[name]):
            yield

    def enter(self, name: str) -> None:
        """Go on to state ``name`` with the next cycle; only inside of :meth:`state`.

        Of two that are entered under one condition both would be on: conditions must exclude each other.
        """
        self._m.d.comb += [self.then[self._current].eq(0), self.then[name].eq(1)]
