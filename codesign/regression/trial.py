"""One scenario through the RTL, once without a pause and once with pauses, and what is wrong with it."""

from dataclasses import dataclass

from codesign.regression.defects import all_defects, compared_counters
from codesign.regression.runs import run_jobs
from codesign.regression.scenario import Scenario
from sim.simulator import Simulator, SimulatorError

__all__ = ["ScenarioResult", "run_scenario"]


@dataclass(frozen=True)
class ScenarioResult:
    """What one scenario showed.

    Parameters
    ----------
    seed : int
    jobs : int
    outputs : int
        Compared with PyTorch's, both runs together.
    counters : int
        Compared with the cycle model's, both runs together.
    defects : tuple of str
        One sentence for everything wrong.
    """

    seed: int
    jobs: int
    outputs: int
    counters: int
    defects: tuple[str, ...]


def run_scenario(scenario: Scenario, simulator: Simulator = Simulator.VERILATOR) -> ScenarioResult:
    """Run ``scenario`` without pauses, where every counter must be the model's, and with its own.

    A core that hangs, and a simulator that breaks down, are defects too.
    """
    jobs = scenario.jobs
    found, counters = [], 0
    pauses = [(0.0, 0.0)]
    if scenario.stall_i or scenario.stall_o:
        pauses.append((scenario.stall_i, scenario.stall_o))
    for stall_i, stall_o in pauses:
        stalled = bool(stall_i or stall_o)
        wrong = _defects(scenario, stall_i, stall_o, simulator)
        found += [f"{defect} (stalls {stall_i:g}, {stall_o:g})" for defect in wrong]
        counters += len(jobs) * len(compared_counters(stalled))
    return ScenarioResult(scenario.seed, len(jobs), scenario.outputs * len(pauses), counters, tuple(found))


def _defects(scenario: Scenario, stall_i: float, stall_o: float, simulator: Simulator) -> list[str]:
    arch, jobs = scenario.arch, scenario.jobs
    try:
        answers = run_jobs(
            jobs, arch, stall_i=stall_i, stall_o=stall_o, seed=scenario.seed, simulator=simulator
        )
        return all_defects(jobs, answers, arch, stalled=bool(stall_i or stall_o))
    except (SimulatorError, ValueError) as error:
        return [str(error)]
