"""`mixvec generate`: text by a language model, a column at a time through the accelerator."""

from pathlib import Path
from typing import Annotated, Final

import typer

from codesign.commands.options import Baud, JsonFlag, Port, Seed, TwinName
from codesign.commands.whole import (
    BackendName,
    Clock,
    InputScales,
    PackedFile,
    Place,
    SaveFile,
    Smoothing,
    Source,
    StartFile,
    attached,
    check_clock,
    chosen_model,
    clock_hz,
    summary,
)
from codesign.console import print_json, print_tables
from spec.errors import ConfigError
from spec.link import BAUD

__all__ = ["generate"]

_ARCH: Final = "token"
_SPARSITY: Final = 0.5
_MODEL: Final = Path(__file__).parents[2] / "examples" / "character-models" / "0"


def generate(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="Text to go on from.")],
    model: Annotated[
        Path, typer.Option("--model", metavar="DIR", help="A folder of the GPT-2 family.", show_default=False)
    ] = _MODEL,
    tokens: Annotated[int, typer.Option("--tokens", min=1, metavar="N", help="Tokens to write.")] = 50,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0, help="0 takes the likeliest token.")
    ] = 0.0,
    backend: BackendName = "rtl",
    port: Port = None,
    twin: TwinName = None,
    baud: Baud = BAUD,
    arch: Annotated[
        str | None,
        typer.Option("--arch", metavar="ARCH", help=f"A JSON file or preset; {_ARCH}, or as kept."),
    ] = None,
    sparsity: Annotated[
        float | None, typer.Option("--sparsity", help=f"Fraction pruned, 0 to 1; {_SPARSITY}.")
    ] = None,
    packed: PackedFile = None,
    start: StartFile = None,
    input_scales: InputScales = None,
    smoothing: Smoothing = None,
    save: SaveFile = None,
    clock: Clock = None,
    seed: Seed = 0,
    as_json: JsonFlag = False,
) -> int:
    """Write on from a prompt with a model whose linear layers all run on the accelerator."""
    check_clock(clock)
    source = Source(arch, _ARCH, sparsity, _SPARSITY, packed, start, save, input_scales, smoothing)
    source.inputs()
    place = Place(backend, port, twin, baud)
    from codesign.whole.text_generator import load_text_generator

    if not model.is_dir() and model == _MODEL:
        raise ConfigError(
            "`--model` must be given where the repository's examples are not; name a model folder"
        )
    generator = load_text_generator(model)
    ids = generator.encode(prompt)
    if len(ids) + tokens > generator.positions:
        raise ConfigError(
            f"`--tokens` {tokens} after a prompt of {len(ids)} tokens exceed the model's "
            f"{generator.positions} positions; ask for fewer, or shorten the prompt"
        )
    compiled = chosen_model(
        generator.model,
        source,
        lambda: generator.samples(seed),
        {"model": model.name},
        {"calibration_text": "the model's own samples"},
    )
    rate, origin = clock_hz(clock, compiled.arch)
    calls = len(ids) + tokens - 1
    with attached(generator.model, compiled, place, 1, calls) as attachment:
        written = list(generator.continuation(ids, tokens, temperature=temperature, seed=seed))
        report = attachment.report(rate)
    text, cycles = generator.decode(ids + written), report["total"]["cycles"]
    per_token = None if cycles is None else cycles / calls
    if as_json:
        print_json(
            {
                "text": text,
                "tokens": written,
                "cycles": cycles,
                "cycles_per_token": per_token,
                "backend": backend,
                "report": report,
            }
        )
        return 0
    from codesign.tables import whole_table

    rated = (
        "" if per_token is None else f"; {per_token:,.0f} cycles per token, {rate / per_token:,.0f} tokens/s"
    )
    print_tables(text, "", whole_table(report), summary(report, origin) + rated)
    return 0
