"""Testbench of the requantizer."""

import random
from fractions import Fraction
from math import floor
from typing import Any, Final

import cocotb

from hw.requantizer import Requantizer
from sim.ports import Ports
from sim.streams import start
from sim.subject import subject_arch
from spec.numbers import OUTPUT_WIDTH, signed_range
from spec.outputs import MAX_SHIFT, MULTIPLIER_WIDTH

ARCH: Final = subject_arch()
LOW, HIGH = signed_range(ARCH.activation_width)
LEAST, MOST = signed_range(OUTPUT_WIDTH)
FACTORS: Final = (
    0,
    1,
    2,
    (1 << (MULTIPLIER_WIDTH - 1)) - 1,
    1 << (MULTIPLIER_WIDTH - 1),
    (1 << MULTIPLIER_WIDTH) - 1,
)


def expected(accumulator: int, multiplier: int, shift: int, zero_point: int, relu: int) -> int:
    """The code in rational numbers: to the nearest integer, half up."""
    nearest = floor(Fraction(accumulator * multiplier, 1 << shift) + Fraction(1, 2))
    return max(min(nearest + zero_point, HIGH), zero_point if relu else LOW)


def random_case(rng: random.Random) -> tuple[int, int, int, int]:
    """Psum, bias, multiplier and shift: any, at a limit, or such that the result is near a tie or a limit."""
    psum_range = signed_range(ARCH.output_width)
    psum = rng.choice([*psum_range, 0, -1, 1, rng.randint(*psum_range), rng.randint(*psum_range)])
    accumulator = rng.choice([LEAST, MOST, rng.randint(LEAST, MOST), psum + rng.randint(-300, 300)])
    bias = min(max(accumulator - psum, LEAST), MOST)
    accumulator = psum + bias
    if not LEAST <= accumulator <= MOST:
        bias = 0
        accumulator = psum
    multiplier = rng.choice([*FACTORS, rng.getrandbits(MULTIPLIER_WIDTH), rng.getrandbits(MULTIPLIER_WIDTH)])
    shift = rng.randint(1, MAX_SHIFT)
    if accumulator and rng.random() < 0.7:
        # Aim at a code: of the shifts the one that brings the product near it, then the nearest multiplier.
        target = Fraction(2 * rng.randint(2 * LOW, 2 * HIGH) + rng.randint(0, 1), 2)
        product = abs(accumulator) << (MULTIPLIER_WIDTH - 1)
        while shift > 1 and Fraction(product, 1 << shift) < abs(target):
            shift -= 1
        factor = round(target * (1 << shift) / accumulator) + rng.randint(-1, 1)
        if 0 <= factor < 1 << MULTIPLIER_WIDTH:
            multiplier = factor
    return psum, bias, multiplier, shift


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def every_code_is_the_nearest_half_up_and_saturated(dut: Any) -> None:
    """A psum per cycle with parameters of its own; zero point and ReLU change between runs."""
    rng = random.Random("requantizer")
    ports = Ports(dut, Requantizer(ARCH))
    await start(dut)
    ties, seen_codes = 0, set()
    for zero_point in (0, LOW, HIGH, rng.randint(LOW, HIGH)):
        for relu in (0, 1):
            ports.hold(zero_point=zero_point, relu=relu)
            cases = [random_case(rng) for _ in range(500)]
            inputs = [
                {"psum": psum, "parameters": {"bias": bias, "multiplier": multiplier, "shift": shift - 1}}
                for psum, bias, multiplier, shift in cases
            ]

            seen = [await ports.cycle(**one) for one in inputs] + await ports.cycles(Requantizer.LATENCY)

            codes = [
                expected(psum + bias, factor, shift, zero_point, relu) for psum, bias, factor, shift in cases
            ]
            assert [out["code"] for out in seen[Requantizer.LATENCY :]] == codes
            seen_codes |= set(codes)
            ties += sum(
                (psum + bias) * factor * 2 % (2 << shift) == 1 << shift for psum, bias, factor, shift in cases
            )
    assert ties > 20
    assert len(seen_codes) > 0.8 * (HIGH - LOW) and {LOW, HIGH} < seen_codes
