"""`python -m codesign.fuzz`: malformed streams for the RTL and the decoders; same seed, same streams."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from codesign.console import note, progress
from codesign.count_argument import count
from codesign.fuzz.decoders import Decoder, decoder_defect, decoders
from codesign.fuzz.rtl import BATCH, RtlFuzzer
from codesign.regression.architectures import ARCHS, EVERYTHING
from codesign.regression.layers import random_layer
from codesign.regression.output_cases import OUTPUT_ARCHS, with_outputs
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.pack import pack

_ARCHS: Final = {
    "tiny": ARCHS["tiny"],
    "everything": EVERYTHING,
    "wide": OUTPUT_ARCHS["wide"],
    "cramped": ARCHS["cramped"],
    "narrow_words": ARCHS["narrow_words"],
}
_SHOWN: Final = 10


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if nothing is wrong, 1 if something is, 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m codesign.fuzz", description=__doc__)
    parser.add_argument("--streams", type=count, default=100_000, help="malformed streams in all (100000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arch", choices=_ARCHS, help="one architecture; all without it")
    parser.add_argument("--target", choices=("rtl", "decoders"), help="one target; half of the streams each")
    parser.add_argument("--batch", type=int, help=f"one batch of {BATCH} streams of the RTL, once more")
    parser.add_argument("--only", type=int, help="one stream of the decoders, once more")
    chosen = parser.parse_args(arguments)
    try:
        return _fuzz(chosen)
    except ConfigError as error:
        note(str(error))
        return 2


def _fuzz(chosen: argparse.Namespace) -> int:
    archs = {chosen.arch: _ARCHS[chosen.arch]} if chosen.arch else dict(_ARCHS)
    targets = [chosen.target] if chosen.target else ["rtl", "decoders"]
    share = -(-chosen.streams // (len(archs) * len(targets)))
    wrong = 0
    for name, arch in archs.items():
        if "rtl" in targets and chosen.only is None:
            wrong += _fuzz_rtl(name, arch, share, chosen)
        if "decoders" in targets and chosen.batch is None:
            wrong += _fuzz_decoders(name, arch, share, chosen)
    return 1 if wrong else 0


def _fuzz_rtl(name: str, arch: ArchConfig, streams: int, chosen: argparse.Namespace) -> int:
    fuzzer, wrong = RtlFuzzer(arch, chosen.seed), 0
    batches = range(-(-streams // BATCH)) if chosen.batch is None else [chosen.batch]
    with progress(f"RTL of {name}", len(batches), "batches") as advance:
        for batch in batches:
            found = fuzzer.batch_defects(batch)
            advance(1)
            for defect in found[:_SHOWN]:
                note(f"RTL of {name}: {defect}")
            if found:
                note(f"once more: {_command(name, chosen)} --target rtl --batch {batch}")
            wrong += len(found)
    print(f"RTL of {name}: {len(batches) * BATCH:,} malformed streams, {wrong} defects", flush=True)
    return wrong


def _fuzz_decoders(name: str, arch: ArchConfig, streams: int, chosen: argparse.Namespace) -> int:
    found = decoders(arch, chosen.seed, _packed_file(arch))
    counts: Counter[str] = Counter()
    wrong = 0
    with progress(f"decoders of {name}", streams, "streams") as advance:
        for decoder, number in _turns(found, streams, chosen.only):
            defect = decoder_defect(decoder, number)
            counts[decoder.name] += 1
            advance(1)
            if defect is not None:
                wrong += 1
                if wrong <= _SHOWN:
                    note(f"{decoder.name} of {name}: {defect}")
                    note(f"once more: {_command(name, chosen)} --target decoders --only {number}")
    total = sum(counts.values())
    shares = ", ".join(f"{decoder} {count:,}" for decoder, count in counts.items())
    print(f"decoders of {name}: {total:,} malformed streams, {wrong} defects ({shares})", flush=True)
    return wrong


def _turns(found: tuple[Decoder, ...], streams: int, only: int | None) -> Iterator[tuple[Decoder, int]]:
    """Every decoder in turn with a stream of its own; all of them with stream ``only``."""
    if only is not None:
        yield from ((decoder, only) for decoder in found)
        return
    yield from ((found[number % len(found)], number) for number in range(streams))


def _packed_file(arch: ArchConfig) -> bytes:
    """Two small layers, one of them requantized where that can be."""
    rng = np.random.default_rng(0)
    layers = [
        random_layer(rng, arch, (13, 21), Direction.VERTICAL, 0.5, name="first"),
        random_layer(rng, arch, (11, 15), Direction.HORIZONTAL, 0.5, name="second"),
    ]
    if arch.output_blocks:
        layers[1] = with_outputs(rng, layers[1], arch, table=True)
    return pack(layers, arch)


def _command(arch: str, chosen: argparse.Namespace) -> str:
    return f"python -m codesign.fuzz --arch {arch} --seed {chosen.seed}"


if __name__ == "__main__":
    sys.exit(main())
