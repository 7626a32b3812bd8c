"""Runs of a netlist that holds many mutants, one of which an input selects."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from sim.cocotb_mutants import JOB_VARIABLE, RESULT_NAME
from sim.simulator import Build, run
from sim.stream_run import INPUT_NAME, Pace, StreamResult, read_result, write_input
from sim.words import Words

__all__ = ["SELECT", "run_mutants", "selecting_wrapper"]

SELECT: Final = "mutant"
"""Input of the netlist, and register of the wrapper, with the number of the mutant."""
_AT_A_TIME: Final = 256
"""Mutants of one simulator, whose outputs lie on disk at a time."""


def selecting_wrapper(name: str, netlist: str, stream_width: int, select_width: int) -> str:
    """Return Verilog of module ``name`` with the accelerator's ports around module ``netlist``.

    Its register ``mutant`` drives the netlist's input of that name; 0 selects none.
    """
    ports = ("clk", "rst", "i__payload", "i__valid", "i__ready", "o__payload", "o__valid", "o__ready")
    last = stream_width - 1
    connections = ", ".join(f".{port}({port})" for port in (*ports, SELECT))
    return f"""
module {name}(
  input clk, input rst,
  input [{last}:0] i__payload, input i__valid, output i__ready,
  output [{last}:0] o__payload, output o__valid, input o__ready
);
  reg [{select_width - 1}:0] {SELECT} /*verilator public_flat_rw*/ = 0;
  {netlist} core({connections});
endmodule
"""


def run_mutants(
    model: Build,
    stream_width: int,
    words: Words,
    numbers: Sequence[int],
    pace: Pace,
    *,
    workers: int = 1,
    seconds: int = 60,
) -> Iterator[tuple[int, StreamResult | None]]:
    """Feed the same words to every mutant; yield its number, and what came out.

    Parameters
    ----------
    model : Build
        From :func:`sim.stream_run.build_stream`, of a netlist in its :func:`selecting_wrapper`.
    stream_width : int
        Bits of one word (W).
    words : Words
    numbers : sequence of int
        Mutants to run; 0 is the unmutated netlist.
    pace : Pace
    workers : int
        Mutants at the same time.
    seconds : int
        Time that one may take. None stands for one that takes longer, or on which the simulator breaks
        down, as it does on a loop without a register.

    Raises
    ------
    SimulatorError
        If the simulator does not start, or an output has unknown bits.
    """
    for start in range(0, len(numbers), _AT_A_TIME):
        some = numbers[start : start + _AT_A_TIME]
        with tempfile.TemporaryDirectory(prefix="mixvec-") as name:
            folder = Path(name)
            write_input(folder / INPUT_NAME, words)
            for number in some:
                (folder / str(number)).mkdir()
            job = {"mutants": list(some), "workers": workers, "seconds": seconds}
            run(
                model,
                module="sim.cocotb_mutants",
                run_dir=folder,
                plusargs=pace.plusargs(f"../{INPUT_NAME}", len(words)),
                environment={JOB_VARIABLE: json.dumps(job)},
            )
            for number in some:
                place = folder / str(number)
                done = (place / RESULT_NAME).is_file()
                yield number, read_result(place, place / RESULT_NAME, stream_width) if done else None
