"""The direction along which a matrix is cut into vectors."""

from enum import IntEnum

__all__ = ["Direction"]


class Direction(IntEnum):
    """Direction of the vectors of one matrix; the value is the mode bit of the hardware.

    ``VERTICAL``: the same input ``k``, consecutive outputs ``m``.
    ``HORIZONTAL``: the same output ``m``, consecutive inputs ``k``.
    """

    VERTICAL = 0
    HORIZONTAL = 1

    @property
    def label(self) -> str:
        """Lower-case name, as in tables and JSON."""
        return self.name.lower()
