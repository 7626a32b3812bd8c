"""Models of ECP5 cells for simulators, in this project's own words: the vendor's are not free.

Enough for the primitives that the array places and for what yosys maps the rest to; whatever else a cell
can do stops the simulation. Clocks of one cell are taken to be one clock.
"""

from sim.ecp5.logic import carry, flip_flop, global_reset, lookup, lookup_multiplexers
from sim.ecp5.memories import distributed, dual_port, simple_dual_port
from sim.ecp5.multiplier import multiplier

__all__ = ["ecp5_models"]


def ecp5_models(*, contents: bool = False) -> str:
    """Return every model as Verilog.

    Parameters
    ----------
    contents : bool
        Give block RAMs parameters for what they hold at first. Without them it is 0, and the models
        compile several times as fast.
    """
    return "\n".join(
        (
            global_reset(),
            lookup(),
            lookup_multiplexers(),
            carry(),
            flip_flop(),
            distributed(),
            dual_port(contents),
            simple_dual_port(contents),
            multiplier(),
        )
    )
