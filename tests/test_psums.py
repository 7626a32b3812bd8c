"""No activations make a psum overflow: proven when a layer is packed, or the layer is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign.regression.layers import limit_layer
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from spec.numbers import signed_range
from sw.pack import pack
from sw.psums import psum_range
from sw.unpack import unpack

ARCH = ArchConfig(clusters=2, lanes=4, tokens=1, weight_width=3, psum_width=17)


@settings(deadline=None)
@given(
    weight_width=st.integers(2, 8),
    activation_width=st.sampled_from([2, 4, 8]),
    chunk=st.integers(1, 12),
    seed=st.integers(0, 1 << 32),
)
def test_the_range_is_reached_and_never_left(
    weight_width: int, activation_width: int, chunk: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    (low_w, high_w), (low, high) = signed_range(weight_width), signed_range(activation_width)
    weights = rng.integers(low_w, high_w + 1, (int(rng.integers(1, 5)), int(rng.integers(1, 12))), np.int8)

    smallest, largest = psum_range(weights, chunk, activation_width)

    chunks = [weights[:, at : at + chunk].astype(int) for at in range(0, weights.shape[1], chunk)]
    worst = [np.where(one > 0, low, high) for one in chunks], [np.where(one > 0, high, low) for one in chunks]
    reached = [[(w * x).sum(axis=1) for w, x in zip(chunks, xs, strict=True)] for xs in worst]
    assert smallest == min(int(sums.min()) for sums in reached[0])
    assert largest == max(int(sums.max()) for sums in reached[1])
    for one in chunks:
        products = one * rng.integers(low, high + 1, one.shape)
        on_the_way = np.cumsum(rng.permuted(products, axis=1), axis=1)
        assert smallest <= on_the_way.min() and on_the_way.max() <= largest


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("psum_width", [16, 17, 24])
def test_a_layer_at_the_limit_is_packed_and_one_beyond_it_refused(
    direction: Direction, psum_width: int
) -> None:
    arch = ARCH.model_copy(update={"weight_width": 8, "psum_width": psum_width})
    layer, _ = limit_layer(arch, direction)
    assert unpack(pack([layer], arch)).layers[0].weights.tolist() == layer.weights.tolist()

    for row, step, reached in (
        (0, 1, -(1 << (psum_width - 1)) - 128),
        (1, -1, (1 << (psum_width - 1)) + 127),
    ):
        weights = layer.weights.copy()
        weights[row, -1] += step
        message = (
            f"layer limit can reach a psum of {reached}, which takes {psum_width + 1} bits; "
            f"raise `psum_width` from {psum_width}"
        )
        with pytest.raises(ConfigError, match=message):
            pack([replace(layer, weights=weights)], arch)
        raised = arch.model_copy(update={"psum_width": psum_width + 1})
        assert unpack(pack([replace(layer, weights=weights)], raised)).layers[0].rows == layer.rows


def test_chunks_are_proven_one_by_one_since_the_host_adds_them() -> None:
    layer, _ = limit_layer(ARCH, Direction.HORIZONTAL)
    # Two chunks of the layer's inputs, padded to whole segments.
    pad = ((0, 0), (0, -layer.cols % ARCH.segment))
    weights, mask = np.tile(np.pad(layer.weights, pad), 2), np.tile(np.pad(layer.mask, pad), 2)
    twice = replace(layer, weights=weights, mask=mask, order=np.arange(mask.shape[1]))
    short = ARCH.model_copy(update={"activation_depth": 128})

    with pytest.raises(ConfigError, match="can reach a psum of -131072, which takes 18 bits"):
        pack([twice], ARCH)

    packed = unpack(pack([twice], short)).layers[0]
    assert {one.chunk for one in packed.passes} == {0, 1}
