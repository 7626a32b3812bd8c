"""The record reader alone."""

import pytest

from hw.record_reader import RecordReader
from sim.subject import simulate_subject
from spec.arch import ArchConfig
from tests.slices import often


# 11 bits leave five of a 16-bit chunk over; 4 bits are a chunk themselves.
@pytest.mark.parametrize(("segment", "record_width"), often([(16, 11), (2, 4)], [(16, 11)]))
def test_record_reader_cuts_records_out_of_words(segment: int, record_width: int) -> None:
    arch = ArchConfig(
        clusters=1, lanes=2, tokens=1, segment=segment, record_depth=4, activation_depth=8, value_depth=16
    )
    assert arch.record_width == record_width

    simulate_subject(RecordReader(arch), "sim.cocotb_record_reader", arch)
