"""What goes wrong with simulators."""

__all__ = ["SimulatorError"]


class SimulatorError(RuntimeError):
    """A simulator is missing, refuses the design, breaks down, or reports a failed test."""
