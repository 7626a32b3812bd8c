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
    "input_options",
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
    typer.Option("--input-scales", help="Of a model that is pruned now: token (the default) or tensor."),
]
Smoothing: TypeAlias = Annotated[
    float | None, typer.Option("--smoothing", help="Of a model that is pruned now: strength, 0 to 1; 0.7.")
]
StartFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--start", metavar="FILE", help="A model kept by `mixvec evaluate --keep`, packed now."),
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
    """Where a packed model comes from, and where it is kept: the options as given.

    Parameters
    ----------
    arch, default_arch : str, optional
    sparsity, default_sparsity : float, optional
    packed, start, save : Path, optional
    """

    arch: str | None
    default_arch: str
    sparsity: float | None
    default_sparsity: float
    packed: Path | None
    start: Path | None
    save: Path | None


def chosen_model(
    model: "nn.Module",
    source: Source,
    inputs: "InputOptions | None",
    calibration: "Callable[[], Calibration]",
    provenance: Mapping[str, Any],
) -> "PackedModel":
    """Return the model of ``--packed``, or what ``--start`` made of ``model``, or ``model`` pruned now.

    What is packed here is written to ``--save``.

    Raises
    ------
    ConfigError, FormatError
        If options exclude each other, a file cannot be read or written, or the model cannot be compiled.
    """
    from codesign.whole import compile_model, compile_pruned, load_model, save_model

    if source.packed is not None:
        for option, given in (
            ("--arch", source.arch),
            ("--sparsity", source.sparsity),
            ("--start", source.start),
            ("--save", source.save),
            ("--input-scales` or `--smoothing", inputs),
        ):
            if given is not None:
                raise ConfigError(
                    f"`{option}` belongs to a model that is packed now, not to `--packed`; drop one"
                )
        return load_model(source.packed)
    if source.start is not None:
        from sw.pruned_state import PrunedState

        if source.sparsity is not None:
            raise ConfigError(
                "`--sparsity` belongs to a model that is pruned now, not to `--start`; drop one"
            )
        config = None if source.arch is None else ArchConfig.load(source.arch)
        pruned, facts = PrunedState.load(source.start), {**provenance, "start": source.start.name}
        with waiting("quantizing and packing; `--save` keeps it"):
            compiled = compile_pruned(
                model, pruned, calibration(), arch=config, inputs=inputs, provenance=facts
            )
    else:
        config = ArchConfig.load(source.arch or source.default_arch)
        sparsity = source.default_sparsity if source.sparsity is None else source.sparsity
        with waiting(f"pruning to {sparsity:.0%}, refitting and packing; `--save` keeps it"):
            compiled = compile_model(
                model, config, sparsity, calibration(), inputs=inputs, provenance=provenance
            )
    if source.save is not None:
        save_model(compiled, source.save)
    return compiled


def input_options(scales: str | None, smoothing: float | None) -> "InputOptions | None":
    """Return what `--input-scales` and `--smoothing` ask for; None without them.

    Raises
    ------
    ConfigError
        If one of them is out of range.
    """
    from codesign.patterns import parse_choice
    from codesign.whole.compilation import DEFAULT_INPUTS
    from sw.input_quantizer import InputOptions, InputScales

    chosen = None if scales is None else parse_choice(InputScales, "--input-scales", scales)
    if chosen is None and smoothing is None:
        return None
    return InputOptions(
        DEFAULT_INPUTS.per_token if chosen is None else chosen.per_token,
        DEFAULT_INPUTS.smoothing if smoothing is None else smoothing,
    )


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
