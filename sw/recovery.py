"""Recovery: prune gradually while fine-tuning, with the dense model as a teacher."""

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spec.errors import FormatError
from sw.importance import Importance, check_statistics
from sw.input_quantizer import InputQuantizer
from sw.mask_search import MaskChooser
from sw.masked_weight import MaskedModel
from sw.pretrained import flags_kept, plain_attention
from sw.ramp import Ramp
from sw.recovery_options import RecoveryOptions, Trained
from sw.rounding import Rounding
from sw.statistics import LayerStatistics, collect_statistics
from sw.targets import Target
from sw.task import Task

__all__ = ["Recovery"]

_CLIP: Final = 1.0
"""Largest norm of a gradient."""
_PROBES: Final = 2
"""Batches of every calibration under way."""
_PRIME: Final = 1_000_003
"""Keeps the noise of different seeds apart."""


class Recovery:
    """One run: a model, its pattern, its training.

    Parameters
    ----------
    model : Module
        Pruned and trained in place.
    targets : mapping of str to Target
    task : Task
    choose : MaskChooser, optional
        Finds masks, as ``MaskSearch.masks`` does; None trains without pruning.
    kept : int
        Weights to keep of all targets.
    options : RecoveryOptions
    teacher : Module, optional
        The dense model; a copy of ``model`` as it is by default, if distillation needs one.
    rounding : Rounding, optional
        Makes the model round from ``quantized_at`` on.
    statistics : mapping of str to LayerStatistics, optional
        See :class:`sw.importance.Importance`.
    device : torch.device
    """

    def __init__(
        self,
        model: nn.Module,
        targets: Mapping[str, Target],
        task: Task[Any],
        choose: MaskChooser | None,
        kept: int,
        options: RecoveryOptions,
        *,
        teacher: nn.Module | None = None,
        rounding: Rounding | None = None,
        statistics: Mapping[str, LayerStatistics] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.options, self._task, self._choose = options, task, choose
        check_statistics(options.score, statistics)
        self._device, self._rounding = torch.device(device), rounding
        if teacher is None and options.distillation > 0:
            teacher = copy.deepcopy(model)
        self._teacher = None if teacher is None else teacher.to(self._device).eval()
        self._masked = MaskedModel(
            model.to(self._device), targets, straight_through=options.score.needs_training
        )
        self._importance = Importance(options.score, self._masked, statistics)
        weights = sum(target.rows * target.cols for target in targets.values())
        stop = options.pruned_at
        self._ramp = Ramp(min(options.observed, stop), stop, weights, kept if choose is not None else weights)
        self._trained = _parameters(model, targets, options.trained)
        self._optimizer = torch.optim.AdamW(
            self._trained,
            options.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=options.weight_decay,
            fused=True,
        )
        self._generator = torch.Generator().manual_seed(options.seed)
        self._masks: dict[str, NDArray[np.bool_]] | None = None
        self._step = 0
        self.losses: list[float] = []

    @property
    def step(self) -> int:
        """Steps done."""
        return self._step

    def run(
        self,
        *,
        checkpoint: Path | None = None,
        every: int = 200,
        progress: Callable[[int], None] | None = None,
    ) -> dict[str, NDArray[np.bool_]] | None:
        """Train to the end; return the final masks, M x K by name, or None if nothing was pruned.

        Parameters
        ----------
        checkpoint : Path, optional
            File that is written on the way and resumed from if it exists; removed at the end.
        every : int
            Steps between checkpoints.
        progress : callable, optional
            Called with the steps done since the last call.

        Raises
        ------
        FormatError
            If the checkpoint belongs to another run.
        """
        if checkpoint is not None and checkpoint.is_file():
            self._restore(checkpoint)
            if progress is not None:
                progress(self._step)
        options, rounds = self.options, False
        model = self._masked.model
        with (
            flags_kept(model),
            self._attention(),
            _only(self._trained, model),
            self._masked,
            ExitStack() as rounding,
        ):
            while self._step < options.steps:
                if self._rounding is not None and self._step >= options.quantized_at and not rounds:
                    rounding.enter_context(self._rounding(self._masked))
                    rounds = True
                self._train_step()
                if progress is not None:
                    progress(1)
                if checkpoint is not None and self._step % every == 0 and self._step < options.steps:
                    self._save(checkpoint)
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
        return self._masks

    def _train_step(self) -> None:
        """One batch, one update, and a new mask where one is due."""
        step, options, model = self._step, self.options, self._masked.model
        if self._choose is not None and self._mask_due(step):
            self._renew_masks(self._ramp.count(step))
        batch = self._task.batch(options.size, self._generator, self._device)
        model.train(options.dropout)
        with self._noise(step), self._multiplying(step):
            outputs = self._task.outputs(model, batch).float()
        loss = torch.zeros((), device=self._device)
        if options.distillation < 1:
            loss = loss + (1 - options.distillation) * self._task.loss(outputs, batch)
        if self._teacher is not None and options.distillation > 0:
            with torch.no_grad(), self._multiplying(step):
                wanted = self._task.outputs(self._teacher, batch).float()
            loss = loss + options.distillation * self._task.distance(outputs, wanted, batch)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        rate = options.rate(step)
        if self._choose is not None and step < options.pruned_at and not self._probing:
            self._importance.update(rate)
        nn.utils.clip_grad_norm_(self._trained, _CLIP)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()
        self.losses.append(float(loss.detach()))
        self._step = step + 1

    @property
    def _probing(self) -> bool:
        """Whether scores need gradients that training does not have."""
        return self.options.score.needs_gradients and self._task.probes

    def _probe(self) -> dict[str, LayerStatistics]:
        """Calibrate anew on the model as it is."""
        return collect_statistics(
            self._masked.model,
            self._masked.targets,
            self._task,
            batches=_PROBES,
            size=self.options.size,
            generator=torch.Generator().manual_seed(self.options.seed * _PRIME + self._step),
            device=self._device,
            gradients=True,
            hessian=False,
        )

    def _attention(self) -> AbstractContextManager[None]:
        """How attention is computed while the model is trained."""
        # In bfloat16 the gradients of torch's own attention took two fifths of a step on a CPU.
        slow = self.options.bfloat16 and self._device.type == "cpu"
        return plain_attention(self._masked.model, self._teacher) if slow else nullcontext()

    def _multiplying(self, step: int) -> torch.autocast:
        """Numbers that matrices are multiplied in."""
        # A rounded weight, a code times its scale, has more bits than bfloat16.
        rounds = self._rounding is not None and step >= self.options.quantized_at
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self.options.bfloat16 and not rounds)

    @contextmanager
    def _noise(self, step: int) -> Iterator[None]:
        """Make what a step draws at random, such as dropout, depend on seed and step alone."""
        with torch.random.fork_rng(devices=[self._device] if self._device.type == "cuda" else []):
            torch.manual_seed(self.options.seed * _PRIME + step)
            yield

    def _mask_due(self, step: int) -> bool:
        if step == self.options.pruned_at:
            return True
        return self._ramp.start <= step < self._ramp.stop and step % self.options.interval == 0

    def _renew_masks(self, kept: int) -> None:
        assert self._choose is not None
        if self._probing:
            self._importance.renew(self._probe())
        self._masks = dict(self._choose(self._importance.scores(), kept))
        self._masked.set_masks(
            {name: torch.from_numpy(mask).to(self._device) for name, mask in self._masks.items()}
        )

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must agree with."""
        options = asdict(self.options)
        options |= {"score": self.options.score.value, "trained": self.options.trained.value}
        matrices = [[name, its.rows, its.cols] for name, its in self._masked.targets.items()]
        inputs = None if self._rounding is None else asdict(self._rounding.options)
        return {"options": options, "inputs": inputs, "kept": self._ramp.kept, "matrices": matrices}

    def _save(self, path: Path) -> None:
        state = {
            "identity": self._identity(),
            "step": self._step,
            "losses": self.losses,
            "model": self._masked.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "importance": self._importance.state(),
            "inputs": {}
            if self._rounding is None
            else {name: its.state() for name, its in self._rounding.inputs.items()},
            "masks": None
            if self._masks is None
            else {name: torch.from_numpy(mask) for name, mask in self._masks.items()},
        }
        part = path.with_name(f".part-{path.name}")
        torch.save(state, part)
        os.replace(part, path)

    def _restore(self, path: Path) -> None:
        try:
            state = torch.load(path, map_location=self._device, weights_only=True)
            identity = state["identity"]
        # Damage shows as whatever the reader meets first.
        except Exception:
            raise FormatError(f"{path} is not a readable checkpoint; remove it to start again") from None
        if identity != self._identity():
            raise FormatError(f"{path} belongs to a run with other options; remove it to start again")
        self._step, self.losses = int(state["step"]), list(state["losses"])
        self._masked.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"].cpu())
        self._importance.restore(state["importance"])
        if self._rounding is not None:
            self._rounding.inputs = {
                name: InputQuantizer.restored(its) for name, its in state["inputs"].items()
            }
        if state["masks"] is not None:
            self._masks = {name: mask.cpu().numpy() for name, mask in state["masks"].items()}


def _parameters(model: nn.Module, targets: Mapping[str, Target], trained: Trained) -> list[nn.Parameter]:
    """Return the parameters of ``model`` that are trained."""
    if trained is Trained.MATRICES:
        inside = [module for target in targets.values() for module in target.modules]
        return [held for module in inside for held in module.parameters() if held.ndim > 1]
    holders = [module for module in model.modules() if isinstance(module, nn.Embedding)]
    tables = {id(held) for module in holders for held in module.parameters(recurse=False)}
    return [one for one in model.parameters() if trained is Trained.ALL or id(one) not in tables]


@contextmanager
def _only(trained: list[nn.Parameter], model: nn.Module) -> Iterator[None]:
    """Spare the other parameters their gradients."""
    kept = {id(parameter) for parameter in trained}
    others = [one for one in model.parameters() if one.requires_grad and id(one) not in kept]
    for one in others:
        one.requires_grad_(False)
    try:
        yield
    finally:
        for one in others:
            one.requires_grad_(True)
