"""Ports of a component, driven and read a cycle at a time, bundles as dictionaries."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cocotb.triggers import RisingEdge

__all__ = ["Ports", "encode_bundle"]


@dataclass(frozen=True)
class _Port:
    """A handle with what asking for it again in every cycle would take most of a testbench's time for."""

    handle: Any
    shape: Any
    width: int
    decode: Callable[[int], Any]

    def encode(self, value: Any) -> int:
        return _encode(self.shape, self.width, value)

    def read(self) -> Any:
        return self.decode(int(self.handle.value))


class Ports:
    """All ports of a component by name; those of a stream are ``{name}__payload`` and so on.

    A bundle is a dictionary of its fields, an array a list; fields left out are 0. Signed fields may be
    given as negative numbers and are read as such. Every input starts at 0.

    Parameters
    ----------
    dut : cocotb handle
        Has ``clk`` and the component's ports.
    components : amaranth.lib.wiring.Component
        Lend the shapes of their ports; they are never simulated.
    only : collection of str, optional
        Ports that a module made of several components has of theirs; all without it.
    """

    def __init__(self, dut: Any, *components: Any, only: Collection[str] | None = None) -> None:
        self._dut = dut
        self._clock = RisingEdge(dut.clk)
        self._ports: dict[str, _Port] = {}
        self._outputs: dict[str, _Port] = {}
        self._held: dict[str, int] = {}
        self._pulsed: set[str] = set()
        for component in components:
            for path, member, _ in component.signature.flatten(component):
                name = "__".join(map(str, path))
                if only is None or name in only:
                    self._add(name, member)

    def encode(self, port: str, value: Any) -> int:
        """Return the bits of ``value`` in the shape of ``port``."""
        return self._ports[port].encode(value)

    def decode(self, port: str, word: int) -> Any:
        """Return what the bits ``word`` mean in the shape of ``port``."""
        return self._ports[port].decode(word)

    def hold(self, **inputs: Any) -> None:
        """Set inputs from now on."""
        for port, value in inputs.items():
            self._held[port] = self.encode(port, value)
            self._ports[port].handle.value = self._held[port]

    async def cycle(self, **inputs: Any) -> dict[str, Any]:
        """Set inputs for one cycle and return every output as it is at the end of that cycle.

        Inputs given in the cycle before fall back to what :meth:`hold` set, or to 0.
        """
        for port in self._pulsed - inputs.keys():
            self._ports[port].handle.value = self._held.get(port, 0)
        for port, value in inputs.items():
            its = self._ports[port]
            its.handle.value = its.encode(value)
        self._pulsed = set(inputs)
        await self._clock
        return {name: port.read() for name, port in self._outputs.items()}

    async def cycles(self, count: int) -> list[dict[str, Any]]:
        """Let ``count`` cycles pass without a pulse; return the outputs of each."""
        return [await self.cycle() for _ in range(count)]

    def _add(self, name: str, member: Any) -> None:
        handle = getattr(self._dut, name)
        width = len(handle)
        port = self._ports[name] = _Port(handle, member.shape, width, _decoder(member.shape, width))
        if member.flow.name == "Out":
            self._outputs[name] = port
        else:
            handle.value = 0


def encode_bundle(layout: Any, fields: Mapping[str, Any]) -> int:
    """Return the word that holds ``fields`` in an Amaranth layout; a field left out is 0."""
    return _encode(layout, layout.size, fields)


def _is_bundle(shape: Any) -> bool:
    return hasattr(shape, "members") or hasattr(shape, "elem_shape")


def _encode(shape: Any, width: int, value: Any) -> int:
    if not _is_bundle(shape):
        number = int(value)
        if not -(1 << width >> 1) <= number < 1 << width:
            raise ValueError(f"{number} does not fit {width} bits")
        return number & ((1 << width) - 1)
    if isinstance(value, Sequence):
        value = dict(enumerate(value))
    elif not isinstance(value, Mapping):
        raise TypeError(f"a bundle must be a dictionary or a list, not {value!r}")
    word, left = 0, dict(value)
    for name, field in shape:
        word |= _encode(field.shape, field.width, left.pop(name, _empty(field.shape))) << field.offset
    if left:
        raise ValueError(f"the bundle has no field {next(iter(left))!r}")
    return word


def _empty(shape: Any) -> Any:
    return {} if _is_bundle(shape) else 0


def _decoder(shape: Any, width: int) -> Callable[[int], Any]:
    """Return what makes a value of the ``width`` lowest bits of a word."""
    mask = (1 << width) - 1
    if not _is_bundle(shape):
        if not getattr(shape, "signed", False):
            return lambda word: word & mask
        sign = 1 << width >> 1
        return lambda word: ((word & mask) ^ sign) - sign
    fields = [(name, field.offset, _decoder(field.shape, field.width)) for name, field in shape]
    if hasattr(shape, "members"):
        return lambda word: {name: decode(word >> offset) for name, offset, decode in fields}
    return lambda word: [decode(word >> offset) for _, offset, decode in fields]
