"""A job for the self-check that goes out with the Verilog, and the answers that it must have."""

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codesign.cycles import layer_cycles
from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.direction import Direction
from spec.numbers import signed_range
from spec.packet import Header, Opcode, frame_answer, read_answers
from sw.job import job_stream
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.reference import execute
from sw.unpack import PackedLayer, unpack

__all__ = ["BenchJob", "bench_job"]

_SEED: Final = 0
_TILES: Final = 2


@dataclass(frozen=True, eq=False)
class BenchJob:
    """What is sent and what must come back.

    Parameters
    ----------
    word_bytes : int
    layer : PackedLayer
    activations : ndarray of int64, shape (K, N)
    stream : bytes
        From BEGIN to END.
    packets : tuple of bytes
        Answers with outputs, from ``sw.reference``, all of one length.
    done : bytes
        The DONE packet, its counters from the cycle model: exact if in every cycle a word is offered, and one
        taken.
    cycles : int
    """

    word_bytes: int
    layer: PackedLayer
    activations: NDArray[np.int64]
    stream: bytes
    packets: tuple[bytes, ...]
    done: bytes
    cycles: int


def bench_job(arch: ArchConfig) -> BenchJob:
    """Return a small pruned layer with one block for every cluster, two tiles, and some inputs that are 0.

    All blocks have the same mask: none is split over clusters, and so what comes out does not depend on which
    cluster is first.
    """
    rng = np.random.default_rng(_SEED)
    low, high = signed_range(arch.weight_width)
    # No sum of so many products overflows a psum.
    most = 1 << max(arch.psum_width - arch.weight_width - arch.activation_width + 1, 0)
    cols = min(2 * arch.segment, arch.max_inputs, most)
    groups = rng.random((arch.groups, cols)) < 0.5
    groups[0, 0] = True
    mask = np.tile(np.repeat(groups, arch.lanes, axis=0), (arch.clusters, 1))
    weights = np.where(mask, rng.integers(low, high + 1, mask.shape), 0).astype(np.int8)
    rows = len(weights)
    layer = QuantizedLayer(
        "bench", weights, mask, Direction.VERTICAL, np.arange(rows), np.ones(rows, np.float32)
    )
    packed = unpack(pack([layer], arch)).layers[0]
    tokens = _TILES * arch.tokens
    low, high = signed_range(arch.activation_width)
    activations = rng.integers(low, high + 1, (cols, tokens))
    activations[rng.random(cols) < 0.2] = 0

    word_bytes = arch.stream_width // 8
    stream = job_stream(packed, activations, arch)
    answers = execute(stream, arch)
    packets, start = [], 0
    for packet in read_answers(answers, word_bytes):
        packets.append(answers[start : start + packet.words * word_bytes])
        start += len(packets[-1])
    count = layer_cycles(packed, arch, tokens, activations)
    counters = asdict(count)
    payload = b"".join(counters[name].to_bytes(word_bytes, "little") for name in COUNTERS)
    done = frame_answer(Header(Opcode.DONE, len(COUNTERS), tag=packed.tag), payload, word_bytes)
    return BenchJob(word_bytes, packed, activations, stream, tuple(packets), done, count.cycles)
