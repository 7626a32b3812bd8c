"""Bitstreams of boards, each step once for the same design, tools and seed."""

import base64
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Final

from boards.catalog import BoardFacts
from boards.flow import (
    NETLIST,
    SYNTHESIS_LOG,
    SYNTHESIZER,
    Figures,
    Flow,
    NoFitError,
    flow_of,
    tool_versions,
)
from boards.vivado import CELLS, CHECK, check_project
from codesign.board_fit import no_fit_sentence, shortage
from codesign.exploration.store import Store, content_key
from codesign.verilog import board_project
from spec.arch import ArchConfig
from spec.errors import ConfigError

__all__ = ["BoardBuild", "build_board"]

_KINDS: Final = ("luts", "ffs", "dsps", "brams")


@dataclass(frozen=True)
class BoardBuild:
    """A bitstream, or a Vivado project that yosys has checked, and what it took.

    Parameters
    ----------
    facts : BoardFacts
    arch : ArchConfig
    seed : int
        Of the placer.
    fmax_mhz : float, optional
        After routing; None of a project.
    counts : dict of str to int
        ``luts``, ``ffs``, ``dsps``, ``brams``.
    limits : dict of str to int
        What the device has of each.
    used : dict of str to (int, int)
        Used and available, by cell of nextpnr or of Vivado.
    tools : dict of str to str
        Versions by package.
    seconds : float
        Of all tools, when they ran.
    files : dict of str to bytes
        Bitstream, project and logs, by name.
    bitstream : str, optional
        Name among them; None of a project.
    """

    facts: BoardFacts
    arch: ArchConfig
    seed: int
    fmax_mhz: float | None
    counts: dict[str, int]
    limits: dict[str, int]
    used: dict[str, tuple[int, int]]
    tools: dict[str, str]
    seconds: float
    files: dict[str, bytes]
    bitstream: str | None


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
        return _build_project(facts, arch, seed, store, say)
    lacking = shortage(facts, arch)
    if lacking:
        raise ConfigError(no_fit_sentence(facts, arch, lacking, least=True))
    tools = tool_versions(flow.packages)
    say("Verilog")
    project = board_project(facts, arch, store)
    steps = [flow.synthesis, *flow.sources()]
    synthesized = content_key(project=_design(project), command=steps, tools=tools[SYNTHESIZER])
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
        {kind: flow.limit(figures, kind) for kind in _KINDS},
        figures.used,
        tools,
        kept["seconds"],
        {**files, **{name: text.encode() for name, text in project.items()}},
        f"bitstream{flow.bitstream}",
    )


def _build_project(
    facts: BoardFacts, arch: ArchConfig, seed: int, store: Store, say: Callable[[str], None]
) -> BoardBuild:
    """What Vivado takes, as far as yosys can check it."""
    tools = tool_versions((SYNTHESIZER,))
    say("Verilog")
    project = board_project(facts, arch, store)
    key = content_key(project=project, check=CHECK, device=facts.device, tools=tools)
    kept = store.get(key)
    if kept is None:
        say("check by yosys")
        with tempfile.TemporaryDirectory(prefix="mixvec-") as name:
            folder, started = Path(name), monotonic()
            for file, text in project.items():
                (folder / file).write_text(text)
            try:
                found = check_project(folder, facts)
            except NoFitError as error:
                raise ConfigError(no_fit_sentence(facts, arch, error.used)) from None
            log = (folder / SYNTHESIS_LOG).read_bytes()
            kept = {"used": found, "seconds": monotonic() - started, "log": _packed(log)}
        store.put(key, kept)
    files = {SYNTHESIS_LOG: _unpacked(kept["log"]), **{name: text.encode() for name, text in project.items()}}
    used = {cell: (pair[0], pair[1]) for cell, pair in kept["used"].items()}
    counts, limits = ({kind: used[CELLS[kind]][place] for kind in _KINDS} for place in (0, 1))
    return BoardBuild(facts, arch, seed, None, counts, limits, used, tools, kept["seconds"], files, None)


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
        names = (NETLIST, SYNTHESIS_LOG)
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
        raise ConfigError(no_fit_sentence(facts, arch, error.used)) from None
    say("bitstream")
    bitstream = flow.bits(folder, facts)
    logs = sorted(path.name for path in folder.glob("*.log"))
    return {
        "fmax_mhz": figures.fmax_mhz,
        "used": figures.used,
        "seconds": netlist["seconds"] + monotonic() - started,
        "files": {name: _packed((folder / name).read_bytes()) for name in (bitstream.name, *logs)},
    }


def _design(project: dict[str, str]) -> dict[str, str]:
    """The files that synthesis reads."""
    return {name: text for name, text in project.items() if name.endswith((".v", ".il"))}


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 6)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))
