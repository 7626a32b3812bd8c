"""Packed files for another architecture: what stays, and what an output stage has no place for."""

from pathlib import Path

import numpy as np

from codesign.packed import load_packed, repack
from codesign.regression.layers import random_layer
from codesign.regression.output_cases import OUTPUT_ARCHS, with_outputs
from spec.arch import ArchConfig
from spec.direction import Direction
from sw.job import job_stream, read_outputs
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.reference import execute
from sw.unpack import unpack
from tests.command_runs import Run


def requantized(arch: ArchConfig, rows: int) -> QuantizedLayer:
    """A layer of 30 inputs that answers with codes."""
    rng = np.random.default_rng(5)
    layer = random_layer(rng, arch, (rows, 30), Direction.VERTICAL, 0.5)
    return with_outputs(rng, layer, arch, relu=True, table=True)


def test_a_requantized_layer_stays_so_on_another_architecture_with_an_output_stage(
    tmp_path: Path, run: Run
) -> None:
    arch = OUTPUT_ARCHS["tiny"]
    file = tmp_path / "stage.mxv"
    file.write_bytes(pack([requantized(arch, 8)], arch))
    packed = load_packed(file)
    inputs = np.random.default_rng(1).integers(-128, 128, (30, 5))
    codes = execute(job_stream(packed.layers[0], inputs, arch), arch)
    wanted = read_outputs(codes, packed.layers[0], 5, arch).outputs

    other = arch.model_copy(update={"tokens": 4, "output_blocks": 2 * arch.output_blocks})
    (moved,) = repack(packed, other).layers

    assert np.array_equal(
        read_outputs(execute(job_stream(moved, inputs, other), other), moved, 5, other).outputs, wanted
    )
    # No stage, one for a single block where there are two, and codes of another width.
    wide = unpack(pack([requantized(arch, 20)], arch))
    for file_of, change in (
        (packed, {"output_blocks": 0}),
        (wide, {"output_blocks": 1}),
        (packed, {"activation_width": 4}),
    ):
        (raw,) = repack(file_of, other.model_copy(update=change)).layers
        assert raw.outputs is None
    status, _, err = run("estimate", file, "--arch", "tiny")
    assert status == 0
    assert f"counted with raw psums, as tiny cannot requantize them: {packed.layers[0].name}" in err
