"""Tables of the documentation are those that `spec` gives."""

import re
from pathlib import Path

import pytest

from codesign.reference import DOCUMENTS, TABLES, rewrite
from spec.counters import CLUSTER_CAUSES, COUNTERS, CYCLE_CAUSES, Cause
from spec.packet import ErrorCode, Opcode
from spec.registers import REGISTERS

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_says_what_spec_says(name: str) -> None:
    text = (ROOT / name).read_text()

    assert rewrite(text) == text, f"{name} is out of date; run `make docs`"


def test_every_table_stands_in_a_document() -> None:
    texts = "".join((ROOT / name).read_text() for name in DOCUMENTS)

    assert sorted(re.findall(r"<!-- table: (\w+) -->", texts)) == sorted(TABLES)


def test_a_changed_table_is_written_anew_between_its_marks() -> None:
    text = "before\n<!-- table: errors -->\nold\n<!-- end -->\nbehind\n"

    lines = rewrite(text).splitlines()

    assert lines[:2] == ["before", "<!-- table: errors -->"]
    assert lines[-2:] == ["<!-- end -->", "behind"]
    assert [line.split(" | ")[1] for line in lines[4:-2]] == [code.name for code in ErrorCode]


def test_tables_leave_nothing_out() -> None:
    for code in Opcode:
        assert f"| {code:#04x} | {code.name} |" in TABLES["opcodes"]()
    for register in REGISTERS:
        assert f"{register.offset:#04x}" in TABLES["registers"]() + TABLES["events"]()
    for name, meaning in COUNTERS.items():
        assert f"| `{name}` | {meaning} |" in TABLES["counters"]()


def test_causes_are_counters() -> None:
    assert {*CYCLE_CAUSES, *CLUSTER_CAUSES.values()} < set(COUNTERS)
    assert set(CLUSTER_CAUSES) == set(Cause) - {Cause.NONE}
