"""How the kept count falls while a model is trained."""

from dataclasses import dataclass

from spec.errors import ConfigError

__all__ = ["Ramp"]


@dataclass(frozen=True)
class Ramp:
    """The cubic schedule of Zhu & Gupta (arXiv:1710.01878), in kept weights.

    Parameters
    ----------
    start, stop : int
        Steps at which pruning begins and has ended; equal for one cut.
    weights, kept : int
        Weights before and after.

    Raises
    ------
    ConfigError
        If the steps or counts are out of order.
    """

    start: int
    stop: int
    weights: int
    kept: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.stop:
            raise ConfigError(f"a ramp must end at or after its start {self.start}, not at {self.stop}")
        if not 0 <= self.kept <= self.weights:
            raise ConfigError(f"a ramp must keep 0 to {self.weights} weights, not {self.kept}")

    def count(self, step: int) -> int:
        """Return the weights kept from ``step`` on: all before the start, ``kept`` from the stop on."""
        if step >= self.stop:
            return self.kept
        if step < self.start:
            return self.weights
        left = 1 - (step - self.start) / (self.stop - self.start)
        return self.kept + round((self.weights - self.kept) * left**3)
