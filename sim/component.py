"""cocotb tests of one component, callable from pytest."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sim.simulator import Simulator, build, run

__all__ = ["run_component_test"]


def run_component_test(
    verilog_source: str,
    top: str,
    module: str,
    testcase: str | Sequence[str] | None = None,
    *,
    simulator: Simulator = Simulator.VERILATOR,
    public: bool = True,
    parameters: Mapping[str, int] | None = None,
    environment: Mapping[str, str] | None = None,
    waves: Path | None = None,
    seed: int = 0,
) -> None:
    """Compile one component, or find it compiled, and run the cocotb tests of a module on it.

    Parameters
    ----------
    verilog_source : str
        Verilog with the module ``top``.
    top : str
    module : str
        Importable name of the module with the tests.
    testcase : str or sequence of str, optional
        Tests to run; all of the module's without it.
    simulator : Simulator
    public : bool
        Let the testbench see every signal; without it, what the source marks.
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
        [verilog_source],
        top=top,
        simulator=simulator,
        parameters=parameters,
        waves=waves is not None,
        public=public,
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
