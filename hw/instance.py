"""A component placed by name: emitted once as a Verilog module, however often it is used."""

from collections.abc import Iterator, Mapping
from typing import Any

from amaranth.hdl import ClockSignal, Instance, ResetSignal, Value
from amaranth.lib import wiring

__all__ = ["flat_ports", "place"]


def place(
    module: str, name: str, members: Mapping[str, wiring.Member], reset: Value | None = None
) -> tuple[Instance, Any]:
    """Return an instance of Verilog ``module`` and the signals at its ports, by port name.

    Whoever emits the design emits the body as ``module``. An array of thousands of PEs so costs one
    column, and stays readable.

    Parameters
    ----------
    module : str
    name : str
        Of the instance; the signals are called ``{name}__{port}``.
    members : mapping of str to Member
        Ports as the component has them.
    reset : Value, optional
        Of the instance; the domain's without it.
    """
    signature = wiring.Signature(members)
    interface = signature.create(path=(name,))
    ports: dict[str, Value] = {"i_clk": ClockSignal(), "i_rst": ResetSignal() if reset is None else reset}
    for port, flow, value in flat_ports(signature, interface):
        ports[f"{'i' if flow is wiring.In else 'o'}_{port}"] = value
    return Instance(module, **ports), interface


def flat_ports(signature: wiring.Signature, interface: Any) -> Iterator[tuple[str, wiring.Flow, Value]]:
    """Yield name, direction and signal of every port of the Verilog module with ``signature``."""
    path: tuple[str | int, ...]
    member: Any
    for path, member, value in signature.flatten(interface):
        yield "__".join(map(str, path)), member.flow, Value.cast(value)
