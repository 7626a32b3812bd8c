"""A simulator that stays: one process per architecture, job after job through its pipes."""

import contextlib
import signal
import subprocess
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from sim.errors import SimulatorError
from sim.executable import build_executable
from sim.stream_run import StreamResult
from sim.words import PIECE_WIDTH, check_width, words_of

__all__ = ["Moments", "ResidentSimulator", "build_resident"]

_TOP: Final = "resident"
_GREETING: Final = 0x7469736572766D31
_PATIENCE_CYCLES: Final = 1_000_000
_END_SECONDS: Final = 2.0
_SOURCES: Final = tuple(Path(__file__).with_name(f"{_TOP}.{kind}") for kind in ("v", "cpp"))
_HEADER: Final = 6
"""Numbers before the words of an answer: ended, cycles, taken, given, first_in, last_out."""

Cycles = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Cycles of a job, counted from its first, in which each word was taken and each one given."""

    taken: Cycles
    given: Cycles


def build_resident(verilog_source: str, stream_width: int) -> Path:
    """Compile module ``mixvec`` with its own main program, or find it compiled; return the program.

    Parameters
    ----------
    verilog_source : str
    stream_width : int
        Bits of one word, a multiple of 32.

    Raises
    ------
    ValueError
        If ``stream_width`` is not a multiple of 32.
    SimulatorError
        If a tool is missing, the design does not compile, or there is no room for it.
    """
    check_width(stream_width)
    return build_executable(verilog_source, top=_TOP, sources=_SOURCES, parameters={"W": stream_width})


class ResidentSimulator:
    """An accelerator in a process of its own that takes one job after the other.

    It drives its clock itself and is sent whole jobs, so that Python costs nothing per cycle. The process
    ends with :meth:`close`, at the end of a ``with`` block, with the object, or with this process, however
    that ends. Not for several threads at once.

    Parameters
    ----------
    verilog_source : str
        Verilog with the module ``mixvec``.
    stream_width : int
        Bits of one word, a multiple of 32.

    Raises
    ------
    ValueError, SimulatorError
        As :func:`build_resident`.
    """

    def __init__(self, verilog_source: str, stream_width: int) -> None:
        program = build_resident(verilog_source, stream_width)
        self.stream_width: Final = stream_width
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115, lives as long as the process
        try:
            self._process = subprocess.Popen(
                [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
            )
        except OSError as error:
            self._errors.close()
            raise SimulatorError(f"the simulator cannot start: {error.strerror}; delete {program}") from None
        self._end = weakref.finalize(self, _end, self._process, self._errors)
        greeting = self._numbers(2)
        if greeting.tolist() != [_GREETING, stream_width // PIECE_WIDTH]:
            self._end()
            raise SimulatorError(f"{program} is not a simulator of this version; delete its folder")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def process_id(self) -> int:
        """Of the simulator."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it still takes jobs."""
        return self._end.alive and self._process.poll() is None

    def close(self) -> None:
        """End the process; once is enough, more does no harm."""
        self._end()

    def run(self, words: bytes, *, expected: int, patience: int = _PATIENCE_CYCLES) -> StreamResult:
        """Feed a job, a word in every cycle, and return what comes back.

        Parameters
        ----------
        words : bytes
            Stream words, little-endian.
        expected : int
            Words of the answer: the job ends with the last of them.
        patience : int
            Cycles in which no word moves after which the job is given up. After that the design is in the
            middle of something: the process is of no more use.

        Raises
        ------
        ValueError
            If ``words`` are no whole words, or a number is out of its range.
        SimulatorError
            If the process has ended, or ends meanwhile.
        """
        return self._job(words, expected, patience, None, moments=False)[0]

    def trace(
        self,
        words: bytes,
        *,
        expected: int,
        patience: int = _PATIENCE_CYCLES,
        pace: Moments | None = None,
    ) -> tuple[StreamResult, Moments]:
        """Do as :meth:`run`, and say in which cycle every word moved.

        Parameters
        ----------
        words, expected, patience
            As there.
        pace : Moments, optional
            The first cycle in which each word may be taken, and in which each one of the answer may be given;
            both rise.
        """
        result, cycles = self._job(words, expected, patience, pace, moments=True)
        return result, Moments(cycles[: result.accepted], cycles[result.accepted :])

    def _job(
        self, words: bytes, expected: int, patience: int, pace: Moments | None, *, moments: bool
    ) -> tuple[StreamResult, Cycles]:
        size = self.stream_width // 8
        if len(words) % size:
            raise ValueError(f"words must be whole words of {size} bytes, not {len(words)} bytes")
        if expected < 0 or patience < 1:
            raise ValueError(f"expected must be at least 0 and patience 1, not {expected} and {patience}")
        wanted = (len(words) // size, expected)
        if pace is not None and (len(pace.taken), len(pace.given)) != wanted:
            raise ValueError(
                f"pace must have {wanted[0]} and {wanted[1]} cycles, not {len(pace.taken)} and "
                f"{len(pace.given)}"
            )
        if not self._end.alive:
            raise SimulatorError("the simulator was closed; make another")
        try:
            inputs = len(words) // size
            header = np.array([moments, pace is not None, inputs, expected, patience], np.uint64)
            return self._exchange(words, header, pace, moments)
        except BaseException:
            # An answer of which part is read would be taken for the next one.
            self._end()
            raise

    def _exchange(
        self, words: bytes, header: Cycles, pace: Moments | None, moments: bool
    ) -> tuple[StreamResult, Cycles]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(header.tobytes())
            self._process.stdin.write(words)
            if pace is not None:
                self._process.stdin.write(np.concatenate([pace.taken, pace.given]).astype("u8").tobytes())
            self._process.stdin.flush()
        except OSError:
            raise self._death() from None
        ended, cycles, taken, given, first_in, last_out = self._numbers(_HEADER).tolist()
        outputs = words_of(self._bytes(given * self.stream_width // 8), self.stream_width)
        end = last_out + 1 if ended else cycles
        result = StreamResult(
            words=outputs,
            cycles=end - first_in if taken and (given or not ended) else 0,
            accepted=taken,
            simulated_cycles=cycles,
            timed_out=not ended,
        )
        return result, self._numbers(taken + given if moments else 0)

    def _numbers(self, count: int) -> Cycles:
        return np.frombuffer(self._bytes(8 * count), np.uint64)

    def _bytes(self, count: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(count)
        if len(data) < count:
            raise self._death()
        return data

    def _death(self) -> SimulatorError:
        """Say how the process ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        code = self._process.poll()
        self._errors.seek(0)
        said = self._errors.read()[-500:].decode(errors="replace").strip()
        self._end()
        how = (
            f"was killed by {signal.Signals(-code).name}"
            if code and code < 0
            else f"ended with status {code}"
        )
        return SimulatorError(f"the simulator {how}{f' ({said})' if said else ''}; start the run again")


def _end(process: "subprocess.Popen[Any]", errors: IO[bytes]) -> None:
    """Close the pipes, at which the process ends by itself; make sure that it does."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            # What is left to flush goes nowhere.
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    errors.close()
