"""Pruning patterns as the command line writes them."""

import json
from fractions import Fraction
from typing import Final

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.direction import Statistic
from sw.mask_search import Allocation
from sw.pattern import Method, Pattern, parse_method
from sw.scores import Score

__all__ = [
    "DEFAULT_ARCH",
    "parse_allocation",
    "parse_direction",
    "parse_n_m",
    "parse_pattern",
    "parse_score",
    "pattern_arch",
]

DEFAULT_ARCH: Final = "ulx3s"
_LARGEST_M: Final = 16


def pattern_arch(arch: str | None, lanes: int | None, segment: int | None) -> ArchConfig:
    """Return the architecture of ``--arch``, or one that has ``--lanes`` and ``--segment``."""
    if lanes is None and segment is None:
        return ArchConfig.load(arch or DEFAULT_ARCH)
    if arch is not None:
        raise ConfigError(f"`--lanes` and `--segment` replace `--arch` {arch}; give one or the other")
    fields = {"clusters": 1, "lanes": 4 if lanes is None else lanes, "tokens": 1}
    if segment is not None:
        fields["segment"] = segment
    return ArchConfig.parse(json.dumps(fields), source="`--lanes` and `--segment`")


def parse_pattern(text: str, arch: ArchConfig, sparsity: float) -> Pattern:
    """Return the pattern that ``NAME[:PARAMETER]`` describes.

    ``mixed-vector:BITS`` (metadata budget), ``vector:N``, ``block:N``, ``n-m:N:M``; the others take no
    parameter. ``n-m`` alone keeps the N of M that ``sparsity`` asks for.

    Raises
    ------
    ConfigError
        If the name or its parameter is not known.
    """
    name, _, parameter = text.partition(":")
    method = parse_method(name)
    if method is Method.N_M:
        return Pattern(arch, method, n_m=parse_n_m(parameter) if parameter else n_m_of(sparsity))
    if not parameter:
        return Pattern(arch, method)
    match method:
        case Method.MIXED_VECTOR:
            return Pattern(arch, method, metadata_bits=_number(text, parameter))
        case Method.VECTOR | Method.BLOCK:
            if not parameter.isdecimal():
                raise ConfigError(f"method {text} must end in a length such as 4, not {parameter}")
            return Pattern(arch, method, length=int(parameter))
        case _:
            raise ConfigError(f"method {method.value} takes no parameter, but {text} has one; leave it out")


def parse_n_m(text: str) -> tuple[int, int]:
    """Return N and M of ``N:M``."""
    n, colon, m = text.partition(":")
    if not (colon and n.isdecimal() and m.isdecimal()):
        raise ConfigError(f"`--n-m` must be two numbers such as 2:4, not {text}")
    return int(n), int(m)


def n_m_of(sparsity: float) -> tuple[int, int]:
    """Return the N of M, M at most 16, closest to a density of 1 - ``sparsity``."""
    density = (1 - Fraction(str(sparsity))).limit_denominator(_LARGEST_M)
    return max(density.numerator, 1), density.denominator


def parse_score(name: str) -> Score:
    """Return the score called ``name``."""
    try:
        return Score(name)
    except ValueError:
        known = ", ".join(score.value for score in Score)
        raise ConfigError(f"`--score` must be one of {known}, not {name}") from None


def parse_allocation(name: str) -> Allocation:
    """Return the allocation called ``name``."""
    try:
        return Allocation(name)
    except ValueError:
        known = ", ".join(allocation.value for allocation in Allocation)
        raise ConfigError(f"`--allocation` must be one of {known}, not {name}") from None


def parse_direction(name: str) -> Direction | Statistic | None:
    """Return what decides the direction: itself, a statistic, or None to try both."""
    choices: dict[str, Direction | Statistic | None] = {"auto": None}
    choices |= {direction.label: direction for direction in Direction}
    choices |= {statistic.value: statistic for statistic in Statistic}
    if name not in choices:
        raise ConfigError(f"`--direction` must be one of {', '.join(choices)}, not {name}")
    return choices[name]


def _number(text: str, parameter: str) -> float:
    try:
        return float(parameter)
    except ValueError:
        raise ConfigError(f"method {text} must end in bits such as 0.6, not {parameter}") from None
