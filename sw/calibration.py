"""Real activations: what every matrix of a model sees while it reads English sentences."""

from pathlib import Path
from typing import Any, Final

import torch

from spec.errors import ConfigError
from sw.models import FAMILIES, Family, model_folder

__all__ = ["SENTENCES", "capture_activations"]

SENTENCES: Final = (
    "The ferry leaves the harbour at six and returns before the fog comes in.",
    "Please check whether the invoice from last month has already been paid.",
    "A small bakery on the corner sells rye bread that is still warm at noon.",
    "Her talk compared three ways of storing energy from wind over the winter.",
    "If the pump makes a grinding noise, switch it off and call the workshop.",
    "Children were flying paper kites on the hill behind the old school.",
    "The court postponed its decision because two documents were missing.",
    "Sparse matrices save memory when most of their entries are zero.",
    "He learned to play the cello at forty and gave a concert at fifty.",
    "The museum keeps a collection of clocks that all show different times.",
    "Rain is expected in the north, while the coast stays dry and mild.",
    "The patient may eat again four hours after the operation.",
    "Our train was late, so we missed the connection and walked home.",
    "A good index makes a long book twice as useful to its readers.",
    "The company hired two engineers to redesign the cooling system.",
    "Nobody remembered who had planted the walnut tree in the yard.",
    "Press the green button twice to start the measurement again.",
    "The recipe asks for two eggs, a cup of flour and a pinch of salt.",
    "Astronomers found a faint galaxy behind a cloud of dust.",
    "She translated the letter from Portuguese without a dictionary.",
    "The bridge was closed for repairs after the spring flood.",
    "Prices for copper rose sharply when the mine stopped working.",
    "Which of these two books would you recommend to a beginner?",
    "The goalkeeper saved a penalty in the last minute of the match.",
)


def capture_activations(model_source: str | Path, tokens: int = 64) -> dict[str, torch.Tensor]:
    """Return the inputs of every encoder matrix for the first tokens of ``SENTENCES``.

    Sentences are run one by one, so that no token is padding. Nothing is downloaded.

    Parameters
    ----------
    model_source : str or Path
        ``minilm`` or a Hugging Face folder with its tokenizer.
    tokens : int
        N, at least 1.

    Returns
    -------
    dict of str to Tensor of float32, shape (K, N)
        By the names of ``load_matrices``.

    Raises
    ------
    ConfigError
        If ``model_source`` cannot be run, or the sentences have fewer than ``tokens`` tokens.
    """
    if tokens < 1:
        raise ConfigError(f"tokens must be at least 1, not {tokens}")
    folder = model_folder() if str(model_source) == "minilm" else Path(model_source)
    if not folder.is_dir():
        raise ConfigError(f"activations need a model folder with a tokenizer, and {model_source} is none")
    model, tokenizer = _load(folder)
    seen = _attach(model)
    if not seen:
        raise ConfigError(f"{folder.name} holds no encoder layers of the BERT or GPT-2 family")
    count = 0
    with torch.inference_mode():
        for sentence in SENTENCES:
            encoded = tokenizer(sentence, return_tensors="pt")
            model(**encoded)
            count += encoded["input_ids"].shape[1]
            if count >= tokens:
                break
    if count < tokens:
        raise ConfigError(f"the built-in sentences have {count} tokens, fewer than {tokens}; ask for those")
    return {name: torch.cat(rows)[:tokens].T.contiguous() for name, rows in seen.items()}


def _load(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer  # other commands run without its slow import
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model = AutoModel.from_pretrained(str(folder), local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n")[0][:120]
        raise ConfigError(f"{folder.name} is not a model that transformers can run ({reason})") from None
    return model.eval(), tokenizer


def _attach(model: Any) -> dict[str, list[torch.Tensor]]:
    """Record the input of every matrix's first module, as tokens x K, while the model runs."""
    seen: dict[str, list[torch.Tensor]] = {}
    for module_name, module in model.named_modules():
        for family in FAMILIES:
            name = _first_of_part(family, f"{module_name}.weight")
            if name is not None:
                rows = seen.setdefault(name, [])

                def keep(_: Any, inputs: tuple[torch.Tensor, ...], rows: list[torch.Tensor] = rows) -> None:
                    rows.append(inputs[0].detach().flatten(0, -2).clone())

                module.register_forward_pre_hook(keep)
    return seen


def _first_of_part(family: Family, weight_name: str) -> str | None:
    """Name of the matrix that the weight is the first part of; all parts have the same input."""
    place = family.match(weight_name)
    if place is None:
        return None
    layer, module = place
    return f"layer{layer}.{family.modules[module]}" if family.parts(module)[0] == module else None
