"""The simulated twin of a board, behind a pseudo-terminal."""

import subprocess
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, cast

import numpy as np
import numpy.typing as npt

from sim.executable import build_executable
from sim.simulator import SimulatorError

__all__ = ["TWIN_DIVISOR", "Twin"]

TWIN_DIVISOR: Final = 4
"""Clock cycles per bit of a twin's line: few, since simulated cycles are what costs."""
_MAIN: Final = Path(__file__).with_name("twin.cpp")
_PATIENCE_SECONDS: Final = 5


class Twin:
    """A running simulation. It ends with the ``with`` block, or with the process that started it.

    Parameters
    ----------
    verilog : str
        The board, with ports ``clk``, ``rst``, ``rx`` and ``tx``, for ``TWIN_DIVISOR`` cycles per bit.
    top : str
        Its module.
    once : bool
        End as soon as the first host has left.

    Attributes
    ----------
    port : str
        Name of the pseudo-terminal.

    Raises
    ------
    SimulatorError
        If it cannot be built or started.
    """

    def __init__(self, verilog: str, *, top: str, once: bool = False) -> None:
        program = build_executable(verilog, top=top, sources=[_MAIN])
        command = [str(program), str(TWIN_DIVISOR), *(["once"] if once else [])]
        self.process: Final = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._input, self._output = cast(IO[str], self.process.stdin), cast(IO[str], self.process.stdout)
        self.port: Final = self._output.readline().strip()
        if not self.port:
            self.close()
            raise SimulatorError(
                f"the twin of `{top}` ended with status {self.process.returncode} at its start"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def word_cycles(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return when words moved since the core's last reset or the last call, in cycles of its clock.

        Returns
        -------
        tuple of ndarray of int64
            Cycle in which each word of the stream was first offered to the core, and in which each one of its
            answers was taken.

        Raises
        ------
        SimulatorError
            If it has ended.
        """
        try:
            self._input.write("t")
            self._input.flush()
        except OSError:
            raise SimulatorError(f"the twin at {self.port} has ended; start another") from None
        offered, taken = (self._output.readline() for _ in range(2))
        if not taken.endswith("\n"):
            raise SimulatorError(f"the twin at {self.port} has ended; start another")
        return np.array(offered.split(), np.int64), np.array(taken.split(), np.int64)

    def wait(self) -> int:
        """Wait until it ends by itself; return its status."""
        return self.process.wait()

    def close(self) -> None:
        """End it."""
        self._input.close()
        try:
            self.process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._output.close()
