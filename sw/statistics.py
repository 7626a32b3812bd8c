"""What calibration data says of every matrix: second moments of its inputs, squares of its gradients."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import nn
from torch.nn.utils import parametrize

from spec.errors import ConfigError
from sw.pretrained import evaluating
from sw.targets import Target
from sw.task import Task

__all__ = ["DAMPING", "LayerStatistics", "collect_statistics", "damped"]

DAMPING: Final = 0.01
"""Default share of the mean diagonal that is added to a Hessian, as in SparseGPT (arXiv:2301.00774)."""


@dataclass(frozen=True, eq=False)
class LayerStatistics:
    """What one matrix met in calibration. Tensors are float32 on the CPU.

    Parameters
    ----------
    tokens : int
        Inputs that the matrix was multiplied with.
    hessian : Tensor, shape (K, K), optional
        Mean of x·xᵀ over tokens. An error ``e`` in one row of weights costs eᵀ·H·e in that output's mean
        square.
    gradient_square : Tensor, shape (M, K), optional
        Mean over batches of the squared gradient of the batch's loss.
    """

    tokens: int
    hessian: torch.Tensor | None = None
    gradient_square: torch.Tensor | None = None

    def input_norm(self) -> torch.Tensor:
        """Return the root mean square of every input, shape (K,)."""
        return self.known_hessian().diagonal().sqrt()

    def inverse_diagonal(self, damping: float = DAMPING) -> torch.Tensor:
        """Return the diagonal of the damped Hessian's inverse, float64, shape (K,)."""
        factor = torch.linalg.cholesky(damped(self.known_hessian().double(), damping))
        return torch.cholesky_inverse(factor).diagonal()

    def known_hessian(self) -> torch.Tensor:
        """Return ``hessian``.

        Raises
        ------
        ConfigError
            If it was not collected.
        """
        if self.hessian is None:
            raise ConfigError("the statistics hold no Hessian; collect them with `hessian=True`")
        return self.hessian


def damped(hessian: torch.Tensor, damping: float = DAMPING) -> torch.Tensor:
    """Return the Hessian with ``damping`` times its mean diagonal added to the diagonal.

    Raises
    ------
    ConfigError
        If ``damping`` is not above 0: inputs that depend on each other leave a Hessian without inverse.
    """
    if not damping > 0:
        raise ConfigError(f"`damping` must be above 0, not {damping}")
    # Inputs that are all 0 leave every weight equally good; any damping says so.
    mean = float(hessian.diagonal().mean()) or 1.0
    result = hessian.clone()
    result.diagonal().add_(damping * mean)
    return result


def collect_statistics(
    model: nn.Module,
    targets: Mapping[str, Target],
    task: Task[Any],
    *,
    batches: int,
    size: int,
    generator: torch.Generator,
    device: torch.device,
    gradients: bool,
    hessian: bool = True,
) -> dict[str, LayerStatistics]:
    """Run training batches through ``model`` and return what the targets met.

    The model runs without dropout and is left as found, its gradients included. Gradients are those with
    respect to the weight that is multiplied: for a parametrized weight the computed one, so pruned
    weights have a gradient too. Every position counts as a token, padding included.

    Parameters
    ----------
    model : Module
        On ``device``.
    targets : mapping of str to Target
        All of the model's, or those of interest.
    task : Task
    batches : int
    size : int
        Samples per batch.
    generator : Generator
        Draws the batches.
    device : torch.device
        Holds the sums while they grow: M·K and K² float32 per target.
    gradients : bool
        Collect squared gradients of ``task.probe``, which is the loss for most tasks.
    hessian : bool
        Collect second moments of the inputs.

    Returns
    -------
    dict of str to LayerStatistics
        In the order in which the model first calls the targets.

    Raises
    ------
    ConfigError
        If ``batches`` is not positive, or a Hessian is wanted of a target that is never called.
    """
    if batches < 1:
        raise ConfigError(f"`batches` must be at least 1, not {batches}")
    squares: dict[str, torch.Tensor] = {}
    inputs = _Inputs(hessian)
    with evaluating(model), inputs.recorded(targets, whole=gradients):
        for _ in range(batches):
            batch = task.batch(size, generator, device)
            inputs.start()
            if gradients:
                for name, gradient in _gradients(model, targets, task, batch, generator).items():
                    squares[name] = gradient.square() + squares.get(name, 0)
            else:
                with torch.no_grad(), suppress(_SeenAll):
                    task.outputs(model, batch)
    silent = [name for name in targets if name not in inputs.tokens]
    if hessian and silent:
        raise ConfigError(f"matrix {silent[0]} is never called in calibration; leave it out of the targets")
    return {
        name: LayerStatistics(
            tokens=inputs.tokens.get(name, 0),
            hessian=(inputs.sums[name] / inputs.tokens[name]).cpu() if hessian else None,
            gradient_square=(squares[name] / batches).cpu() if gradients else None,
        )
        for name in [*inputs.tokens, *silent]
    }


class _SeenAll(BaseException):
    """Every target has met all of its inputs of this batch: the rest of the model need not run.

    No error, so that handlers of errors inside a task let it through.
    """


class _Inputs:
    """Sums of x·xᵀ and counts of tokens, by name of the target, in the order of first calls."""

    def __init__(self, hessian: bool) -> None:
        self.sums: dict[str, torch.Tensor] = {}
        self.tokens: dict[str, int] = {}
        self._hessian = hessian
        self._calls, self._calls_per_batch = 0, 0

    @contextmanager
    def recorded(self, targets: Mapping[str, Target], *, whole: bool) -> Generator[None]:
        """Record inputs; unless ``whole``, cut batches off after the last call of a target."""
        handles = []
        for name, target in targets.items():
            # All modules of a target share the input; the first stands for them.
            hook = partial(self._record, name=name, cols=target.cols, whole=whole)
            handles.append(target.modules[0].register_forward_pre_hook(hook, with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def start(self) -> None:
        """Begin a batch; the first one tells how many calls to expect of the others."""
        self._calls_per_batch = self._calls_per_batch or self._calls
        self._calls = 0

    def _record(
        self,
        _: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        name: str,
        cols: int,
        whole: bool,
    ) -> None:
        values: torch.Tensor = args[0] if args else next(iter(kwargs.values()))
        inputs = values.detach().reshape(-1, cols).float()
        self.tokens[name] = self.tokens.get(name, 0) + inputs.shape[0]
        if self._hessian:
            if name not in self.sums:
                self.sums[name] = inputs.new_zeros(cols, cols)
            self.sums[name].addmm_(inputs.T, inputs)
        self._calls += 1
        if not whole and self._calls == self._calls_per_batch:
            raise _SeenAll


def _gradients(
    model: nn.Module,
    targets: Mapping[str, Target],
    task: Task[Any],
    batch: object,
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """Return the gradient of the task's probe by every target, M x K; 0 where it has no part in it."""
    # Cached, a computed weight is the same tensor here and in the model.
    with parametrize.cached(), torch.enable_grad():
        weights: list[Any] = [module.weight for target in targets.values() for module in target.modules]
        frozen = [weight for weight in weights if not weight.requires_grad]
        for weight in frozen:
            weight.requires_grad_(True)
        try:
            probe = task.probe(task.outputs(model, batch), batch, generator)
            found = torch.autograd.grad(probe, weights, allow_unused=True, materialize_grads=True)
        finally:
            for weight in frozen:
                weight.requires_grad_(False)
    parts = iter(found)
    return {
        name: target.join([next(parts).float() for _ in target.modules]) for name, target in targets.items()
    }
