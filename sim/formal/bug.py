"""Bugs that are planted to see a proof fail."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["Bug"]


@dataclass(frozen=True)
class Bug:
    """A line of a component as someone might have written it.

    Parameters
    ----------
    right, wrong : str
        Text that stands once in the file of the component, and what is put in its place.
    """

    right: str
    wrong: str

    def plant(self, subject: type) -> Any:
        """Return the component's class as the changed file defines it.

        Raises
        ------
        LookupError
            If the file does not hold ``right`` exactly once.
        """
        spec = importlib.util.find_spec(subject.__module__)
        assert spec is not None and spec.origin is not None
        path = Path(spec.origin)
        text = path.read_text()
        if text.count(self.right) != 1:
            raise LookupError(
                f"{path.parent.name}/{path.name} must hold `{self.right}` once, not {text.count(self.right)} "
                "times; choose another line for the bug"
            )
        module = ModuleType(f"{subject.__module__}_with_a_bug")
        exec(compile(text.replace(self.right, self.wrong), f"{path.stem}_with_a_bug", "exec"), vars(module))
        return vars(module)[subject.__name__]
