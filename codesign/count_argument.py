"""A count on the command line of a module that is run by itself."""

from argparse import ArgumentTypeError

__all__ = ["count"]


def count(text: str) -> int:
    """Return the number in ``text``.

    Raises
    ------
    ArgumentTypeError
        If it is no whole number from 1 on; argparse then names the option and exits with 2.
    """
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ArgumentTypeError(f"must be a whole number from 1 on, not {text}")
    return int(text)
