"""One component under test: built by pytest, its architecture handed on to the testbench."""

import os
from typing import Any

from hw.emit import emit_component
from hw.family import Family
from sim.component import run_component_test
from sim.ecp5.cells import ecp5_models
from sim.ice40_cells import ice40_models
from spec.arch import ArchConfig

__all__ = ["models", "run_subject", "simulate_subject", "subject_arch"]

_ARCH_VARIABLE = "MIXVEC_SUBJECT_ARCH"


def simulate_subject(
    component: Any, module: str, arch: ArchConfig | None = None, family: Family = Family.GENERIC
) -> None:
    """Emit ``component`` and run every cocotb test of ``module`` on it.

    Parameters
    ----------
    component : amaranth.lib.wiring.Component
    module : str
        Importable name of the testbench.
    arch : ArchConfig, optional
        What :func:`subject_arch` returns there.
    family : Family
        Whose primitives are placed, and modelled.

    Raises
    ------
    SimulatorError
        If the design does not compile or a test fails; carries the end of the log.
    """
    run_subject(emit_component(component, "subject", family) + models(family), module, arch)


def run_subject(verilog: str, module: str, arch: ArchConfig | None = None) -> None:
    """Run every cocotb test of ``module`` on module ``subject`` of ``verilog``; see ``simulate_subject``."""
    environment = {_ARCH_VARIABLE: arch.to_json()} if arch else None
    run_component_test(verilog, "subject", module, environment=environment)


def models(family: Family) -> str:
    """Return Verilog models of the primitives of ``family``."""
    match family:
        case Family.ECP5:
            return "\n" + ecp5_models()
        case Family.ICE40:
            return "\n" + ice40_models()
        case _:
            return ""


def subject_arch() -> ArchConfig:
    """Return the architecture of the component that the running testbench drives."""
    return ArchConfig.parse(os.environ[_ARCH_VARIABLE])
