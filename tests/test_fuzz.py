"""Fuzzing: a slice of the malformed streams, and proof that the fuzzer would see a defect."""

from dataclasses import replace

import numpy as np
import pytest

from codesign.fuzz import decoders as fuzz_decoders
from codesign.fuzz import rtl as fuzz_rtl
from codesign.fuzz.__main__ import main
from codesign.fuzz.decoders import Decoder, decoder_defect
from codesign.fuzz.malformer import Malformer
from codesign.fuzz.rtl import RtlFuzzer
from codesign.regression.architectures import ARCHS
from sim.stream_run import StreamResult
from spec.errors import FormatError
from spec.packet import Header, Opcode, frame_packet

SAMPLE = b"".join(
    frame_packet(Header(opcode, 2), bytes(range(16)), 8) for opcode in (Opcode.INFO, Opcode.PASS)
)


def test_the_same_number_is_the_same_stream() -> None:
    one, two = Malformer([SAMPLE], 8, 3), Malformer([SAMPLE], 8, 3)
    streams = [one.stream(number) for number in range(200)]

    assert streams == [two.stream(number) for number in range(200)]
    assert len(set(streams)) > 150
    assert streams != [Malformer([SAMPLE], 8, 4).stream(number) for number in range(200)]


def test_decoders_refuse_malformed_streams_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--target", "decoders", "--arch", "everything", "--streams", "500"]) == 0
    assert "decoders of everything: 500 malformed streams, 0 defects" in capsys.readouterr().out


def test_the_rtl_stays_exact_behind_malformed_streams() -> None:
    assert RtlFuzzer(ARCHS["tiny"], 5).batch_defects(0, size=60) == []


def raising(error: Exception) -> Decoder:
    def read(_: bytes) -> None:
        raise error

    return Decoder("reader", Malformer([SAMPLE], 8, 0), read)


def test_a_decoder_that_breaks_down_is_seen() -> None:
    assert decoder_defect(raising(FormatError("byte 3: it is odd")), 0) is None
    assert decoder_defect(raising(IndexError("no such row")), 0) == "raises IndexError: no such row"
    assert decoder_defect(raising(FormatError("")), 0) == "refuses it with '', not one sentence"


def test_a_decoder_that_takes_too_long_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_decoders, "_MOST_SECONDS", 0.05)

    def read(_: bytes) -> None:
        while True:
            pass

    assert "takes more than 0.05 s" in str(decoder_defect(replace(raising(ValueError()), read=read), 0))


def test_a_hang_and_a_wrong_answer_of_the_rtl_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    fuzzer = RtlFuzzer(ARCHS["tiny"], 5)
    nothing = StreamResult(np.zeros((0, 1), np.uint64), 0, 30, 1000, True)

    monkeypatch.setattr(fuzz_rtl, "send", lambda *_, **__: nothing)
    assert fuzzer.batch_defects(0, size=20)[0].startswith("hangs in malformed streams 0 to ")
    monkeypatch.setattr(fuzz_rtl, "send", lambda *_, **__: replace(nothing, timed_out=False))
    assert any("ends without block" in defect for defect in fuzzer.batch_defects(0, size=20))


def test_no_streams_are_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--streams", "0"])

    assert ended.value.code == 2
    assert "argument --streams: must be a whole number from 1 on, not 0" in capsys.readouterr().err
