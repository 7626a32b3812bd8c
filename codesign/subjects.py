"""What is evaluated: a model with its task, loaded from what the command line names."""

import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spec.errors import ConfigError, FormatError
from sw.augment import Augmentation
from sw.task import Task

__all__ = ["Subject", "TaskKind", "choose_device", "load_subject"]


class TaskKind(Enum):
    """What a model is judged by; the value is its name on the command line."""

    LANGUAGE = "language"
    """Perplexity of a causal language model."""
    EMBEDDING = "embedding"
    """Agreement of sentence embeddings with the dense model's."""
    QUESTION = "question"
    """F1 of extractive question answering on SQuAD files."""


@dataclass(frozen=True)
class Subject:
    """Where a model and its data are.

    Parameters
    ----------
    model : str
        ``minilm``, a Hugging Face folder, or a name that transformers can download.
    train : Path
        Text or SQuAD file to train and calibrate on.
    test : Path, optional
        Held-out file; without it the last tenth of ``train`` is held out.
    kind : TaskKind, optional
        By the model's architecture if None.
    block : int, optional
        Tokens per window; by default what the model has, at most 1024 (sentences 48, questions 384).
    judge : int
        Most sentences or questions that are judged.
    augmentation : Augmentation
        How sentences are varied in training; of no account to other tasks.
    start : Path, optional
        Pruned model that a trial goes on from, kept or packed (``codesign.whole.files.load_start``).
    """

    model: str
    train: Path
    test: Path | None = None
    kind: TaskKind | None = None
    block: int | None = None
    judge: int = 1000
    augmentation: Augmentation = field(default_factory=Augmentation)
    start: Path | None = None


def load_subject(subject: Subject) -> tuple[nn.Module, Task[Any]]:
    """Return the dense model in float32 and evaluation mode, and its task.

    Raises
    ------
    ConfigError, FormatError
        If model or data cannot be read; one sentence that names which.
    """
    for path in (subject.train, subject.test):
        if path is not None and not path.is_file():
            raise ConfigError(f"file {path} cannot be read; check the path")
    model, task = _load(subject, subject.kind or _kind_of(subject.model))
    for name, weight in model.named_parameters():
        bad = int((~torch.isfinite(weight)).sum())
        if bad:
            raise FormatError(
                f"{subject.model}: {name} must be finite, but {bad} of {weight.numel()} values are NaN or "
                f"infinite; train or download it again"
            )
    return model, task


def _load(subject: Subject, kind: TaskKind) -> tuple[nn.Module, Task[Any]]:
    match kind:
        case TaskKind.LANGUAGE:
            return _language(subject)
        case TaskKind.EMBEDDING:
            from sw.embedding_task import load_embedding_task

            return load_embedding_task(
                subject.model,
                subject.train,
                subject.test,
                length=subject.block or 48,
                judge=subject.judge,
                augmentation=subject.augmentation,
            )
        case TaskKind.QUESTION:
            from sw.question_task import load_question_task

            return load_question_task(
                subject.model,
                subject.train,
                subject.test,
                length=subject.block or 384,
                stride=min((subject.block or 384) // 3, 128),
                judge=subject.judge,
            )


def _kind_of(model: str) -> TaskKind:
    """Read the task off the architecture in ``config.json``."""
    if model == "minilm":
        return TaskKind.EMBEDDING
    path = Path(model) / "config.json"
    if not path.is_file():
        if Path(model).exists():
            raise ConfigError(f"{model} is no model folder; give one with config.json, or `minilm`")
        raise ConfigError(
            f"`--task` must be given for {model}, which is no folder here; name language or question"
        )
    try:
        names = json.loads(path.read_text()).get("architectures") or [""]
    except (ValueError, AttributeError):
        raise FormatError(f"{path} is not a JSON object; fetch the model again") from None
    if "QuestionAnswering" in str(names[0]):
        return TaskKind.QUESTION
    return TaskKind.LANGUAGE if "LMHead" in str(names[0]) else TaskKind.EMBEDDING


def _language(subject: Subject) -> tuple[nn.Module, Task[Any]]:
    from transformers import AutoModelForCausalLM

    from sw.language_task import LanguageTask
    from sw.pretrained import load_pretrained
    from sw.text import encode_text, read_text, split_text

    model, tokenizer = load_pretrained(subject.model, AutoModelForCausalLM)
    text = read_text(subject.train)
    if subject.test is None:
        train, test = split_text(text, tokenizer)
    else:
        train, test = encode_text(text, tokenizer), encode_text(read_text(subject.test), tokenizer)
    config: Any = model.config
    most = int(getattr(config, "n_positions", 1024))
    block = min(most, 1024) if subject.block is None else subject.block
    if not 1 <= block <= most:
        raise ConfigError(f"`--block` must be from 1 to the model's {most} tokens, not {block}")
    return model, LanguageTask(train, test, block=block)


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` is CUDA if present.

    Raises
    ------
    ConfigError
        If there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise ConfigError(f"`--device` must be auto, cpu, or cuda where PyTorch has it, not {name}")
    return torch.device(name)
