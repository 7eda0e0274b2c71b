"""
Results as a table on stdout, for people.

Belongs here: which columns are worth a person's eye. Does not: the results themselves (``report``).
"""

from __future__ import annotations

import csv
from itertools import islice
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from batchrun.cli.printable import printable

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN: Final = ("id", "status", "runId", "uuid", "runOutputUri")
#: Wide enough for every column, so that a pipe gets whole rows.
_PIPE_WIDTH: Final = 160


def show_results(path: Path, *, rows: int) -> None:
    """Print the first *rows* rows of a CSV of results, and how many more there are."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        table = Table(*_SHOWN, box=None, pad_edge=False)
        for record in islice(reader, rows):
            table.add_row(*(Text(printable(record[name])) for name in _SHOWN))
        more = sum(1 for _ in reader)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    console.print(table)
    if more:
        console.print(f"... and {more} more rows in {path}", soft_wrap=True, highlight=False)
