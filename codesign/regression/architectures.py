"""Architectures that runs share, so that each is compiled once."""

from typing import Final

from spec.arch import ArchConfig

__all__ = ["ARCHS", "EVERYTHING"]

ARCHS: Final = {
    "tiny": ArchConfig.load("tiny"),
    "one_pe": ArchConfig(clusters=1, lanes=1, tokens=1, segment=1),
    "three_clusters": ArchConfig(clusters=3, lanes=4, tokens=3),
    "four_clusters": ArchConfig(clusters=4, lanes=4, tokens=1),
    # Blocks of one output: a half of an output buffer comes free just as the collector leaves the other.
    "one_output_blocks": ArchConfig(
        clusters=5,
        lanes=1,
        tokens=2,
        segment=1,
        queue_depth=4,
        value_depth=16,
        block_depth=4,
        stream_width=128,
        activation_depth=256,
    ),
    # Memories far too small for any layer: chunks, passes and splits everywhere.
    "cramped": ArchConfig(
        clusters=5,
        lanes=2,
        tokens=5,
        segment=8,
        stream_width=128,
        activation_depth=8,
        value_depth=16,
        record_depth=2,
        block_depth=2,
        split_slots=2,
    ),
    "narrow_activations": ArchConfig(clusters=2, lanes=4, tokens=2, weight_width=4, activation_width=2),
    "narrow_weights": ArchConfig(
        clusters=1, lanes=8, tokens=2, segment=16, weight_width=2, activation_width=4, queue_depth=4
    ),
    # Weights of several planes, psums no wider than the layers need.
    "weights_3": ArchConfig(clusters=2, lanes=4, tokens=2, weight_width=3, psum_width=17),
    "weights_3_activations_4": ArchConfig(
        clusters=1,
        lanes=8,
        tokens=3,
        segment=16,
        weight_width=3,
        activation_width=4,
        psum_width=16,
        stream_width=128,
        value_depth=16,
    ),
    "weights_4_activations_4": ArchConfig(
        clusters=2, lanes=2, tokens=2, weight_width=4, activation_width=4, psum_width=16, value_depth=8192
    ),
    "weights_4": ArchConfig(clusters=1, lanes=4, tokens=1, weight_width=4, psum_width=18),
    "activations_4": ArchConfig(clusters=1, lanes=2, tokens=3, activation_width=4, psum_width=18),
    "weights_7": ArchConfig(clusters=1, lanes=1, tokens=1, segment=4, weight_width=7, psum_width=21),
    # Headers of two words.
    "narrow_words": ArchConfig(
        clusters=1,
        lanes=2,
        tokens=3,
        segment=8,
        weight_width=5,
        stream_width=32,
        activation_depth=16,
        value_depth=128,
        record_depth=8,
        block_depth=4,
    ),
    "one_narrow_pe": ArchConfig(
        clusters=1, lanes=1, tokens=1, segment=4, psum_width=24, stream_width=32, value_depth=512
    ),
    # Several drain trees; with blocks of one row the first tree is blocks ahead of the last.
    "two_trees": ArchConfig(clusters=2, lanes=2, tokens=16, segment=8, activation_depth=64),
    "four_trees": ArchConfig(
        clusters=1, lanes=1, tokens=32, segment=1, stream_width=128, activation_depth=64
    ),
}
"""Chosen so that between them every width, memory and loop of the accelerator meets its edge."""

EVERYTHING: Final = ArchConfig(
    clusters=2,
    lanes=2,
    tokens=2,
    segment=8,
    weight_width=5,
    psum_width=21,
    stream_width=64,
    activation_depth=16,
    value_depth=128,
    record_depth=8,
    block_depth=4,
    queue_depth=4,
    split_slots=2,
    output_blocks=8,
)
"""Small, but with everything: planes of weights, chunks, passes, split blocks, an output stage."""
