"""The rates that benchmarks note, printed as a table of their own."""

from collections.abc import Callable
from typing import Any

import pytest

Rate = Callable[..., Any]


@pytest.fixture
def throughput(benchmark: Any) -> Rate:
    """Time a function and note how much work it does per second."""

    def run(function: Callable[..., Any], *arguments: Any, work: int, unit: str, rounds: int = 3) -> Any:
        result = benchmark.pedantic(function, args=arguments, rounds=rounds, warmup_rounds=1)
        # None under --benchmark-disable.
        if benchmark.stats is not None:
            benchmark.extra_info["work"] = work
            benchmark.extra_info["unit"] = f"{unit}/s"
            benchmark.extra_info["rate"] = work / benchmark.stats.stats.median
        return result

    return run


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    """Print work, time and rate of every benchmark that ran."""
    session = getattr(config, "_benchmarksession", None)
    rows = [one for one in getattr(session, "benchmarks", []) if "rate" in one.extra_info]
    if not rows:
        return
    terminalreporter.section("throughput, median of the rounds")
    for one in rows:
        info = one.extra_info
        name = one.name.removeprefix("test_").replace("_", " ")
        amount = f"{info['work']:>12,} in {one.stats.median:8.3f} s"
        rate = f"{info['rate']:>14,.0f} {info['unit']}"
        terminalreporter.write_line(f"{name:<28}{amount} {rate}")
