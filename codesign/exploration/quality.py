"""What a pruned model still does, measured."""

from dataclasses import dataclass

__all__ = ["Quality"]


@dataclass(frozen=True)
class Quality:
    """A figure of a task, of the integers that the accelerator multiplies with.

    Parameters
    ----------
    name : str
        Such as ``perplexity`` or ``cosine``.
    value, dense : float
        Of the pruned model, and of the dense one in floating point.
    rising : bool
        Whether more is better.
    """

    name: str
    value: float
    dense: float
    rising: bool

    @property
    def loss(self) -> float:
        """How much worse than the dense model; less is better."""
        return self.dense - self.value if self.rising else self.value - self.dense
