"""The random regression: what it draws, that it sees what is wrong, and its command."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codesign import agreement
from codesign.regression import campaign
from codesign.regression.campaign import load_arch
from codesign.regression.defects import all_defects
from codesign.regression.jobs import make_jobs
from codesign.regression.layers import random_layer
from codesign.regression.random_arch import random_arch
from codesign.regression.runs import run_jobs
from codesign.regression.scenario import draw_scenario
from codesign.regression.trial import ScenarioResult, run_scenario
from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.direction import Direction
from tests.command_runs import Run

TINY = ArchConfig.load("tiny")


def test_random_jobs_are_exact(pytestconfig: pytest.Config) -> None:
    """On `--arch` if it is given, with 20 seeds; on a small one with two otherwise."""
    chosen = pytestconfig.getoption("--arch")
    arch = load_arch(chosen) if chosen else TINY

    for seed in range(20 if chosen else 2):
        result = run_scenario(draw_scenario(arch, seed))

        assert result.defects == (), f"once more: mixvec regress {chosen or 'tiny'} --runs 1 --seed {seed}"
        assert result.outputs >= 3000
        assert result.counters >= result.jobs * len(COUNTERS)


def test_a_job_with_a_slow_sink_is_no_hang() -> None:
    # A layer of many rows and few inputs is mostly answers, each of which the sink takes 20 cycles for.
    layer = random_layer(np.random.default_rng(0), TINY, (400, 4), Direction.VERTICAL, 0.1)
    activations = np.ones((4, 40), np.int64)
    jobs = make_jobs([("answers", layer, activations)], TINY)

    answers = run_jobs(jobs, TINY, stall_o=0.95, seed=1)

    assert all_defects(jobs, answers, TINY, stalled=True) == []


def test_another_activation_than_the_one_sent_is_seen() -> None:
    scenario = draw_scenario(TINY, 0)
    answers = run_jobs(scenario.jobs, TINY)
    job = next(job for job in scenario.jobs if job.packed.weights[:, 0].any() and job.packed.outputs is None)
    place = scenario.jobs.index(job)
    changed = job.activations.copy()
    changed[0, 0] ^= 1

    assert all_defects([job], [answers[place]], TINY) == []
    (sentence,) = all_defects([replace(job, activations=changed)], [answers[place]], TINY)
    count = int(np.count_nonzero(job.packed.weights[:, 0]))
    assert f"{count} of {job.packed.rows * job.tokens} outputs differ from PyTorch's" in sentence


def test_scenarios_are_the_same_for_a_seed_and_of_every_kind() -> None:
    arch = ArchConfig(clusters=2, lanes=4, tokens=3, output_blocks=16)
    scenarios = [draw_scenario(arch, seed) for seed in range(20)]
    jobs = [job for scenario in scenarios for job in scenario.jobs]
    again = draw_scenario(arch, 7)

    for first, second in zip(scenarios[7].jobs, again.jobs, strict=True):
        np.testing.assert_array_equal(first.packed.weights, second.packed.weights)
        np.testing.assert_array_equal(first.activations, second.activations)
    assert {job.packed.direction for job in jobs} == set(Direction)
    assert {job.packed.outputs is None for job in jobs} == {False, True}
    assert any(not job.activations.any() for job in jobs)
    assert any(job.activations.all(axis=1).any() for job in jobs)
    assert any(not job.packed.kept for job in jobs)
    assert any(job.packed.kept == job.packed.weights.size for job in jobs)
    assert {scenario.stall_o for scenario in scenarios} >= {0.0, 0.95}
    assert {scenario.lazy for scenario in scenarios} == {False, True}


def test_random_architectures_differ_in_every_field() -> None:
    archs = [random_arch(np.random.default_rng(seed)) for seed in range(60)]

    for name in ArchConfig.model_fields:
        assert len({getattr(arch, name) for arch in archs}) > 1, name
    assert load_arch("random:3") == archs[3]


def test_the_command_counts_what_it_compared(run: Run) -> None:
    status, out, _ = run("regress", "tiny", "--runs", 1, "--outputs", 400, "--workers", 1, "--json")

    found = json.loads(out)
    scenario = draw_scenario(TINY, 0, 400)
    assert status == 0
    assert (found["scenarios"], found["defects"]) == (1, 0)
    assert found["outputs"] == len(scenario.paces) * scenario.outputs


def test_a_defect_fails_the_command_and_says_how_to_see_it_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = ScenarioResult(6, 1, 10, 3, ("job 0: 2 of 10 outputs differ from PyTorch's",))
    monkeypatch.setattr(campaign, "_run_batch", lambda batch: [broken])

    status, _, err = run("regress", "random:4", "--runs", 1, "--seed", 6)

    assert status == 1
    assert "random:4, seed 6: job 0: 2 of 10 outputs differ" in err
    assert "once more: mixvec regress random:4 --runs 1 --seed 6 --outputs 3000 --simulator verilator" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["random:x"], "a random architecture is named by a number, as random:17, not random:x"),
        (["tiny", "--archs", "3"], "give no ARCH with it"),
        (["nowhere.json"], "architecture nowhere.json is neither a readable file nor a preset"),
        (["tiny", "--simulator", "spice"], "`--simulator` must be one of verilator, icarus, not spice"),
    ],
)
def test_bad_input_is_one_sentence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)

    status, out, err = run("regress", *arguments)

    assert (status, out) == (2, "")
    assert sentence in err


@pytest.mark.parametrize("command", ["regress", "agreement"])
def test_a_missing_simulator_is_bad_input_and_no_defect(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: None)

    if command == "regress":
        status, out, err = run("regress", "tiny", "--simulator", "icarus")
    else:
        status = agreement.main(["tiny"])
        out, err = capsys.readouterr()

    assert (status, out) == (2, "")
    assert "Icarus Verilog is not installed" in err
