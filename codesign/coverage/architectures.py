"""Architectures whose coverage is measured: small, so that every memory is filled and every address used."""

from typing import Final

from spec.arch import ArchConfig

__all__ = ["COVERED"]

COVERED: Final = {
    # Blocks split over clusters, outputs requantized, short advances.
    "shared": ArchConfig(
        clusters=3,
        lanes=2,
        tokens=2,
        segment=8,
        advance_width=1,
        psum_width=21,
        activation_depth=32,
        value_depth=256,
        record_depth=16,
        block_depth=8,
        queue_depth=4,
        split_slots=2,
        output_blocks=8,
    ),
    # Narrow operands, one token at a time, memories that hold next to nothing: passes and chunks.
    "cramped": ArchConfig(
        clusters=2,
        lanes=4,
        tokens=1,
        segment=8,
        weight_width=4,
        activation_width=4,
        psum_width=16,
        activation_depth=8,
        value_depth=16,
        record_depth=2,
        block_depth=4,
        queue_depth=8,
        split_slots=1,
    ),
    # Weights of two planes, segments of one group, inputs of several stream words, words of several rows.
    "planes": ArchConfig(
        clusters=1,
        lanes=2,
        tokens=5,
        segment=2,
        weight_width=3,
        psum_width=16,
        activation_depth=16,
        value_depth=64,
        record_depth=2,
        block_depth=4,
        queue_depth=4,
        split_slots=1,
    ),
}
"""Between them: both kinds of outputs, and one and several of everything."""
