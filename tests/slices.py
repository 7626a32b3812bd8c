"""Which parameters of a test run in `make test`, and which only when asked for."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

__all__ = ["often"]


def often(values: Iterable[Any], chosen: Collection[Any]) -> list[Any]:
    """Return ``values`` as parameters of a test, those that are not ``chosen`` marked as `long`.

    What is compiled for every value alone takes most of the time of all tests; `make test-long` and
    `make verify` run the others.

    Raises
    ------
    ValueError
        If one is chosen that is not there.
    """
    given = list(values)
    if unknown := [one for one in chosen if one not in given]:
        raise ValueError(f"{unknown[0]} is none of the values; choose from {', '.join(map(str, given))}")
    return [
        pytest.param(
            *(one if isinstance(one, tuple) else (one,)), marks=[pytest.mark.long] * (one not in chosen)
        )
        for one in given
    ]
