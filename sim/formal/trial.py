"""Trial: one proof before the solver, with the evidence that it can fail."""

import resource
import tempfile
from pathlib import Path
from typing import Final

from sim.formal.proof import Proof
from sim.formal.solver import Solver, SolverError
from sim.formal.verdict import Verdict

__all__ = ["SECONDS", "try_proof"]

SECONDS: Final = 60
"""Processor time for one question to the solver."""
_GOOD, _BAD = "component", "component_with_a_bug"


def try_proof(name: str, proof: Proof, seconds: int = SECONDS) -> Verdict:
    """Check claims, induction, covers and the seeded bug of one proof, in that order.

    Raises
    ------
    SolverError
        If a tool is missing or does not answer within ``seconds``.
    LookupError
        If the proof names something that the component no longer has.
    """
    start = _processor_seconds()
    with tempfile.TemporaryDirectory(prefix="mixvec-") as folder:
        solver = Solver(Path(folder), seconds)
        try:
            problem, broken = _judge(solver, proof)
        except SolverError as error:
            raise SolverError(f"{name}: {error}") from None
    return Verdict(name, proof.reach, _processor_seconds() - start, problem, broken)


def _processor_seconds() -> float:
    """Return what tools have used so far; on a busy machine the clock on the wall says little."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _judge(solver: Solver, proof: Proof) -> tuple[str, str]:
    """Return why the proof does not count, or nothing, and the claims that its bug breaks."""
    good = proof.harness(proof.subject).to_rtlil()
    bad = proof.harness(proof.bug.plant(proof.subject))
    bad.has_lemmas = False
    solver.translate({_GOOD: good, _BAD: bad.to_rtlil()})
    depth = proof.depth if proof.induction is None else proof.induction
    if failed := solver.check(_GOOD, depth):
        return f"{failed} fails within {depth} cycles", ""
    if proof.induction is not None and (failed := solver.induct(_GOOD, proof.induction)):
        return f"{failed} does not follow from {proof.induction} cycles", ""
    if missed := solver.cover(_GOOD, proof.cover):
        return f"{missed} is not reached within {proof.cover} cycles", ""
    broken = solver.check(_BAD, proof.depth)
    if not broken:
        return f"the bug `{proof.bug.wrong}` is not found within {proof.depth} cycles", ""
    return "", broken.replace("claim.", "")
