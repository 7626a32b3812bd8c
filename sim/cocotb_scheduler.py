"""Testbench of the scheduler."""

import random
from typing import Any, Final

import cocotb

from hw.scheduler import Scheduler
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch

ARCH: Final = subject_arch()
LATENCY: Final = 2
"""Cycles from a pulse to the flags that follow from it."""


class Model:
    """Jobs not collected, in order, each with its pass and the clusters at work on it."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.now = 0

    def unfinished(self, cluster: int) -> list[dict[str, Any]]:
        return [job for job in self.jobs if cluster in job["clusters"]]

    def flags(self) -> dict[str, int]:
        clusters = range(ARCH.clusters)
        waiting = [self.unfinished(n) for n in clusters]
        uncollected = len(self.jobs)
        return {
            # Two activation banks; job numbers of two bits.
            "activations_free": int(all(len(jobs) < 2 for jobs in waiting) and uncollected < 3),
            "weights_free": int(all(job["pass"] == self.now for jobs in waiting for job in jobs)),
            "idle": int(uncollected == 0),
            "active": int(uncollected > 0),
            "busy": sum(1 << n for n, jobs in enumerate(waiting) if jobs),
        }


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(slow=[0.3, 0.9, 0.98])
async def flags_follow_the_jobs(dut: Any, slow: float) -> None:
    """Random layers that keep the rules, clusters that finish in any order; every flag in every cycle."""
    rng = random.Random(f"jobs-{slow}")
    ports = Ports(dut, Scheduler(ARCH))
    await start(dut)
    await ports.cycles(LATENCY)
    model, history = Model(), [Model().flags()] * LATENCY
    issued, quiet = 0, 0
    for _ in range(6000):
        inputs: dict[str, Any] = {}
        flags = model.flags()
        if quiet == 0 and flags["activations_free"] and rng.random() < 0.3:
            model.jobs.append({"pass": model.now, "clusters": set(range(ARCH.clusters))})
            inputs, issued, quiet = {"issue": 1}, issued + 1, 4
        elif quiet == 0 and flags["weights_free"] and rng.random() < 0.1:
            model.now, inputs, quiet = model.now + 1, {"next_pass": 1}, 4
        else:
            inputs |= finish(model, rng, slow)
        quiet = max(quiet - 1, 0)
        out = await ports.cycle(**inputs)
        for name in ("activations_free", "weights_free", "idle"):
            assert out[name] == history[-LATENCY][name], name
        for name in ("active", "busy"):
            assert out[name] == history[-1][name], name
        history.append(model.flags())
    assert issued > 50


def finish(model: Model, rng: random.Random, slow: float) -> dict[str, Any]:
    """Some clusters finish their oldest job; the oldest finished job is collected now and then."""
    done = 0
    for cluster in range(ARCH.clusters):
        jobs = model.unfinished(cluster)
        if jobs and rng.random() >= slow:
            jobs[0]["clusters"].remove(cluster)
            done |= 1 << cluster
    if model.jobs and not model.jobs[0]["clusters"] and rng.random() >= slow:
        model.jobs.pop(0)
        return {"done": done, "collected": 1}
    return {"done": done}


@cocotb.test(timeout_time=100, timeout_unit="us")
async def a_pass_waits_for_jobs_of_the_pass_before(dut: Any) -> None:
    """One pass loads while the last tiles of the one before compute; the one after it has to wait."""
    ports = Ports(dut, Scheduler(ARCH))
    await start(dut)
    everyone = (1 << ARCH.clusters) - 1
    await ports.cycle(issue=1)

    await ports.cycle(next_pass=1)

    assert (await ports.cycles(4))[-1]["weights_free"] == 0
    await ports.cycle(done=everyone & ~1)
    assert (await ports.cycles(4))[-1]["weights_free"] == 0
    await ports.cycle(done=1)
    out = (await ports.cycles(4))[-1]
    assert (out["weights_free"], out["idle"], out["active"]) == (1, 0, 1)
    await ports.cycle(collected=1)
    out = (await ports.cycles(4))[-1]
    assert (out["idle"], out["active"]) == (1, 0)
