"""Pruning patterns as the command line writes them."""

import json
from enum import Enum
from fractions import Fraction
from typing import Final, TypeVar

from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError
from sw.direction import Statistic
from sw.pattern import METADATA_BITS, Method, Pattern, parse_method

__all__ = [
    "DEFAULT_ARCH",
    "n_m_of",
    "parse_choice",
    "parse_direction",
    "parse_n_m",
    "parse_pattern",
    "pattern_arch",
]

Choice = TypeVar("Choice", bound=Enum)

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

    ``mixed-vector:BITS`` (metadata budget, 0.6 by default), ``vector:N`` and ``block:N`` (L by default),
    ``n-m:N:M``; the others take no parameter. ``n-m`` alone keeps the N of M that ``sparsity`` asks for.

    Raises
    ------
    ConfigError
        If the name or its parameter is not known.
    """
    name, _, parameter = text.partition(":")
    method = parse_method(name)
    if method is Method.N_M:
        return Pattern(arch, method, n_m=parse_n_m(parameter) if parameter else n_m_of(sparsity))
    if method is Method.MIXED_VECTOR:
        bits = _number(text, parameter) if parameter else METADATA_BITS
        return Pattern(arch, method, metadata_bits=bits)
    if not parameter:
        return Pattern(arch, method, length=arch.lanes if method.sized else None)
    match method:
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
        raise ConfigError(f"N and M must be two numbers such as 2:4, not {text}")
    return int(n), int(m)


def n_m_of(sparsity: float) -> tuple[int, int]:
    """Return the N of M, M at most 16, closest to a density of 1 - ``sparsity``."""
    density = (1 - Fraction(str(sparsity))).limit_denominator(_LARGEST_M)
    return (1, _LARGEST_M) if density.numerator == 0 else (density.numerator, density.denominator)


def parse_choice(kind: type[Choice], option: str, name: str) -> Choice:
    """Return the member of an enumeration that ``option`` calls ``name``.

    Raises
    ------
    ConfigError
        If there is none; names those there are.
    """
    for choice in kind:
        if choice.value == name:
            return choice
    known = ", ".join(str(choice.value) for choice in kind)
    raise ConfigError(f"`{option}` must be one of {known}, not {name}")


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
