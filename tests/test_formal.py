"""Proofs of the stream components, and that a proof can fail."""

import os
from dataclasses import replace
from typing import Any, cast

import pytest
from amaranth.hdl import ClockDomain, Fragment, Module

from hw.queue import Queue
from hw.register_slice import RegisterSlice
from sim.formal.__main__ import main
from sim.formal.bug import Bug
from sim.formal.catalog import PROOFS
from sim.formal.harness import Harness
from sim.formal.interior import Interior
from sim.formal.solver import SolverError
from sim.formal.trial import try_proof
from tests.slices import often

# The others take minutes, and run in `make test-long` and `make formal`.
OFTEN = ("queue", "register_slice")


@pytest.fixture(autouse=True)
def nothing_activated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The solver is found where pip put it, on PATH or not."""
    monkeypatch.setenv("PATH", os.defpath)


@pytest.mark.parametrize("name", often(PROOFS, OFTEN))
def test_component_keeps_its_claims(name: str) -> None:
    verdict = try_proof(name, PROOFS[name])

    assert verdict.problem == ""
    assert verdict.broken


@pytest.mark.parametrize("name", sorted(PROOFS.keys() - OFTEN))
def test_a_proof_finds_its_signals_and_the_line_of_its_bug(name: str) -> None:
    proof, elaborate = PROOFS[name], cast(Any, Fragment).get

    for subject in (proof.subject, proof.bug.plant(proof.subject)):
        elaborate(proof.harness(subject), None)


def test_a_broken_component_is_told_from_a_good_one() -> None:
    proof = PROOFS["register_slice"]
    broken = replace(proof, harness=lambda _: proof.harness(proof.bug.plant(RegisterSlice)))

    assert try_proof("broken", broken).problem == "lemma.ready_with_a_place fails within 6 cycles"


def test_a_bug_that_changes_nothing_is_an_error() -> None:
    harmless = replace(PROOFS["queue"], bug=Bug("pop.eq(take & ~empty)", "pop.eq(~empty & take)"))

    assert try_proof("harmless", harmless).problem == (
        "the bug `pop.eq(~empty & take)` is not found within 8 cycles"
    )


def test_what_cannot_be_reached_is_an_error() -> None:
    hasty = replace(PROOFS["queue"], cover=3)

    assert try_proof("hasty", hasty).problem == "reach.full is not reached within 3 cycles"


def test_claims_that_do_not_imply_themselves_are_an_error() -> None:
    proof = PROOFS["queue"]

    def bare(queue: type[Queue]) -> Harness:
        harness = proof.harness(queue)
        harness.has_lemmas = False
        return harness

    problem = try_proof("bare", replace(proof, harness=bare)).problem

    assert problem == "claim.order does not follow from 2 cycles"


def test_a_harness_with_a_clock_of_its_own_is_refused() -> None:
    class Clocked(Harness):
        def describe(self, m: Module) -> None:
            m.domains.sync = ClockDomain("sync")
            self.claim(m, "never_valid", ~self.component.o.valid)

    proof = replace(PROOFS["queue"], harness=lambda queue: Clocked(queue(4, 4)))

    with pytest.raises(ValueError, match=r"^Clocked must leave clk to the solver; define no clock domain$"):
        try_proof("clocked", proof)


def test_assumptions_that_exclude_each_other_are_an_error() -> None:
    class Nowhere(Harness):
        def describe(self, m: Module) -> None:
            self.suppose(m, "ready", self.component.o.ready)
            self.suppose(m, "not_ready", ~self.component.o.ready)
            self.claim(m, "nonsense", self.component.o.valid & ~self.component.o.valid)

    proof = replace(PROOFS["queue"], harness=lambda queue: Nowhere(queue(4, 4)))

    with pytest.raises(SolverError, match=r"^nowhere: the assumptions exclude each other"):
        try_proof("nowhere", proof)


def test_a_lemma_must_name_a_signal_of_the_component() -> None:
    interior = Interior(Queue(4, 4))

    with pytest.raises(LookupError, match=r"^Queue must have one signal called hed, not 0; change the name"):
        interior.signal("hed")
    assert interior.signal("head") is not interior.signal("tail")
    assert len(interior.signal("head")) == 3


def test_a_bug_must_name_a_line_of_the_component() -> None:
    bug = Bug("nothing", "")

    with pytest.raises(LookupError, match=r"^hw/queue\.py must hold `nothing` once, not 0 times"):
        bug.plant(Queue)


def test_the_command_prints_a_table_and_refuses_unknown_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["register_slice"]) == 0
    assert "unbounded" in capsys.readouterr().out

    assert main(["queue", "tail"]) == 2
    assert capsys.readouterr().err.startswith("there is no proof of tail; choose from queue, ")
