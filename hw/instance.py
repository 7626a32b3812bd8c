"""A component placed by name: emitted once as a Verilog module, however often it is used."""

from amaranth.hdl import ClockSignal, Instance, ResetSignal, Value
from amaranth.lib import wiring

__all__ = ["place"]


def place(module: str, component: wiring.Component) -> Instance:
    """Return an instance of Verilog ``module`` wired to the ports of ``component``.

    ``component`` only lends its ports; whoever emits the design emits its body as ``module``. An array
    of thousands of PEs so costs one column, and stays readable.
    """
    ports: dict[str, Value] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
    for path, member, value in component.signature.flatten(component):
        prefix = "i" if member.flow is wiring.In else "o"
        ports[f"{prefix}_{'__'.join(map(str, path))}"] = Value.cast(value)
    return Instance(module, **ports)
