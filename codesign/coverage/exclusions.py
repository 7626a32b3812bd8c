"""What the RTL cannot reach, or need not: every exclusion with its reason."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from codesign.coverage.points import Kind

__all__ = ["EXCLUSIONS", "Exclusion", "excluded_by"]


@dataclass(frozen=True)
class Exclusion:
    """Points that do not count, unless they are reached.

    Parameters
    ----------
    kinds : frozenset of Kind
    module : str
        Regular expression; the whole name must match.
    what : str
        Regular expression; found in the description of a line or branch, or the whole of bit and edge.
    reason : str
    """

    kinds: frozenset[Kind]
    module: str
    what: str
    reason: str

    def covers(self, kind: Kind, module: str, what: str) -> bool:
        """Whether a point so described is meant."""
        return (
            kind in self.kinds
            and re.fullmatch(self.module, module) is not None
            and re.search(self.what, what) is not None
        )


_CODE: Final = frozenset({Kind.LINE, Kind.BRANCH})
_TOGGLES: Final = frozenset({Kind.TOGGLE})

_HIGH_COUNT: Final = r"\[(1[4-9]|[2-4]\d)\]:"
_HIGH_DATA: Final = r"\[(2\d|3\d|4\d|50)\]:"

EXCLUSIONS: Final = (
    Exclusion(
        _CODE,
        ".*",
        r"if \(time_zero\)",
        "runs the block at time 0 in Icarus Verilog; in Verilator a constant",
    ),
    Exclusion(
        _TOGGLES,
        r"mixvec(\.counter_bank(\.tally)?|\.status)?",
        r"^(value|counter|read__data|\$signature__data|\$signal)(\$\d+)?" + _HIGH_COUNT,
        "counters have 48 bits, and bit n takes 2^n cycles; tests/test_hw_tally.py fills short ones",
    ),
    Exclusion(
        _TOGGLES,
        r"mixvec(\.collector|\.status)?",
        r"^(literal(_\d+)?|cluster_0__data|(status__|o__)payload(\$\d+)?(\.data)?|\$signal(\$\d+)?)"
        + _HIGH_DATA,
        "upper bits of the counters that DONE carries, as above",
    ),
    Exclusion(
        _TOGGLES,
        r"mixvec\.adder",
        r"^(arrived|count_1|\$signal(\$\d+)?)\[",
        "8 bits count the parts of a block, which has one per cluster at most",
    ),
    Exclusion(
        _CODE,
        r"mixvec_cluster\.decompressor",
        r"^entries: 1'h1: ",
        "a job that is issued finds the one before begun: the scheduler lets two wait for a cluster",
    ),
    Exclusion(
        _TOGGLES,
        r"mixvec_cluster\.decompressor",
        r"^entries(\[1\]|\[[4-7]\]:)",
        "a job that is issued finds the one before begun: the scheduler lets two wait for a cluster",
    ),
    Exclusion(
        _CODE,
        r"mixvec\.collector",
        r"^following: (if \(later\[0\]\)|following = 1'h0|following = 2'h0)",
        "cluster 0 comes after no other",
    ),
    Exclusion(_TOGGLES, r"mixvec\.collector", r"^later\[0\]:", "cluster 0 comes after no other"),
    Exclusion(
        _TOGGLES,
        r"mixvec\.outputs\.requantizer_\d+\.multiplier(\.\w+)?",
        r"^(product|o|fabric)(\$\d+)?\[3[1-3]\]:",
        "operands are not negative, so the product leaves its upper bits 0",
    ),
    Exclusion(
        _TOGGLES,
        r"mixvec\.loader",
        r"^commit_(psums|codes|done|error):",
        "packets that only the core sends are refused when their header is judged, so none comes to its end",
    ),
)


def excluded_by(
    kind: Kind, module: str, what: str, exclusions: Iterable[Exclusion] = EXCLUSIONS
) -> Exclusion | None:
    """Return the first exclusion that means a point, if there is one."""
    return next((one for one in exclusions if one.covers(kind, module, what)), None)
