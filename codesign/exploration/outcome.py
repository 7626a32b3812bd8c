"""What is known of one design, and which designs no other beats."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from boards.devices import Device
from codesign.exploration.activity import Activity, dense_activity, layer_activity
from codesign.exploration.cost import Cost
from codesign.exploration.designs import Design
from codesign.exploration.energy import Energy, estimate_energy
from codesign.exploration.front import pareto_front
from codesign.exploration.masks import Masks
from codesign.exploration.quality import Quality
from codesign.exploration.technology import Technology
from spec.arch import ArchConfig
from spec.counters import CLUSTER_CAUSES, CYCLE_CAUSES

__all__ = ["RESOURCES", "Limits", "Objective", "Outcome", "best_outcomes"]

RESOURCES: Final = ("luts", "ffs", "dsps", "brams")


class Objective(StrEnum):
    """What less of is better: time and energy of the whole model, share of the board, quality lost.

    Quality is that of the task where it was measured, and the weights' magnitude where it was not.
    """

    LATENCY = "latency"
    AREA = "area"
    QUALITY = "quality"
    ENERGY = "energy"


@dataclass(frozen=True)
class Limits:
    """What a design must meet to be on the front.

    Parameters
    ----------
    device : Device
        Nothing of it may be exceeded.
    most_ms : float, optional
        Longest time for the whole model.
    """

    device: Device
    most_ms: float | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """One design with everything that is known of it.

    Parameters
    ----------
    design : Design
    masks : Masks, optional
        None for a packed file.
    error : str, optional
        Why it cannot run the model; there are no layers then.
    layers : sequence of mapping
        As of ``measuring.measure``.
    tokens : int
        Activation columns N.
    cost : Cost
        Estimated, or routed where ``routed`` is set.
    limits : Limits
    technology : Technology
        Whose energy is estimated.
    routed : bool
        Resources and clock rate are from place and route.
    """

    design: Design
    masks: Masks | None
    error: str | None
    layers: Sequence[Mapping[str, Any]]
    tokens: int
    cost: Cost
    limits: Limits
    technology: Technology
    routed: bool = False

    @property
    def arch(self) -> ArchConfig:
        """The accelerator."""
        return self.design.arch

    def total(self, name: str) -> int:
        """Sum over the layers of one of their counts."""
        return sum(layer[name] for layer in self.layers)

    def with_layers(self, layers: Sequence[Mapping[str, Any]]) -> "Outcome":
        """Return the same design with other figures of its layers."""
        return replace(self, layers=layers)

    def with_cost(self, cost: Cost) -> "Outcome":
        """Return the same design with routed figures."""
        return replace(self, cost=cost, routed=True)

    @property
    def usage(self) -> dict[str, float]:
        """Share of the device that every resource takes."""
        device = self.limits.device
        return {name: getattr(self.cost, name) / getattr(device, name) for name in RESOURCES}

    @property
    def latency_ms(self) -> float:
        """Time for all layers, one after the other, at the clock rate."""
        return self.total("cycles") / (self.cost.fmax_mhz * 1e3)

    @property
    def energy(self) -> Energy:
        """Estimate for the whole model."""
        return self._energy(layer_activity)

    @property
    def dense_energy(self) -> Energy:
        """Estimate for the same array if every weight were kept."""
        return self._energy(dense_activity)

    def _energy(self, activity: Callable[[Mapping[str, Any], ArchConfig, int], Activity]) -> Energy:
        done = sum((activity(layer, self.arch, self.tokens) for layer in self.layers), Activity())
        return estimate_energy(done, self.arch, self.technology)

    @property
    def excess(self) -> float:
        """By how much it exceeds its limits, as a share of that exceeded most; 0 or less within all."""
        most = self.limits.most_ms
        return max(*self.usage.values(), 0.0 if most is None else self.latency_ms / most) - 1

    @property
    def fits(self) -> bool:
        """Whether it runs the model within all limits."""
        return self.error is None and self.excess <= 0

    @property
    def shares(self) -> dict[str, float]:
        """Where the cycles of all clusters go, by counter; together 1. Empty if that was not measured."""
        counters = [layer["counters"] for layer in self.layers if "counters" in layer]
        clusters, cycles = self.arch.clusters, sum(one["cycles"] for one in counters)
        times = dict.fromkeys(CLUSTER_CAUSES.values(), 1) | dict.fromkeys(CYCLE_CAUSES, clusters)
        del times["busy_cycles"]
        return {
            name: factor * sum(one[name] for one in counters) / (clusters * cycles)
            for name, factor in times.items()
            if cycles
        }

    @property
    def multiplying(self) -> float:
        """Share of all clusters' cycles in which they multiply; exact for every design."""
        most = self.arch.clusters * self.total("cycles")
        return self.total("beats") / most if most else 0.0

    @property
    def streaming(self) -> float:
        """Share of the cycles in which the input stream moves a word; exact for every design."""
        return self.total("load_cycles") / self.total("cycles") if self.layers else 0.0

    @property
    def quality(self) -> Quality | None:
        """What was measured of the pruned model, if anything."""
        return None if self.masks is None else self.masks.quality

    @property
    def lost(self) -> float:
        """What pruning costs: of the measured quality, or else a share of the magnitude."""
        if self.masks is None:
            return 0.0
        return self.masks.lost if self.masks.quality is None else self.masks.quality.loss

    def objective(self, objective: Objective) -> float:
        """Return the figure of which less is better."""
        match objective:
            case Objective.LATENCY:
                return self.latency_ms
            case Objective.AREA:
                return max(self.usage.values())
            case Objective.QUALITY:
                return self.lost
            case Objective.ENERGY:
                return self.energy.total

    def row(self) -> dict[str, Any]:
        """Return the figures as one flat line of a table."""
        pruning, masks, pes = self.design.pruning, self.masks, self.arch.pes
        compute, cycles, kept = self.total("compute_cycles"), self.total("cycles"), self.total("kept")
        weights = sum(layer["rows"] * layer["cols"] for layer in self.layers)
        figures: dict[str, Any] = {
            **self.arch.model_dump(),
            "pes": pes,
            "sparsity": None if pruning is None else pruning.sparsity,
            "metadata_bits": None if pruning is None else pruning.metadata_bits,
            "retained": None if masks is None else masks.retained,
            "lost": None if masks is None else masks.lost,
            "quality_measure": None if self.quality is None else self.quality.name,
            "quality": None if self.quality is None else self.quality.value,
            "dense_quality": None if self.quality is None else self.quality.dense,
            "record_bits_per_kept": None if masks is None else masks.record_bits_per_kept,
            "mean_length": None if masks is None else masks.mean_length,
            "columns": self.tokens,
            "kept": kept,
            "density": kept / weights if weights else None,
            "bits": self.total("bits"),
            "compute_cycles": compute,
            "load_cycles": self.total("load_cycles"),
            "cycles": cycles,
            "utilization": kept * self.tokens / (pes * compute) if compute else None,
            "end_to_end_utilization": kept * self.tokens / (pes * cycles) if cycles else None,
            "multiplying": self.multiplying,
            "streaming": self.streaming,
            **{name: getattr(self.cost, name) for name in RESOURCES},
            **{f"{name}_used": share for name, share in self.usage.items()},
            "fmax_mhz": self.cost.fmax_mhz,
            "routed": self.routed,
            "latency_ms": self.latency_ms if cycles else None,
            "technology": self.technology.name,
            "energy_uj": self.energy.total if cycles else None,
            "energy_chip_uj": self.energy.on_chip if cycles else None,
            "dense_energy_uj": self.dense_energy.total if cycles else None,
            "dense_energy_chip_uj": self.dense_energy.on_chip if cycles else None,
            **{f"share_{name}": share for name, share in self.shares.items()},
            "fits": self.fits,
            "error": self.error,
        }
        return figures


def best_outcomes(outcomes: Sequence[Outcome], objectives: Sequence[Objective]) -> list[int]:
    """Return the indices of the outcomes within their limits that no other beats in all objectives."""
    within = [index for index, outcome in enumerate(outcomes) if outcome.fits]
    costs = [[outcomes[index].objective(one) for one in objectives] for index in within]
    return [within[index] for index in pareto_front(costs)]
