"""Tables of the documentation that say what `spec` says, written from it.

    python -m codesign.reference

rewrites them in `docs` and in the README: what stands between ``<!-- table: NAME -->`` and ``<!-- end -->``.
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from textwrap import dedent
from typing import Final

from spec.arch import ArchConfig
from spec.counters import COUNTERS
from spec.packet import HEADER, HOST_ONLY, ErrorCode, Opcode, descriptor_layout
from spec.planes import weight_planes
from spec.presets import PRESETS
from spec.registers import EVENTS, REGISTERS

__all__ = ["DOCUMENTS", "TABLES", "rewrite"]

_ROOT: Final = Path(__file__).resolve().parent.parent
DOCUMENTS: Final = ("README.md", "docs/format.md", "docs/hardware.md", "docs/integration.md")
_MARKED: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
_FIRST_ANSWER: Final = 0x80


def rewrite(text: str) -> str:
    """Return ``text`` with every marked table as it is now.

    Raises
    ------
    KeyError
        If a mark names no table of ``TABLES``.
    """
    return _MARKED.sub(lambda mark: mark[1] + TABLES[mark[2]]() + mark[3], text)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    rule = "|---" * len(head)
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    lines.insert(1, f"{rule}|")
    # An empty cell is one space wide.
    return "\n".join(lines).replace("|  ", "| ") + "\n"


def _meanings(cls: type[Enum]) -> dict[str, str]:
    """Return what the source says of every member of an enumeration, below it."""
    (tree,) = ast.parse(dedent(inspect.getsource(cls))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for member, text in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr):
            (name,) = (target.id for target in member.targets if isinstance(target, ast.Name))
            said = ast.literal_eval(text.value)
            found[name] = re.sub(r"\s+", " ", said).replace("``", "`")
    return found


def _opcodes() -> str:
    meanings = _meanings(Opcode)

    def sender(code: Opcode) -> str:
        if code >= _FIRST_ANSWER:
            return "core"
        return "host; the core passes over it" if code >= HOST_ONLY else "host"

    rows = ((f"{code:#04x}", code.name, sender(code), meanings[code.name]) for code in Opcode)
    return _table(("opcode", "name", "from", "meaning"), rows)


def _errors() -> str:
    meanings = _meanings(ErrorCode)
    return _table(
        ("code", "name", "cause"), ((str(code.value), code.name, meanings[code.name]) for code in ErrorCode)
    )


def _header() -> str:
    places = ((HEADER.offset(name), name, width) for name, width in HEADER.widths)
    return _table(
        ("bits", "field"), ((f"{low + width - 1}:{low}", f"`{name}`") for low, name, width in places)
    )


def _counters() -> str:
    return _table(
        ("word", "counter", "counts"),
        ((str(n), f"`{name}`", meaning) for n, (name, meaning) in enumerate(COUNTERS.items())),
    )


def _planes() -> str:
    def rows() -> Iterator[Sequence[str]]:
        for width in range(2, 9):
            planes = weight_planes(width)
            cuts = []
            for plane in planes:
                top = plane.offset + plane.width - 1
                cuts.append(f"{top}-{plane.offset}" if plane.width > 1 else f"{top}")
            narrow = planes[-1].width
            beats = "W / L" if narrow == 1 else f"W / {narrow}L"
            yield str(width), ", ".join(cuts), ", ".join(str(plane.words) for plane in planes), beats

    head = (
        "`weight_width`",
        "planes (bits of the weight)",
        "a stripe's words, by plane",
        "beats in a stripe",
    )
    return _table(head, rows())


def _registers() -> str:
    halves = {f"{event.name}_{half}" for event in EVENTS for half in ("low", "high")}

    def rows() -> Iterator[Sequence[str]]:
        for register in REGISTERS:
            if register.name in halves:
                continue
            name = f"`{register.name}`" + (" (Wishbone)" if len(register.buses) == 1 else "")
            head = (f"{register.offset:#04x}", name)
            for field in register.fields:
                low = register.layout.offset(field.name)
                bits = str(low) if field.width == 1 else f"{low + field.width - 1}:{low}"
                access = str(register.access) if field is register.fields[0] else ""
                yield *head, bits, f"`{field.name}`", access, field.meaning
                head = ("", "")

    return _table(("offset", "register", "bits", "field", "access", "meaning"), rows())


def _events() -> str:
    places = {register.name: register.offset for register in REGISTERS}
    return _table(
        ("low", "high", "counter", "counts"),
        (
            (
                f"{places[f'{event.name}_low']:#04x}",
                f"{places[f'{event.name}_high']:#04x}",
                f"`{event.name}`",
                event.meaning,
            )
            for event in EVENTS
        ),
    )


def _presets() -> str:
    loaded = ((name, ArchConfig.load(name)) for name in PRESETS)
    return _table(
        ("preset", "clusters C", "lanes L", "tokens T", "PEs", "`stream_width`"),
        (
            (
                f"`{name}`",
                *(str(n) for n in (arch.clusters, arch.lanes, arch.tokens, arch.pes, arch.stream_width)),
            )
            for name, arch in loaded
        ),
    )


def _memories() -> str:
    """The formulas of docs/hardware.md, in Kibit."""

    def rows() -> Iterator[Sequence[str]]:
        for name in PRESETS:
            arch = ArchConfig.load(name)
            outputs = arch.segment * arch.tokens * arch.output_width
            descriptor = sum(width for field, width in descriptor_layout(arch).widths if field != "block")
            shown = {
                "values": 2 * arch.value_depth * arch.lanes * arch.weight_width,
                "records": 2 * arch.record_depth * arch.stream_width,
                "activations": 2 * arch.activation_depth * arch.lanes * arch.activation_width * arch.tokens,
                "psums": 2 * arch.segment * arch.tokens * arch.psum_width,
                "outputs": 2 * outputs,
            }
            hidden = 2 * arch.block_depth * descriptor + 2 * arch.activation_depth * arch.lanes
            cluster, slots = sum(shown.values()) + hidden, arch.split_slots * outputs
            bits = (*shown.values(), cluster, slots, arch.clusters * cluster + slots)
            yield f"`{name}`", *(f"{round(count / 1024):,}" for count in bits)

    head = ("preset", "values", "records", "activations", "psums", "output buffer")
    return _table((*head, "whole cluster", "split slots", "whole accelerator"), rows())


TABLES: Final[dict[str, Callable[[], str]]] = {
    "opcodes": _opcodes,
    "errors": _errors,
    "header": _header,
    "counters": _counters,
    "planes": _planes,
    "registers": _registers,
    "events": _events,
    "presets": _presets,
    "memories": _memories,
}
"""Writer of every table."""


def main() -> int:
    """Rewrite the documents that are not up to date, and name them."""
    for name in DOCUMENTS:
        path = _ROOT / name
        text = path.read_text()
        fresh = rewrite(text)
        if fresh != text:
            path.write_text(fresh)
            print(f"{name} is up to date now")
    return 0


if __name__ == "__main__":
    sys.exit(main())
