"""The serial line of a board, as a backend needs it."""

from dataclasses import dataclass

from spec.link import BAUD

__all__ = ["BoardPort"]


@dataclass(frozen=True)
class BoardPort:
    """Where a board is.

    Parameters
    ----------
    name : str
        Serial port, such as ``/dev/ttyUSB0``, or a twin's pseudo-terminal.
    baud : int
        Bits per second.
    timeout : float
        Seconds without a reply after which a request is sent again; see ``Board``.
    """

    name: str
    baud: int = BAUD
    timeout: float = 0.25
