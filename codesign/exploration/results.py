"""Tables of all designs for other tools."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet

__all__ = ["write_tables"]


def write_tables(rows: Sequence[Mapping[str, Any]], folder: Path) -> list[str]:
    """Write ``results.parquet`` and ``results.csv``, a line per design; return their names."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    parquet.write_table(table, folder / "results.parquet")
    csv.write_csv(table, folder / "results.csv")
    return ["results.parquet", "results.csv"]
