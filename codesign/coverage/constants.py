"""Bits that the Verilog ties to one value: they cannot toggle, whatever is sent.

A bit is taken to hold one value until something that drives it contradicts, so zeros are followed through
registers, memories, ports and loops of them. Operators other than choosing and joining bits are taken to give
anything.
"""

import re
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

__all__ = ["constant_bits"]

_NAME: Final = r"(?:\\\S+(?: |$)|\w+)"
_DECLARED: Final = re.compile(
    rf"  (?P<port>input |output )?(?:wire |reg )?(?:signed )?(?:\[(?P<high>\d+):\d+\] )?(?P<name>{_NAME}) *"
    rf"(?P<memory>\[\d+:\d+\])?(?: = (?P<initial>[^;]+))?;"
)
_DRIVEN: Final = re.compile(
    rf"\s+(?:assign )?(?P<left>{_NAME} *(?:\[[^=]*\])?|{{[^}}]*}}) *<?= (?P<right>[^;]+);"
)
_PLACED: Final = re.compile(rf"  (?P<module>{_NAME}) *{_NAME} \($")
_PORT: Final = re.compile(rf"    \.(?P<port>{_NAME})\((?P<value>.*)\),?$")
_NUMBER: Final = re.compile(r"(\d+)'s?([bdh])([0-9a-fA-Fxz?]+)")
_PART: Final = re.compile(rf"(?P<name>{_NAME}) *(?:\[(?P<high>[^\]:]+)(?::(?P<low>\d+))?\])?")

# What is known of a bit. FIXED: one value in each instance of its module, not the same in all.
_UNSEEN, _LOW, _HIGH, _FIXED, _ANY = range(5)
_SOURCES: Final = (_UNSEEN, _LOW, _HIGH, _FIXED, _ANY)
"""Bits with the numbers of their own level: what drives a bit by a number, or by anything."""
_WIDEST: Final = 1 << 14


@dataclass
class _Module:
    """Declarations, drivers and instances of one module; signals by first bit and width."""

    inputs: set[str] = field(default_factory=set)
    memories: set[str] = field(default_factory=set)
    signals: dict[str, range] = field(default_factory=dict)
    initial: list[tuple[str, str]] = field(default_factory=list)
    drivers: list[tuple[str, str]] = field(default_factory=list)
    instances: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def bits(self, part: re.Match[str]) -> range | None:
        """Bits that a name with or without an index means; None if it is no signal, or the index one."""
        found = self.signals.get(_plain(part["name"]))
        high, low = part["high"], part["low"]
        if found is None or high is None or _plain(part["name"]) in self.memories:
            return found
        return found[int(low or high) : int(high) + 1] if high.strip().isdigit() else None

    def value(self, text: str) -> list[int]:
        """Bits that ``text`` joins, lowest first; those of ``_SOURCES`` where they are no signal's."""
        text = text.strip()
        if number := _NUMBER.fullmatch(text):
            if set(number[3]) & set("xz?"):
                return [_ANY] * int(number[1])
            value = int(number[3], {"b": 2, "d": 10, "h": 16}[number[2]])
            return [_HIGH if value >> place & 1 else _LOW for place in range(int(number[1]))]
        if text.startswith("{") and text.endswith("}"):
            return [bit for part in reversed(_split(text[1:-1], ",")) for bit in self.value(part)]
        part = _PART.fullmatch(text)
        bits = self.bits(part) if part else None
        return [_ANY] * _WIDEST if bits is None else list(bits)

    def arms(self, text: str) -> list[list[int]]:
        """Values that an expression may choose from."""
        chosen = _split(text, "?")
        arms = _split(chosen[1], ":") if len(chosen) == 2 else []
        return [self.value(arm) for arm in arms] if len(arms) == 2 else [self.value(text)]

    def targets(self, text: str) -> list[int]:
        """Bits of a left side, lowest first."""
        parts = reversed(list(_PART.finditer(text.strip("{} "))))
        named = [(part, self.signals.get(_plain(part["name"]), range(0))) for part in parts]
        return [bit for part, whole in named for bit in (self.bits(part) or whole)]


@dataclass
class _Graph:
    """Which bit drives which, and what is known of each."""

    levels: list[int] = field(default_factory=lambda: list(_SOURCES))
    edges: dict[int, list[tuple[int, bool]]] = field(default_factory=dict)

    def connect(self, target: list[int], source: list[int], *, port: bool = False) -> None:
        """Let ``source``, cut or extended by zeros, drive ``target``."""
        for to, bit in zip_longest(target, source[: len(target)], fillvalue=_LOW):
            self.edges.setdefault(bit, []).append((to, port))

    def settle(self) -> None:
        """Hand levels on until nothing changes."""
        waiting = list(_SOURCES[1:]) + [bit for bit, level in enumerate(self.levels) if level != _UNSEEN]
        while waiting:
            bit = waiting.pop()
            for to, port in self.edges.get(bit, ()):
                joined = _joined(self.levels[to], self.levels[bit], port)
                if joined != self.levels[to]:
                    self.levels[to] = joined
                    waiting.append(to)


def _joined(one: int, other: int, port: bool) -> int:
    """Level of a bit that is driven from both."""
    if one == other or _UNSEEN in (one, other):
        return max(one, other)
    return _FIXED if port and _ANY not in (one, other) else _ANY


def constant_bits(verilog: str, top: str) -> dict[str, dict[str, set[int]]]:
    """Return the bits of every signal that never change after they are set at first, by module and signal.

    Parameters
    ----------
    verilog : str
        As `hw.emit` writes it.
    top : str
        Module whose inputs may be anything.
    """
    graph = _Graph()
    modules = _modules(verilog, graph)
    for name in modules[top].inputs:
        graph.connect(list(modules[top].signals[name]), [_ANY] * _WIDEST)
    for module in modules.values():
        for left, right in module.initial:
            graph.connect(module.targets(left), module.value(right))
        for left, right in module.drivers:
            for value in module.arms(right):
                graph.connect(module.targets(left), value)
        for name, ports in module.instances:
            _place(graph, module, modules.get(name, _Module()), ports)
    graph.settle()
    return {
        name: {
            signal: {place for place, bit in enumerate(bits) if graph.levels[bit] != _ANY}
            for signal, bits in module.signals.items()
        }
        for name, module in modules.items()
    }


def _place(graph: _Graph, module: _Module, placed: _Module, ports: dict[str, str]) -> None:
    for port, value in ports.items():
        bits = list(placed.signals.get(port, ()))
        if port in placed.inputs:
            graph.connect(bits, module.value(value), port=True)
        else:
            graph.connect(module.targets(value), bits or [_ANY] * _WIDEST)


def _modules(verilog: str, graph: _Graph) -> dict[str, _Module]:
    modules: dict[str, _Module] = {}
    current, ports = _Module(), dict[str, str]()
    for line in verilog.split("\n"):
        if line.startswith("module "):
            current = modules[_plain(line.split()[1].partition("(")[0])] = _Module()
        elif declared := _DECLARED.fullmatch(line):
            _declare(current, declared, graph)
        elif placed := _PLACED.fullmatch(line):
            ports = {}
            current.instances.append((_plain(placed["module"]), ports))
        elif port := _PORT.fullmatch(line):
            ports[_plain(port["port"])] = port["value"]
        elif driven := _DRIVEN.fullmatch(line):
            current.drivers.append((driven["left"].strip(), driven["right"].strip()))
    return modules


def _declare(module: _Module, declared: re.Match[str], graph: _Graph) -> None:
    name, width = _plain(declared["name"]), int(declared["high"] or 0) + 1
    if (declared["port"] or "").startswith("input"):
        module.inputs.add(name)
    if name not in module.signals:
        module.signals[name] = range(len(graph.levels), len(graph.levels) + width)
        graph.levels += [_UNSEEN] * width
    if declared["memory"]:
        # All words together; they start at 0.
        module.memories.add(name)
        module.initial.append((declared["name"], "1'h0"))
    elif declared["initial"]:
        module.initial.append((declared["name"], declared["initial"]))


def _plain(name: str) -> str:
    return name.strip().removeprefix("\\")


def _split(text: str, mark: str) -> list[str]:
    """Parts of ``text`` between marks that stand in no brackets."""
    parts, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += (character in "{[(") - (character in "}])")
        if character == mark and not depth:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]
