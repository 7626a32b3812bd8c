"""Exact cycles of one design: what a worker does."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import process_time
from typing import Any

import codesign
import hw
import spec
import sw
from codesign.cycles import layer_cycles
from codesign.exploration.store import content_key
from codesign.packed import load_packed, quantized
from codesign.pruned import load_pruned
from codesign.quick_cycles import quick_cycles
from spec.arch import ArchConfig
from spec.errors import ConfigError
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.plan import SegmentedLayer
from sw.unpack import unpack

__all__ = ["Measurement", "code_digest", "measure"]


@dataclass(frozen=True)
class Measurement:
    """A design to measure: a plain object that travels to other processes.

    Parameters
    ----------
    source : str
        Folder of a pruned model, or a packed file.
    content : str
        Hash of what is in it.
    arch : ArchConfig
    tokens : int
        Activation columns N.
    causes : bool
        Also find out what the cycles go to, which takes a hundred times longer.
    """

    source: str
    content: str
    arch: ArchConfig
    tokens: int
    causes: bool = False

    @property
    def cut(self) -> tuple[str, str, int, int, int]:
        """What decides how layers are cut: a worker that measures the like in turn cuts them once."""
        arch = self.arch
        return self.source, self.content, arch.weight_width, arch.lanes, arch.segment

    @property
    def key(self) -> str:
        """Hash of everything that the result depends on, the code included."""
        return content_key(
            content=self.content,
            arch=self.arch.model_dump(),
            tokens=self.tokens,
            causes=self.causes,
            code=code_digest(),
        )


def measure(job: Measurement) -> dict[str, Any]:
    """Return the exact counts of one design, or why it cannot run the model.

    Returns
    -------
    dict
        ``error``: a sentence, or None. ``seconds``: of processor time. ``layers``: of every layer its name,
        rows, cols, direction, kept, vectors, bits, and compute_cycles, load_cycles, cycles as in
        ``spec.counters.COUNTERS``; with ``causes`` all of these under ``counters``. No activation is taken
        to be 0.
    """
    started = process_time()
    try:
        layers = [_line(its, job) for its in _segmented(*job.cut)]
    except ConfigError as error:
        return {"error": str(error), "layers": [], "seconds": process_time() - started}
    return {"error": None, "layers": layers, "seconds": process_time() - started}


def _line(its: SegmentedLayer, job: Measurement) -> dict[str, Any]:
    """Figures of one layer."""
    layer, count = its.layer, quick_cycles(its, job.arch, job.tokens)
    line = {
        "name": layer.name,
        "rows": layer.rows,
        "cols": layer.cols,
        "direction": layer.direction.label,
        "kept": its.kept_weights,
        **vars(count),
    }
    if job.causes:
        packed = unpack(pack([layer], job.arch)).layers[0]
        line["counters"] = asdict(layer_cycles(packed, job.arch, job.tokens))
    return line


@lru_cache(maxsize=2)
def _segmented(
    source: str, content: str, weight_width: int, lanes: int, segment: int
) -> list[SegmentedLayer]:
    """Layers as all designs of the same lanes, segment and weights share them."""
    arch = ArchConfig(clusters=1, lanes=lanes, tokens=1, segment=segment)
    return [SegmentedLayer.of(layer, arch) for layer in _layers(source, content, weight_width)]


@lru_cache(maxsize=2)
def _layers(source: str, content: str, weight_width: int) -> list[QuantizedLayer]:
    """Layers of a folder or file; a worker meets the same ones again and again."""
    path = Path(source)
    if path.is_dir():
        width = ArchConfig(clusters=1, lanes=1, tokens=1, weight_width=weight_width)
        return [layer.quantize(width) for layer in load_pruned(path)[1]]
    return [replace(quantized(layer), outputs=None) for layer in load_packed(path).layers]


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Hash of the sources that decide about schedule, stream and cycles."""
    digest = hashlib.sha256()
    packages: Mapping[str, Any] = {"spec": spec, "sw": sw, "hw": hw}
    for package in packages.values():
        for folder in package.__path__:
            for source in sorted(Path(folder).rglob("*.py")):
                digest.update(source.read_bytes())
    for folder in codesign.__path__:
        for source in sorted(Path(folder).glob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()
