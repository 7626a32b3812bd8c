"""Which blocks a stream must be answered with; what they hold, if another stream tells it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from spec.arch import ArchConfig
from spec.packet import Opcode, Packet, read_answers
from sw.receiver import Receiver, ToldJob
from sw.reference import execute

__all__ = ["same_outputs", "undue_blocks"]

_BLOCKS = (Opcode.PSUMS, Opcode.CODES)
_Place = tuple[int, int]


class _Slots:
    """Parts of a layer that have come to each slot where split blocks are summed."""

    def __init__(self) -> None:
        self._came: Counter[int] = Counter()
        self._others: defaultdict[int, set[int]] = defaultdict(set)

    def take(self, job: ToldJob) -> tuple[set[_Place], dict[int, int]]:
        """Return which parts of ``job`` may complete their block, and how many must, by slot.

        That is known of a slot if all its parts ask for as many others; if not, their order decides.
        """
        split = {place: fields for place, fields in job.blocks.items() if fields.get("split")}
        before = self._came.copy()
        for fields in split.values():
            self._came[fields["slot"]] += 1
            self._others[fields["slot"]].add(fields["others"])
        possible = {place for place, its in split.items() if its["others"] < self._came[its["slot"]]}
        due = {}
        for slot in {fields["slot"] for fields in split.values()}:
            if len(self._others[slot]) == 1:
                (others,) = self._others[slot]
                due[slot] = self._came[slot] // (others + 1) - before[slot] // (others + 1)
        return possible, due


def undue_blocks(stream: bytes, answers: Sequence[Packet], arch: ArchConfig) -> list[str]:
    """Return a sentence if blocks are missing, doubled, or none of those that ``stream`` asks for.

    Every part that is not split is answered once in its job, a split block once when its parts are there,
    in order of the jobs. Both hold for any content of sound packets.
    """
    receiver = Receiver(arch)
    receiver.receive(stream)
    headers = [one.header for one in answers if one.header.opcode in _BLOCKS]
    # Where the answers to the jobs so far may end; several places if it is open whether a block is complete.
    ends, layer, slots = {0}, 0, _Slots()
    for number, job in enumerate(receiver.receipt.jobs):
        if job.layer != layer:
            layer, slots = job.layer, _Slots()
        possible, due = slots.take(job)
        whole = {place for place, fields in job.blocks.items() if not fields.get("split")}
        codes = bool(job.mode["requantize"])
        kind = (
            Opcode.CODES if codes else Opcode.PSUMS,
            arch.code_words_per_block if codes else arch.words_per_block,
            job.tag,
        )
        later = set()
        for end in ends:
            seen: set[_Place] = set()
            while True:
                if whole <= seen and _complete(seen, job, due):
                    later.add(end)
                header = headers[end] if end < len(headers) else None
                if header is None or (header.opcode, header.length, header.tag) != kind:
                    break
                place = header.cluster, header.argument
                if place in seen or place not in whole | possible:
                    break
                seen.add(place)
                end += 1
        if not later:
            met = headers[max(ends)] if max(ends) < len(headers) else "the end"
            return [f"job {number}, tag {job.tag}: {met} comes where its blocks are not all answered"]
        ends = later
    if len(headers) not in ends:
        return [f"{len(headers) - max(ends)} blocks follow that belong to no job"]
    return []


def _complete(seen: Iterable[_Place], job: ToldJob, due: dict[int, int]) -> bool:
    """Whether as many split blocks have come as must."""
    came = Counter(job.blocks[place]["slot"] for place in seen if job.blocks[place].get("split"))
    return all(came[slot] == count for slot, count in due.items())


def same_outputs(answers: Iterable[Packet], meant: bytes, arch: ArchConfig) -> bool:
    """Whether ``answers`` hold the very blocks that the reference makes of ``meant``, in any order.

    Which of its parts a split block is answered under depends on time, so that is not compared.
    """
    told = read_answers(execute(meant, arch), arch.stream_width // 8)
    return Counter(_contents(answers, arch)) == Counter(_contents(told, arch))


def _contents(answers: Iterable[Packet], arch: ArchConfig) -> list[tuple[int, int, int]]:
    """Opcode, tag and outputs of every block, without what lies behind the last output."""
    widths = {Opcode.PSUMS: arch.output_width, Opcode.CODES: arch.activation_width}
    return [
        (
            one.header.opcode,
            one.header.tag,
            int.from_bytes(one.payload, "little")
            & (1 << arch.segment * arch.tokens * widths[Opcode(one.header.opcode)]) - 1,
        )
        for one in answers
        if one.header.opcode in _BLOCKS
    ]
