"""The results: one row per entry, in manifest order, as CSV, JSON, JSON Lines or Parquet.

Belongs here: the values of columns, which other programs rely on, each format, and writing rows as a stream.
Does not: choosing the file's place (``cli``), reading the ledger's tables (``ledger``), choosing rows
(``columns``).
"""

from __future__ import annotations

import csv
import enum
import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final, TextIO

from batchrun import points
from batchrun.errors import ResultsError, UsageError
from batchrun.model.entries.states import State
from batchrun.model.lanes import place_of
from batchrun.points import Point
from batchrun.report.columns import WHOLE, ResultsRow, View, asked_of, cells, text_of
from batchrun.report.drafts import replacing
from batchrun.report.outputs import OutputFile

if TYPE_CHECKING:
    from batchrun.model.entries.entry import Entry
    from batchrun.ports.stored import Outcome, PastAttempt


#: First characters that make a spreadsheet take a cell for a formula.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


class Sink(ABC):
    """Writes the rows of entries; *earlier* are rows of attempts before the latest."""

    @abstractmethod
    def add(self, latest: ResultsRow, earlier: Sequence[ResultsRow]) -> int:
        """Write an entry, and return the number of rows that it makes."""

    def finish(self) -> None:  # noqa: B027 (most formats have nothing)
        """Write the end, after all rows."""


class CsvSink(Sink):
    """A row for the latest attempt of each entry, or with *attempts* for each attempt."""

    def __init__(self, file: IO[str], columns: Sequence[str], *, attempts: bool, is_safe: bool) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._columns = columns
        self._attempts = attempts
        self._is_safe = is_safe
        self._writer.writerow(columns)

    def add(self, latest: ResultsRow, earlier: Sequence[ResultsRow]) -> int:
        """Write an entry, oldest attempt first."""
        rows = (*earlier, latest) if self._attempts else (latest,)
        for row in rows:
            # Most cells are empty or plain text, and are written as they are.
            cells = map(row.__getitem__, self._columns)
            texts = [cell if cell is None or type(cell) is str else text_of(cell) for cell in cells]
            self._writer.writerow([_defused(text or "") for text in texts] if self._is_safe else texts)
        return len(rows)


class JsonLinesSink(Sink):
    """An object on a line for each entry, with its earlier attempts nested if *attempts*."""

    def __init__(self, file: IO[str], columns: Sequence[str], *, attempts: bool) -> None:
        self._file = file
        self._columns = columns
        self._attempts = attempts

    def add(self, latest: ResultsRow, earlier: Sequence[ResultsRow]) -> int:
        """Write an entry."""
        self._file.write(self._encoded(latest, earlier) + "\n")
        return 1

    def _encoded(self, latest: ResultsRow, earlier: Sequence[ResultsRow]) -> str:
        return json.dumps(nested(latest, earlier, self._columns, attempts=self._attempts), ensure_ascii=False)


class JsonSink(JsonLinesSink):
    """One array of such objects, each on a line of its own."""

    def __init__(self, file: IO[str], columns: Sequence[str], *, attempts: bool) -> None:
        super().__init__(file, columns, attempts=attempts)
        self._before = "["

    def add(self, latest: ResultsRow, earlier: Sequence[ResultsRow]) -> int:
        """Write an entry."""
        self._file.write(f"{self._before}\n{self._encoded(latest, earlier)}")
        self._before = ","
        return 1

    def finish(self) -> None:
        """Close the array."""
        self._file.write("\n]\n" if self._before == "," else "[]\n")


_ATTEMPT: Final = "attempt"
_TIMES: Final = frozenset({"creationTime", "startTime", "stopTime"})
#: Entries in a row group, which is kept in memory.
_GROUP: Final = 10_000


class ParquetSink(Sink):
    """A row for each entry, with its earlier attempts in a nested list. Needs pyarrow, an extra.

    Times are timestamps. A column has one type, so values of requested columns are text, as in a CSV.
    """

    def __init__(self, file: BinaryIO, view: View) -> None:
        self._arrow = pyarrow("pyarrow")
        self._columns = view.names
        self._attempts = view.nests_attempts
        self._schema = self._schema_of(view.names)
        self._writer = pyarrow("pyarrow.parquet").ParquetWriter(file, self._schema, compression="zstd")
        self._held: list[ResultsRow] = []

    def add(self, latest: ResultsRow, earlier: Sequence[ResultsRow]) -> int:
        """Add an entry, and write the group if it is full."""
        self._held.append(nested(latest, earlier, self._columns, attempts=self._attempts))
        if len(self._held) == _GROUP:
            self._write()
        return 1

    def finish(self) -> None:
        """Write the last group, and the footer."""
        if self._held:
            self._write()
        self._writer.close()

    def _write(self) -> None:
        rows = [_typed(row) for row in self._held]
        self._writer.write_table(self._arrow.Table.from_pylist(rows, schema=self._schema))
        self._held.clear()

    def _schema_of(self, columns: Sequence[str]) -> Any:
        pa = self._arrow
        fields = [(name, self._type(name)) for name in columns]
        if self._attempts:
            past = [(name, self._type(name)) for name in columns if name not in SHARED_COLUMNS]
            fields.append(("attempts", pa.list_(pa.struct(past))))
        return pa.schema(fields)

    def _type(self, name: str) -> Any:
        if name in _TIMES:
            return self._arrow.timestamp("ms", tz="UTC")
        types = {_ATTEMPT: self._arrow.int32, "changed": self._arrow.bool_}
        return types.get(name, self._arrow.string)()


def _typed(row: ResultsRow) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in row.items()}


def _value(name: str, value: Any) -> Any:
    if name == "attempts":
        return [_typed(past) for past in value]
    if name in _TIMES and value:
        return datetime.fromisoformat(value)
    return value if name == _ATTEMPT else text_of(value)


def pyarrow(module: str = "pyarrow.parquet") -> Any:
    """Import what Parquet needs. Raises UsageError if it is not installed."""
    # By name: it is large, and most users never need it.
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed here; pip install 'batchrun[parquet]', or take "
            "--format csv, json or jsonl"
        ) from error


def nested(
    latest: ResultsRow, earlier: Sequence[ResultsRow], columns: Sequence[str], *, attempts: bool
) -> ResultsRow:
    """Return an entry as one object; attempts do not repeat what they share with the entry."""
    record: ResultsRow = {name: latest[name] for name in columns}
    if attempts:
        record["attempts"] = [
            {name: row[name] for name in columns if name not in SHARED_COLUMNS} for row in earlier
        ]
    return record


#: Fields that an earlier attempt shares with its entry.
SHARED_COLUMNS: Final = frozenset({"id", "name", "workflowId", "changed"})


def _defused(value: str) -> str:
    """Return a cell that neither a spreadsheet nor a terminal will execute."""
    value = "".join(character for character in value if character.isprintable() or character in "\t\n")
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value


#: The status of entries without a run, or whose run is gone; otherwise it is the service's own.
OWN_STATUSES: Final = {
    State.PLANNED: "PLANNED",
    State.BACKOFF: "PLANNED",
    State.SUBMITTING: "SUBMITTING",
    State.REFUSED: "REFUSED",
    State.DELETED: "DELETED",
}
#: As isoformat writes UTC, in half the time: every row has three.
_ISO: Final = "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ"


class ResultsFormat(enum.Enum):
    """The formats of results."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"


def row(entry: Entry) -> ResultsRow:
    """Return the results row of *entry*, keyed by COLUMNS; unknown values are None."""
    made = _row(entry.id, entry, entry.request_id if entry.intended_at else None)
    made["status"], made["lane"] = status(entry), entry.only_lane
    if entry.state is State.DELETED:
        made["statusMessage"] = entry.message
    if entry.is_changed:
        made["changed"] = True
    return made


def status(entry: Entry) -> str:
    """Return the service's status of the run, or batchrun's own without a run."""
    own = OWN_STATUSES.get(entry.state)
    return own or (entry.run.status if entry.run else entry.state.name)


def latest_row(outcome: Outcome, own: Collection[str] = ()) -> ResultsRow:
    """Return the row of the latest attempt, with the columns *own* beside the usual ones."""
    entry = outcome.entry
    return row(entry) | _own(own, entry.request, outcome, entry.attempt)


def earlier_rows(outcome: Outcome, own: Collection[str] = ()) -> list[ResultsRow]:
    """Return a row for each attempt of the entry before the latest, oldest first."""
    return [
        _row(outcome.entry.id, past, past.request_id) | _own(own, past.request or "{}", outcome, past.attempt)
        for past in outcome.earlier
    ]


async def write(
    output: OutputFile,
    outcomes: AsyncIterator[Outcome],
    format_: ResultsFormat,
    *,
    is_safe: bool = False,
    view: View = WHOLE,
) -> int:
    """Replace *output* with the results, and return the number of rows.

    Readers see the old file or the new one, never a part. *is_safe* puts an apostrophe before CSV cells that
    a spreadsheet would take for a formula.
    """
    try:
        with replacing(output) as file:
            return await write_to(file, outcomes, format_, is_safe=is_safe, view=view)
    except OSError as error:
        raise ResultsError(output.shown, error) from error


async def write_to(
    file: TextIO,
    outcomes: AsyncIterator[Outcome],
    format_: ResultsFormat,
    *,
    is_safe: bool = False,
    view: View = WHOLE,
) -> int:
    """Write the part *view* of the results into an open file, and return the number of rows."""
    sink, count, own = _sink(file, format_, view, is_safe=is_safe), 0, view.own
    async for outcome in outcomes:
        latest = latest_row(outcome, own)
        if not view.shows(latest):
            continue
        count += sink.add(latest, earlier_rows(outcome, own))
        points.reached(Point.WRITING_RESULTS)
    sink.finish()
    return count


def _sink(file: TextIO, format_: ResultsFormat, view: View, *, is_safe: bool) -> Sink:
    match format_:
        case ResultsFormat.CSV:
            return CsvSink(file, view.names, attempts=view.attempts, is_safe=is_safe)
        case ResultsFormat.JSON:
            return JsonSink(file, view.names, attempts=view.nests_attempts)
        case ResultsFormat.JSONL:
            return JsonLinesSink(file, view.names, attempts=view.nests_attempts)
        case ResultsFormat.PARQUET:
            return ParquetSink(file.buffer, view)


def _own(own: Collection[str], request: str, outcome: Outcome, attempt: int) -> ResultsRow:
    if not own:
        return {}
    return cells(own, asked_of(request, outcome.entry.row_request), outcome.tasks.get(attempt))


def _row(entry_id: str, one: Entry | PastAttempt, request_id: str | None) -> ResultsRow:
    """Return the row of an attempt, as far as entries and earlier attempts agree."""
    run, asked = one.run, json.loads(one.request or "{}")
    account, region = place_of(run.arn) if run else (None, None)
    return {
        "id": entry_id,
        "status": run.status if run else "REFUSED",
        "runId": run.id if run else None,
        "uuid": run.uuid if run else None,
        "runOutputUri": run.output_uri if run else None,
        "attempt": one.attempt,
        "requestId": request_id,
        "name": asked.get("name"),
        "workflowId": asked.get("workflowId"),
        "creationTime": iso(run.creation_time) if run else None,
        "startTime": iso(run.start_time) if run else None,
        "stopTime": iso(run.stop_time) if run else None,
        "failureReason": run.failure_reason if run else one.code,
        "statusMessage": run.status_message if run else one.message,
        "arn": run.arn or None if run else None,
        "changed": None,
        "lane": one.lane,
        "accountId": account,
        "region": region,
    }


def iso(time: datetime | None) -> str | None:
    """Return a time in the format of results."""
    if time is None:
        return None
    moment = time.year, time.month, time.day, time.hour, time.minute, time.second
    return _ISO % (*moment, time.microsecond // 1000)
