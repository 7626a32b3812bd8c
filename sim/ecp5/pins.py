"""Pieces of the cells' text: pins that carry one bit of a bus each, and what a model refuses."""

__all__ = ["bus", "initial_values", "parameters", "pins", "refuse_unless"]

_INITIAL_ROWS = 64


def pins(letter: str, count: int, suffix: str = "") -> str:
    """Return the names of ``count`` pins, lowest first."""
    return ", ".join(f"{letter}{n}{suffix}" for n in range(count))


def bus(letter: str, count: int) -> str:
    """Return the concatenation of ``count`` pins."""
    return "{" + ", ".join(f"{letter}{n}" for n in reversed(range(count))) + "}"


def parameters(**defaults: str | int) -> str:
    """Return declarations of parameters: texts, and numbers."""
    return ", ".join(
        f"parameter {name} = {value}" if isinstance(value, int) else f'parameter {name} = "{value}"'
        for name, value in defaults.items()
    )


def initial_values() -> tuple[str, str]:
    """Return declarations of a block RAM's 64 initial rows, behind others, and their concatenation."""
    names = [f"INITVAL_{n:02X}" for n in range(_INITIAL_ROWS)]
    declared = "".join(f", parameter [319:0] {name} = 0" for name in names)
    return declared, f"{{{', '.join(reversed(names))}}}"


def refuse_unless(*rules: str) -> str:
    """Return an initial block that stops the simulation unless every rule holds."""
    return f'  initial if (!({" && ".join(rules)})) begin $display("not modelled: %m"); $finish; end\n'
