"""Functions compiled by numba, and kept on disk until any kernel beside them changes."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache

__all__ = ["called", "compiled", "inlined"]

# The stubs leave out an option that numba's own tests use: to count no references.
_NJIT: Final[Any] = numba.njit
_KERNELS: Final = ("*_kernel.py", "*_registers.py")


@cache
def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for source in sorted(one for pattern in _KERNELS for one in folder.glob(pattern)):
        digest.update(source.read_bytes())
    return digest.hexdigest()


class _StampedImpl(CompileResultCacheImpl):
    """numba looks at the file of the function that is called from outside; what it calls, and the constants
    in it, stand in other files."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        stamp = _digest(Path(function.__code__.co_filename).parent)
        self.locator.get_source_stamp = lambda: stamp


class _StampedCache(FunctionCache):
    _impl_class = _StampedImpl


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile ``function`` at its first call, and keep it on disk.

    It is compiled again once any ``*_kernel.py`` or ``*_registers.py`` of its folder has changed.
    """
    return _kept(_NJIT(function), function)


def called(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile ``function``, which is called by compiled ones alone and makes no arrays.

    No references to its arrays are counted: in functions that do little, that takes most of the time.
    """
    return _kept(_NJIT(_nrt=False)(function), function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, but compiled into those that call it."""
    done: Callable[..., Any] = _NJIT(_nrt=False, forceinline=True)(function)
    return done


def _kept(dispatcher: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Do what numba's `cache=True` does, with another class."""
    dispatcher._cache = _StampedCache(function)  # type: ignore[no-untyped-call]
    return dispatcher  # type: ignore[no-any-return]
