"""Mutants through programs until one is judged wrong."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from codesign.mutation.programs import Program
from sim.mutant_run import run_mutants
from sim.simulator import Build, SimulatorError
from sim.stream_run import StreamResult

__all__ = ["Fate", "Outcome", "run_campaign"]


class Fate(StrEnum):
    """What became of a mutant."""

    WRONG = "wrong answer"
    HANG = "hang"
    BREAKDOWN = "simulator breaks down"
    ACCEPTED = "other answer, accepted"
    SAME = "same answers"

    @property
    def killed(self) -> bool:
        """Whether a check noticed it."""
        return self not in (Fate.ACCEPTED, Fate.SAME)


@dataclass
class Outcome:
    """One mutant's fate, in which program, and what was said about it.

    Parameters
    ----------
    fate : Fate
    program : str
        The one that killed it, or in which it first answered otherwise; empty if in none.
    defects : list of str
        The first few sentences of the judge.
    """

    fate: Fate = Fate.SAME
    program: str = ""
    defects: list[str] = field(default_factory=list)


def run_campaign(
    model: Build,
    stream_width: int,
    mutants: int,
    programs: Iterable[Program],
    *,
    workers: int = 1,
    progress: Callable[[str, Mapping[int, Outcome]], None] | None = None,
) -> dict[int, Outcome]:
    """Run every mutant from 1 to ``mutants`` until a program kills it; return the outcomes by number.

    A mutant that answers word for word as the unmutated design, whose answer is judged first, has not been
    noticed. Neither has one that answers otherwise, as long as its judge finds nothing wrong with that.

    Parameters
    ----------
    model : Build
    stream_width : int
        Bits of one word.
    mutants : int
    programs : iterable of Program
    workers : int
        Mutants at the same time.
    progress : callable, optional
        Called after every program, with its name and the outcomes so far.

    Raises
    ------
    SimulatorError
        If the unmutated design is judged wrong, or the simulator does not start.
    """
    outcomes = {number: Outcome() for number in range(1, mutants + 1)}
    for program in programs:
        alive = [number for number, outcome in outcomes.items() if not outcome.fate.killed]
        if not alive:
            break
        sound = _run_sound(model, stream_width, program)
        # A mutant may be slower; without an end of its answer it would run on for ever.
        limit = program.pace.reset_at + 2 * sound.simulated_cycles + 3000
        pace = replace(program.pace, limit=limit)
        for number, result in run_mutants(model, stream_width, program.words, alive, pace, workers=workers):
            found = _outcome(program, sound, result)
            if found is not None and not (found.fate is Fate.ACCEPTED and outcomes[number].program):
                outcomes[number] = found
        if progress is not None:
            progress(program.name, outcomes)
    return outcomes


def _run_sound(model: Build, stream_width: int, program: Program) -> StreamResult:
    """The answer of the unmutated design."""
    pace = replace(program.pace, limit=100_000 + 20 * len(program.words))
    ((_, result),) = run_mutants(model, stream_width, program.words, [0], pace)
    if result is None or result.timed_out:
        raise SimulatorError(f"the unmutated design hangs in {program.name}")
    wrong = program.defects(result.answer)
    if wrong:
        raise SimulatorError(f"the unmutated design is wrong in {program.name}: {wrong[0]}")
    return result


def _outcome(program: Program, sound: StreamResult, result: StreamResult | None) -> Outcome | None:
    """What a program shows of a mutant; None if it answers as the unmutated design."""
    if result is None:
        return Outcome(Fate.BREAKDOWN, program.name)
    if result.timed_out:
        return Outcome(Fate.HANG, program.name)
    answer = result.answer
    if answer == sound.answer:
        return None
    wrong = program.defects(answer)
    return Outcome(Fate.WRONG if wrong else Fate.ACCEPTED, program.name, wrong[:3])
