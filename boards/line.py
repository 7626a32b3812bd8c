"""The host's end of a serial line."""

import os
import time
from typing import Protocol

import serial

from spec.errors import ConfigError, LinkError

__all__ = ["Line", "SerialLine"]


class Line(Protocol):
    """Bytes to and from a board; any of them may be lost, doubled or changed on the way."""

    name: str

    def send(self, data: bytes) -> None:
        """Send bytes."""

    def receive(self, seconds: float) -> bytes:
        """Return what comes within ``seconds``, as soon as there is something."""

    def clear(self) -> None:
        """Forget what has come and was not received."""

    def close(self) -> None:
        """Leave the line to others."""


class SerialLine:
    """A serial port, or a pseudo-terminal.

    Parameters
    ----------
    name : str
        Such as ``/dev/ttyUSB0``.
    baud : int

    Raises
    ------
    ConfigError
        If there is no such port, or it is taken.
    """

    def __init__(self, name: str, baud: int) -> None:
        self.name = name
        try:
            self._port = serial.Serial(name, baud, timeout=0, exclusive=True)
        except (OSError, ValueError) as error:
            raise ConfigError(f"port {name} cannot be opened: {_reason(error)}; see `ls /dev/tty*`") from None

    def send(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except OSError as error:
            raise self._gone(error) from None

    def receive(self, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        try:
            while True:
                self._port.timeout = max(deadline - time.monotonic(), 0)
                first = self._port.read(1)
                if first or time.monotonic() >= deadline:
                    return bytes(first) + bytes(self._port.read(self._port.in_waiting)) if first else b""
        except (OSError, TypeError) as error:
            raise self._gone(error) from None

    def clear(self) -> None:
        try:
            self._port.reset_input_buffer()
        except OSError as error:
            raise self._gone(error) from None

    def close(self) -> None:
        self._port.close()

    def _gone(self, error: Exception) -> LinkError:
        return LinkError(f"port {self.name} is gone: {_reason(error)}; check the cable")


def _reason(error: Exception) -> str:
    """What the system says, without the numbers and names around it."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error)
