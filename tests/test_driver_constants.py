"""The C header and the Python constants: what `spec` says, in every language the same."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codesign.driver_constants import c_header, driver_constants, python_constants
from hw.emit import top_module
from spec.arch import ArchConfig
from spec.bus import Bus
from spec.counters import COUNTERS
from spec.packet import HEADER, STUFF_BYTES, SYNC_BYTES, ErrorCode, Header, Opcode
from spec.registers import CONTROL, LEVELS, MAGIC, STATUS, VERSION, registers_of
from tests.command_runs import Run

ROOT = Path(__file__).resolve().parent.parent
ARCH = ArchConfig.load("small")
EMIT = """
from codesign.driver_constants import c_header, python_constants
from spec.arch import ArchConfig
from spec.bus import Bus
for bus in Bus:
    print(c_header(ArchConfig.load("small"), bus), python_constants(ArchConfig.load("small"), bus))
"""
MACRO = re.compile(r"^#define MIXVEC_(\w+) \S", re.MULTILINE)
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
COMPILERS = [("cc", "-std=c99", "c"), ("c++", "-std=c++11", "c++")]

every_bus = pytest.mark.parametrize("bus", Bus)


def python_values(bus: Bus, folder: Path) -> dict[str, int]:
    """Run the Python constants and return what they define."""
    file = folder / "constants.py"
    file.write_text(python_constants(ARCH, bus))
    return {name: value for name, value in runpy.run_path(str(file)).items() if name.isupper()}


def compiled_values(bus: Bus, folder: Path, compiler: str, *options: str) -> dict[str, int]:
    """Compile a program that prints every macro of the header, and run it."""
    header = c_header(ARCH, bus)
    (folder / "mixvec.h").write_text(header)
    prints = "".join(
        f'    printf("{name} %llu\\n", (unsigned long long)MIXVEC_{name});\n'
        for name in MACRO.findall(header)
    )
    # Twice, as a header is where several others include it.
    include = '#include "mixvec.h"\n' * 2
    (folder / "main.c").write_text(
        f"{include}#include <stdio.h>\nint main(void) {{\n{prints}    return 0;\n}}\n"
    )
    subprocess.run([compiler, *options, "main.c", "-o", "main"], cwd=folder, check=True)
    output = subprocess.run([folder / "main"], capture_output=True, text=True, check=True).stdout
    return {name: int(value) for name, value in (line.split() for line in output.splitlines())}


@every_bus
@pytest.mark.parametrize(("compiler", "standard", "language"), COMPILERS)
def test_the_header_compiles_and_says_what_python_is_told(
    bus: Bus, compiler: str, standard: str, language: str, tmp_path: Path
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler}")

    values = compiled_values(bus, tmp_path, compiler, standard, "-x", language, *WARNINGS)

    assert values == python_values(bus, tmp_path)
    assert len(values) > 40


@every_bus
def test_packets_are_those_of_the_format(bus: Bus, tmp_path: Path) -> None:
    values = python_values(bus, tmp_path)

    for prefix, known in (("OP", Opcode), ("ERROR", ErrorCode)):
        found = {name: value for name, value in values.items() if name.startswith(f"{prefix}_")}
        assert found == {f"{prefix}_{member.name}": member.value for member in known}
    assert [values[f"DONE_{name.upper()}"] for name in COUNTERS] == list(range(values["DONE_WORDS"]))
    assert values["SYNC"].to_bytes(8, "little") == SYNC_BYTES
    assert values["STUFF"].to_bytes(8, "little") == STUFF_BYTES
    header = Header(opcode=0x83, cluster=7, argument=0x1234, length=0x654321, tag=0xA5)
    word = 0
    for field, _ in HEADER.widths:
        value = getattr(header, field)
        assert value >> values[f"HEADER_{field.upper()}_WIDTH"] == 0
        word |= value << values[f"HEADER_{field.upper()}_SHIFT"]
    assert word == header.encode()
    assert values["FINGERPRINT"] == ARCH.fingerprint
    assert values["STREAM_BYTES"] * 8 == ARCH.stream_width


@every_bus
def test_registers_are_those_of_the_map(bus: Bus, tmp_path: Path) -> None:
    values = python_values(bus, tmp_path)

    found = {name: value for name, value in values.items() if name.startswith("REG_")}
    assert found == {f"REG_{register.name.upper()}": register.offset for register in registers_of(bus)}
    assert ("MAGIC" in values) == ("STATUS_BUSY_MASK" in values) == (bus is not Bus.STREAM)
    assert ("WINDOW" in values) == ("LEVELS_INPUT_SPACE_MASK" in values) == (bus is Bus.WISHBONE)
    if bus is Bus.STREAM:
        return
    assert (values["MAGIC"], values["VERSION"]) == (MAGIC, VERSION)
    for register in (STATUS, CONTROL, *([LEVELS] if bus is Bus.WISHBONE else [])):
        for field in register.fields:
            name = f"{register.name}_{field.name}".upper()
            word = register.layout.encode({field.name: (1 << field.width) - 1})
            assert values[f"{name}_MASK"] == word
            assert word & -word == 1 << values[f"{name}_SHIFT"]


def test_no_name_is_given_twice() -> None:
    names = [constant.name for constant in driver_constants(ARCH, Bus.WISHBONE)]

    assert len(names) == len(set(names))


def test_registers_neither_overlap_nor_leave_their_place() -> None:
    for bus in (Bus.AXI, Bus.WISHBONE):
        offsets = [register.offset for register in registers_of(bus)]
        assert offsets == sorted(set(offsets))
        assert all(offset % 4 == 0 and offset < 0x100 for offset in offsets)
        assert all(register.layout.width <= 32 for register in registers_of(bus))


@every_bus
def test_rtl_writes_all_four_files(bus: Bus, tmp_path: Path, run: Run) -> None:
    files = [tmp_path / name for name in ("a.v", "a.h", "a.py")]
    status, out, _ = run(
        *("rtl", "tiny", "-o", files[0], "--bus", bus, "--header", files[1], "--constants", files[2])
    )

    tiny = ArchConfig.load("tiny")
    assert status == 0
    assert all(str(file) in out.replace("\n", "") for file in files)
    assert f"\nmodule {top_module(bus)}(" in files[0].read_text()
    assert f'"module": "{top_module(bus)}"' in files[0].with_suffix(".json").read_text()
    assert files[1].read_text() == c_header(tiny, bus)
    assert files[2].read_text() == python_constants(tiny, bus)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--header", "a.c", "must end in .h"),
        ("--constants", "a.txt", "must end in .py"),
        ("--bus", "ahb", ""),
    ],
)
def test_rtl_refuses_a_wrong_name_before_it_writes(
    option: str, value: str, message: str, tmp_path: Path, run: Run
) -> None:
    value = value if option == "--bus" else str(tmp_path / value)
    status, _, error = run("rtl", "tiny", "-o", tmp_path / "a.v", option, value)

    assert status == 2
    assert message in error
    assert list(tmp_path.iterdir()) == []


def test_two_processes_write_the_same_text() -> None:
    texts = [
        subprocess.run(
            [sys.executable, "-c", EMIT],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "12"
    ]

    assert texts[0] == texts[1] != ""
    assert not re.search(r"\b20\d\d-\d\d|\.py\b|[\s\"']/\w+/\w+", texts[0])
