"""The output stage alone, wherever a word of psums meets lanes, tokens and rows differently."""

import pytest

from codesign.regression.output_cases import OUTPUT_ARCHS
from hw.output_stage import OutputStage
from sim.subject import simulate_subject
from tests.slices import often


@pytest.mark.parametrize("name", often(OUTPUT_ARCHS, ["tiny"]))
def test_output_stage_makes_codes(name: str) -> None:
    arch = OUTPUT_ARCHS[name]

    simulate_subject(OutputStage(arch), "sim.cocotb_output_stage", arch)
