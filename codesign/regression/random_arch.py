"""Random architectures: any legal shape, with memories mostly far too small for a layer."""

import json

import numpy as np

from spec.arch import ArchConfig
from spec.errors import ConfigError

__all__ = ["random_arch"]


def random_arch(rng: np.random.Generator) -> ArchConfig:
    """Draw one architecture; small enough to compile in seconds."""
    while True:
        try:
            return _draw(rng)
        except ConfigError:
            # A combination that no accelerator has.
            continue


def _draw(rng: np.random.Generator) -> ArchConfig:
    def one_of(*choices: int) -> int:
        return int(rng.choice(choices))

    lanes, groups = one_of(1, 2, 2, 4, 4, 8), one_of(1, 2, 4, 8, 16)
    stream_width = one_of(32, 64, 64, 128, 256)
    narrow = stream_width == 32
    clusters = 1 if narrow else one_of(1, 1, 2, 3, 4, 5)
    fields = {
        "clusters": clusters,
        "lanes": lanes,
        "tokens": one_of(1, 2, 3, 4, 5),
        "segment": lanes * groups,
        "weight_width": one_of(2, 3, 4, 5, 6, 7, 8, 8),
        "activation_width": one_of(2, 4, 8, 8),
        "advance_width": one_of(1, 2, 3, 4),
        "psum_width": one_of(21, 24, 29, 32),
        "stream_width": stream_width,
        "activation_depth": max(2, groups) * one_of(1, 2, 8),
        "value_depth": max(one_of(16, 128, 1024), stream_width // lanes),
        "record_depth": one_of(2, 8, 64),
        "block_depth": one_of(2, 4, 64),
        "queue_depth": one_of(4, 8, 16),
        "split_slots": 0 if narrow else one_of(0, 0, 1, 4) if clusters == 1 else one_of(1, 2, 4),
        "output_blocks": 0 if narrow else one_of(0, 0, 4, 16),
    }
    return ArchConfig.parse(json.dumps(fields))
