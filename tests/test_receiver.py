"""What the core must say of a stream, against answers worked out by hand from the rules of packets."""

import pytest

from codesign.regression.aftermath import draw_aftermaths, wrong_bits
from codesign.regression.architectures import ARCHS
from codesign.regression.output_cases import OUTPUT_ARCHS
from spec.arch import ArchConfig
from spec.outputs import MODE
from spec.packet import ErrorCode, Header, Opcode, frame_packet, framing_words, length_limit
from sw.receiver import Receipt, Receiver

TINY = ARCHS["tiny"]
WIDE = OUTPUT_ARCHS["wide"]
SYNC, STUFF = framing_words(8)
JUNK = b"no sync."


def packet(opcode: int, words: int = 0, cluster: int = 0, tag: int = 0, arch: ArchConfig = TINY) -> bytes:
    size = arch.stream_width // 8
    argument = arch.fingerprint if opcode == Opcode.BEGIN else 0
    return frame_packet(Header(opcode, words, cluster, argument, tag), bytes(words * size), size)


def begin(tag: int, mode: int = 0, arch: ArchConfig = TINY) -> bytes:
    return packet(Opcode.BEGIN, 0, mode, tag, arch)


def told(stream: bytes, arch: ArchConfig = TINY) -> list[tuple[str, int, tuple[int, ...]]]:
    return [(one.code.name, one.opcode, one.tags) for one in received(stream, arch).errors]


def received(stream: bytes, arch: ArchConfig = TINY) -> Receipt:
    receiver = Receiver(arch)
    receiver.receive(stream)
    return receiver.receipt


PASS, END, ACTIVATIONS = packet(Opcode.PASS), packet(Opcode.END), packet(Opcode.ACTIVATIONS, 1)
BLOCKS, RECORDS = packet(Opcode.BLOCKS, 1), packet(Opcode.RECORDS, 1)
LAYER = PASS + BLOCKS + RECORDS + ACTIVATIONS

STREAMS = {
    "a job": (begin(5) + LAYER + END, []),
    "two jobs": (begin(5) + LAYER + END + begin(6) + LAYER + END, []),
    "nothing but SYNC": (SYNC * 3, []),
    "junk first": (JUNK + begin(5), [("NO_SYNC", 0, (0,))]),
    "junk is told once": (begin(5) + JUNK * 3 + END, [("NO_SYNC", 0, (5,))]),
    "told again behind a BEGIN": (JUNK + begin(5) + JUNK, [("NO_SYNC", 0, (0,)), ("NO_SYNC", 0, (5,))]),
    "a stuffed word of no packet": (SYNC + STUFF, [("NO_SYNC", 0, (0,))]),
    "cut off in the payload": (begin(5) + PASS + BLOCKS[:-16] + END, [("TRUNCATED", Opcode.BLOCKS, (5,))]),
    "cut off before the CRC": (begin(5) + PASS[:-8] + END, [("TRUNCATED", Opcode.PASS, (5,))]),
    "the packet that cuts one off is lost": (begin(5) + PASS[:-8] + JUNK, [("BAD_CRC", Opcode.PASS, (5,))]),
    "BEGIN cuts off": (begin(5) + PASS[:-8] + begin(6) + END, [("TRUNCATED", Opcode.PASS, (5,))]),
    "no BEGIN": (PASS, [("BAD_SEQUENCE", Opcode.PASS, (0,))]),
    "no END": (begin(5) + LAYER + begin(6), [("NO_END", Opcode.BEGIN, (5, 6))]),
    "no END behind an error": (begin(5) + JUNK + begin(6), [("NO_SYNC", 0, (5,))]),
    "BEGIN of another architecture": (
        frame_packet(Header(Opcode.BEGIN, argument=TINY.fingerprint ^ 1), b"", 8) + begin(6),
        [("BAD_ARCHITECTURE", Opcode.BEGIN, (0,))],
    ),
    "BLOCKS twice": (begin(5) + PASS + BLOCKS * 2, [("BAD_SEQUENCE", Opcode.BLOCKS, (5,))]),
    "BLOCKS again in the next pass": (begin(5) + (PASS + BLOCKS + ACTIVATIONS) * 2 + END, []),
    "weights behind activations": (begin(5) + LAYER + RECORDS, [("BAD_SEQUENCE", Opcode.RECORDS, (5,))]),
    "activations without blocks": (
        begin(5) + PASS + RECORDS + ACTIVATIONS,
        [("BAD_SEQUENCE", Opcode.ACTIVATIONS, (5,))],
    ),
    "END twice": (begin(5) + END * 2, [("BAD_SEQUENCE", Opcode.END, (5,))]),
    "no such cluster": (
        begin(5) + PASS + packet(Opcode.VALUES, 1, TINY.clusters),
        [("BAD_CLUSTER", Opcode.VALUES, (5,))],
    ),
    "an unknown opcode": (packet(0x3F), [("BAD_OPCODE", 0x3F, (0,))]),
    "an answer": (packet(Opcode.DONE), [("BAD_OPCODE", Opcode.DONE, (0,))]),
    "output parameters without an output stage": (
        begin(5) + packet(Opcode.TABLE),
        [("BAD_OPCODE", Opcode.TABLE, (5,))],
    ),
    "a packet for the host": (packet(0x7F, 3) + begin(5) + packet(Opcode.INFO, 9), []),
    "too long": (
        begin(5) + PASS + packet(Opcode.RECORDS, length_limit(Opcode.RECORDS, TINY) + 1),
        [("TOO_LONG", Opcode.RECORDS, (5,))],
    ),
    "as long as can be": (begin(5) + PASS + packet(Opcode.RECORDS, length_limit(Opcode.RECORDS, TINY)), []),
}


@pytest.mark.parametrize("name", STREAMS)
def test_errors_are_those_of_the_rules(name: str) -> None:
    stream, expected = STREAMS[name]

    assert told(stream) == expected


def test_only_a_sound_end_of_a_layer_that_has_begun_is_answered() -> None:
    stream = begin(5) + LAYER + END + begin(6) + JUNK + END + begin(7) + END + END

    assert received(stream).done == [5, 7]


def test_a_begin_whose_crc_is_wrong_begins_nothing() -> None:
    broken = begin(5)[:-8] + bytes(8)

    assert told(broken + END) == [("BAD_CRC", Opcode.BEGIN, (0,))]
    assert told(begin(4) + broken + END) == [
        ("NO_END", Opcode.BEGIN, (4, 5)),
        ("BAD_CRC", Opcode.BEGIN, (4,)),
    ]
    assert received(begin(4) + broken + END).done == []


@pytest.mark.parametrize(
    ("mode", "packets", "expected"),
    [
        ({"requantize": 1}, [Opcode.REQUANTIZE, Opcode.PASS], []),
        ({"requantize": 1}, [Opcode.PASS], ["BAD_SEQUENCE"]),
        ({"requantize": 1}, [Opcode.REQUANTIZE, Opcode.REQUANTIZE, Opcode.PASS, Opcode.PASS], []),
        ({"requantize": 1}, [Opcode.TABLE], ["BAD_SEQUENCE"]),
        ({"requantize": 1, "table": 1}, [Opcode.REQUANTIZE, Opcode.PASS], ["BAD_SEQUENCE"]),
        ({"requantize": 1, "table": 1}, [Opcode.TABLE, Opcode.REQUANTIZE, Opcode.PASS], []),
        ({"requantize": 1}, [Opcode.REQUANTIZE, Opcode.PASS, Opcode.REQUANTIZE], ["BAD_SEQUENCE"]),
        ({"table": 1, "relu": 1}, [Opcode.PASS], []),
        ({}, [Opcode.REQUANTIZE], ["BAD_SEQUENCE"]),
    ],
)
def test_output_parameters_come_where_they_are_due(
    mode: dict[str, int], packets: list[Opcode], expected: list[str]
) -> None:
    stream = begin(1, MODE.encode(mode), WIDE) + b"".join(packet(one, arch=WIDE) for one in packets)

    assert [code for code, *_ in told(stream, WIDE)] == expected


def test_a_stream_may_come_in_pieces() -> None:
    stream = begin(5) + JUNK + begin(6) + LAYER + END
    receiver = Receiver(TINY)
    for at in range(0, len(stream), 8):
        receiver.receive(stream[at : at + 8])

    assert receiver.receipt == received(stream)


@pytest.mark.parametrize("name", ["tiny", "cramped"])
def test_damage_ends_in_the_error_that_was_foreseen(name: str) -> None:
    # What each kind of damage may end in was written down with the damage, one by one.
    arch = ARCHS[name]
    for case in draw_aftermaths(arch, random_cases=60):
        damage, receipt = case.damage, received(case.stream(arch), arch)
        first = receipt.errors[0] if receipt.errors else None
        if first is not None:
            assert first.code in damage.codes, damage.name
            assert damage.opcode in (None, first.opcode), damage.name
        else:
            assert damage.silent or not damage.codes, damage.name
        assert receipt.done[-1] == case.good.packed.tag, damage.name


def test_a_wrong_bit_of_a_header_is_told_where_it_means_something() -> None:
    silent = [case.damage.name for case in wrong_bits(TINY) if not received(case.damage.stream).errors]
    fields = {int(name.split()[1]) for name in silent}

    # `argument` of all but BEGIN, and `cluster` where there is none, mean nothing to a core without an output
    # stage; opcodes of the host lie one bit away from some. A length that is a lie never passes.
    assert fields and max(fields) < 32
    assert ErrorCode.BAD_ARCHITECTURE in {
        received(case.damage.stream).errors[0].code
        for case in wrong_bits(TINY)
        if received(case.damage.stream).errors
    }


NARROW = ARCHS["narrow_words"]
HALF = begin(6, arch=NARROW)[:8]


@pytest.mark.parametrize(
    ("stream", "errors"),
    [
        (begin(5, arch=NARROW) + packet(Opcode.PASS, arch=NARROW), []),
        # One of a header's two words, then another packet, or none of any.
        (HALF + begin(5, arch=NARROW), [("TRUNCATED", Opcode.BEGIN, (0,))]),
        (HALF, []),
        (
            begin(5, arch=NARROW) + HALF + packet(Opcode.PASS, arch=NARROW),
            [("TRUNCATED", Opcode.BEGIN, (5,))],
        ),
        (begin(5, arch=NARROW) + b"junk", [("NO_SYNC", 0, (5,))]),
    ],
)
def test_a_header_of_two_words_counts_when_it_is_whole(
    stream: bytes, errors: list[tuple[str, int, tuple[int, ...]]]
) -> None:
    assert told(stream, NARROW) == errors
