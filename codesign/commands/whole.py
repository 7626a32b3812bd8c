"""What the commands that run a whole model share: options, the packed model, progress, the report."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from codesign.console import note, progress, waiting
from spec.arch import ArchConfig
from spec.errors import ConfigError
from spec.link import BAUD

if TYPE_CHECKING:
    from torch import nn

    from codesign.whole import Attachment, BoardPort, PackedModel
    from codesign.whole.compilation import Calibration
    from sw.input_quantizer import InputOptions

__all__ = [
    "BackendName",
    "Clock",
    "InputScales",
    "PackedFile",
    "Place",
    "SaveFile",
    "Smoothing",
    "Source",
    "StartFile",
    "attached",
    "check_clock",
    "chosen_model",
    "clock_hz",
    "summary",
]

BackendName: TypeAlias = Annotated[
    str, typer.Option("--backend", help="rtl (simulated Verilog), estimate, reference, or board.")
]
PackedFile: TypeAlias = Annotated[
    Path | None, typer.Option("--packed", metavar="FILE.mxv", help="A packed model, instead of pruning one.")
]
InputScales: TypeAlias = Annotated[
    str | None,
    typer.Option("--input-scales", help="Of a model that is packed now: token or tensor; token, or as kept."),
]
Smoothing: TypeAlias = Annotated[
    float | None,
    typer.Option("--smoothing", help="Of a model that is packed now: strength, 0 to 1; 0.7, or as kept."),
]
StartFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--start", metavar="FILE", help="A model kept by `evaluate --keep`, or a packed one; packed now."
    ),
]
SaveFile: TypeAlias = Annotated[
    Path | None, typer.Option("--save", metavar="FILE.mxv", help="Keep the packed model for `--packed`.")
]
_PREPARING: Final = {
    "rtl": "building the simulator, once per architecture",
    "board": "connecting to the board",
}
Clock: TypeAlias = Annotated[
    float | None,
    typer.Option("--clock", metavar="MHZ", help="For the time; what the cost model estimates without it."),
]


@dataclass(frozen=True)
class Place:
    """Where the layers of a model are multiplied.

    Parameters
    ----------
    backend : str
    port, twin : str, optional
        Serial port of a board, or the board whose twin is started; one of them, for backend ``board``.
    baud : int
        Bits per second of the port.

    Raises
    ------
    ConfigError
        If there is no such backend or board, or the port is missing or too much.
    """

    backend: str
    port: str | None = None
    twin: str | None = None
    baud: int = BAUD

    def __post_init__(self) -> None:
        from codesign.whole import BackendKind

        if self.backend not in list(BackendKind):
            raise ConfigError(f"`--backend` must be one of {', '.join(BackendKind)}, not {self.backend}")
        given = (self.port is not None) + (self.twin is not None)
        if given != (self.backend == BackendKind.BOARD):
            raise ConfigError(
                f"`--port` and `--twin` belong to `--backend {BackendKind.BOARD}`, which needs one of them"
            )
        if self.twin is not None:
            from boards.catalog import find_board

            find_board(self.twin)

    def open(self, arch: ArchConfig, stack: ExitStack) -> "BoardPort | None":
        """Return the port of the board, its twin started until ``stack`` closes; None without a board."""
        from codesign.whole import BoardPort

        if self.twin is None:
            return None if self.port is None else BoardPort(self.port, self.baud)
        from codesign.twins import TWIN_BAUD, TWIN_TIMEOUT, start_twin

        return BoardPort(stack.enter_context(start_twin(self.twin, arch)).port, TWIN_BAUD, TWIN_TIMEOUT)


@dataclass(frozen=True)
class Source:
    """Where a packed model comes from, and where it is kept: the options as given, None where they are not.

    Parameters
    ----------
    arch, default_arch : str
        Preset or file, and the one of a model that is pruned now.
    sparsity, default_sparsity : float
        Of a model that is pruned now.
    packed, start, save : Path
        A packed file, to be run as it is; a kept or packed model, to be packed anew; a file to write.
    input_scales : str
    smoothing : float
    calibrates : bool
        Whether there is a text to quantize inputs by.
    """

    arch: str | None
    default_arch: str
    sparsity: float | None
    default_sparsity: float
    packed: Path | None
    start: Path | None
    save: Path | None
    input_scales: str | None
    smoothing: float | None
    calibrates: bool = False

    def inputs(self, base: "InputOptions | None" = None) -> "InputOptions | None":
        """Return how inputs are to be quantized, the rest as ``base`` or by default; None if as that says.

        Raises
        ------
        ConfigError
            If an option is out of its range.
        """
        from codesign.patterns import parse_choice
        from codesign.whole.compilation import DEFAULT_INPUTS
        from sw.input_quantizer import InputOptions, InputScales

        if self.input_scales is None and self.smoothing is None and not self.calibrates:
            return None
        base = DEFAULT_INPUTS if base is None else base
        scales = self.input_scales
        return InputOptions(
            base.per_token
            if scales is None
            else parse_choice(InputScales, "--input-scales", scales).per_token,
            base.smoothing if self.smoothing is None else self.smoothing,
        )


def chosen_model(
    model: "nn.Module",
    source: Source,
    calibration: "Callable[[], Calibration]",
    provenance: Mapping[str, Any],
    calibrated: Mapping[str, Any] | None = None,
) -> "PackedModel":
    """Return the model of ``--packed``, or what ``--start`` made of ``model``, or ``model`` pruned now.

    What is packed here is written to ``--save``, with ``provenance``, and ``calibrated`` where the
    calibration was needed.

    Raises
    ------
    ConfigError, FormatError
        If options exclude each other, a file cannot be read or written, or the model cannot be compiled.
    """
    from codesign.whole import load_model, save_model

    if source.packed is not None:
        anew = "drop one, or give the file by `--start`, which packs it anew"
        for option, given, way_out in (
            ("--arch", source.arch, anew),
            ("--sparsity", source.sparsity, "drop one"),
            ("--start", source.start, "drop one"),
            ("--save", source.save, anew),
            ("--input-scales` or `--smoothing", source.inputs(), anew),
        ):
            if given is not None:
                raise ConfigError(
                    f"`{option}` belongs to a model that is packed now, not to `--packed`; {way_out}"
                )
        return load_model(source.packed)
    if source.start is not None:
        compiled = _kept_model(model, source.start, source, calibration, provenance, calibrated or {})
    else:
        compiled = _pruned_model(model, source, calibration, {**provenance, **(calibrated or {})})
    if source.save is not None:
        save_model(compiled, source.save)
    return compiled


def _kept_model(
    model: "nn.Module",
    start: Path,
    source: Source,
    calibration: "Callable[[], Calibration]",
    provenance: Mapping[str, Any],
    calibrated: Mapping[str, Any],
) -> "PackedModel":
    """Pack what was kept."""
    from codesign.whole import compile_pruned
    from codesign.whole.files import load_start

    if source.sparsity is not None:
        raise ConfigError("`--sparsity` belongs to a model that is pruned now, not to `--start`; drop one")
    arch = None if source.arch is None else ArchConfig.load(source.arch)
    pruned = load_start(start, model)
    inputs = source.inputs(pruned.pruning.options)
    facts = {**provenance, "start": start.name, **({} if inputs is None else calibrated)}
    with waiting("quantizing and packing; `--save` keeps it"):
        needed = None if inputs is None else calibration()
        return compile_pruned(model, pruned, needed, arch=arch, inputs=inputs, provenance=facts)


def _pruned_model(
    model: "nn.Module",
    source: Source,
    calibration: "Callable[[], Calibration]",
    provenance: Mapping[str, Any],
) -> "PackedModel":
    """Prune one-shot, refit and pack."""
    from codesign.whole import compile_model

    arch, inputs = ArchConfig.load(source.arch or source.default_arch), source.inputs()
    sparsity = source.default_sparsity if source.sparsity is None else source.sparsity
    with waiting(f"pruning to {sparsity:.0%}, refitting and packing; `--save` keeps it"):
        return compile_model(model, arch, sparsity, calibration(), inputs=inputs, provenance=provenance)


@contextmanager
def attached(
    model: "nn.Module", packed: "PackedModel", place: Place, columns: int, calls: int = 1
) -> "Iterator[Attachment]":
    """Attach ``model``, show progress in cycles over ``calls`` calls of every layer with ``columns`` columns.

    Raises
    ------
    ConfigError
        If the model is another, the board cannot be used, or a simulator fails.
    LinkError, FormatError
        If a board does not answer.
    """
    from codesign.cycles import layer_cycles
    from codesign.whole import attach
    from sim.errors import SimulatorError

    with waiting("counting cycles"):
        cycles = {
            name: layer_cycles(layer, packed.arch, columns).cycles for name, layer in packed.layers.items()
        }
    with ExitStack() as stack:
        port = place.open(packed.arch, stack)
        try:
            with waiting(_PREPARING.get(place.backend, "preparing")):
                attachment = stack.enter_context(attach(model, packed, place.backend, port=port, tell=note))
            advance = stack.enter_context(progress("running", calls * sum(cycles.values()), "cycles"))
            attachment.listener = lambda layer, tokens: advance(cycles[layer.name])
            yield attachment
        except SimulatorError as error:
            raise ConfigError(str(error)) from None


def check_clock(clock: float | None) -> None:
    """Refuse what would be refused after a long time otherwise.

    Raises
    ------
    ConfigError
        If the clock rate is not positive.
    """
    if clock is not None and not 0 < clock < float("inf"):
        raise ConfigError(f"`--clock` must be a positive number of MHz, not {clock:g}")


def clock_hz(clock: float | None, arch: ArchConfig) -> tuple[float, str]:
    """Return the clock rate and where it comes from."""
    if clock is not None:
        return clock * 1e6, "given"
    from codesign.exploration.cost_model import shipped_cost_model

    return shipped_cost_model()[0].cost(arch).fmax_mhz * 1e6, "estimated, ECP5"


def summary(report: Mapping[str, Any], origin: str) -> str:
    """Return one line about the cycles of a report; nothing was counted by the reference."""
    total = report["total"]
    if total["cycles"] is None:
        return "the reference counts no cycles"
    megahertz = report["clock_hz"] / 1e6
    return (
        f"{total['cycles']:,} cycles, {total['end_to_end_utilization']:.1%} of the multipliers at work, "
        f"{total['milliseconds']:,.2f} ms at {megahertz:.0f} MHz ({origin})"
    )
