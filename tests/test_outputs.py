"""Output parameters: exact arithmetic, real scales, tables, distance to PyTorch's quantized linear."""

from dataclasses import replace
from fractions import Fraction
from math import erf, floor, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from codesign.regression.jobs import frames, make_jobs, reframe, stream_of
from codesign.regression.layers import random_layer
from codesign.regression.output_cases import OUTPUT_ARCHS, output_cases, random_outputs, with_outputs
from codesign.verification import integer_outputs
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import ConfigError, FormatError
from spec.numbers import signed_range
from spec.packet import Opcode
from sw.job import job_stream, read_outputs
from sw.outputs import OutputParameters, fixed_point, output_parameters, requantize, tabulate
from sw.pack import pack
from sw.reference import execute
from sw.unpack import unpack

# PyTorch's kernels round four times to float32 (psum, its scale, scale of an output, their product), by at
# most 2^-24 each; our multiplier is rounded by at most 2^-31.
RELATIVE_ERROR = Fraction(1, 1 << 22) + Fraction(1, 1 << 30)
# oneDNN adds the zero point, of 0 to 255, before it rounds to an integer: half of the last place below 256.
ABSOLUTE_ERROR = Fraction(1, 1 << 17)
# A bias in float32 is divided by the scale of a psum, with four more roundings, and added, with one.
BIASED_ERROR = Fraction(1, 1 << 21) + Fraction(1, 1 << 30)
# What is left of that where the answer is inside the range, or next to it.
assert Fraction(1, 1 << 13) > 257 * RELATIVE_ERROR + ABSOLUTE_ERROR

ENGINES = [engine for engine in torch.backends.quantized.supported_engines if engine != "none"]


def one_output(multiplier: int, shift: int, **fields: Any) -> OutputParameters:
    """Parameters of a single output without bias."""
    return OutputParameters(np.zeros(1, np.int64), np.array([multiplier]), np.array([shift]), **fields)


@pytest.mark.parametrize("width", [2, 4, 8])
@pytest.mark.parametrize("relu", [False, True])
def test_codes_are_the_nearest_integers_half_up(width: int, relu: bool) -> None:
    rng = np.random.default_rng(width)
    weights = rng.integers(-128, 128, (64, 40)).astype(np.int8)
    its = random_outputs(rng, weights, width, relu=relu, table=False)
    low, high = signed_range(width)
    psums = weights.astype(np.int64) @ rng.integers(low, high + 1, (40, 50))
    ties = 0
    codes = requantize(psums, its, width)
    assert codes.dtype == np.int8
    for row, token in np.ndindex(psums.shape):
        accumulator = int(psums[row, token] + its.bias[row])
        exact = Fraction(accumulator * int(its.multiplier[row]), 1 << int(its.shift[row]))
        ties += exact % 1 == Fraction(1, 2)
        nearest = floor(exact + Fraction(1, 2)) + its.zero_point
        assert codes[row, token] == max(min(nearest, high), its.zero_point if relu else low)
    assert ties > 0


@pytest.mark.parametrize("name", OUTPUT_ARCHS)
def test_the_reference_equals_pytorchs_integers(name: str) -> None:
    arch = OUTPUT_ARCHS[name]

    for job in make_jobs(output_cases(arch, 2), arch):
        answer = execute(stream_of(job, arch), arch)
        outputs = read_outputs(answer, job.packed, job.tokens, arch).outputs
        assert outputs.dtype == (np.int32 if job.packed.outputs is None else np.int8)
        assert np.array_equal(outputs, integer_outputs(job.packed, job.activations, arch)), job.name


@pytest.mark.parametrize("exponent", [-33, -32, -31, -20, -1, 0, 1, 28])
def test_a_scale_keeps_31_bits(exponent: int) -> None:
    for fraction in (0.5, 0.5 + 2.0**-31, 0.7, 1 - 2.0**-32, 1 - 2.0**-31, np.nextafter(1, 0)):
        scale = float(np.ldexp(fraction, exponent))
        multiplier, shift = fixed_point(scale)
        assert 0 < multiplier < 1 << 31 and 1 <= shift <= 63
        if scale >= 2.0**-33:
            exact = Fraction(scale)
            assert abs(Fraction(multiplier, 1 << shift) - exact) <= exact / (1 << 31)


def test_a_scale_too_small_for_a_code_gives_0_and_one_too_large_is_refused() -> None:
    for scale in (0.0, 1e-300, 2.0**-40, 2.0**-34):
        multiplier, shift = fixed_point(scale)
        assert (
            requantize(np.array([[-(1 << 31), (1 << 31) - 1]]), one_output(multiplier, shift), 8) == 0
        ).all()
    for wrong in (2.0**29, -1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="the scale of an output must be from 0 up to below 2\\^29"):
            fixed_point(wrong)


def test_a_table_is_the_function_at_every_code() -> None:
    gelu = np.vectorize(lambda x: x * (1 + erf(x / sqrt(2))) / 2)
    table = tabulate(gelu, scale=0.05, zero_point=10, output_scale=0.02, output_zero_point=-100)
    for code in range(-128, 128):
        x = (code - 10) * 0.05
        expected = torch.nn.functional.gelu(torch.tensor(x, dtype=torch.float64)).item() / 0.02
        assert table[code % 256] == max(min(round(expected) - 100, 127), -128)
    assert table.min() == -108 and table.max() == 127


def quantized_linear(
    engine: str,
    weights: NDArray[np.int8],
    scales: NDArray[np.float32],
    x: NDArray[np.int64],
    x_scale: float,
    bias: NDArray[np.float32] | None,
    y_scale: float,
    zero_point: int,
) -> NDArray[np.int64]:
    """What ``torch.ao.nn.quantized.Linear`` makes of the same integers; its codes count from 0."""
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = engine
    try:
        linear: Any = torch.ao.nn.quantized.Linear(weights.shape[1], weights.shape[0])  # type: ignore[no-untyped-call]
        real = torch.from_numpy(weights.astype(np.float64) * scales[:, None]).float()
        per_row = torch.quantize_per_channel(
            real,
            torch.from_numpy(scales).double(),
            torch.zeros(len(scales), dtype=torch.int64),
            0,
            torch.qint8,
        )
        assert np.array_equal(per_row.int_repr().numpy(), weights)
        linear.set_weight_bias(per_row, None if bias is None else torch.from_numpy(bias))
        linear.scale, linear.zero_point = y_scale, zero_point + 128
        # 7 bits: kernels of machines without an 8-bit dot product add two products in 16 bits.
        inputs = torch._make_per_tensor_quantized_tensor(
            torch.from_numpy((x.T + 64).astype(np.uint8)), x_scale, 64
        )
        codes: NDArray[np.int64] = linear(inputs).int_repr().numpy().T.astype(np.int64) - 128
        return codes
    finally:
        torch.backends.quantized.engine = before


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("x_scale", "y_scale", "zero_point", "biased"),
    [(0.0173, 0.43, 0, False), (2.0**-6, 0.5, -50, False), (0.0173, 0.43, 127, True)],
)
def test_codes_differ_from_pytorchs_quantized_linear_by_one_and_only_next_to_ties(
    engine: str, x_scale: float, y_scale: float, zero_point: int, biased: bool
) -> None:
    rng = np.random.default_rng(zero_point + 300)
    rows, cols, tokens = 96, 200, 400
    x_scale, y_scale = float(np.float32(x_scale)), float(np.float32(y_scale))
    weights = rng.integers(-127, 128, (rows, cols)).astype(np.int8)
    scales = rng.uniform(0.001, 0.01, rows).astype(np.float32)
    # A third of the rows has a psum for every 2^10-th of a code, so that there are exact ties.
    scales[:32] = np.float32(y_scale / x_scale / 1024)
    real = scales.astype(np.float64) * x_scale
    whole = rng.integers(-(1 << 15), 1 << 15, rows) if biased else np.zeros(rows, np.int64)
    bias = (whole * real).astype(np.float32)
    x = rng.integers(-64, 64, (cols, tokens))
    psums = weights.astype(np.int64) @ x
    its = output_parameters(real, y_scale, bias=bias, zero_point=zero_point)
    assert np.array_equal(its.bias, whole)

    ours = requantize(psums, its, 8).astype(np.int64)
    given = bias if biased else None
    theirs = quantized_linear(engine, weights, scales, x, x_scale, given, y_scale, zero_point)

    ties = 0
    for row, token in np.argwhere(ours != theirs):
        assert abs(ours[row, token] - theirs[row, token]) == 1
        scale = Fraction(float(scales[row])) * Fraction(x_scale) / Fraction(y_scale)
        psum, own = int(psums[row, token]), int(whole[row])
        exact = (psum + own) * scale
        distance = abs(exact % 1 - Fraction(1, 2))
        reach = (BIASED_ERROR if biased else RELATIVE_ERROR) * (abs(psum) + abs(own)) * scale
        assert distance <= reach + ABSOLUTE_ERROR, (row, token, float(exact))
        ties += distance == 0
    assert np.count_nonzero(ours != theirs) < ours.size // 1000
    # Half to even there, half up here.
    assert ties > 0 or x_scale != 2.0**-6
    print(f"{engine}: {np.count_nonzero(ours != theirs)} of {ours.size} differ, {ties} of them exact ties")


def stage_layer(arch: ArchConfig, shape: tuple[int, int], density: float = 0.5) -> Any:
    """A requantized layer with ReLU and a table."""
    rng = np.random.default_rng(5)
    layer = random_layer(rng, arch, shape, Direction.VERTICAL, density)
    return with_outputs(rng, layer, arch, relu=True, table=True)


@pytest.mark.parametrize(
    ("change", "shape", "density", "message"),
    [
        (
            {"output_blocks": 0},
            (20, 30),
            0.5,
            "has 3 blocks, but the output parameters of 0 fit.*`output_blocks`",
        ),
        (
            {"output_blocks": 2},
            (20, 30),
            0.5,
            "has 3 blocks, but the output parameters of 2 fit.*`output_blocks`",
        ),
        (
            {"activation_depth": 8},
            (8, 17),
            0.5,
            "17 inputs must fit.*take 2 chunks; raise `activation_depth`",
        ),
        ({"value_depth": 16}, (8, 64), 1.0, r"has \d+ beats; raise `value_depth`"),
        ({"record_depth": 2}, (8, 64), 1.0, "has 64 records; raise `record_depth`"),
    ],
)
def test_a_layer_that_cannot_be_requantized_is_refused_with_the_parameter_to_raise(
    change: dict[str, int], shape: tuple[int, int], density: float, message: str
) -> None:
    fields = {
        "clusters": 2,
        "lanes": 2,
        "tokens": 2,
        "segment": 8,
        "activation_depth": 64,
        "output_blocks": 4,
    }
    arch = ArchConfig(**{**fields, **change})
    layer = stage_layer(ArchConfig(**fields), shape, density)
    with pytest.raises(ConfigError, match=message):
        pack([layer], arch)


def test_a_bias_that_could_overflow_is_refused() -> None:
    arch = OUTPUT_ARCHS["tiny"]
    layer = stage_layer(arch, (8, 30))
    positive = np.where(layer.weights[3] > 0, layer.weights[3].astype(np.int64) * 127, 0)
    negative = np.where(layer.weights[3] < 0, layer.weights[3].astype(np.int64) * -128, 0)
    bias = layer.outputs.bias.copy()
    bias[3] = (1 << 31) - 1 - int((positive + negative).sum())
    pack([replace(layer, outputs=replace(layer.outputs, bias=bias))], arch)

    bias[3] += 1
    with pytest.raises(ConfigError, match="can reach 2147483648 with its bias, which takes 33 bits"):
        pack([replace(layer, outputs=replace(layer.outputs, bias=bias))], arch)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bias": np.zeros(7, np.int64)}, "`multiplier` must be one int64 number per output"),
        ({"bias": np.full(8, 1 << 31)}, "`bias` must lie in -2147483648 to 2147483647"),
        ({"multiplier": np.full(8, 1 << 31)}, "`multiplier` must lie in 0 to 2147483647"),
        ({"shift": np.zeros(8, np.int64)}, "`shift` must lie in 1 to 63"),
        ({"zero_point": 128}, "a zero point of 128, which must lie in -128 to 127"),
        ({"table": np.zeros(16, np.int8)}, "needs a table of 256 int8 entries"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(fields: dict[str, Any], message: str) -> None:
    arch = OUTPUT_ARCHS["tiny"]
    layer = stage_layer(arch, (8, 30))
    with pytest.raises(ConfigError, match=message):
        pack([replace(layer, outputs=replace(layer.outputs, **fields))], arch)


@pytest.mark.parametrize("name", OUTPUT_ARCHS)
def test_a_file_gives_back_the_parameters_in_original_order(name: str) -> None:
    arch = OUTPUT_ARCHS[name]
    for case, layer, _ in output_cases(arch, 3):
        found = unpack(pack([layer], arch)).layers[0].outputs
        if layer.outputs is None:
            assert found is None
            continue
        assert found is not None
        for field in ("bias", "multiplier", "shift", "zero_point", "relu", "table"):
            assert np.array_equal(getattr(found, field), getattr(layer.outputs, field)), f"{case}: {field}"


def test_damaged_parameters_are_found_in_a_file() -> None:
    arch = OUTPUT_ARCHS["tiny"]
    data = pack([stage_layer(arch, (8, 30))], arch)
    packets = frames(data, arch)

    def changed(opcode: Opcode, payload: bytes | None = None, **fields: int) -> bytes:
        return b"".join(
            reframe(replace(one, payload=one.payload if payload is None else payload), arch, **fields)
            if one.header.opcode == opcode
            else reframe(one, arch)
            for one in packets
        )

    parameters, table = (
        next(one.payload for one in packets if one.header.opcode == opcode)
        for opcode in (Opcode.REQUANTIZE, Opcode.TABLE)
    )
    half = len(parameters) // 2
    for damaged, message in (
        (changed(Opcode.BEGIN, cluster=0x10), "BEGIN asks for mode 0x10"),
        (changed(Opcode.BEGIN, cluster=0x04), "ReLU or a table without requantizing"),
        (changed(Opcode.BEGIN, cluster=0x00), "PASS must follow|END must follow"),
        (changed(Opcode.REQUANTIZE, argument=256), "a zero point of 8 bits, not 0x100"),
        (
            changed(Opcode.REQUANTIZE, parameters[:half], length=half // 8),
            "of 8 outputs must take 16 words, not 8",
        ),
        (changed(Opcode.REQUANTIZE, b"\xff" * len(parameters)), "followed by bits that are not 0"),
        (changed(Opcode.TABLE, table[:8], length=1), "a table of 256 entries must take 64 words, not 1"),
        (changed(Opcode.TABLE, b"\xff" * len(table)), "the table has bits behind its entries"),
    ):
        with pytest.raises(FormatError, match=message):
            unpack(damaged)


def test_a_block_that_the_host_would_add_up_is_no_requantized_one() -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=2, segment=8, value_depth=128, output_blocks=4)
    layer = random_layer(np.random.default_rng(3), arch, (8, 64), Direction.VERTICAL, 0.9)
    raw = pack([layer], arch)
    assert len(unpack(raw).layers[0].passes) == 2
    packets = frames(raw, arch)
    its = frames(pack([stage_layer(arch, (8, 3))], arch), arch)
    extra = b"".join(
        reframe(one, arch) for one in its if one.header.opcode in (Opcode.REQUANTIZE, Opcode.TABLE)
    )
    forged = b"".join(
        reframe(one, arch, cluster=14 if one.header.opcode == Opcode.BEGIN else one.header.cluster)
        + (extra if one.header.opcode == Opcode.SCALES else b"")
        for one in packets
    )
    with pytest.raises(FormatError, match="is requantized, but block 0 comes in several chunks or passes"):
        unpack(forged)


@pytest.mark.parametrize("missing", [Opcode.REQUANTIZE, Opcode.TABLE])
def test_the_reference_refuses_a_pass_without_parameters(missing: Opcode) -> None:
    arch = OUTPUT_ARCHS["tiny"]
    packed = unpack(pack([stage_layer(arch, (8, 30))], arch)).layers[0]
    stream = job_stream(packed, np.ones((30, 2), np.int64), arch)
    assert read_outputs(execute(stream, arch), packed, 2, arch).outputs.any()
    shorter = b"".join(reframe(one, arch) for one in frames(stream, arch) if one.header.opcode != missing)
    with pytest.raises(FormatError, match="PASS comes before the output parameters"):
        execute(shorter, arch)


@pytest.mark.parametrize(
    ("opcode", "words", "message"),
    [
        (Opcode.REQUANTIZE, 3, "an entry of output parameters takes 2 words, so 3 words end within one"),
        (Opcode.TABLE, 5, "a table takes 64 words, not 5"),
    ],
)
def test_the_reference_refuses_parameters_that_end_too_early(
    opcode: Opcode, words: int, message: str
) -> None:
    arch = OUTPUT_ARCHS["tiny"]
    packed = unpack(pack([stage_layer(arch, (8, 30))], arch)).layers[0]
    stream = b"".join(
        reframe(replace(one, payload=one.payload[: 8 * words]), arch, length=words)
        if one.header.opcode == opcode
        else reframe(one, arch)
        for one in frames(job_stream(packed, np.ones((30, 2), np.int64), arch), arch)
    )

    with pytest.raises(FormatError, match=message):
        execute(stream, arch)
