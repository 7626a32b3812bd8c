"""A pool of processes for work that keeps one core busy each."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

__all__ = ["process_pool"]


@contextmanager
def process_pool(workers: int) -> Iterator[Executor]:
    """Processes that end at once when the command is interrupted."""
    # Forked processes would inherit the threads of PyTorch half alive.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_use_one_thread)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _use_one_thread() -> None:
    """Processes already use all cores."""
    os.environ["OMP_NUM_THREADS"] = "1"
