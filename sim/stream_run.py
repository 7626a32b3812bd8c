"""One run of an accelerator: words in, words out, cycles counted."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sim.cocotb_stream import RESULT_VARIABLE
from sim.counted import counted
from sim.simulator import COVERAGE_FILE, Build, Simulator, SimulatorError, build, run
from sim.words import PIECE_WIDTH, Words, check_width, words_of

__all__ = [
    "DUT",
    "INPUT_NAME",
    "Pace",
    "StreamResult",
    "build_stream",
    "read_result",
    "run_stream",
    "write_input",
]

DUT: Final = "mixvec"
INPUT_NAME: Final = "input.bin"

_OUTPUT_NAME: Final = "output.bin"
_HARNESS: Final = Path(__file__).with_name("harness.v")


@dataclass(frozen=True)
class StreamResult:
    """What came out of one run.

    Parameters
    ----------
    words : Words
        Output words in order.
    cycles : int
        Clock cycles from the first accepted input word to the last output word, both included; up to
        the end of the run if it timed out, 0 if nothing moved.
    accepted : int
        Input words that the device took.
    simulated_cycles : int
        Clock cycles from the end of reset to the end of the run.
    timed_out : bool
        True if the limit came before the end: input left over, or output words missing.
    first_in, first_out, last_out : int
        Cycles, counted from the end of reset, of the first accepted word and of the first and last output.
    times_in, times_out : int
        The cycles of all words in and of all words out, folded into a number each: runs in which every
        word moves in the same cycle have the same ones. The harness for cocotb says them; 0 elsewhere.
    """

    words: Words
    cycles: int
    accepted: int
    simulated_cycles: int
    timed_out: bool
    first_in: int = 0
    first_out: int = 0
    last_out: int = 0
    times_in: int = 0
    times_out: int = 0

    @property
    def answer(self) -> bytes:
        """The output words as bytes, in little-endian order."""
        return self.words.astype("<u4", copy=False).tobytes()


@dataclass(frozen=True)
class Pace:
    """How fast words go in and out, and when a run ends; see :func:`run_stream`.

    Parameters
    ----------
    stall_i, stall_o, seed, limit, expected, quiet, reset_at, resume, lazy
        As there.

    Raises
    ------
    ValueError
        If a parameter is out of its range.
    """

    stall_i: float = 0.0
    stall_o: float = 0.0
    seed: int = 0
    limit: int = 100_000_000
    expected: int = 0
    quiet: int = 2000
    reset_at: int = 0
    resume: int = 0
    lazy: bool = False

    def __post_init__(self) -> None:
        for name, stall in (("stall_i", self.stall_i), ("stall_o", self.stall_o)):
            if not 0 <= stall <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {stall}")
        for name, count in (("limit", self.limit), ("quiet", self.quiet)):
            if count < 1:
                raise ValueError(f"{name} must be at least 1, not {count}")
        for name, count in (
            ("expected", self.expected),
            ("reset_at", self.reset_at),
            ("resume", self.resume),
        ):
            if count < 0:
                raise ValueError(f"{name} must be at least 0, not {count}")

    @property
    def stalled(self) -> bool:
        """Whether either side ever keeps the other waiting."""
        return bool(self.stall_i or self.stall_o or self.lazy)

    @property
    def pauses(self) -> str:
        """What either side does, in words."""
        return f"stalls {self.stall_i:g} and {self.stall_o:g}" + ", a lazy sink" * self.lazy

    def plusargs(self, input_name: str, words: int) -> list[str]:
        """Return the harness's arguments for a file of ``words`` input words."""
        return [
            f"+input={input_name}",
            f"+output={_OUTPUT_NAME}",
            f"+words={words}",
            f"+expect={self.expected}",
            f"+quiet={self.quiet}",
            f"+limit={self.limit}",
            f"+stall_i={round(self.stall_i * 256)}",
            f"+stall_o={round(self.stall_o * 256)}",
            f"+seed={self.seed & 0xFFFFFFFF}",
            f"+reset_at={self.reset_at}",
            f"+resume={self.resume}",
            f"+lazy={int(self.lazy)}",
        ]


def build_stream(
    verilog_source: str,
    stream_width: int,
    *,
    simulator: Simulator = Simulator.VERILATOR,
    waves: bool = False,
    coverage: bool = False,
) -> Build:
    """Compile the accelerator inside the stream harness, or find it compiled.

    Raises
    ------
    ValueError
        If ``stream_width`` is not a multiple of 32.
    SimulatorError
        If a tool is missing or the design does not compile.
    """
    check_width(stream_width)
    return build(
        [_HARNESS, counted(verilog_source) if coverage else verilog_source],
        top="harness",
        simulator=simulator,
        parameters={"W": stream_width},
        waves=waves,
        coverage=coverage,
    )


def run_stream(
    verilog_source: str,
    stream_width: int,
    words: Sequence[int] | Words,
    *,
    simulator: Simulator = Simulator.VERILATOR,
    stall_i: float = 0.0,
    stall_o: float = 0.0,
    seed: int = 0,
    waves: Path | None = None,
    limit: int = 100_000_000,
    expected: int = 0,
    quiet: int = 2000,
    reset_at: int = 0,
    resume: int = 0,
    lazy: bool = False,
    coverage: Path | None = None,
) -> StreamResult:
    """Feed words to module ``mixvec`` and collect its answers.

    The run ends when every input word is taken, ``expected`` words have come out and ``quiet`` further
    cycles bring no more. The model is compiled once per source; words are fed at run time.

    Parameters
    ----------
    verilog_source : str
        Verilog with the module ``mixvec``.
    stream_width : int
        Bits of one word (W), a multiple of 32.
    words : sequence of int, or Words
        Input words.
    simulator : Simulator
    stall_i, stall_o : float
        Chance that a side pauses in a cycle, in steps of 1/256.
    seed : int
        Of the stalls.
    waves : Path, optional
        FST file to record.
    limit : int
        Cycles after which the run is given up.
    expected : int
        Output words to wait for before quiet cycles count; 0 counts them from the last input word on.
    quiet : int
        Cycles without an output word that end the run.
    reset_at : int
        Cycle of another reset, one cycle long; 0 for none. What came before is not in the result.
    resume : int
        First word that is fed behind it; until then the words before it are.
    lazy : bool
        The receiver is ready for a word only after it was offered, which streams allow.
    coverage : Path, optional
        File for what Verilator counted; the model is then one that counts.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    SimulatorError
        If a tool is missing, the design does not compile, the simulator breaks down, or an output word
        has unknown bits (Icarus).
    """
    check_width(stream_width)
    inputs = _as_array(words, stream_width)
    pace = Pace(stall_i, stall_o, seed, limit, expected, quiet, reset_at, resume, lazy)
    if coverage is not None and simulator is not Simulator.VERILATOR:
        raise ValueError(f"only verilator counts coverage, not {simulator}")
    model = build_stream(
        verilog_source,
        stream_width,
        simulator=simulator,
        waves=waves is not None,
        coverage=coverage is not None,
    )
    with tempfile.TemporaryDirectory(prefix="mixvec-") as name:
        folder = Path(name)
        write_input(folder / INPUT_NAME, inputs)
        result = folder / "result.json"
        run(
            model,
            module="sim.cocotb_stream",
            run_dir=folder,
            plusargs=pace.plusargs(INPUT_NAME, len(inputs)),
            environment={RESULT_VARIABLE: str(result)},
            waves=waves,
        )
        if coverage is not None:
            shutil.copyfile(folder / COVERAGE_FILE, coverage)
        return read_result(folder, result, stream_width)


def write_input(file: Path, words: Words) -> None:
    """Write input words as the harness reads them."""
    # $fread puts the first byte of a word highest.
    file.write_bytes(words[:, ::-1].astype(">u4").tobytes())


def read_result(folder: Path, counters_file: Path, stream_width: int) -> StreamResult:
    """Return what the harness left in ``folder``, and its counters in ``counters_file``.

    Raises
    ------
    SimulatorError
        If it could not read its input, or an output word has unknown bits.
    """
    counters: dict[str, int] = json.loads(counters_file.read_text())
    if counters["short_input"]:
        raise SimulatorError("the harness could not read all of its input words")
    if counters["unknown_output"]:
        raise SimulatorError(f"an output word of `{DUT}` has unknown bits")
    return _result(words_of((folder / _OUTPUT_NAME).read_bytes(), stream_width), counters)


def _result(words: Words, counters: dict[str, int]) -> StreamResult:
    if len(words) != counters["words_out"]:
        raise SimulatorError(f"the harness counted {counters['words_out']} output words, wrote {len(words)}")
    timed_out = bool(counters["timed_out"])
    end = counters["cycles"] if timed_out else counters["last_out"] + 1
    moved = counters["words_in"] > 0 and (timed_out or counters["words_out"] > 0)
    return StreamResult(
        words=words,
        cycles=end - counters["first_in"] if moved else 0,
        accepted=counters["words_in"],
        simulated_cycles=counters["cycles"],
        **{name: counters[name] for name in ("first_in", "first_out", "last_out", "times_in", "times_out")},
        timed_out=timed_out,
    )


def _as_array(words: Sequence[int] | Words, stream_width: int) -> Words:
    columns = stream_width // PIECE_WIDTH
    if isinstance(words, np.ndarray):
        if words.dtype != np.uint32 or words.ndim != 2 or words.shape[1] != columns:
            raise ValueError(
                f"words must be uint32 of shape (n, {columns}), not {words.dtype} of shape {words.shape}"
            )
        return words
    for word in words:
        if not 0 <= word < 1 << stream_width:
            raise ValueError(f"a word must fit {stream_width} bits, not {word:#x}")
    return words_of(b"".join(word.to_bytes(stream_width // 8, "little") for word in words), stream_width)
