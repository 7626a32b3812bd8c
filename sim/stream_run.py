"""One run of an accelerator: words in, words out, cycles counted."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from sim.cocotb_stream import RESULT_VARIABLE
from sim.simulator import Build, Simulator, SimulatorError, build, run

__all__ = ["DUT", "StreamResult", "Words", "build_stream", "run_stream"]

DUT: Final = "mixvec"

Words = npt.NDArray[np.uint64]

_HARNESS: Final = Path(__file__).with_name("harness.v")


@dataclass(frozen=True)
class StreamResult:
    """What came out of one run.

    Parameters
    ----------
    words : ndarray of uint64, shape (n, stream_width // 64)
        Output words in order; column 0 is the least significant.
    cycles : int
        Clock cycles from the first accepted input word to the last output word, both included; up to
        the end of the run if it timed out, 0 if nothing moved.
    accepted : int
        Input words that the device took.
    simulated_cycles : int
        Clock cycles from the end of reset to the end of the run.
    timed_out : bool
        True if the limit came before the end: input left over, or output words missing.
    """

    words: Words
    cycles: int
    accepted: int
    simulated_cycles: int
    timed_out: bool


def build_stream(
    verilog_source: str,
    stream_width: int,
    *,
    simulator: Simulator = Simulator.VERILATOR,
    waves: bool = False,
) -> Build:
    """Compile the accelerator inside the stream harness, or find it compiled.

    Raises
    ------
    ValueError
        If ``stream_width`` is not a multiple of 64.
    SimulatorError
        If a tool is missing or the design does not compile.
    """
    if stream_width < 64 or stream_width % 64:
        raise ValueError(f"stream_width must be a multiple of 64, not {stream_width}")
    return build(
        [_HARNESS, verilog_source],
        top="harness",
        simulator=simulator,
        parameters={"W": stream_width},
        waves=waves,
        public=False,
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
) -> StreamResult:
    """Feed words to module ``mixvec`` and collect its answers.

    The run ends when every input word is taken, ``expected`` words have come out and ``quiet`` further
    cycles bring no more. The model is compiled once per source; words are fed at run time.

    Parameters
    ----------
    verilog_source : str
        Verilog with the module ``mixvec``.
    stream_width : int
        Bits of one word (W), a multiple of 64.
    words : sequence of int, or ndarray of uint64, shape (n, W // 64)
        Input words; of an array, column 0 is the least significant.
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

    Raises
    ------
    ValueError
        If an argument is out of its range.
    SimulatorError
        If a tool is missing, the design does not compile, the simulator breaks down, or an output word
        has unknown bits (Icarus).
    """
    inputs = _as_array(words, stream_width)
    for name, stall in (("stall_i", stall_i), ("stall_o", stall_o)):
        if not 0 <= stall <= 1:
            raise ValueError(f"{name} must be from 0 to 1, not {stall}")
    for name, count in (("limit", limit), ("quiet", quiet)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, not {count}")
    if expected < 0:
        raise ValueError(f"expected must be at least 0, not {expected}")
    model = build_stream(verilog_source, stream_width, simulator=simulator, waves=waves is not None)
    with tempfile.TemporaryDirectory(prefix="mixvec-") as name:
        folder = Path(name)
        # $fread puts the first byte of a word highest.
        (folder / "input.bin").write_bytes(inputs[:, ::-1].astype(">u8").tobytes())
        result = folder / "result.json"
        run(
            model,
            module="sim.cocotb_stream",
            run_dir=folder,
            plusargs=[
                "+input=input.bin",
                "+output=output.bin",
                f"+words={len(inputs)}",
                f"+expect={expected}",
                f"+quiet={quiet}",
                f"+limit={limit}",
                f"+stall_i={round(stall_i * 256)}",
                f"+stall_o={round(stall_o * 256)}",
                f"+seed={seed & 0xFFFFFFFF}",
            ],
            environment={RESULT_VARIABLE: str(result)},
            waves=waves,
        )
        counters: dict[str, int] = json.loads(result.read_text())
        outputs = np.fromfile(folder / "output.bin", dtype="<u8").astype(np.uint64, copy=False)
    if counters["short_input"]:
        raise SimulatorError("the harness could not read all of its input words")
    if counters["unknown_output"]:
        raise SimulatorError(f"an output word of `{DUT}` has unknown bits")
    return _result(outputs.reshape(-1, stream_width // 64), counters)


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
        timed_out=timed_out,
    )


def _as_array(words: Sequence[int] | Words, stream_width: int) -> Words:
    columns = stream_width // 64
    if isinstance(words, np.ndarray):
        if words.dtype != np.uint64 or words.ndim != 2 or words.shape[1] != columns:
            raise ValueError(
                f"words must be uint64 of shape (n, {columns}), not {words.dtype} of shape {words.shape}"
            )
        return words
    for word in words:
        if not 0 <= word < 1 << stream_width:
            raise ValueError(f"a word must fit {stream_width} bits, not {word:#x}")
    data = b"".join(word.to_bytes(stream_width // 8, "little") for word in words)
    return np.frombuffer(data, dtype="<u8").astype(np.uint64, copy=False).reshape(-1, columns)
