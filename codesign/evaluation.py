"""Many trials on one subject: in parallel, each result kept, interrupted work resumed."""

import copy
import json
import math
import multiprocessing
import signal
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from codesign.files import output_file
from codesign.subjects import Subject, load_subject
from codesign.trials import Trial, run_trial
from codesign.whole.files import load_start
from spec.errors import ConfigError
from sw.task import Task

__all__ = ["evaluate_trials", "subject_facts", "summarize"]

_POLL_SECONDS: Final = 0.5
_WAY_OUT: Final = "lower `--learning-rate`, `--size` or `--sparsity`"
_MODEL_FILES: Final = (".safetensors", ".bin", ".json", ".txt")

_counter: Any = None
"""Steps done in all worker processes; set in each of them."""


def subject_facts(subject: Subject) -> dict[str, Any]:
    """Return what identifies a subject's model and data: names and the CRC of every file that is there."""
    start = {} if subject.start is None else {"start": _identity(subject.start)}
    return start | {
        "model": _identity(Path(subject.model)) if Path(subject.model).exists() else subject.model,
        "train": _identity(subject.train),
        "test": None if subject.test is None else _identity(subject.test),
        "kind": None if subject.kind is None else subject.kind.value,
        "block": subject.block,
        "judge": subject.judge,
        "augmentation": asdict(subject.augmentation),
    }


def evaluate_trials(
    subject: Subject,
    trials: Sequence[Trial],
    folder: Path,
    *,
    jobs: int,
    device: torch.device,
    progress: Callable[[int], None],
    report: Callable[[dict[str, Any]], None],
    keep: bool = False,
) -> list[dict[str, Any]]:
    """Run all trials that ``folder`` has no result of; return the results in the order of ``trials``.

    Parameters
    ----------
    subject : Subject
    trials : sequence of Trial
    folder : Path
        Keeps one JSON file per result and the checkpoints of training under way; made if absent.
    jobs : int
        Processes, of which each computes with one thread; 1 runs in this process with all threads.
    device : torch.device
    progress : callable
        Called with the training steps done since the last call, those of known results included.
    report : callable
        Called with every new result.
    keep : bool
        Keep every pruned model too, in the file that its result names as ``kept_model``; a result without
        one is none.

    Raises
    ------
    ConfigError, FormatError
        As loading the subject and running the trials does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = subject_facts(subject)
    places = [folder / f"{trial.key(facts)}.json" for trial in trials]
    missing = []
    for trial, place in zip(trials, places, strict=True):
        if _is_known(place, keep):
            progress(trial.steps)
        else:
            missing.append((trial, place))
    if jobs == 1 or len(missing) < 2:
        for trial, place in missing:
            report(_run_one(subject, trial, place, device, keep, progress))
    elif missing:
        _run_in_parallel(subject, missing, jobs, device, keep, progress, report)
    return [json.loads(place.read_text()) for place in places]


def summarize(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one line per method and sparsity: mean and standard deviation over seeds.

    The standard deviation is that of the sample (n - 1); 0 for one seed.
    """
    groups: dict[tuple[str, float], list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["method"], result["sparsity"]), []).append(result)
    return [_line(group) for group in groups.values()]


def _line(group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first = group[0]
    line: dict[str, Any] = {
        "method": first["method"],
        "sparsity": first["sparsity"],
        "seeds": [one["seed"] for one in group],
        "quality": first["quality"],
        "rising": first["rising"],
    }
    for kind in ("float", "integer"):
        line[kind] = {name: _spread([one[kind][name] for one in group]) for name in first[kind]}
    for name in (
        "density",
        "record_bits_per_kept",
        "bits_per_kept",
        "bits",
        "compute_cycles",
        "cycles",
        "seconds",
    ):
        values = [one[name] for one in group if one[name] is not None]
        line[name] = _spread(values)["mean"] if values else None
    line["lanes"], line["pes"], line["tokens"] = first["lanes"], first["pes"], first["tokens"]
    return line


def _spread(values: Sequence[float]) -> dict[str, float]:
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1)
    return {"mean": mean, "std": variance**0.5, "min": min(values), "max": max(values)}


def _name(trial: Trial) -> str:
    return f"trial {trial.label} at {trial.sparsity:g}, seed {trial.recipe.training.seed},"


def _first_line(error: BaseException) -> str:
    return str(error).split("\n")[0][:120].rstrip(".")


def _identity(path: Path) -> Any:
    """Name and CRC of a file, or of all weights, configs and vocabularies of a model folder."""
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.suffix in _MODEL_FILES and one.is_file())
        return {one.name: _identity(one) for one in files}
    return f"{path.name} {zlib.crc32(path.read_bytes()):08x}" if path.is_file() else path.name


def _is_known(place: Path, keep: bool) -> bool:
    """Whether a trial's result is there, and its model too if that is to be kept."""
    if not place.is_file():
        return False
    return not keep or ("kept_model" in json.loads(place.read_text()) and _model_file(place).is_file())


def _model_file(place: Path) -> Path:
    """Where the pruned model of a result is kept."""
    return place.with_suffix(".model.pt")


@lru_cache(maxsize=1)
def _loaded(subject: Subject) -> tuple[nn.Module, Task[Any]]:
    """Load once per process; a trial changes its own copy of the model."""
    return load_subject(subject)


def _run_one(
    subject: Subject,
    trial: Trial,
    place: Path,
    device: torch.device,
    keep: bool,
    progress: Callable[[int], None],
) -> dict[str, Any]:
    """Run one trial and keep its result."""
    model, task = _loaded(subject)
    model = copy.deepcopy(model)
    try:
        result, state = run_trial(
            trial,
            model,
            task,
            device=device,
            start=None if subject.start is None else load_start(subject.start, model),
            checkpoint=place.with_suffix(".pt"),
            progress=progress,
        )
    # A model without finite numbers fails in whatever meets them first.
    except (ArithmeticError, RuntimeError) as error:
        raise ConfigError(f"{_name(trial)} broke down: {_first_line(error)}; {_WAY_OUT}") from None
    if not all(math.isfinite(value) for kind in ("float", "integer") for value in result[kind].values()):
        raise ConfigError(f"{_name(trial)} gives figures that are not finite; {_WAY_OUT}")
    result["options"] = json.loads(json.dumps(asdict(trial.recipe.training), default=lambda one: one.value))
    result["recovery"] = trial.recipe.recovery.value
    if subject.start is not None:
        result["start"] = subject.start.name
    if keep:
        kept = _model_file(place)
        with output_file(kept) as part:
            state.save(part)
        result["kept_model"] = kept.name
    with output_file(place) as part:
        part.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
    return result


def _run_in_parallel(
    subject: Subject,
    missing: Sequence[tuple[Trial, Path]],
    jobs: int,
    device: torch.device,
    keep: bool,
    progress: Callable[[int], None],
    report: Callable[[dict[str, Any]], None],
) -> None:
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    seen = 0
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker, initargs=(counter,))
    try:
        waiting: set[Future[dict[str, Any]]] = {
            pool.submit(_run_counted, subject, trial, place, device, keep) for trial, place in missing
        }
        while waiting:
            done, waiting = wait(waiting, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                report(future.result())
            steps = counter.value
            progress(steps - seen)
            seen = steps
    except BrokenProcessPool:
        raise ConfigError("a process was killed, perhaps for memory; lower `--jobs` or `--size`") from None
    except BaseException:
        # Ctrl-C, or a trial that failed: checkpoints and results stay, the other processes end now.
        for process in list((pool._processes or {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker(counter: Any) -> None:
    global _counter
    _counter = counter
    # Ctrl-C reaches every process; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _run_counted(
    subject: Subject, trial: Trial, place: Path, device: torch.device, keep: bool
) -> dict[str, Any]:
    def progress(steps: int) -> None:
        with _counter.get_lock():
            _counter.value += steps

    return _run_one(subject, trial, place, device, keep, progress)
