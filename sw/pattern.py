"""Pruning patterns: what is kept or pruned together, and at which price."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import NoneType
from typing import Any, Final, Self

from spec.arch import ArchConfig
from spec.errors import ConfigError

__all__ = ["METADATA_BITS", "Method", "Pattern", "parse_method"]

METADATA_BITS: Final = 0.6
"""Default budget of records: with scales, order table and framing, metadata stays below 1 bit."""
_PLAIN: Final = ("length", "n_m", "metadata_bits", "contiguous")
"""Fields of a pattern that are plain values."""
_SHAPING: Final = ("lanes", "segment", "advance_width", "weight_width", "activation_width")
"""Fields of an architecture that decide about masks, or about the integers that they are trained with."""


class Method(Enum):
    """Pruning granularity; the value is its name on the command line."""

    MIXED_VECTOR = "mixed-vector"
    """Vectors of mixed length: any groups of L in a segment, records within a budget."""
    VECTOR = "vector"
    """Aligned vectors of one length."""
    FINE_GRAINED = "fine-grained"
    """Single weights."""
    N_M = "n-m"
    """N of every M consecutive weights (2:4 and general)."""
    BLOCK = "block"
    """Aligned squares."""
    CHANNEL = "channel"
    """Whole inputs (vertical) or whole outputs (horizontal)."""
    HEAD = "head"
    """Whole attention heads; feed-forward matrices stay dense."""

    @property
    def directed(self) -> bool:
        """Whether the pattern runs along a direction."""
        return self not in (Method.FINE_GRAINED, Method.BLOCK, Method.HEAD)

    @property
    def grouped(self) -> bool:
        """Whether the pattern gains from a grouped order."""
        return self in (Method.MIXED_VECTOR, Method.VECTOR)

    @property
    def sized(self) -> bool:
        """Whether the pattern has a length."""
        return self in (Method.VECTOR, Method.BLOCK)


def parse_method(name: str) -> Method:
    """Return the method called ``name``.

    Raises
    ------
    ConfigError
        If there is none; names those there are.
    """
    try:
        return Method(name)
    except ValueError:
        known = ", ".join(method.value for method in Method)
        raise ConfigError(f"`method` must be one of {known}, not {name}") from None


@dataclass(frozen=True)
class Pattern:
    """A method with its parameters.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``lanes``, ``segment`` and ``advance_width``.
    method : Method
    length : int, optional
        Weights per vector, or outputs and inputs per block; default L. Of ``VECTOR`` and ``BLOCK`` only.
    n_m : tuple of int, optional
        N and M; default 2 of 4. Of ``N_M`` only.
    metadata_bits : float, optional
        Most record bits per kept weight; None for no limit. Of ``MIXED_VECTOR`` only.
    contiguous : bool
        The strict form of ``MIXED_VECTOR``: adjacent groups, power-of-two lengths.

    Raises
    ------
    ConfigError
        If a parameter is out of range or belongs to another method.
    """

    arch: ArchConfig
    method: Method = Method.MIXED_VECTOR
    length: int | None = None
    n_m: tuple[int, int] | None = None
    metadata_bits: float | None = None
    contiguous: bool = False

    def __post_init__(self) -> None:
        mixed = self.method is Method.MIXED_VECTOR
        for name, given, owners in (
            ("length", self.length is not None and not self.method.sized, "methods vector and block"),
            ("n_m", self.n_m is not None and self.method is not Method.N_M, "method n-m"),
            ("metadata_bits", self.metadata_bits is not None and not mixed, "method mixed-vector"),
            ("contiguous", self.contiguous and not mixed, "method mixed-vector"),
        ):
            if given:
                raise ConfigError(f"`{name}` belongs to {owners}, not {self.method.value}; leave it out")
        if self.length is not None and self.length < 1:
            raise ConfigError(f"`length` must be at least 1, not {self.length}")
        n, m = self.kept_of
        if not 0 < n <= m:
            raise ConfigError(f"`n_m` must keep 1 to M of every M weights, not {n} of {m}")
        if self.metadata_bits is not None and not 0 <= self.metadata_bits < float("inf"):
            raise ConfigError(
                f"`metadata_bits` must be a number of bits, at least 0, not {self.metadata_bits:g}"
            )

    @property
    def size(self) -> int:
        """Weights per vector, or side of a block."""
        return self.arch.lanes if self.length is None else self.length

    @property
    def kept_of(self) -> tuple[int, int]:
        """N and M of ``N_M``."""
        return (2, 4) if self.n_m is None else self.n_m

    def shares_masks(self, other: "Pattern") -> bool:
        """Whether the same masks are good for both: architectures may differ in what does not shape them."""
        arch = {name: getattr(self.arch, name) for name in _SHAPING}
        return self == replace(other, arch=self.arch) and arch == {
            name: getattr(other.arch, name) for name in _SHAPING
        }

    def state(self) -> dict[str, Any]:
        """Return what a file keeps of it: plain values."""
        plain = {"arch": self.arch.model_dump(), "method": self.method.value}
        return {**plain, **{name: getattr(self, name) for name in _PLAIN}}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """Return the pattern of a ``state``; any exception if that is something else."""
        length, n_m, bits, contiguous = (state[name] for name in _PLAIN)
        counts = [length] if n_m is None else [length, *n_m]
        if not all(type(one) in (int, NoneType) for one in counts) or type(contiguous) is not bool:
            raise ValueError("a pattern has whole lengths")
        return cls(
            ArchConfig(**state["arch"]),
            Method(state["method"]),
            length,
            None if n_m is None else (n_m[0], n_m[1]),
            bits,
            contiguous,
        )

    @property
    def label(self) -> str:
        """Short name for tables."""
        match self.method:
            case Method.VECTOR:
                return f"vector {self.size}"
            case Method.BLOCK:
                return f"block {self.size}x{self.size}"
            case Method.N_M:
                return f"{self.kept_of[0]}:{self.kept_of[1]}"
            case Method.MIXED_VECTOR:
                strict = " strict" if self.contiguous else ""
                bits = "" if self.metadata_bits is None else f" {self.metadata_bits:g} bit"
                return f"mixed-vector L{self.arch.lanes}{strict}{bits}"
            case _:
                return str(self.method.value)
