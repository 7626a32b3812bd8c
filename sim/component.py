"""cocotb tests of one component, callable from pytest."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sim.simulator import Simulator, build, run

__all__ = ["run_component_test", "visible_ports"]

_PORTS: Final = re.compile(r"\b(?:input|output)\b[^;()]*?(?=[;)]|,\s*(?:input|output)\b)")
_LAST_OF_A_NAME: Final = re.compile(r"\w(?=\s*(?:,|$))")


def run_component_test(
    verilog_source: str,
    top: str,
    module: str,
    testcase: str | Sequence[str] | None = None,
    *,
    simulator: Simulator = Simulator.VERILATOR,
    parameters: Mapping[str, int] | None = None,
    environment: Mapping[str, str] | None = None,
    waves: Path | None = None,
    seed: int = 0,
) -> None:
    """Compile one component, or find it compiled, and run the cocotb tests of a module on it.

    The tests see its ports, and of what is inside only what the source marks.

    Parameters
    ----------
    verilog_source : str
        Verilog with the module ``top``, see :func:`visible_ports`.
    top : str
    module : str
        Importable name of the module with the tests.
    testcase : str or sequence of str, optional
        Tests to run; all of the module's without it.
    simulator : Simulator
    parameters : mapping, optional
        Parameters of the top module.
    environment : mapping, optional
        Environment variables that the tests read.
    waves : Path, optional
        FST file to record.
    seed : int
        Seed of cocotb's random numbers.

    Raises
    ------
    SimulatorError
        If a tool is missing, the design does not compile, or a test fails; carries the end of the log.
    """
    model = build(
        [visible_ports(verilog_source, top)],
        top=top,
        simulator=simulator,
        parameters=parameters,
        waves=waves is not None,
    )
    with tempfile.TemporaryDirectory(prefix="mixvec-") as folder:
        run(
            model,
            module=module,
            run_dir=Path(folder),
            testcase=testcase,
            environment=environment,
            waves=waves,
            seed=seed,
        )


def visible_ports(verilog: str, top: str) -> str:
    """Return ``verilog`` with a mark on every port of module ``top``.

    Verilator removes what nothing needs, and shows a testbench what is marked. To show every net costs
    minutes of compilation where there are thousands.

    Raises
    ------
    ValueError
        If there is no such module.
    """
    if (found := re.search(rf"\bmodule {re.escape(top)}\b.*?\bendmodule\b", verilog, re.DOTALL)) is None:
        raise ValueError(f"the source has no module `{top}`; give the name of one that it has")
    marked = _PORTS.sub(
        lambda ports: _LAST_OF_A_NAME.sub(r"\g<0> /*verilator public_flat_rw*/", ports[0]), found[0]
    )
    return verilog[: found.start()] + marked + verilog[found.end() :]
