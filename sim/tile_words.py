"""One tile of activations as the words of the load bus."""

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from spec.arch import ArchConfig
from sw.bits import pack_fields

__all__ = ["tile_words"]


def tile_words(activations: NDArray[Any], arch: ArchConfig) -> Iterator[tuple[int, int, int]]:
    """Yield input word, part and stream word of every word of a tile, in stream order.

    Parameters
    ----------
    activations : ndarray of int, shape (words, L, T)
    arch : ArchConfig
    """
    for number, inputs in enumerate(activations):
        for part in range(arch.words_per_input_word):
            columns = inputs.T[part * arch.tokens_per_word : (part + 1) * arch.tokens_per_word]
            data = pack_fields(columns, arch.activation_width)
            yield number, part, int.from_bytes(data, "little")
