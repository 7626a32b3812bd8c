"""Job streams damaged in every way that a stream can be, and what the core must answer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from codesign.regression.jobs import frames, reframe
from spec.arch import ArchConfig
from spec.outputs import MODE
from spec.packet import (
    HOST_ONLY,
    ErrorCode,
    Header,
    Opcode,
    Packet,
    descriptor_layout,
    frame_packet,
    framing_words,
    length_limit,
    opcodes_of,
)

__all__ = ["ANY", "Damage", "damaged"]

ANY = frozenset(ErrorCode)
_WEIGHTS = (Opcode.BLOCKS, Opcode.RECORDS, Opcode.VALUES)


@dataclass(frozen=True)
class Damage:
    """A damaged stream.

    Parameters
    ----------
    name : str
    stream : bytes
    codes : frozenset of ErrorCode
        What the first error may be; empty if there must be none.
    silent : bool
        There may also be no error.
    opcode : int, optional
        Opcode that the first error must name as the one at fault; any without it.
    meant : bytes, optional
        A sound stream that must be answered with the same outputs; without it they are not judged.
    """

    name: str
    stream: bytes
    codes: frozenset[ErrorCode] = field(default=frozenset())
    silent: bool = False
    opcode: int | None = None
    meant: bytes | None = None


class _Parts:
    """An undamaged job as packets, and the means to put it together otherwise."""

    def __init__(self, stream: bytes, arch: ArchConfig, rng: np.random.Generator) -> None:
        self.stream = stream
        self.arch = arch
        self.rng = rng
        self.size = arch.stream_width // 8
        self.packets = frames(stream, arch)
        self.words = [stream[at : at + self.size] for at in range(0, len(stream), self.size)]
        self.sync, self.stuff = framing_words(self.size)
        self.starts: list[int] = []
        at = 0
        for packet in self.packets:
            self.starts.append(at)
            at += packet.words

    def noise(self, words: int) -> bytes:
        """Random words."""
        return self.rng.bytes(words * self.size)

    def make(self, opcode: int, payload: bytes = b"", cluster: int = 0, argument: int = 0) -> bytes:
        """A packet of our own, undamaged in itself."""
        header = Header(opcode, len(payload) // self.size, cluster, argument)
        return frame_packet(header, payload, self.size)

    def join(self, change: Callable[[Packet], bytes | None]) -> bytes:
        """All packets; ``change`` returns None for those that stay."""
        return b"".join(
            reframe(packet, self.arch) if changed is None else changed
            for packet in self.packets
            for changed in [change(packet)]
        )

    def without(self, *opcodes: int) -> bytes:
        """All packets but those."""
        return self.join(lambda packet: b"" if packet.header.opcode in opcodes else None)

    def before(self, opcode: int, extra: bytes) -> bytes:
        """All packets, with ``extra`` in front of the first of ``opcode``."""
        left = [extra]
        return self.join(
            lambda packet: (
                left.pop() + reframe(packet, self.arch) if packet.header.opcode == opcode and left else None
            )
        )

    def replaced(self, opcode: int, payload: Callable[[Packet], bytes]) -> bytes:
        """All packets, those of ``opcode`` with another payload and a CRC that matches."""
        return self.join(
            lambda packet: (
                self.make(opcode, payload(packet), packet.header.cluster, packet.header.argument)
                if packet.header.opcode == opcode
                else None
            )
        )


def damaged(stream: bytes, arch: ArchConfig, seed: int, random_cases: int) -> list[Damage]:
    """Return one job's ``stream`` damaged in every systematic way, and in ``random_cases`` random ones."""
    parts = _Parts(stream, arch, np.random.default_rng(seed))
    return [
        *_refused(parts),
        *_misplaced(parts),
        *(_odd_outputs(parts) if arch.output_blocks else ()),
        *_odd_contents(parts),
        *_odd_orders(parts),
        *_truncated(parts),
        *_garbage(parts),
        *_wrong_crcs(parts),
        *_random_damage(parts, random_cases),
    ]


def _refused(parts: _Parts) -> Iterator[Damage]:
    """Headers that the core must refuse, each with its code."""
    arch = parts.arch
    unknown = {0x00, 0x08, 0x09, 0x0A, 0x3F, 0x80, 0xFF} - {*opcodes_of(arch)}
    for opcode in (*sorted(unknown), Opcode.PSUMS, Opcode.CODES, Opcode.DONE, Opcode.ERROR):
        for place in (Opcode.BEGIN, Opcode.PASS, Opcode.ACTIVATIONS, Opcode.END):
            stream = parts.before(place, parts.make(opcode, parts.noise(2)))
            yield Damage(
                f"opcode {opcode:#04x} before {place.name}",
                stream,
                frozenset({ErrorCode.BAD_OPCODE}),
                opcode=opcode,
            )
    for opcode in _WEIGHTS:
        for cluster in (arch.clusters, 255):
            stream = parts.before(opcode, parts.make(opcode, parts.noise(1), cluster))
            bad_cluster = frozenset({ErrorCode.BAD_CLUSTER})
            yield Damage(f"{opcode.name} of cluster {cluster}", stream, bad_cluster, opcode=opcode)
    for bit in range(16):
        stream = parts.join(
            lambda packet, bit=bit: (
                reframe(packet, arch, argument=packet.header.argument ^ 1 << bit)  # type: ignore[misc]
                if packet.header.opcode == Opcode.BEGIN
                else None
            )
        )
        bad_architecture = frozenset({ErrorCode.BAD_ARCHITECTURE})
        yield Damage(f"fingerprint bit {bit}", stream, bad_architecture, opcode=Opcode.BEGIN)
    for opcode in (one for one in opcodes_of(arch) if one < HOST_ONLY):
        limit = length_limit(opcode, arch)
        argument = arch.fingerprint if opcode == Opcode.BEGIN else 0
        for length in (limit + 1, limit + 20):
            extra = parts.make(opcode, parts.noise(length), 0, argument)
            yield Damage(
                f"{opcode.name} of {length} words",
                parts.before(opcode, extra),
                frozenset({ErrorCode.TOO_LONG}),
                opcode=opcode,
            )


def _misplaced(parts: _Parts) -> Iterator[Damage]:
    """Good packets where they may not come."""
    sequence = frozenset({ErrorCode.BAD_SEQUENCE})
    yield Damage("no BEGIN", parts.without(Opcode.BEGIN), sequence)
    yield Damage("END before BEGIN", parts.before(Opcode.BEGIN, parts.make(Opcode.END)), sequence)
    yield Damage("END twice", parts.stream + parts.make(Opcode.END), sequence)
    yield Damage("no PASS", parts.without(Opcode.PASS), sequence)
    yield Damage("no weights", parts.without(*_WEIGHTS), sequence)
    yield Damage("no BLOCKS", parts.without(Opcode.BLOCKS), sequence)
    yield Damage("empty BLOCKS", parts.replaced(Opcode.BLOCKS, lambda _: b""), sequence)
    for opcode in (*_WEIGHTS, Opcode.ACTIVATIONS):
        packet = next(one for one in parts.packets if one.header.opcode == opcode)
        words = reframe(packet, parts.arch)
        yield Damage(f"{opcode.name} before PASS", parts.before(Opcode.PASS, words), sequence)
        if opcode != Opcode.ACTIVATIONS:
            yield Damage(f"{opcode.name} after ACTIVATIONS", parts.before(Opcode.END, words), sequence)
    blocks = next(one for one in parts.packets if one.header.opcode == Opcode.BLOCKS)
    twice = parts.before(Opcode.BLOCKS, reframe(blocks, parts.arch))
    yield Damage("BLOCKS twice", twice, sequence)


def _odd_outputs(parts: _Parts) -> Iterator[Damage]:
    """Parameters of a requantized layer that are missing, misplaced, or nonsense."""
    arch, rng, sequence = parts.arch, parts.rng, frozenset({ErrorCode.BAD_SEQUENCE})
    given = {
        opcode: next(one for one in parts.packets if one.header.opcode == opcode)
        for opcode in (Opcode.REQUANTIZE, Opcode.TABLE)
    }
    for opcode, packet in given.items():
        words = reframe(packet, arch)
        yield Damage(f"no {opcode.name}", parts.without(opcode), sequence)
        for place in (Opcode.BEGIN, Opcode.BLOCKS, Opcode.ACTIVATIONS, Opcode.END):
            yield Damage(f"{opcode.name} before {place.name}", parts.before(place, words), sequence)
        yield Damage(f"{opcode.name} twice", parts.before(Opcode.PASS, words))
        for name, payload in {
            "random": rng.bytes(len(packet.payload)),
            "all ones": b"\xff" * len(packet.payload),
            "one word": packet.payload[: parts.size],
            "nothing": b"",
            "full memory": rng.bytes(length_limit(opcode, arch) * parts.size),
        }.items():
            yield Damage(f"{opcode.name}: {name}", parts.replaced(opcode, lambda _, its=payload: its))  # type: ignore[misc]
    asks = MODE.decode(parts.packets[0].header.cluster)
    for name, mode, codes in (
        ("raw, with parameters", {"horizontal": asks["horizontal"]}, sequence),
        ("raw, with ReLU and table", {**asks, "requantize": 0}, sequence),
        ("without table", {**asks, "table": 0}, sequence),
        ("with the other ReLU", {**asks, "relu": 1 - asks["relu"]}, frozenset[ErrorCode]()),
    ):
        begin = reframe(parts.packets[0], arch, cluster=MODE.encode(mode))
        changed = parts.join(lambda one, its=begin: its if one.header.opcode == Opcode.BEGIN else None)  # type: ignore[misc]
        yield Damage(name, changed, codes)
    plain = MODE.encode({"horizontal": asks["horizontal"], "relu": 1, "table": 1})
    bare = parts.join(
        lambda one: (
            reframe(one, arch, cluster=plain)
            if one.header.opcode == Opcode.BEGIN
            else b""
            if one.header.opcode in given
            else None
        )
    )
    yield Damage("raw, without parameters", bare)


def _odd_contents(parts: _Parts) -> Iterator[Damage]:
    """Packets that are sound but say nonsense: every job must end, nothing need be noticed."""
    arch, size, rng = parts.arch, parts.size, parts.rng

    def like(fill: Callable[[int], bytes]) -> Callable[[Packet], bytes]:
        return lambda packet: fill(len(packet.payload))

    fills: dict[str, Callable[[int], bytes]] = {
        "all zeros": bytes,
        "all ones": lambda count: b"\xff" * count,
        "random": rng.bytes,
        "nothing": lambda _: b"",
    }
    for opcode in (Opcode.RECORDS, Opcode.VALUES, Opcode.ACTIVATIONS):
        for name, fill in fills.items():
            yield Damage(f"{opcode.name}: {name}", parts.replaced(opcode, like(fill)))
        yield Damage(f"{opcode.name}: half", parts.replaced(opcode, lambda packet: packet.payload[:size]))
        if opcode != Opcode.ACTIVATIONS:
            yield Damage(f"{opcode.name}: none", parts.without(opcode))
        longest = length_limit(opcode, arch) * size
        full = rng.bytes(longest)
        yield Damage(f"{opcode.name}: full memory", parts.replaced(opcode, lambda _, full=full: full))  # type: ignore[misc]
    layout = descriptor_layout(arch)

    def descriptors(**fields: int) -> Callable[[Packet], bytes]:
        def change(packet: Packet) -> bytes:
            words = [packet.payload[at : at + size] for at in range(0, len(packet.payload), size)]
            old = [layout.decode(int.from_bytes(word, "little")) for word in words]
            return b"".join(layout.encode({**one, **fields}).to_bytes(size, "little") for one in old)

        return change

    odd = {"starts at the last position": {"start": (1 << arch.position_width) - 1}}
    for slot in {0, arch.split_slots - 1} if arch.split_slots else ():
        odd[f"parts of slot {slot} that never complete"] = {"split": 1, "slot": slot, "others": 255}
        odd[f"parts of slot {slot} that complete at once"] = {"split": 1, "slot": slot, "others": 0}
        odd[f"parts of slot {slot} that complete in pairs"] = {"split": 1, "slot": slot, "others": 1}
    for name, fields in odd.items():
        yield Damage(name, parts.replaced(Opcode.BLOCKS, descriptors(**fields)))
    most = arch.block_depth * size
    yield Damage(
        "more blocks than records end", parts.replaced(Opcode.BLOCKS, lambda one: (one.payload * 64)[:most])
    )
    fewer = parts.replaced(Opcode.BLOCKS, lambda one: one.payload[:size])
    yield Damage("fewer blocks than records end", fewer)
    yield Damage("random blocks", parts.replaced(Opcode.BLOCKS, lambda _: rng.bytes(most)))


def _odd_orders(parts: _Parts) -> Iterator[Damage]:
    """Orders of packets that are allowed, if pointless."""
    begin, weights = reframe(parts.packets[0], parts.arch), parts.without(Opcode.ACTIVATIONS, Opcode.END)
    activations = next(one for one in parts.packets if one.header.opcode == Opcode.ACTIVATIONS)
    tile = reframe(activations, parts.arch)
    no_end = frozenset({ErrorCode.NO_END})
    yield Damage("nothing", b"")
    yield Damage("BEGIN twice", begin + parts.stream, no_end)
    yield Damage("no END", parts.without(Opcode.END), no_end)
    yield Damage("no ACTIVATIONS", parts.without(Opcode.ACTIVATIONS))
    yield Damage("only BEGIN and END", begin + parts.make(Opcode.END))
    yield Damage("passes without weights", parts.before(Opcode.PASS, parts.make(Opcode.PASS) * 5))
    twice = weights * 2 + tile * 5 + parts.make(Opcode.END)
    yield Damage("a layer behind another without END", twice, no_end)
    yield Damage("broken off after many tiles", weights + tile * 7, no_end)
    yield Damage("broken off after the weights", weights, no_end)
    yield Damage("unknown host packets", parts.before(Opcode.PASS, parts.make(0x7F, parts.noise(5))))


def _truncated(parts: _Parts) -> Iterator[Damage]:
    """The stream ends after every number of words."""
    for words in range(1, len(parts.words)):
        inside = words not in parts.starts and words - 1 not in parts.starts
        begun = words >= parts.starts[1]
        codes = {ErrorCode.TRUNCATED} if inside else {ErrorCode.NO_END} if begun else set()
        yield Damage(f"cut off after {words} words", parts.stream[: words * parts.size], frozenset(codes))


def _garbage(parts: _Parts) -> Iterator[Damage]:
    """Words that belong to no packet, before, between and instead of packets."""
    no_sync = frozenset({ErrorCode.NO_SYNC})
    for number in (1, 2, 50):
        yield Damage(f"{number} random words", parts.noise(number), no_sync)
        yield Damage(f"{number} random words first", parts.noise(number) + parts.stream, no_sync)
        yield Damage(f"{number} random words last", parts.stream + parts.noise(number), no_sync)
        for place in (Opcode.PASS, Opcode.ACTIVATIONS, Opcode.END):
            stream = parts.before(place, parts.noise(number))
            yield Damage(f"{number} random words before {place.name}", stream, no_sync)
    # An error hides those behind it up to a BEGIN that is sound.
    sound = reframe(parts.packets[0], parts.arch)
    spoilt = sound[:-1] + bytes([sound[-1] ^ 0xFF])
    yield Damage("a BEGIN with a wrong CRC behind an error", bytes(parts.size) + spoilt, no_sync)
    for number in range(20):
        pieces = [parts.sync if parts.rng.random() < 0.3 else parts.noise(1) for _ in range(30)]
        yield Damage(f"random words and SYNC {number}", b"".join([*pieces, parts.noise(1)]), ANY)
    yield Damage("only SYNC", parts.sync * 9)
    yield Damage("only STUFF", parts.stuff * 9, no_sync)
    yield Damage("only stuffed words", (parts.sync + parts.stuff) * 9, no_sync)
    yield Damage("only zeros", bytes(9 * parts.size), no_sync)
    yield Damage("only ones", b"\xff" * (9 * parts.size), no_sync)


def _wrong_crcs(parts: _Parts) -> Iterator[Damage]:
    """Every bit of a CRC word wrong in turn: they are compared part by part."""
    first, second, *others = (reframe(packet, parts.arch) for packet in parts.packets)
    rest = b"".join(others)
    for bit in range(8 * parts.size):
        crc = int.from_bytes(second[-parts.size :], "little") ^ 1 << bit
        spoilt = second[: -parts.size] + crc.to_bytes(parts.size, "little")
        yield Damage(
            f"bit {bit} of a CRC",
            first + spoilt + rest,
            frozenset({ErrorCode.BAD_CRC}),
            opcode=parts.packets[1].header.opcode,
        )


def _random_damage(parts: _Parts, count: int) -> Iterator[Damage]:
    """Random places hit in random ways."""
    rng, words, size = parts.rng, parts.words, parts.size
    for number in range(count):
        at, kind = int(rng.integers(len(words))), number % 9
        head, word, tail = b"".join(words[:at]), words[at], b"".join(words[at + 1 :])
        starts = at in parts.starts
        match kind:
            case 0 | 1 | 2:
                flipped = bytearray(word)
                for _ in range(1 if kind else int(rng.integers(2, 9))):
                    flipped[int(rng.integers(size))] ^= 1 << int(rng.integers(8))
                codes = frozenset({ErrorCode.NO_SYNC}) if starts else ANY
                if bytes(flipped) != word:
                    yield Damage(f"random {number}: bits of word {at} flipped", head + flipped + tail, codes)
            case 3:
                codes = frozenset({ErrorCode.NO_SYNC}) if starts else ANY
                yield Damage(f"random {number}: word {at} dropped", head + tail, codes)
            case 4:
                codes = frozenset() if starts else ANY
                yield Damage(f"random {number}: word {at} doubled", head + word + word + tail, codes)
            case 5:
                inserted = parts.noise(int(rng.integers(1, 4)))
                yield Damage(f"random {number}: garbage at word {at}", head + inserted + word + tail, ANY)
            case 6:
                codes = frozenset() if starts or at - 1 in parts.starts else ANY
                yield Damage(f"random {number}: SYNC at word {at}", head + parts.sync + word + tail, codes)
            case 7:
                order = rng.permutation(len(parts.packets))
                shuffled = b"".join(reframe(parts.packets[index], parts.arch) for index in order)
                yield Damage(f"random {number}: packets shuffled", shuffled, ANY, silent=True)
            case _:
                yield Damage(f"random {number}: sound nonsense", _nonsense(parts), ANY, silent=True)


def _nonsense(parts: _Parts) -> bytes:
    """Packets with a good CRC whose fields are random, mostly within the limits, behind a good BEGIN."""
    rng, stream = parts.rng, reframe(parts.packets[0], parts.arch)
    known = [opcode for opcode in opcodes_of(parts.arch) if opcode < HOST_ONLY]
    for _ in range(int(rng.integers(3, 25))):
        opcode = int(rng.choice([*known, Opcode.PASS, Opcode.ACTIVATIONS, HOST_ONLY]))
        longest = min(length_limit(opcode, parts.arch), 12)
        length = int(rng.integers(longest + 1)) + (rng.random() < 0.02)
        cluster = int(rng.integers(parts.arch.clusters + (rng.random() < 0.05)))
        argument = parts.arch.fingerprint if opcode == Opcode.BEGIN else 0
        stream += parts.make(opcode, parts.noise(int(length)), cluster, argument)
    return stream
