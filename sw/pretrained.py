"""Models of transformers: loaded, or refused in one sentence, and switched to evaluation."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from spec.errors import ConfigError
from sw.models import model_folder

__all__ = ["evaluating", "flags_kept", "load_pretrained", "load_sentence_model", "plain_attention"]

_ATTENTION: Final = "_attn_implementation"
"""Where a config of transformers says which function computes attention."""


def load_pretrained(source: str | Path, kind: Any) -> tuple[nn.Module, Any]:
    """Return a model, float32 and in evaluation mode, and its tokenizer.

    Parameters
    ----------
    source : str or Path
        A Hugging Face folder, of which nothing is downloaded, or a name on the hub.
    kind : class of transformers
        ``AutoModel`` or one for a task.

    Raises
    ------
    ConfigError
        If transformers cannot run it, or weights other than the pooler's are missing.
    """
    from transformers import AutoTokenizer
    from transformers.utils import logging

    name = Path(source).name
    local = Path(source).is_dir()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(source), local_files_only=local)
        model, info = kind.from_pretrained(
            str(source), local_files_only=local, dtype=torch.float32, output_loading_info=True
        )
    # Damaged folders fail in whatever the reader meets first: JSON, safetensors, pickle or shape errors.
    except Exception as error:
        reason = str(error).split("\n")[0][:120]
        raise ConfigError(f"{name} is not a model that transformers can run ({reason})") from None
    missing = sorted(key for key in info["missing_keys"] if "pooler" not in key)
    if missing:
        raise ConfigError(
            f"{name} lacks {len(missing)} weights of its model, {missing[0]} first; train it first"
        )
    module: nn.Module = model.eval()
    return module, tokenizer


def load_sentence_model(source: str | Path) -> tuple[nn.Module, Any]:
    """Return a model of the BERT family without its pooler, which no embedding needs, and its tokenizer.

    Where a folder lacks the pooler, every loading would draw another.

    Parameters
    ----------
    source : str or Path
        ``minilm`` or a Hugging Face folder. Nothing is downloaded.

    Raises
    ------
    ConfigError
        If there is no such model, or as :func:`load_pretrained`.
    """
    from transformers import AutoModel  # other commands run without its slow import

    folder = model_folder() if str(source) == "minilm" else Path(source)
    if not folder.is_dir():
        raise ConfigError(f"model {source} is neither `minilm` nor a model folder; check it")
    model, tokenizer = load_pretrained(folder, AutoModel)
    if hasattr(model, "pooler"):
        model.register_module("pooler", None)
    return model, tokenizer


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch ``model`` to evaluation without gradients; every module's training flag comes back."""
    # Not `inference_mode`: what a model caches in it would be unfit for training.
    with flags_kept(model), torch.no_grad():
        model.eval()
        yield


@contextmanager
def flags_kept(model: nn.Module) -> Iterator[None]:
    """Give every module its training flag back at the end."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training


@contextmanager
def plain_attention(*models: nn.Module | None) -> Iterator[None]:
    """Let models of transformers multiply queries, keys and values one after the other, not in one kernel.

    Other modules, which have no such choice, and None stay as they are.
    """
    configs: list[Any] = [getattr(model, "config", None) for model in models]
    before = [(config, getattr(config, _ATTENTION)) for config in configs if hasattr(config, _ATTENTION)]
    try:
        for config, _ in before:
            setattr(config, _ATTENTION, "eager")
        yield
    finally:
        for config, kind in before:
            setattr(config, _ATTENTION, kind)
