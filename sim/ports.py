"""Ports of a component, driven and read a cycle at a time, bundles as dictionaries."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from cocotb.triggers import RisingEdge

__all__ = ["Ports", "encode_bundle"]


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
        self._shapes: dict[str, Any] = {}
        self._outputs: list[str] = []
        self._held: dict[str, int] = {}
        self._pulsed: set[str] = set()
        for component in components:
            for path, member, _ in component.signature.flatten(component):
                name = "__".join(map(str, path))
                if only is None or name in only:
                    self._add(name, member)

    def encode(self, port: str, value: Any) -> int:
        """Return the bits of ``value`` in the shape of ``port``."""
        return _encode(self._shapes[port], len(self._handle(port)), value)

    def decode(self, port: str, word: int) -> Any:
        """Return what the bits ``word`` mean in the shape of ``port``."""
        return _decode(self._shapes[port], len(self._handle(port)), word)

    def hold(self, **inputs: Any) -> None:
        """Set inputs from now on."""
        for port, value in inputs.items():
            self._held[port] = self.encode(port, value)
            self._handle(port).value = self._held[port]

    async def cycle(self, **inputs: Any) -> dict[str, Any]:
        """Set inputs for one cycle and return every output as it is at the end of that cycle.

        Inputs given in the cycle before fall back to what :meth:`hold` set, or to 0.
        """
        for port in self._pulsed - inputs.keys():
            self._handle(port).value = self._held.get(port, 0)
        for port, value in inputs.items():
            self._handle(port).value = self.encode(port, value)
        self._pulsed = set(inputs)
        await RisingEdge(self._dut.clk)
        return {port: self.decode(port, int(self._handle(port).value)) for port in self._outputs}

    async def cycles(self, count: int) -> list[dict[str, Any]]:
        """Let ``count`` cycles pass without a pulse; return the outputs of each."""
        return [await self.cycle() for _ in range(count)]

    def _add(self, name: str, member: Any) -> None:
        self._shapes[name] = member.shape
        if member.flow.name == "Out":
            self._outputs.append(name)
        else:
            self._handle(name).value = 0

    def _handle(self, port: str) -> Any:
        return getattr(self._dut, port)


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


def _decode(shape: Any, width: int, word: int) -> Any:
    word &= (1 << width) - 1
    if not _is_bundle(shape):
        negative = getattr(shape, "signed", False) and word >> (width - 1)
        return word - (1 << width) if negative else word
    fields = {name: _decode(field.shape, field.width, word >> field.offset) for name, field in shape}
    return fields if hasattr(shape, "members") else list(fields.values())
