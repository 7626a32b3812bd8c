"""Shares of points that were reached, by component, and the points that were not."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np

from codesign.coverage.bins import Bin, count_bins
from codesign.coverage.collection import Collection
from codesign.coverage.constants import constant_bits
from codesign.coverage.exclusions import EXCLUSIONS, Exclusion, excluded_by
from codesign.coverage.points import Kind, Point
from codesign.coverage.source import Source
from hw.emit import TOP_MODULE, emit_verilog
from spec.arch import ArchConfig

__all__ = ["Measure", "Missed", "Share", "measure"]


_CONSTANT: Final = "tied to one value in the Verilog"
_BIT: Final = re.compile(r"(?P<signal>.+?)(?:\[(?P<bit>\d+)\])?:[01]->[01]")


@dataclass
class Share:
    """Points reached, excluded without being reached, and missed."""

    reached: int = 0
    excluded: int = 0
    missed: int = 0

    @property
    def total(self) -> int:
        """Points that count."""
        return self.reached + self.missed

    @property
    def ratio(self) -> float:
        """Share of those that count; 1 if none does."""
        return self.reached / self.total if self.total else 1.0

    def add(self, other: "Share") -> None:
        """Add the points of ``other``."""
        self.reached += other.reached
        self.excluded += other.excluded
        self.missed += other.missed


@dataclass(frozen=True)
class Missed:
    """A point that no run reached.

    Parameters
    ----------
    arch, component : str
    point : Point
    text : str
        What stands there, or bit and edge.
    reason : str
        Why it does not count; empty if it does.
    """

    arch: str
    component: str
    point: Point
    text: str
    reason: str


@dataclass
class Measure:
    """Coverage of all architectures.

    Parameters
    ----------
    shares : dict of str to dict of Kind to Share
        By component.
    missed : list of Missed
        Excluded points too.
    bins : list of Bin
    unused : list of Exclusion
        That meant no missed point.
    jobs, outputs : int
    defects : list of str
    """

    shares: dict[str, dict[Kind, Share]] = field(default_factory=dict)
    missed: list[Missed] = field(default_factory=list)
    bins: list[Bin] = field(default_factory=list)
    unused: list[Exclusion] = field(default_factory=list)
    jobs: int = 0
    outputs: int = 0
    defects: list[str] = field(default_factory=list)

    def total(self, kind: Kind) -> Share:
        """Return the sum of all components."""
        total = Share()
        for shares in self.shares.values():
            total.add(shares[kind])
        return total

    @property
    def bins_reached(self) -> int:
        """Bins that jobs were in."""
        return sum(one.count > 0 for one in self.bins)


def component(module: str) -> str:
    """Return the component that a Verilog module is: its path, without numbers that tell copies apart."""
    return re.sub(r"_\d+(?=_|\b)", "", module.replace("mixvec_", "")).replace("mixvec", "accelerator")


def measure(collections: Sequence[Collection], exclusions: Iterable[Exclusion] = EXCLUSIONS) -> Measure:
    """Return the coverage that runs of several architectures reached.

    A point counts once per architecture and module, however many instances a module has.
    """
    exclusions = tuple(exclusions)
    found, used = Measure(), set[Exclusion]()
    for one in collections:
        source, constants = _text_of(one.arch)
        for point, count in sorted(one.points.items()):
            its = component(point.module)
            share = found.shares.setdefault(its, {kind: Share() for kind in Kind})[point.kind]
            if count:
                share.reached += 1
                continue
            text, reason = _text(point, source), ""
            if point.kind is Kind.TOGGLE and _is_constant(point, constants):
                reason = _CONSTANT
            elif exclusion := excluded_by(point.kind, point.module, text, exclusions):
                reason = exclusion.reason
                used.add(exclusion)
            if reason:
                share.excluded += 1
            else:
                share.missed += 1
            found.missed.append(Missed(one.name, its, point, text, reason))
        found.jobs += one.jobs
        found.outputs += one.outputs
        found.defects += [f"{one.name}: {defect}" for defect in one.defects]
    found.shares = dict(sorted(found.shares.items()))
    sums = {name: np.sum([one.bins[name] for one in collections], axis=0) for name in collections[0].bins}
    found.bins = count_bins(sums)
    found.unused = [one for one in exclusions if one not in used]
    return found


@cache
def _text_of(arch: ArchConfig) -> tuple[Source, dict[str, dict[str, set[int]]]]:
    """The Verilog of ``arch``, and its constant bits."""
    verilog = emit_verilog(arch)
    return Source(verilog), constant_bits(verilog, TOP_MODULE)


def _is_constant(point: Point, constants: Mapping[str, Mapping[str, set[int]]]) -> bool:
    """Whether a toggle is one of a bit that the Verilog never changes."""
    named = _BIT.fullmatch(point.name)
    if named is None:
        return False
    return int(named["bit"] or 0) in constants[point.module].get(named["signal"], set())


def _text(point: Point, source: Source) -> str:
    if point.kind is Kind.TOGGLE:
        return point.name
    described = source.describe(point.line)
    return f"{described} ({point.name})" if point.name else described
