"""Many measurements on many processes, each once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, Self

from codesign.exploration.measuring import Measurement, measure
from codesign.exploration.store import Store
from codesign.processes import process_pool
from spec.errors import ConfigError

__all__ = ["REACH_SECONDS", "Engine", "Progress"]

REACH_SECONDS: Final = 10
"""How long a scheduler may take to answer."""

Progress = Callable[[int], None]


class Engine:
    """Measures in processes that start when there is work and stay until the engine is left.

    Parameters
    ----------
    store : Store
    workers : int
        Processes; one stays in this process. Without meaning on a cluster.
    cluster : str, optional
        Address of a Dask scheduler whose workers see the same files.
    """

    def __init__(self, store: Store, *, workers: int, cluster: str | None = None) -> None:
        self._store = store
        self._workers = workers
        self._cluster = cluster
        self._stack = ExitStack()
        self._pool: Executor | None = None
        self._client: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def measure_all(
        self, jobs: Sequence[Measurement], progress: Progress | None = None
    ) -> list[tuple[dict[str, Any], bool]]:
        """Return the result of every job in order, and whether it was measured now.

        A result is kept as soon as it is there: interrupted or killed, the next call goes on from it.

        Parameters
        ----------
        jobs : sequence of Measurement
        progress : callable, optional
            Called with the jobs done since the last call.

        Raises
        ------
        ConfigError
            If the scheduler cannot be reached, or Dask is not installed.
        """
        store = self._store
        known = {job: kept for job in dict.fromkeys(jobs) if (kept := store.get(job.key)) is not None}
        missing = sorted((job for job in dict.fromkeys(jobs) if job not in known), key=lambda job: job.cut)
        if progress is not None:
            progress(sum(job in known for job in jobs))
        fresh: dict[Measurement, dict[str, Any]] = {}
        for job, result in self._results(missing):
            store.put(job.key, result)
            fresh[job] = result
            if progress is not None:
                progress(jobs.count(job))
        found = known | fresh
        return [(found[job], job in fresh) for job in jobs]

    def _results(self, jobs: Sequence[Measurement]) -> Iterator[tuple[Measurement, dict[str, Any]]]:
        """Yield jobs and results as they come."""
        if self._cluster is not None and jobs:
            yield from self._on_cluster(jobs, self._cluster)
        elif self._workers == 1 or len(jobs) == 1:
            for job in jobs:
                yield job, measure(job)
        elif jobs:
            if self._pool is None:
                self._pool = self._stack.enter_context(process_pool(self._workers))
            waiting = {self._pool.submit(measure, job): job for job in jobs}
            for future in as_completed(waiting):
                yield waiting[future], future.result()

    def _on_cluster(
        self, jobs: Sequence[Measurement], address: str
    ) -> Iterator[tuple[Measurement, dict[str, Any]]]:
        try:
            from distributed import Client
            from distributed import as_completed as completed
        except ImportError:
            raise ConfigError(
                "`--cluster` needs Dask; install it with pip install 'mixvec[cluster]'"
            ) from None
        if self._client is None:
            try:
                client: Any = Client(address, timeout=REACH_SECONDS)  # type: ignore[no-untyped-call]
            except (OSError, ValueError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise ConfigError(
                    f"`--cluster` {address} cannot be reached ({reason}); check the address"
                ) from None
            self._client = self._stack.enter_context(client)
        # Dask would take two jobs of one key for one; the results are kept by our own keys anyway.
        waiting = {
            self._client.submit(measure, job, key=f"measure-{job.key}", pure=True): job for job in jobs
        }
        done: Any = completed(list(waiting), with_results=True)  # type: ignore[no-untyped-call]
        for future, result in done:
            yield waiting[future], result
