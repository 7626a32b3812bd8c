"""`mixvec embed`: sentences to embeddings, every layer multiplied by the accelerator."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from codesign.commands.options import Baud, JsonFlag, Port, TwinName
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
from spec.arch import ArchConfig
from spec.errors import ConfigError
from spec.link import BAUD

__all__ = ["embed"]

_ARCH: Final = "ulx3s"
_SPARSITY: Final = 0.8


def embed(
    text: Annotated[list[str], typer.Argument(metavar="TEXT...", help="Sentences.")],
    model: Annotated[
        str, typer.Option("--model", metavar="MODEL", help="minilm, or a folder of the BERT family.")
    ] = "minilm",
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
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="FILE",
            help="Text to refit on, or to quantize inputs by; built-in without.",
        ),
    ] = None,
    clock: Clock = None,
    as_json: JsonFlag = False,
) -> int:
    """Embed sentences with a model whose linear layers all run on the accelerator.

    MiniLM comes trained at 0.8 and packed for ulx3s; for another architecture, or with --calibrate, --save,
    --input-scales or --smoothing, it is packed anew. With another sparsity or model, or for fewer bits, it is
    pruned first: minutes, and much further from the dense model. --start takes one that `mixvec evaluate`
    has trained instead.
    """
    check_clock(clock)
    source = Source(
        arch, _ARCH, sparsity, _SPARSITY, packed, start, save, input_scales, smoothing, calibrate is not None
    )
    inputs = source.inputs()
    place = Place(backend, port, twin, baud)
    blank = [one for one in text if not one.strip()]
    if blank:
        raise ConfigError(f"TEXT must be sentences, but {blank[0]!r} is empty; leave it out")
    from codesign.whole.sentence_encoder import PACKED_MINILM, load_sentence_encoder
    from sw.calibration import SENTENCES
    from sw.sentences import read_sentences
    from sw.text import read_text

    if packed is not None and calibrate is not None:
        raise ConfigError(
            "`--calibrate` belongs to a model that is packed now, not to `--packed`; drop one, or give the "
            "file by `--start`, which packs it anew"
        )
    sentences = list(SENTENCES) if calibrate is None else read_sentences(read_text(calibrate))
    if not sentences:
        raise ConfigError(f"{calibrate} has no sentence of 6 to 40 words; give running text")
    ours = model == "minilm" and sparsity in (None, _SPARSITY) and packed is None and start is None
    if ours and arch in (None, _ARCH) and save is None and inputs is None:
        source = replace(source, arch=None, sparsity=None, packed=PACKED_MINILM)
    elif ours and _same_bits(arch or _ARCH):
        source = replace(source, sparsity=None, start=PACKED_MINILM)
    encoder = load_sentence_encoder(model)
    compiled = chosen_model(
        encoder.model,
        source,
        lambda: encoder.batches(sentences, 16),
        {"model": Path(model).name},
    )
    rate, origin = clock_hz(clock, compiled.arch)
    batches = encoder.batches(text)
    columns = max(batch["input_ids"].numel() for batch in batches)
    with attached(encoder.model, compiled, place, columns, len(batches)) as attachment:
        embeddings = encoder.embed(batches)
        report = attachment.report(rate)
    if as_json:
        cycles = report["total"]["cycles"]
        print_json(
            {"embeddings": embeddings.tolist(), "cycles": cycles, "backend": backend, "report": report}
        )
        return 0
    for sentence, embedding in zip(text, embeddings, strict=True):
        numbers = ", ".join(f"{value:.4f}" for value in embedding[:6].tolist())
        print_tables(f"{sentence}\n  {numbers}, ... ({len(embedding)} numbers; `--json` prints them all)")
    from codesign.tables import whole_table

    print_tables(whole_table(report), summary(report, origin))
    return 0


def _same_bits(arch: str) -> bool:
    """Whether an architecture multiplies the integers that MiniLM was trained with."""
    config, own = ArchConfig.load(arch), ArchConfig.load(_ARCH)
    return (config.weight_width, config.activation_width) == (own.weight_width, own.activation_width)
