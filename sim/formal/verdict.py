"""Verdict: what the solver said of one proof."""

from dataclasses import dataclass

__all__ = ["Verdict"]


@dataclass(frozen=True)
class Verdict:
    """Outcome of one proof.

    Parameters
    ----------
    name : str
    reach : str
        ``unbounded``, or the cycles checked.
    seconds : float
        Of processor time, in all tools.
    problem : str
        Why the proof does not count; empty if it does.
    broken : str
        Claims that the seeded bug breaks.
    """

    name: str
    reach: str
    seconds: float
    problem: str = ""
    broken: str = ""

    @property
    def holds(self) -> bool:
        """Proven, with its bug found and its covers reached."""
        return not self.problem
