"""Run proofs and print what came of them.

    python -m sim.formal [NAME...]

Exit status 0 if every proof holds, 1 if one does not, 2 for a name that is none.
"""

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from sim.formal.catalog import PROOFS
from sim.formal.solver import SolverError
from sim.formal.trial import SECONDS, try_proof
from sim.formal.verdict import Verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named proofs, or all; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sim.formal", description="prove the stream components")
    parser.add_argument("names", nargs="*", metavar="NAME", help="proofs to run; all without it")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of processor time for one question")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in PROOFS]
    if unknown:
        print(f"there is no proof of {unknown[0]}; choose from {', '.join(PROOFS)}", file=sys.stderr)
        return 2
    verdicts = [_verdict(name, options.seconds) for name in options.names or PROOFS]
    Console().print(_table(verdicts))
    return int(not all(verdict.holds for verdict in verdicts))


def _verdict(name: str, seconds: int) -> Verdict:
    """Try one proof; a solver without an answer is a proof that does not hold."""
    print(f"{name} ...", file=sys.stderr)
    try:
        return try_proof(name, PROOFS[name], seconds)
    except (SolverError, LookupError) as error:
        return Verdict(name, PROOFS[name].reach, 0.0, str(error))


def _table(verdicts: Sequence[Verdict]) -> Table:
    table = Table("proof", "proven for", "seconds", "result", "its bug breaks", title="formal proofs")
    for verdict in verdicts:
        result = "[green]holds[/]" if verdict.holds else f"[red]{verdict.problem}[/]"
        table.add_row(verdict.name, verdict.reach, f"{verdict.seconds:.1f}", result, verdict.broken)
    return table


if __name__ == "__main__":
    sys.exit(main())
