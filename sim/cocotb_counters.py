"""Testbench of the performance counters."""

import random
from typing import Any, Final

import cocotb

from hw.counters import Counters
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch
from spec.counters import CLUSTER_CAUSES, COUNTERS, Cause

ARCH: Final = subject_arch()
TOLD: Final = (Cause.NONE, Cause.BEAT, Cause.STEAL, Cause.DRAIN, Cause.OUTPUT, Cause.SKIP)
"""What a cluster with a job may say of itself."""


def random_cycle(rng: random.Random) -> dict[str, Any]:
    """What happens in one cycle, at the inputs and in every cluster."""
    busy = [rng.random() < rng.choice([0.0, 0.5]) for _ in range(ARCH.clusters)]
    held, starved = rng.choice([(0, 0), (0, 1), (1, 0)])
    return {
        "active": rng.randrange(2),
        "words": rng.randrange(3),
        "held": held,
        "starved": starved,
        "busy": sum(1 << n for n, job in enumerate(busy) if job),
        "activity": [rng.choice(TOLD).value if job else 0 for job in busy],
        "skipped": [rng.randrange(ARCH.groups + 1) for _ in busy],
    }


def count(sums: dict[str, int], cycle: dict[str, Any]) -> None:
    """Add one cycle, by the meanings in ``spec.counters``."""
    sums["cycles"] += 1
    sums["compute_cycles"] += cycle["active"]
    sums["skipped_beats"] += sum(cycle["skipped"])
    if not cycle["busy"]:
        name = "draining" if cycle["held"] else "starved" if cycle["starved"] else "loading"
        sums[f"{name}_cycles"] += 1
        return
    sums["busy_cycles"] += 1
    for n, code in enumerate(cycle["activity"]):
        if not cycle["busy"] >> n & 1:
            sums["imbalance_cycles"] += 1
        else:
            sums[CLUSTER_CAUSES[Cause(code) if code else Cause.VECTOR]] += 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(length=[0, 1, 50, 1000])
async def counters_add_up_between_begin_and_the_last_psums(dut: Any, length: int) -> None:
    """Three layers one after the other; words count until END, everything else until ``over``."""
    rng = random.Random(f"counters-{length}")
    ports = Ports(dut, Counters(ARCH))
    await start(dut)
    for _ in range(3):
        for _ in range(rng.randrange(2, 40)):
            await ports.cycle(**random_cycle(rng))
        sums = dict.fromkeys(COUNTERS, 0)
        sums["load_cycles"] = ARCH.frame_words
        sums["cycles"] = sums["loading_cycles"] = Counters.begin_cycles(ARCH)
        over, end = length + Counters.OVER_LATENCY, length + Counters.OVER_LATENCY + rng.randrange(2, 30)
        before = random_cycle(rng)
        for time in range(end + 30):
            now = random_cycle(rng)
            if 0 < time <= length:
                count(sums, now)
            if 0 < time <= end:
                sums["load_cycles"] += now["words"]
            # Clusters tell a cycle later; `over` may end when the next BEGIN's header comes.
            late = {name: before[name] for name in ("busy", "activity", "skipped")}
            pulses = {"begin": int(time == 0), "over": int(over <= time <= end), "end": int(time == end)}
            out = await ports.cycle(**(now | late), **pulses)
            assert not out["complete"] or not Counters.LATENCY < time <= end
            before = now

        assert out["complete"]
        values = []
        for number in range(len(COUNTERS)):
            await ports.cycle(number=number)
            values.append((await ports.cycle())["value"])
        assert dict(zip(COUNTERS, values, strict=True)) == sums
