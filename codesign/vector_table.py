"""Vectors of a layer as the event kernel takes them."""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from codesign.event_registers import BEATS, ESCAPES, POSITION, VECTOR_COLUMNS
from codesign.vector_kernel import run_alone
from spec.arch import ArchConfig
from sw.spans import KeptGroups, escape_counts

__all__ = ["vector_table"]

_TABLES: WeakKeyDictionary[KeptGroups, dict[tuple[int, int], NDArray[np.int64]]] = WeakKeyDictionary()


def vector_table(kept: KeptGroups, arch: ArchConfig, timing: Any) -> NDArray[np.int64]:
    """Return the layer's vectors, shape (vectors, VECTOR_COLUMNS), which most architectures share.

    Parameters
    ----------
    kept : KeptGroups
    arch : ArchConfig
        ``advance_width`` and ``queue_depth`` alone count.
    timing : record of ``TIMING``
        Any: there is no drain in it.
    """
    tables = _TABLES.setdefault(kept, {})
    key = arch.advance_width, arch.queue_depth
    if key not in tables:
        block, position = kept.places
        table = np.zeros((len(position), VECTOR_COLUMNS), np.int64)
        table[:, POSITION], table[:, BEATS] = position, kept.beats
        # Those of a block's first vector depend on where its part starts.
        table[:, ESCAPES] = escape_counts(np.diff(position, prepend=-1) - 1, arch)
        run_alone(timing, table, block, *key)
        tables[key] = table
    return tables[key]
