"""The exact cycles of a layer without its stream: what exploration asks for thousands of designs."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codesign.cycle_registers import PacketKind
from codesign.cycles import FRAME_WORDS, pipeline_timing
from codesign.event_kernel import run_events
from codesign.event_program import Moments, Program
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
    program = Program.of(plan, tiles)
    moments = Moments.of(program, arch)
    cycles = run_events(_timing(arch), program, moments)
    stored = program.lengths[program.kinds != PacketKind.ACTIVATIONS]
    return QuickCount(
        compute_cycles=_busy_cycles(moments.issued, moments.ended),
        load_cycles=int(program.lengths.sum()) + FRAME_WORDS * len(program.lengths),
        cycles=cycles,
        beats=tiles * int(plan.parts.beats.sum()),
        bits=arch.stream_width * (int(stored.sum()) + FRAME_WORDS * len(stored)),
        vectors=int((plan.parts.high - plan.parts.low).sum()),
    )


@lru_cache(maxsize=1)
def _timing(arch: ArchConfig) -> Any:
    """A record, which NumPy takes longer to fill than a small layer takes to run."""
    return pipeline_timing(arch)[0]


def _busy_cycles(issued: Ints, ended: Ints) -> int:
    """Cycles in which some job is issued and not collected."""
    collected = np.maximum.accumulate(np.concatenate(([0], ended[:-1])))
    return int(np.maximum(ended - np.maximum(issued, collected), 0).sum())
