"""Interior: a component opened up, so that an invariant can speak of its registers."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from amaranth.hdl import Cat, Const, Elaboratable, Fragment, MemoryInstance, Signal, Value
from amaranth.lib import wiring

from hw.one_hot import OneHot

__all__ = ["Interior"]


class Interior(Elaboratable):
    """The component itself, elaborated once; place it as a submodule.

    A signal is named as the variable that holds it in ``elaborate()`` or in a method called from there,
    behind the submodules on the way: ``"queue.head"``. Names in Verilog would not do: of the signals made in
    one assignment only the last has one.

    Parameters
    ----------
    component : wiring.Component
    """

    def __init__(self, component: wiring.Component) -> None:
        self.component = component
        self._variables: dict[int, dict[str, list[tuple[str, Any]]]] = {}
        self._one_hots: dict[int, OneHot] = {}
        with self._recorded():
            self._fragment = _elaborated(component)

    def elaborate(self, platform: object) -> Fragment:
        fragment: Fragment = self._fragment
        return fragment

    def signal(self, path: str, *, method: str = "") -> Any:
        """Return the signal, or the bundle of signals, with this name, in one ``method`` if that is given.

        Raises
        ------
        LookupError
            If there is none, or more than one.
        """
        where, _, name = path.rpartition(".")
        held = self._variables.get(id(self.owner(where)), {}).get(name, [])
        found = list({id(value): value for place, value in held if method in ("", place)}.values())
        if len(found) != 1:
            raise LookupError(
                f"{type(self.component).__name__} must have one signal called {path}, not {len(found)}; "
                "change the name in the proof"
            )
        return found[0]

    def owner(self, path: str) -> Any:
        """Return the component that is submodule ``path``, or the whole for an empty one."""
        return self._find(path).origins[0]

    def ongoing(self, state: str, path: str = "fsm") -> Value:
        """Return whether the state machine ``path``, or a component's one-hot machine, is in ``state``."""
        if one_hot := self._one_hot(path):
            return one_hot.here[state]
        machine = self._machine(path)
        number: Value = machine.state == machine.encoding[state]
        return number

    def known(self, path: str = "fsm") -> Value:
        """Return whether the registers of the state machine ``path`` hold a state at all."""
        if one_hot := self._one_hot(path):
            places = Cat(*one_hot.here.values())
            return places.any() & ((places & (places - 1)) == 0)
        machine = self._machine(path)
        known: Value = machine.state < len(machine.encoding)
        return known

    def word(self, path: str, address: Value, width: int) -> Signal:
        """Return the word at ``address`` of the memory ``path``, through a read port of its own."""
        memory = self._find(path)
        if not isinstance(memory, MemoryInstance):
            raise LookupError(f"{type(self.component).__name__}.{path} must be a memory; change the proof")
        found = Signal(width, name=f"word_of_{path.replace('.', '_')}")
        port: Any = memory
        port.read_port(domain="comb", addr=address, data=found, en=Const(1), transparent_for=())
        return found

    def _machine(self, path: str) -> Any:
        where, _, name = path.rpartition(".")
        return self._find(where).generated[name]

    def _one_hot(self, path: str) -> OneHot | None:
        """Return the one-hot machine of the component where ``path`` lies, if it has one."""
        return self._one_hots.get(id(self.owner(path.rpartition(".")[0])))

    def _find(self, path: str) -> Any:
        """Return the fragment of a submodule, or the component's own for an empty path."""
        fragment = self._fragment
        for name in filter(None, path.split(".")):
            fragment = fragment.find_subfragment(name)
        return fragment

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        """Note the variables of components' methods that return meanwhile."""
        before = sys.getprofile()
        sys.setprofile(self._record)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _record(self, frame: FrameType, event: str, argument: object) -> None:
        owner = frame.f_locals.get("self")
        if event != "return" or not isinstance(owner, wiring.Component):
            return
        variables = self._variables.setdefault(id(owner), {})
        for name, value in frame.f_locals.items():
            if isinstance(value, OneHot):
                self._one_hots[id(owner)] = value
            if isinstance(value, Value) or hasattr(value, "as_value"):
                variables.setdefault(name, []).append((frame.f_code.co_name, value))


def _elaborated(component: Any) -> Any:
    """Return the component's fragment, which the stubs have no type for."""
    get: Any = Fragment.get
    return get(component, None)
