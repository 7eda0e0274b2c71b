"""Rows and reports for tests of the report, of as many runs as wanted; the same number, the same runs."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from batchrun.model.tasks import FailedTask, FailedTasks
from batchrun.ports.stored import Batch, TaskFailures
from batchrun.report import html
from batchrun.report.gathering import Report, RowStanding, ShownAttempt, ShownRow, StartCalls
from batchrun.report.outputs import REPORT, OutputFile

T0 = datetime(2026, 11, 6, 17, tzinfo=UTC)
#: What somebody might put into an id, or a service into a message.
HOSTILE = (
    "</script><img src=x onerror=\"document.title='owned'\">",
    "<!--<script>document.title='owned'</script>",
    "' onmouseover='document.title=1' x='",
    "{{ 7 * 7 }}{% raw %}",
    "a\u202egnp.exe\u2066\u200b\x1b[31m\x00\u2028b",
    "\ud800 alone",
    "x" * 10_000,
)
_LIVES = (RowStanding.SUCCEEDED,) * 7 + (RowStanding.FAILED, RowStanding.RUNNING, RowStanding.QUEUED)
_STREAMS = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/omics/WorkflowLog:log-stream"
_REASONS = ("WORKFLOW_RUN_FAILED", "SERVICE_ERROR", "IMPORT_FAILED")


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def write(path: Path, made: Report) -> None:
    html.write(OutputFile(path=path, kind=REPORT, option="-o FILE"), made)


def attempt(standing: RowStanding = RowStanding.SUCCEEDED, **facts: Any) -> ShownAttempt:
    word = {RowStanding.SUCCEEDED: "COMPLETED", RowStanding.QUEUED: "PENDING"}.get(standing, standing.name)
    known: dict[str, Any] = {"number": 1, "standing": standing, "status": word, "uuid": "u-1"}
    return ShownAttempt(**(known | facts))


def row(
    id: str = "a", standing: RowStanding = RowStanding.SUCCEEDED, *earlier: ShownAttempt, **facts: Any
) -> ShownRow:
    return ShownRow(id=id, current=attempt(standing, number=len(earlier) + 1, **facts), earlier=earlier)


def rows(count: int) -> list[ShownRow]:
    return [_row(place) for place in range(count)]


def report(
    of: list[ShownRow],
    *,
    name: str = "cohort",
    calls: StartCalls | None = None,
    hours: float = 12,
    tasks: tuple[TaskFailures, ...] = (),
) -> Report:
    return Report(
        batch=Batch(name=name, region="us-east-1", created_at=T0),
        rows=of,
        calls=calls or StartCalls(sent=len(of), accepted=len(of)),
        at=at(hours * 60),
        tasks=tasks,
    )


def hostile() -> Report:
    """Make a report in which every text that others write is hostile."""
    of = [
        row(
            f"{text}{place}",
            standing,
            attempt(
                RowStanding.FAILED,
                reason=text,
                message=text,
                status=text,
                uuid=text,
                run_id=text,
                has_logs=True,
            ),
            status=text,
            run_id=text,
            uuid=text,
            output_uri=f"s3://{text}",
            reason=text,
            message=text,
            has_logs=True,
            tasks=_hostile_tasks(text),
            created=T0,
            started=at(1),
            stopped=at(2),
        )
        for place, text in enumerate(HOSTILE)
        for standing in (RowStanding.FAILED, RowStanding.REFUSED)
    ]
    told = Counter(dict.fromkeys(HOSTILE, 1))
    calls = StartCalls(sent=9, deferred=told, doubted=told, refused=told)
    tasks = [TaskFailures(run_reason=text, reason=text, rows=1, names=2, name=text) for text in HOSTILE]
    name = HOSTILE[0] + HOSTILE[4] + HOSTILE[5]
    return report(of, name=name, calls=calls, tasks=tuple(tasks))


def _hostile_tasks(text: str) -> FailedTasks:
    tasks = (
        FailedTask(id=text, name=text, failure_reason=text, status_message=text, log_stream=stream)
        for stream in (text, f"javascript:{text}", f"run/{text}/task/{text}")
    )
    return FailedTasks(tasks=tuple(tasks), has_more=True)


def _row(place: int) -> ShownRow:
    standing = _LIVES[place % len(_LIVES)]
    is_failed = standing is RowStanding.FAILED
    created = T0 + timedelta(seconds=place / 5)
    started = created + timedelta(minutes=1 + place % 90)
    run_id = str(1_000_001 + place)
    return row(
        f"NA{place:05}",
        standing,
        run_id=run_id,
        uuid=str(uuid5(NAMESPACE_URL, run_id)),
        output_uri=f"s3://lab-results/cohort/NA{place:05}/{run_id}",
        created=created,
        started=None if standing is RowStanding.QUEUED else started,
        stopped=started + timedelta(minutes=20 + place % 77) if standing.is_end else None,
        reason=_REASONS[place // 10 % 3] if is_failed else None,
        message=f"task align of {place} failed; its log stream is run/{run_id}" if is_failed else None,
        has_logs=True,
        tasks=_task(run_id) if is_failed else None,
    )


def _task(run_id: str) -> FailedTasks:
    stream = f"{_STREAMS}:run/{run_id}/task/7"
    task = FailedTask(
        id="7",
        name="align",
        failure_reason="OUT_OF_MEMORY_ERROR",
        status_message="killed",
        log_stream=stream,
    )
    return FailedTasks(tasks=(task,))
