"""A model whose layers multiply elsewhere, until they are given back."""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from codesign.whole.backend import Backend, BackendKind, open_backend
from codesign.whole.board_port import BoardPort
from codesign.whole.ledger import Ledger
from spec.errors import ConfigError
from sw.int8 import Int8Linear, integer_linears
from sw.packed_model import PackedModel
from sw.targets import Target
from sw.unpack import PackedLayer

__all__ = ["Attachment", "attach"]

Listener = Callable[[PackedLayer, int], None]


class Attachment:
    """Holds a model to a backend; a context manager that gives the model back at the end.

    Parameters
    ----------
    model : Module
        Runs as before: only what its layers multiply with has changed, and what was trained around them.
    packed : PackedModel
    backend : Backend
    ledger : Ledger
        What ``backend`` records in.
    listener : callable, optional
        Called with layer and columns after every multiplication.

    Raises
    ------
    ConfigError
        If the model is not the one that was packed, or is attached already.
    """

    def __init__(
        self,
        model: nn.Module,
        packed: PackedModel,
        backend: Backend,
        ledger: Ledger,
        listener: Listener | None = None,
    ) -> None:
        self.model, self.packed, self.backend, self.ledger = model, packed, backend, ledger
        self.listener = listener
        targets = packed.targets(model)
        with ExitStack() as stack:
            stack.enter_context(packed.worn_by(model))
            for name, target in targets.items():
                self._attach(target, packed.layers[name], packed.scales[name], stack)
            self._attached = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    def report(self, clock_hz: float | None = None) -> dict[str, Any]:
        """Return cycles, utilization and time since the last reset; see ``Ledger.report``."""
        return self.ledger.report(clock_hz)

    def reset(self) -> None:
        """Start the report anew."""
        self.ledger.reset()

    def detach(self) -> None:
        """Let the model multiply in PyTorch again, and close the backend; once is enough."""
        self._attached.close()
        self.backend.close()

    def _attach(self, target: Target, layer: PackedLayer, scale: float | None, stack: ExitStack) -> None:
        """Let the modules of a target multiply on the backend until ``stack`` closes."""
        width = self.packed.arch.activation_width
        linears = integer_linears(target, layer, scale, width, self._product(layer))
        for module, linear in zip(target.modules, linears, strict=True):
            # On the instance: the module keeps its place, its parameters and its hooks.
            module.forward = _forward(linear)
            stack.callback(delattr, module, "forward")

    def _product(self, layer: PackedLayer) -> Callable[[torch.Tensor], torch.Tensor]:
        def product(activations: torch.Tensor) -> torch.Tensor:
            if not activations.shape[1]:  # an expert that nothing is sent to, for example
                return activations.new_zeros((layer.rows, 0), dtype=torch.int64)
            integers = np.ascontiguousarray(activations.cpu().numpy())
            outputs = self.backend.multiply(layer, integers)
            tokens = int(integers.shape[1])
            self.ledger.called(layer, tokens)
            if self.listener is not None:
                self.listener(layer, tokens)
            return torch.from_numpy(outputs.astype(np.int64)).to(activations.device)

        return product


def attach(
    model: nn.Module,
    packed: PackedModel,
    backend: BackendKind | str = BackendKind.RTL,
    *,
    port: BoardPort | str | None = None,
    listener: Listener | None = None,
    tell: Callable[[str], None] = warnings.warn,
) -> Attachment:
    """Let the layers of ``model`` multiply on ``backend`` from now on.

    Parameters
    ----------
    model : Module
        The one that ``packed`` was compiled from; changed in place, undone by ``Attachment.detach``.
    packed : PackedModel
    backend : BackendKind, or its name
    port : BoardPort or str, optional
        Of a board, such as ``/dev/ttyUSB0``; belongs to backend ``board``.
    listener : callable, optional
        Called with layer and columns after every multiplication.
    tell : callable
        Called once with a sentence that names the matrices that stay in PyTorch, if there are any.

    Raises
    ------
    ConfigError
        If there is no such backend, the model is not the one that was packed, or the board has another
        architecture.
    LinkError, FormatError
        If no board answers.
    SimulatorError
        If a simulator is missing or cannot be built.
    """
    if backend not in list(BackendKind):
        raise ConfigError(f"backend must be one of {', '.join(BackendKind)}, not {backend}")
    ledger = Ledger(packed.arch, packed.layers.values())
    place = BoardPort(port) if isinstance(port, str) else port
    opened = open_backend(BackendKind(backend), packed.arch, ledger.counted, place)
    try:
        attachment = Attachment(model, packed, opened, ledger, listener)
    except BaseException:
        opened.close()
        raise
    if packed.left_out:
        named = ", ".join(f"{name} ({reason})" for name, reason in packed.left_out.items())
        tell(f"runs in PyTorch, not on the accelerator: {named}")
    return attachment


def _forward(linear: Int8Linear) -> Callable[..., torch.Tensor]:
    """Return what replaces ``forward``, by whatever name its argument is given."""

    def forward(*inputs: torch.Tensor, **named: torch.Tensor) -> torch.Tensor:
        (x,) = (*inputs, *named.values())
        outputs: torch.Tensor = linear(x)
        return outputs

    return forward
