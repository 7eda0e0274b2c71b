"""
Where rows go, one after the other, as text: CSV, JSON, JSON Lines.

Belongs here: each format's words. Does not: what a row is (``results``), choosing rows (``where``), files
(``replacing``), Parquet (``parquet``). Nothing is held: what was added is on its way.
"""

from __future__ import annotations

import csv
import json
from abc import ABC, abstractmethod
from typing import IO, TYPE_CHECKING, Final

from batchrun.report.own_columns import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.model.spec import Json

Row = dict[str, "Json"]

#: What makes a spreadsheet take a cell for a formula.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


class Sink(ABC):
    """Takes the rows of entries; *earlier* are those of an entry's attempts before the latest."""

    @abstractmethod
    def add(self, latest: Row, earlier: Sequence[Row]) -> None:
        """Write an entry."""

    @abstractmethod
    def finish(self) -> None:
        """Write what comes after all rows."""


class CsvSink(Sink):
    """A row for the latest attempt of each entry; for each of its attempts where *attempts* asks for them."""

    def __init__(self, file: IO[str], columns: Sequence[str], *, attempts: bool, is_safe: bool) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._columns = columns
        self._attempts = attempts
        self._is_safe = is_safe
        self._writer.writerow(columns)

    def add(self, latest: Row, earlier: Sequence[Row]) -> None:
        """Write an entry, oldest attempt first."""
        for row in (*earlier, latest) if self._attempts else (latest,):
            cells = [row[name] for name in self._columns]
            # What is nothing or a plain text is most of it, and goes out as it is.
            texts = [cell if cell is None or type(cell) is str else text_of(cell) for cell in cells]
            self._writer.writerow([_defused(text or "") for text in texts] if self._is_safe else texts)

    def finish(self) -> None:
        """Do nothing: a CSV just ends."""


class JsonLinesSink(Sink):
    """An object on a line for each entry, its earlier attempts within it where *attempts* asks for them."""

    def __init__(self, file: IO[str], columns: Sequence[str], *, attempts: bool) -> None:
        self._file = file
        self._columns = columns
        self._attempts = attempts

    def add(self, latest: Row, earlier: Sequence[Row]) -> None:
        """Write an entry."""
        self._file.write(self._encoded(latest, earlier) + "\n")

    def finish(self) -> None:
        """Do nothing: lines just end."""

    def _encoded(self, latest: Row, earlier: Sequence[Row]) -> str:
        return json.dumps(nested(latest, earlier, self._columns, attempts=self._attempts), ensure_ascii=False)


class JsonSink(JsonLinesSink):
    """One array of such objects, each on a line of its own."""

    def __init__(self, file: IO[str], columns: Sequence[str], *, attempts: bool) -> None:
        super().__init__(file, columns, attempts=attempts)
        self._before = "["

    def add(self, latest: Row, earlier: Sequence[Row]) -> None:
        """Write an entry."""
        self._file.write(f"{self._before}\n{self._encoded(latest, earlier)}")
        self._before = ","

    def finish(self) -> None:
        """Close the array."""
        self._file.write("\n]\n" if self._before == "," else "[]\n")


def nested(latest: Row, earlier: Sequence[Row], columns: Sequence[str], *, attempts: bool) -> Row:
    """Return an entry as one object; what an attempt shares with its entry is not told again."""
    record: Row = {name: latest[name] for name in columns}
    if attempts:
        record["attempts"] = [
            {name: row[name] for name in columns if name not in SHARED_COLUMNS} for row in earlier
        ]
    return record


#: What an earlier attempt shares with its entry.
SHARED_COLUMNS: Final = frozenset({"id", "name", "workflowId", "changed"})


def _defused(value: str) -> str:
    """Keep a spreadsheet, or a terminal, from running what somebody else wrote."""
    value = "".join(character for character in value if character.isprintable() or character in "\t\n")
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
