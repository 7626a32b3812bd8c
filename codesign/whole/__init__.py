"""A whole model on the accelerator: compile it, attach it, call it as before."""

from codesign.whole.attachment import Attachment, attach
from codesign.whole.backend import Backend, BackendKind
from codesign.whole.board_port import BoardPort
from codesign.whole.compilation import compile_model, compile_pruned
from codesign.whole.files import load_model, save_model
from sw.packed_model import PackedModel

__all__ = [
    "Attachment",
    "Backend",
    "BackendKind",
    "BoardPort",
    "PackedModel",
    "attach",
    "compile_model",
    "compile_pruned",
    "load_model",
    "save_model",
]
