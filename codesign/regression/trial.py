"""One scenario through the RTL, once without a pause and once with pauses, and what is wrong with it."""

from dataclasses import dataclass

from codesign.regression.defects import all_defects, compared_counters
from codesign.regression.runs import answers_in, send_paced
from codesign.regression.scenario import Scenario
from sim.simulator import Simulator, SimulatorError
from sim.stream_run import Pace

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
    for pace in scenario.paces:
        found += [f"{defect} ({pace.pauses})" for defect in _defects(scenario, pace, simulator)]
        counters += len(jobs) * len(compared_counters(pace.stalled))
    outputs = scenario.outputs * len(scenario.paces)
    return ScenarioResult(scenario.seed, len(jobs), outputs, counters, tuple(found))


def _defects(scenario: Scenario, pace: Pace, simulator: Simulator) -> list[str]:
    arch, jobs = scenario.arch, scenario.jobs
    try:
        answers = answers_in(send_paced(jobs, arch, pace, simulator), jobs, arch)
        return all_defects(jobs, answers, arch, stalled=pace.stalled)
    except (SimulatorError, ValueError) as error:
        return [str(error)]
