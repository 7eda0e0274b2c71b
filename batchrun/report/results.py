"""
The results: one row per entry, in manifest order, in a file that is replaced as a whole or not at all.

Belongs here: the columns, which other programs rely on, and writing them. Does not: choosing the file's place
(``cli``), reading the ledger's tables (``ledger``).
"""

from __future__ import annotations

import csv
import enum
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from batchrun import points
from batchrun.errors import ResultsError
from batchrun.model.states import State
from batchrun.points import Point

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from datetime import datetime

    from batchrun.model.entry import Entry, Run
    from batchrun.model.spec import Json
    from batchrun.ports.ledger import Outcome, PastAttempt

#: A contract: names, order and meaning (design.md, 7). Names are the API's where it has one.
COLUMNS: Final = (
    "id",
    "status",
    "runId",
    "uuid",
    "runOutputUri",
    "attempt",
    "requestId",
    "name",
    "workflowId",
    "creationTime",
    "startTime",
    "stopTime",
    "failureReason",
    "statusMessage",
    "arn",
)

#: What makes a spreadsheet take a cell for a formula.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")

#: What an entry without a run, or whose run is gone, is called. Elsewhere the service's own word stands.
_OWN_WORDS: Final = {
    State.PLANNED: "PLANNED",
    State.BACKOFF: "PLANNED",
    State.SUBMITTING: "SUBMITTING",
    State.REFUSED: "REFUSED",
    State.DELETED: "DELETED",
}


class Format(enum.Enum):
    """How results are written."""

    CSV = "csv"
    JSONL = "jsonl"


def row(entry: Entry) -> dict[str, Json]:
    """Give the results row of *entry*, keyed by COLUMNS; what is not known is None."""
    request = json.loads(entry.request)
    return {
        "id": entry.id,
        **_run_columns(entry.run),
        "status": status(entry),
        "attempt": entry.attempt,
        "requestId": entry.request_id if entry.intended_at else None,
        "name": request.get("name"),
        "workflowId": request.get("workflowId"),
        **_reason(entry),
    }


def status(entry: Entry) -> str:
    """Give the service's word for the run, or ours where there is none."""
    own = _OWN_WORDS.get(entry.state)
    return own or (entry.run.status if entry.run else entry.state.name)


async def write(
    path: Path, outcomes: AsyncIterator[Outcome], format_: Format, *, is_safe: bool = False
) -> int:
    """
    Replace the file at *path* by the results; readers see the old file or the new one, never a part.

    *is_safe* puts an apostrophe before CSV cells that a spreadsheet would take for a formula.

    Returns:
        The number of rows.

    Raises:
        ResultsError: The file cannot be written; the old one, if any, is as it was.
    """
    with _replacing(path) as file:
        return await write_to(file, outcomes, format_, is_safe=is_safe)


async def write_to(
    file: IO[str], outcomes: AsyncIterator[Outcome], format_: Format, *, is_safe: bool = False
) -> int:
    """Write the results into an open text file, and give the number of rows."""
    write_row = _csv_writer(file, is_safe=is_safe) if format_ is Format.CSV else _jsonl_writer(file)
    count = 0
    async for outcome in outcomes:
        write_row(outcome)
        count += 1
        points.reached(Point.WRITING_RESULTS)
    return count


def _csv_writer(file: IO[str], *, is_safe: bool) -> Callable[[Outcome], None]:
    """Write the latest attempt of each entry as a CSV row."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)

    def write_row(outcome: Outcome) -> None:
        cells = row(outcome.entry)
        values = ["" if cells[name] is None else str(cells[name]) for name in COLUMNS]
        writer.writerow([_defused(value) for value in values] if is_safe else values)

    return write_row


def _defused(value: str) -> str:
    """Keep a spreadsheet, or a terminal, from running what somebody else wrote."""
    value = "".join(character for character in value if character.isprintable() or character in "\t\n")
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value


def _jsonl_writer(file: IO[str]) -> Callable[[Outcome], None]:
    """Write each entry as a JSON object with its earlier attempts."""

    def write_row(outcome: Outcome) -> None:
        cells = row(outcome.entry)
        record: dict[str, Json] = {name: cells[name] for name in COLUMNS}
        record["attempts"] = [_past(attempt) for attempt in outcome.earlier]
        file.write(json.dumps(record, ensure_ascii=False) + "\n")

    return write_row


def _past(attempt: PastAttempt) -> Json:
    return {
        "attempt": attempt.attempt,
        "requestId": attempt.request_id,
        "status": attempt.run.status if attempt.run else "REFUSED",
        **_run_columns(attempt.run),
        **({} if attempt.run else {"failureReason": attempt.code, "statusMessage": attempt.message}),
    }


def _run_columns(run: Run | None) -> dict[str, Json]:
    return {
        "runId": run.id if run else None,
        "uuid": run.uuid if run else None,
        "runOutputUri": run.output_uri if run else None,
        "creationTime": _iso(run.creation_time) if run else None,
        "startTime": _iso(run.start_time) if run else None,
        "stopTime": _iso(run.stop_time) if run else None,
        "arn": run.arn or None if run else None,
    }


def _reason(entry: Entry) -> dict[str, Json]:
    """Say why in the service's words: of the run where there is one, else of the last answer."""
    if entry.state is State.DELETED:
        return {
            "failureReason": entry.run.failure_reason if entry.run else None,
            "statusMessage": entry.message,
        }
    if entry.run is not None:
        return {"failureReason": entry.run.failure_reason, "statusMessage": entry.run.status_message}
    return {"failureReason": entry.code, "statusMessage": entry.message}


def _iso(time: datetime | None) -> str | None:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if time else None


@contextmanager
def _replacing(path: Path) -> Iterator[IO[str]]:
    """Open a new file beside *path*, private to the user, that takes its place when all went well."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    except OSError as error:
        raise ResultsError(path, error) from error
    new = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        points.reached(Point.RESULTS_WRITTEN)
        new.replace(path)
    except OSError as error:
        raise ResultsError(path, error) from error
    finally:
        new.unlink(missing_ok=True)
