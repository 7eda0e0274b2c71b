"""What rows made, written: a line for each value, or a sheet with a column for each output."""

from __future__ import annotations

import csv
from typing import IO, TYPE_CHECKING, Final

from batchrun.model.made import leaves
from batchrun.model.texts.places import is_in_s3
from batchrun.report.columns import text_of
from batchrun.report.results import CsvSink

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchrun.model.made import Made
    from batchrun.model.spec import Json
    from batchrun.report.columns import ResultsRow

#: Of the list: a file has its ``uri``, what is no file its ``value``.
COLUMNS: Final = ("id", "runId", "output", "uri", "value")
#: Of the sheet, before the outputs; an output of the same name gets another one.
_ID: Final = "id"
_OTHER_ID: Final = "output.id"


class MadeList:
    """A CSV with a row for each file, or other value, that a run made."""

    def __init__(self, file: IO[str], *, is_safe: bool) -> None:
        self._sink = CsvSink(file, COLUMNS, attempts=False, is_safe=is_safe)

    def add(self, entry_id: str, run_id: str, made: Made) -> None:
        """Write what a row made."""
        for output, value in _values(made):
            is_file = isinstance(value, str) and is_in_s3(value)
            row: ResultsRow = {
                "id": entry_id,
                "runId": run_id,
                "output": output,
                "uri": value if is_file else None,
                "value": None if is_file else value,
            }
            self._sink.add(row, ())

    def finish(self) -> None:
        """Do nothing: a CSV just ends."""


class MadeSheet:
    """A CSV with a row for each run, and a column for each output: a sheet for another batch."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._rows: list[tuple[str, Mapping[str, Json]]] = []
        self._columns: dict[str, None] = {}

    def add(self, entry_id: str, _run_id: str, made: Made) -> None:
        """Keep what a row made: which columns there are is known at the end."""
        outputs = {_OTHER_ID if name == _ID else name: value for name, value in made.outputs.items()}
        self._columns |= dict.fromkeys(outputs)
        self._rows.append((entry_id, outputs))

    def finish(self) -> None:
        """Write all rows; a list, or a table, is JSON."""
        writer = csv.writer(self._file, lineterminator="\n")
        writer.writerow((_ID, *self._columns))
        for entry_id, outputs in self._rows:
            writer.writerow((entry_id, *(text_of(outputs.get(name)) for name in self._columns)))


def _values(made: Made) -> Iterator[tuple[str | None, Json]]:
    for name, value in made.outputs.items():
        for leaf in leaves(value):
            if leaf is not None:
                yield name, leaf
    for uri in made.files:
        yield None, uri
