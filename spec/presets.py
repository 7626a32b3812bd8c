"""Architectures by name."""

from typing import Final

__all__ = ["PRESETS"]

PRESETS: Final[dict[str, dict[str, int]]] = {
    "tiny": {"clusters": 1, "lanes": 2, "tokens": 2},
    # One token at a time, as in generation: every weight is used once, so the stream must bring 16 of them
    # per cycle, and memories are small, so that a pass loads while the one before is multiplied.
    "token": {
        "clusters": 4,
        "lanes": 4,
        "tokens": 1,
        "stream_width": 256,
        "activation_depth": 128,
        "value_depth": 1024,
    },
    "small": {"clusters": 1, "lanes": 4, "tokens": 4},
    "small_int8": {"clusters": 1, "lanes": 4, "tokens": 4, "output_blocks": 64},
    "ulx3s": {
        "clusters": 2,
        "lanes": 4,
        "tokens": 16,
        "activation_depth": 512,
        "value_depth": 8192,
        "stream_width": 128,
    },
    # What leaves a tenth of the board's registers free, which are scarcest there.
    "tang_nano_9k": {
        "clusters": 1,
        "lanes": 2,
        "tokens": 1,
        "psum_width": 24,
        "activation_depth": 1024,
        "block_depth": 32,
        "split_slots": 0,
    },
    # A single PE: what leaves a tenth of the board's logic cells free.
    "icebreaker": {
        "clusters": 1,
        "lanes": 1,
        "tokens": 1,
        "segment": 4,
        "psum_width": 24,
        "stream_width": 32,
        "activation_depth": 512,
        "value_depth": 1024,
        "record_depth": 128,
        "block_depth": 16,
        "queue_depth": 4,
    },
    "paper": {"clusters": 32, "lanes": 8, "tokens": 16, "stream_width": 512},
}
"""Fields of ``ArchConfig``; those left out have their defaults."""
