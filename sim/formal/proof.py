"""Proof: what is shown of one component, and how it is seen that the proof can fail."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.formal.bug import Bug
from sim.formal.harness import Harness

__all__ = ["Proof"]


@dataclass(frozen=True)
class Proof:
    """Claims of a harness, a bug that must break one, and what must be reachable.

    Parameters
    ----------
    subject : type
        The component's class.
    harness : callable
        Takes the class, or the one with the bug, and returns the harness around a small instance.
    bug : Bug
    depth : int
        Cycles in which the bug is found; without ``induction`` also those in which the claims are checked.
    induction : int, optional
        Cycles after which the claims imply themselves. They are checked from the first cycle on for as long,
        so they hold for ever.
    cover : int
        Cycles in which everything that the harness wants to reach is reached.
    """

    subject: type
    harness: Callable[[Any], Harness]
    bug: Bug
    depth: int
    cover: int
    induction: int | None = None

    @property
    def reach(self) -> str:
        """For how long the claims are proven."""
        return "unbounded" if self.induction is not None else f"{self.depth} cycles"
