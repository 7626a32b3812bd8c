"""Many measurements on many processes, each once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from typing import Any, Final

from codesign.exploration.measuring import Measurement, measure
from codesign.exploration.store import Store
from codesign.processes import process_pool
from spec.errors import ConfigError

__all__ = ["REACH_SECONDS", "Progress", "measure_all"]

REACH_SECONDS: Final = 10
"""How long a scheduler may take to answer."""

Progress = Callable[[int], None]


def measure_all(
    jobs: Sequence[Measurement],
    store: Store,
    *,
    workers: int,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> list[tuple[dict[str, Any], bool]]:
    """Return the result of every job in order, and whether it was measured now.

    A result is kept as soon as it is there: interrupted or killed, the next call goes on from it.

    Parameters
    ----------
    jobs : sequence of Measurement
    store : Store
    workers : int
        Processes; one stays in this process. Without meaning on a cluster.
    cluster : str, optional
        Address of a Dask scheduler whose workers see the same files.
    progress : callable, optional
        Called with the jobs done since the last call.

    Raises
    ------
    ConfigError
        If the scheduler cannot be reached, or Dask is not installed.
    """
    known = {job: kept for job in dict.fromkeys(jobs) if (kept := store.get(job.key)) is not None}
    missing = sorted((job for job in dict.fromkeys(jobs) if job not in known), key=lambda job: job.cut)
    if progress is not None:
        progress(sum(job in known for job in jobs))
    fresh: dict[Measurement, dict[str, Any]] = {}
    for job, result in _results(missing, workers, cluster):
        store.put(job.key, result)
        fresh[job] = result
        if progress is not None:
            progress(jobs.count(job))
    found = known | fresh
    return [(found[job], job in fresh) for job in jobs]


def _results(
    jobs: Sequence[Measurement], workers: int, cluster: str | None
) -> Iterator[tuple[Measurement, dict[str, Any]]]:
    """Yield jobs and results as they come."""
    if not jobs:
        return
    if cluster is not None:
        yield from _on_cluster(jobs, cluster)
    elif workers == 1:
        for job in jobs:
            yield job, measure(job)
    else:
        with process_pool(min(workers, len(jobs))) as pool:
            waiting = {pool.submit(measure, job): job for job in jobs}
            for future in as_completed(waiting):
                yield waiting[future], future.result()


def _on_cluster(jobs: Sequence[Measurement], address: str) -> Iterator[tuple[Measurement, dict[str, Any]]]:
    try:
        from distributed import Client
        from distributed import as_completed as completed
    except ImportError:
        raise ConfigError("`--cluster` needs Dask; install it with pip install 'mixvec[cluster]'") from None
    try:
        client: Any = Client(address, timeout=REACH_SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"`--cluster` {address} cannot be reached ({reason}); check the address") from None
    with client:
        # Dask would take two jobs of one key for one; the results are kept by our own keys anyway.
        waiting = {client.submit(measure, job, key=f"measure-{job.key}", pure=True): job for job in jobs}
        done: Any = completed(list(waiting), with_results=True)  # type: ignore[no-untyped-call]
        for future, result in done:
            yield waiting[future], result
