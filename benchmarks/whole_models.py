"""Whole models on the accelerator: MiniLM, a character model, and GPT-2 small's shape.

    python -m benchmarks.whole_models embed
    python -m benchmarks.whole_models generate --packed character.mxv
    python -m benchmarks.whole_models gpt2

The first two take what `mixvec embed --save` and `mixvec generate --save` wrote, or the packed MiniLM that
comes along, compare `rtl` with `reference` (outputs) and with `estimate` (cycles of every layer), and time
PyTorch on this machine, in floating point and with its own int8. The last counts the cycles of one layer of
width 768, exactly, and takes it twelve times: weights are random, and where pruned the groups that stay are,
so there is no quality to speak of. No activation is taken to be 0.
"""

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from benchmarks.gpt2_small import LAYERS, MATRICES
from codesign.commands.whole import clock_hz
from codesign.quick_cycles import quick_cycles
from codesign.whole import attach, load_model
from codesign.whole.sentence_encoder import PACKED_MINILM, load_sentence_encoder
from codesign.whole.text_generator import load_text_generator
from spec.arch import ArchConfig
from spec.direction import Direction
from sw.layer import QuantizedLayer
from sw.plan import SegmentedLayer

SENTENCES: Final = (
    "A man is playing a guitar on stage.",
    "Someone performs music for an audience.",
    "The stock market fell by three percent today.",
    "Investors lost money as share prices dropped.",
    "My cat sleeps all day in the sun.",
    "How do I bake bread without yeast?",
    "The quick brown fox jumps over the lazy dog.",
    "Neural networks can be pruned to save energy.",
)
PROMPT: Final = "The king"
TOKENS: Final = 50
REPEATS: Final = 5
PROMPT_TOKENS: Final = 64
CHARACTER_MODEL: Final = Path("examples/character-models/0")
BACKENDS: Final = ("reference", "estimate", "rtl")


def compare(model: nn.Module, path: Path, run: Callable[[], Any]) -> dict[str, Any]:
    """Run on every backend; print agreement and cycles; return what each made."""
    packed, made, reports = load_model(path), {}, {}
    rate, origin = clock_hz(None, packed.arch)
    for backend in BACKENDS:
        with attach(model, packed, backend, tell=print) as attachment:
            started = time.perf_counter()
            made[backend] = run()
            seconds = time.perf_counter() - started
            reports[backend] = attachment.report(rate)
        print(f"{backend:10} {seconds:8.2f} s")
    cycles = {name: [layer["cycles"] for layer in reports[name]["layers"]] for name in ("estimate", "rtl")}
    total = reports["rtl"]["total"]
    differing = sum(one != two for one, two in zip(cycles["estimate"], cycles["rtl"], strict=True))
    print(f"layers whose cycles differ between estimate and rtl: {differing} of {len(cycles['rtl'])}")
    print(
        f"cycles {total['cycles']:,}, {total['milliseconds']:.2f} ms at {rate / 1e6:.0f} MHz ({origin}), "
        f"end-to-end utilization {total['end_to_end_utilization']:.3f}"
    )
    weights = sum(layer.rows * layer.cols for layer in packed.layers.values())
    print(f"file {len(packed.data):,} bytes, float32 matrices {4 * weights:,} bytes")
    return made


def milliseconds(run: Callable[[], Any]) -> float:
    """Return the best of some runs."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return 1000 * min(times)


def int8_copy(model: nn.Module) -> nn.Module:
    """Return PyTorch's own int8: weights ahead, activations as they come."""
    converted: nn.Module = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
        copy.deepcopy(model), {nn.Linear}, dtype=torch.qint8
    )
    return converted


def embed(path: Path) -> None:
    """Eight sentences through MiniLM."""
    encoder = load_sentence_encoder("minilm")
    batches = encoder.batches(SENTENCES)
    print(f"columns {batches[0]['input_ids'].numel()}")
    dense = encoder.embed(batches)
    made = compare(encoder.model, path, lambda: encoder.embed(batches))
    print(f"rtl equals reference: {torch.equal(made['rtl'], made['reference'])}")
    print(f"cosine to the dense model: {float((made['rtl'] * dense).sum(dim=1).mean()):.4f}")
    threads = torch.get_num_threads()
    print(f"PyTorch float32 {milliseconds(lambda: encoder.embed(batches)):.1f} ms, {threads} threads")
    own = encoder.model
    encoder.model = int8_copy(own)
    print(f"PyTorch int8    {milliseconds(lambda: encoder.embed(batches)):.1f} ms")
    print(f"cosine of PyTorch's int8: {float((encoder.embed(batches) * dense).sum(dim=1).mean()):.4f}")


def generate(path: Path) -> None:
    """Fifty tokens of a character model, one column at a time."""
    generator = load_text_generator(CHARACTER_MODEL)
    ids = generator.encode(PROMPT)

    def run() -> list[int]:
        return list(generator.continuation(ids, TOKENS))

    dense = run()
    made = compare(generator.model, path, run)
    print(f"rtl equals reference: {made['rtl'] == made['reference']}")
    print(f"dense  {generator.decode(ids + dense)!r}")
    print(f"pruned {generator.decode(ids + made['rtl'])!r}")
    columns = len(ids) + TOKENS - 1
    print(
        f"PyTorch float32 {milliseconds(run) / columns:.3f} ms per token, {torch.get_num_threads()} threads"
    )


def gpt2() -> None:
    """The shape of GPT-2 small on several architectures."""
    print(
        "| architecture | PEs | kept | one token: cycles | ms | bound by loading | prompt of 64: cycles | ms "
        "| bound by loading | s |"
    )
    print("|---" * 10 + "|")
    wide = ArchConfig(
        clusters=16, lanes=4, tokens=1, stream_width=1024, activation_depth=256, value_depth=1024
    )
    archs = {name: ArchConfig.load(name) for name in ("token", "ulx3s", "paper")} | {"C16 L4 T1": wide}
    for name, arch in archs.items():
        rate, _ = clock_hz(None, arch)
        for density in (0.2, 1.0):
            started = time.perf_counter()
            layers, cells = random_layers(arch, density), []
            for tokens in (1, PROMPT_TOKENS):
                counts = [quick_cycles(layer, arch, tokens) for layer in layers]
                cycles = LAYERS * sum(one.cycles for one in counts)
                loading = [
                    part
                    for part, one in zip(MATRICES, counts, strict=True)
                    if one.load_cycles > one.compute_cycles
                ]
                named = "all" if len(loading) == len(MATRICES) else ", ".join(loading) or "none"
                cells += [f"{cycles:,}", f"{1000 * cycles / rate:.2f}", named]
            seconds = time.perf_counter() - started
            print(
                f"| {name} | {arch.pes} | {density:.0%} | {' | '.join(cells)} | {seconds:.1f} |", flush=True
            )


def random_layers(arch: ArchConfig, density: float) -> list[SegmentedLayer]:
    """Return the four matrices of one layer."""
    generator = np.random.default_rng(0)
    layers = []
    for part, (rows, cols) in MATRICES.items():
        groups = generator.random((-(-rows // arch.lanes), cols)) < density
        mask = np.repeat(groups, arch.lanes, axis=0)[:rows]
        weights = np.where(mask, generator.integers(-127, 128, (rows, cols), dtype=np.int8), 0).astype(
            np.int8
        )
        order, scales = np.arange(rows), np.ones(rows, np.float32)
        one = QuantizedLayer(part, weights, mask, Direction.VERTICAL, order, scales)
        layers.append(SegmentedLayer.of(one, arch))
    return layers


def main() -> None:
    """Print the figures of one part."""
    parser = argparse.ArgumentParser(description="whole models on the accelerator")
    parser.add_argument("part", choices=["embed", "generate", "gpt2"])
    parser.add_argument("--packed", type=Path, metavar="FILE.mxv")
    arguments = parser.parse_args()
    if arguments.part == "gpt2":
        gpt2()
    elif arguments.part == "embed":
        embed(arguments.packed or PACKED_MINILM)
    elif arguments.packed is None:
        parser.error("--packed must name what `mixvec generate --save` wrote")
    else:
        generate(arguments.packed)


if __name__ == "__main__":
    main()
