"""Damaged packed files: one clear error for each, never another one, never a wrong layer."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codesign.regression.layers import random_layer
from codesign.whole import load_model
from spec.arch import ArchConfig
from spec.direction import Direction
from spec.errors import FormatError
from spec.packet import Header, Opcode, Packet, descriptor_layout, frame_packet, read_packets
from spec.record import Record, encode_record
from sw.bits import pack_fields, pad_to_word
from sw.input_quantizer import InputOptions
from sw.layer import QuantizedLayer
from sw.pack import pack
from sw.pattern import Method, Pattern
from sw.pruning import Pruning
from sw.unpack import PackedFile, unpack
from tests.command_runs import Run
from tests.small_layers import smoothed

ARCH = ArchConfig(clusters=2, lanes=2, tokens=2, segment=8, activation_depth=8, value_depth=64, block_depth=4)


def example(name: str = "layer", direction: Direction = Direction.VERTICAL) -> QuantizedLayer:
    """A small layer of several chunks and passes."""
    return random_layer(np.random.default_rng(12), ARCH, (13, 21), direction, 0.6, name=name)


FILE = pack([smoothed(example("first")), example("second", Direction.HORIZONTAL)], ARCH)


def test_every_flipped_byte_is_found() -> None:
    rng = np.random.default_rng(13)
    for offset in range(len(FILE)):
        damaged = bytearray(FILE)
        damaged[offset] ^= int(rng.integers(1, 256))
        with pytest.raises(FormatError):
            unpack(bytes(damaged))


def test_every_truncation_is_found() -> None:
    for length in range(len(FILE)):
        with pytest.raises(FormatError):
            unpack(FILE[:length])
    with pytest.raises(FormatError):
        unpack(FILE + FILE[:8])


@given(data=st.binary(max_size=400), keep=st.integers(0, 400))
def test_random_bytes_are_refused(data: bytes, keep: int) -> None:
    with pytest.raises(FormatError):
        unpack(FILE[:keep] + data)


def reframe(packets: list[Packet]) -> bytes:
    """A stream of ``packets`` with lengths and checksums made right again."""
    framed = []
    for packet in packets:
        payload = pad_to_word(packet.payload, 8)
        header = Header(**{**vars(packet.header), "length": len(payload) // 8})
        framed.append(frame_packet(header, payload, 8))
    return b"".join(framed)


PACKETS = list(read_packets(FILE, 8))


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_defects_behind_a_good_checksum_raise_nothing_but_format_errors(data: st.DataObject) -> None:
    packets = list(PACKETS)
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(packets) - 1))
        header, payload = packets[at].header, bytearray(packets[at].payload)
        match data.draw(st.integers(0, 4)):
            case 0:
                del packets[at]
                continue
            case 1:
                packets.insert(data.draw(st.integers(0, len(packets))), packets[at])
                continue
            case 2:
                field = data.draw(st.sampled_from(["opcode", "cluster", "argument", "tag"]))
                header = Header(**{**vars(header), field: data.draw(st.integers(0, 255))})
            case 3 if payload:
                payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
            case _:
                payload = payload[: data.draw(st.integers(0, len(payload)))]
        packets[at] = Packet(header, bytes(payload), 0)
    try:
        file = unpack(reframe(packets))
    except FormatError as error:
        assert len(str(error)) > 10
    else:
        assert isinstance(file, PackedFile)


def edited(opcode: Opcode, edit: Callable[[bytes], bytes], skip: int = 0) -> bytes:
    """FILE with the payload of packet number ``skip`` with ``opcode`` edited."""
    places = [n for n, packet in enumerate(PACKETS) if packet.header.opcode == opcode]
    packets = list(PACKETS)
    old = packets[places[skip]]
    packets[places[skip]] = Packet(old.header, edit(old.payload), 0)
    return reframe(packets)


def with_json(**changes: object) -> Callable[[bytes], bytes]:
    """An edit that sets fields of a JSON payload; None removes one."""

    def edit(payload: bytes) -> bytes:
        data = {**json.loads(payload.rstrip(b"\0")), **changes}
        return json.dumps({name: value for name, value in data.items() if value is not None}).encode()

    return edit


def with_descriptor(**changes: int) -> Callable[[bytes], bytes]:
    """An edit that sets fields of the first block descriptor."""

    def edit(payload: bytes) -> bytes:
        layout = descriptor_layout(ARCH)
        fields = {**layout.decode(int.from_bytes(payload[:8], "little")), **changes}
        return layout.encode(fields).to_bytes(8, "little") + payload[8:]

    return edit


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (b"", "does not start with the sync word"),
        (
            reframe([PACKETS[0], Packet(Header(Opcode.PARAMETERS), bytes(8), 0), *PACKETS[1:]]),
            "of a model that its header does not describe",
        ),
        (edited(Opcode.INFO, lambda _: b"{"), "header is not JSON text"),
        (edited(Opcode.INFO, lambda _: b"[" * 100_000), "header is not JSON text"),
        (edited(Opcode.INFO, lambda _: b"[]"), "must be a JSON object, not list"),
        (edited(Opcode.INFO, with_json(format="elf")), "must name the format mixvec, not 'elf'"),
        (edited(Opcode.INFO, with_json(version=1)), "has version 1, and this mixvec reads 3; pack it again"),
        (edited(Opcode.INFO, with_json(version=4)), "version 4, and this mixvec reads 3; use a newer mixvec"),
        (edited(Opcode.INFO, with_json(arch=None)), "lacks its architecture"),
        (edited(Opcode.INFO, with_json(arch={"lanes": 3})), "`clusters` is missing"),
        (edited(Opcode.INFO, with_json(layers=3)), "the file ends where BEGIN must follow"),
        (edited(Opcode.INFO, with_json(layers=1)), "more packets follow"),
        (edited(Opcode.INFO, with_json(layers=True)), "`layers` must be a positive whole number, not True"),
        (edited(Opcode.INFO, with_json(name=None), 1), "lacks its name"),
        (edited(Opcode.INFO, with_json(name="second"), 1), "^two layers are called second$"),
        (edited(Opcode.INFO, with_json(rows=-1), 1), "`rows` must be a positive whole number, not -1"),
        (edited(Opcode.INFO, with_json(rows=10**9), 1), "layer first has 125000000 blocks of 8 outputs"),
        (edited(Opcode.INFO, with_json(cols=10**9), 1), "exceeds 1073741824 weights"),
        (edited(Opcode.INFO, with_json(chunk=12), 1), "chunks of 12 inputs, which must be a multiple of 8"),
        (edited(Opcode.SCALES, lambda payload: payload + bytes(8)), "the scales must take"),
        (edited(Opcode.SCALES, lambda payload: b"\x7f" * len(payload)), "has a scale base of 32639,"),
        (edited(Opcode.SMOOTHING, lambda payload: payload[:-8]), "the smoothing must take 3 words, not 2"),
        (
            edited(Opcode.SMOOTHING, lambda payload: b"\x7f" * len(payload)),
            r"the smoothing of layer first must have exponents up to \+-30, not 127",
        ),
        (edited(Opcode.ORDER, lambda payload: bytes(len(payload))), "is not a permutation of 0 to"),
        (
            edited(Opcode.RECORDS, lambda payload: bytes(len(payload))),
            "^layer first, pass 0, cluster 0 has records for 0 of its 1 blocks$",
        ),
        (
            edited(Opcode.RECORDS, lambda payload: payload + bytes(8)),
            "^layer first, pass 0, cluster 0: the records take 2 words, but their packet has 3$",
        ),
        (
            edited(Opcode.VALUES, lambda payload: payload[:-8]),
            "^layer first, pass 0, cluster 0: the values take 5 words, but their packet has 4$",
        ),
        (
            edited(Opcode.BLOCKS, with_descriptor(block=999)),
            "^layer first, pass 0 holds block 999 of chunk 0, but the layer has 2 blocks and 2 chunks$",
        ),
        (
            edited(Opcode.BLOCKS, with_descriptor(block=2)),
            "^layer first, pass 0 holds block 2 of chunk 0, but the layer has 2 blocks and 2 chunks$",
        ),
        (
            edited(Opcode.BLOCKS, with_descriptor(start=1)),
            r"^layer first: the parts of block 0 of chunk 0 start at \[1\], which does not cut positions "
            "0 to 15 into distinct parts$",
        ),
        (
            edited(Opcode.BLOCKS, with_descriptor(split=1, others=1)),
            "^layer first, pass 0 holds 1 parts of block 0 that do not agree$",
        ),
        (edited(Opcode.BLOCKS, with_descriptor(split=1, others=0)), "parts of block . that do not agree"),
        (edited(Opcode.BLOCKS, lambda _: b""), "has packets but no block"),
        (edited(Opcode.BLOCKS, lambda payload: payload * 9), "BLOCKS holds at most 4 words"),
    ],
)
def test_defects_are_named(damaged: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        unpack(damaged)


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (1, r"layer first lacks block 0 of chunk 0"),
        (
            0,
            r"layer first: the parts of block 0 of chunk 0 start at \[0, 0\], which does not cut positions "
            r"0 to 15 into distinct parts",
        ),
    ],
)
def test_blocks_that_come_twice_or_never_are_named(chunk: int, message: str) -> None:
    packets = [
        replace(one, header=replace(one.header, argument=chunk)) if one.header.opcode == Opcode.PASS else one
        for one in PACKETS
    ]
    with pytest.raises(FormatError, match=f"^{message}$"):
        unpack(reframe(packets))


@pytest.mark.parametrize(("position", "fits"), [(2, True), (3, False), (4, False)])
def test_a_vector_beyond_the_end_of_its_part_is_found(position: int, fits: bool) -> None:
    """The last of three records moves on, to a position that the matrix does not have."""
    ones = np.ones((1, 3), np.int8)
    layer = QuantizedLayer("row", ones, ones > 0, Direction.VERTICAL, np.arange(1), np.ones(1, np.float32))
    records = [Record(0, 1), Record(0, 1), Record(position - 2, 1, end=True)]
    payload = pack_fields(np.array([encode_record(one, ARCH) for one in records]), ARCH.record_width)
    packets = [
        replace(one, payload=payload) if one.header.opcode == Opcode.RECORDS else one
        for one in read_packets(pack([layer], ARCH), 8)
    ]
    if fits:
        assert unpack(reframe(packets)).layers[0].mask.all()
        return
    message = "^layer row, pass 0, cluster 0 has a vector beyond the end of its part$"
    with pytest.raises(FormatError, match=message):
        unpack(reframe(packets))


def test_two_split_blocks_in_one_slot_are_found() -> None:
    arch = ArchConfig(clusters=4, lanes=4, tokens=1)
    layer = random_layer(np.random.default_rng(4), arch, (96, 384), Direction.VERTICAL, 1.0)
    packets = list(read_packets(pack([layer], arch), 8))
    layout = descriptor_layout(arch)
    for n, packet in enumerate(packets):
        if packet.header.opcode == Opcode.BLOCKS:
            words = np.frombuffer(packet.payload, "<u8")
            fields = [{**layout.decode(int(word)), "slot": 0} for word in words]
            payload = b"".join(layout.encode(one).to_bytes(8, "little") for one in fields)
            packets[n] = Packet(packet.header, payload, 0)
    with pytest.raises(FormatError, match=r"pass 0 sums blocks 0 and . in the same slot 0"):
        unpack(reframe(packets))


def test_parts_of_one_block_in_two_slots_are_found() -> None:
    arch = ArchConfig(clusters=2, lanes=4, tokens=1)
    layer = random_layer(np.random.default_rng(4), arch, (1, 384), Direction.VERTICAL, 1.0)
    packets = list(read_packets(pack([layer], arch), 8))
    layout = descriptor_layout(arch)
    places = [n for n, packet in enumerate(packets) if packet.header.opcode == Opcode.BLOCKS]
    fields = layout.decode(int.from_bytes(packets[places[1]].payload, "little"))
    assert len(places) == 2 and (fields["split"], fields["slot"]) == (1, 0)
    payload = layout.encode({**fields, "slot": 1}).to_bytes(8, "little")
    packets[places[1]] = replace(packets[places[1]], payload=payload)
    with pytest.raises(
        FormatError, match=r"^layer layer, pass 0 holds 2 parts of block 0 that do not agree$"
    ):
        unpack(reframe(packets))


@pytest.mark.parametrize(("opcode", "payload"), [(Opcode.VALUES, b"\1\1"), (Opcode.RECORDS, b"\x48")])
@pytest.mark.parametrize("weight", [0, 5])
def test_weights_outside_the_matrix_are_found(opcode: Opcode, payload: bytes, weight: int) -> None:
    one_weight = np.full((1, 1), weight, np.int8)
    layer = QuantizedLayer(
        "dot", one_weight, np.ones((1, 1), np.bool_), Direction.VERTICAL, np.arange(1), np.ones(1, np.float32)
    )
    packets = [
        Packet(one.header, payload if one.header.opcode == opcode else one.payload, 0)
        for one in read_packets(pack([layer], ARCH), 8)
    ]
    with pytest.raises(FormatError, match="stores weights outside its 1 x 1 matrix"):
        unpack(reframe(packets))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda payload: payload[:-8], "the values take 6 words, but their packet has 5"),
        (lambda payload: payload + bytes(8), "the values take 6 words, but their packet has 7"),
        # The stripe's second plane: the signs of beats that are not there.
        (lambda payload: payload[:-1] + b"\x80", "the values are followed by bits that are not 0"),
        # The second word of the first plane.
        (
            lambda payload: payload[:-9] + b"\x80" + payload[-8:],
            "the values are followed by bits that are not 0",
        ),
    ],
)
def test_stripes_of_3_bits_are_whole_and_end_in_zeros(edit: Callable[[bytes], bytes], message: str) -> None:
    arch = ArchConfig(clusters=1, lanes=2, tokens=1, segment=8, weight_width=3)
    weights = np.full((8, 9), -1, np.int8)
    layer = QuantizedLayer(
        "dense", weights, np.ones((8, 9), np.bool_), Direction.VERTICAL, np.arange(8), np.ones(8, np.float32)
    )
    packets = [
        Packet(one.header, edit(one.payload) if one.header.opcode == Opcode.VALUES else one.payload, 0)
        for one in read_packets(pack([layer], arch), 8)
    ]
    with pytest.raises(FormatError, match=message):
        unpack(reframe(packets))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: 5,
        lambda state: {},
        lambda state: {**state, "kept": -1},
        lambda state: {**state, "kept": 1.5},
        lambda state: {**state, "origin": 1 << 32},
        lambda state: {**state, "options": {"per_token": 1, "smoothing": 0.5}},
        lambda state: {**state, "options": {"per_token": True, "smoothing": 2.0}},
        lambda state: {**state, "options": {"per_token": True, "smoothing": "0.5"}},
        lambda state: {**state, "pattern": {**state["pattern"], "arch": {"lanes": 3}}},
        lambda state: {**state, "pattern": {**state["pattern"], "method": "strange"}},
        lambda state: {**state, "pattern": {**state["pattern"], "method": "vector", "length": 2.5}},
        lambda state: {**state, "pattern": {**state["pattern"], "method": "n-m", "n_m": [2]}},
        lambda state: {**state, "pattern": {**state["pattern"], "contiguous": 1}},
        lambda state: {**state, "pattern": {**state["pattern"], "metadata_bits": "1"}},
    ],
)
def test_what_a_model_was_pruned_to_must_be_that(
    run: Run, tmp_path: Path, change: Callable[[dict[str, Any]], Any]
) -> None:
    layer = example()
    about = {"version": 3, "scales": {layer.name: 0.5}, "rest": 1, "trained": {}, "left_out": {}}
    pruning = Pruning(Pattern(ARCH, Method.N_M, n_m=(2, 4)), 8, InputOptions(True, 0.5), 7)
    for state, status in ((pruning.state(), 0), (change(pruning.state()), 2)):
        header = {**about, "provenance": {}, "pruning": state}
        (tmp_path / "x.mxv").write_bytes(pack([layer], ARCH, header))
        found, _, err = run("inspect", tmp_path / "x.mxv")
        assert found == status, err
        assert (status == 2) == ("`pruning` in the file's header must say how the model was pruned" in err)
        if status == 0:
            assert load_model(tmp_path / "x.mxv").pruning == pruning


def test_inspect_prints_provenance_as_it_is(run: Run, tmp_path: Path) -> None:
    layer = example()
    about = {"version": 3, "scales": {layer.name: 0.5}, "rest": 1, "trained": {}, "left_out": {}}
    for provenance, status, shown in (
        ({"model": "my[/x] [bold]b\x1b[31m"}, 0, "a whole model: model my[/x] [bold]b?[31m"),
        ({}, 0, None),
        ({"nested": [1] * 20000}, 2, None),
        (5, 2, None),
    ):
        (tmp_path / "x.mxv").write_bytes(pack([layer], ARCH, {**about, "provenance": provenance}))
        found, out, err = run("inspect", tmp_path / "x.mxv")
        assert found == status, err
        assert (status == 2) == ("`provenance` in the file's header must be an object" in err)
        assert ("a whole model" in out) == (shown is not None)
        assert shown is None or shown in out
