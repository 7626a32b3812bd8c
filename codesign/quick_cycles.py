"""The exact cycles of a layer without its stream: what exploration asks for thousands of designs."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign.cycles import pipeline_timing
from codesign.event_kernel import run_events
from codesign.vector_table import vector_table
from spec.arch import ArchConfig
from sw.job import tile_count
from sw.plan import SegmentedLayer, plan_layer

__all__ = ["QuickCount", "quick_cycles"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class QuickCount:
    """Figures of one layer, by the names of ``spec.counters`` and of the report.

    Parameters
    ----------
    compute_cycles, load_cycles, cycles : int
    beats : int
        Beats of all clusters, as the counter.
    bits : int
        Of the layer in a packed file.
    vectors : int
    """

    compute_cycles: int
    load_cycles: int
    cycles: int
    beats: int
    bits: int
    vectors: int


def quick_cycles(layer: SegmentedLayer, arch: ArchConfig, tokens: int) -> QuickCount:
    """Return the cycles of ``layer``, cut for ``arch``, on ``tokens`` columns of which no activation is 0.

    They are those of ``codesign.cycles.layer_cycles``, unless a word of the stream happens to equal SYNC and
    takes another: then they are fewer by that.

    Raises
    ------
    ConfigError
        If the architecture cannot hold the layer.
    """
    tiles = tile_count(tokens, arch)
    plan = plan_layer(layer, arch)
    parts, timing = plan.parts, _timing(arch)
    head = [words for _, words in plan.head_packets()]
    blocks, records, values = plan.weight_words(parts.counts, parts.records, parts.beats)
    weights: Ints = blocks + records + values
    tile_words = np.array([plan.activation_words(chunk) for chunk in parts.chunk.tolist()], np.int64)
    cycles, busy = run_events(
        timing,
        (len(head), sum(head)),
        parts,
        weights,
        tile_words,
        tiles,
        vector_table(layer.kept, arch, timing),
        arch.advance_width,
        arch.queue_depth,
    )
    passes, loaded = len(parts.chunk), int(np.count_nonzero(parts.counts))
    # A PASS of each, and an END behind them all; blocks, records and values of every cluster that has any.
    packets = len(head) + passes + 3 * loaded + 1
    stored = sum(head) + int(weights.sum()) + arch.frame_words * packets
    return QuickCount(
        compute_cycles=busy,
        load_cycles=stored + tiles * (int(tile_words.sum()) + arch.frame_words * passes),
        cycles=cycles,
        beats=tiles * int(parts.beats.sum()),
        bits=arch.stream_width * stored,
        vectors=int((parts.high - parts.low).sum()),
    )


@lru_cache(maxsize=1)
def _timing(arch: ArchConfig) -> Any:
    """A record, which NumPy takes longer to fill than a small layer takes to run."""
    return pipeline_timing(arch)[0]
