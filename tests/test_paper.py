"""The `paper` preset, 4096 PEs, multiplies a 768 x 768 matrix bit-exactly in simulation."""

import numpy as np
import pytest

from codesign.regression.defects import all_defects
from codesign.regression.jobs import make_jobs
from codesign.regression.runs import run_jobs
from spec.arch import ArchConfig
from spec.direction import Direction
from sw.blocks import Blocking
from sw.layer import QuantizedLayer

SIZE, TOKENS, DENSITY = 768, 32, 0.2


def pruned_layer(rng: np.random.Generator, arch: ArchConfig, direction: Direction) -> QuantizedLayer:
    """A layer that keeps exactly a fifth of its groups, anywhere."""
    blocking = Blocking(SIZE, SIZE, direction, arch)
    groups = np.zeros(blocking.shape[:3], np.bool_)
    groups.ravel()[rng.permutation(groups.size)[: round(DENSITY * groups.size)]] = True
    mask = blocking.join(np.broadcast_to(groups[..., None], blocking.shape))
    weights = np.where(mask, rng.integers(-128, 128, mask.shape), 0).astype(np.int8)
    return QuantizedLayer("paper", weights, mask, direction, np.arange(SIZE), np.ones(SIZE, np.float32))


@pytest.mark.long
def test_4096_pes_multiply_768_by_768_exactly_in_both_directions() -> None:
    arch, rng = ArchConfig.load("paper"), np.random.default_rng(0)
    assert arch.pes == 4096
    cases = [
        (direction.name, pruned_layer(rng, arch, direction), rng.integers(-128, 128, (SIZE, TOKENS)))
        for direction in Direction
    ]
    jobs = make_jobs(cases, arch)

    answers = run_jobs(jobs, arch)

    assert all_defects(jobs, answers, arch) == []
