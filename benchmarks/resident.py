"""Cycles per second: the resident simulator, and the ports driven from Python in every cycle.

    python -m benchmarks.resident
    python -m benchmarks.resident --arch tiny

One matrix of MiniLM, pruned to 80 %, on 64 tokens. The resident simulator runs it in whole jobs, start left
out; cocotb drives a first part of the same words, start left out too.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.overlap import packed_layer
from codesign.verification import expected_words
from codesign.verilog import accelerator_verilog
from hw.emit import TOP_MODULE
from sim.cocotb_moments import JOB_VARIABLE
from sim.component import run_component_test
from sim.resident import ResidentSimulator
from spec.arch import ArchConfig
from sw.job import job_stream
from sw.models import load_matrices

MATRIX: Final = "layer0.attention_output"
TOKENS: Final = 64
SPARSITY: Final = 0.8
REPEATS: Final = 5
PORT_WORDS: Final = 2000


def main() -> None:
    """Print both rates and their ratio."""
    parser = argparse.ArgumentParser(description="rates of simulation")
    parser.add_argument("--arch", default="ulx3s", metavar="ARCH")
    arch = ArchConfig.load(parser.parse_args().arch)
    layer = packed_layer(MATRIX, load_matrices("minilm")[MATRIX], SPARSITY, arch)
    activations = np.random.default_rng(0).integers(-128, 128, (layer.cols, TOKENS), dtype=np.int8)
    stream, verilog = job_stream(layer, activations, arch), accelerator_verilog(arch)

    rates = []
    with ResidentSimulator(verilog, arch.stream_width) as simulator:
        for _ in range(REPEATS):
            started = time.perf_counter()
            result = simulator.run(stream, expected=expected_words(layer, TOKENS, arch))
            rates.append(result.simulated_cycles / (time.perf_counter() - started))
    print(f"resident             {max(rates):12,.0f} cycles/s, best of {REPEATS} x {result.cycles:,} cycles")

    size = arch.stream_width // 8
    words = [int.from_bytes(stream[at : at + size], "little") for at in range(0, PORT_WORDS * size, size)]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "job.json"
        file.write_text(json.dumps({"words": words, "expected": 0}))
        run_component_test(verilog, TOP_MODULE, "sim.cocotb_moments", environment={JOB_VARIABLE: str(file)})
        ports = json.loads(file.read_text())
    rate = ports["cycles"] / ports["seconds"]
    print(f"ports from Python    {rate:12,.0f} cycles/s, over {ports['cycles']:,} cycles")
    print(f"ratio                {max(rates) / rate:12.1f}")


if __name__ == "__main__":
    main()
