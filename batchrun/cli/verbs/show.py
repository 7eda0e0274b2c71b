"""``batchrun show``: an entry's whole story, from the ledger alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from batchrun.api.reading import open_ledger
from batchrun.cli.command import argument, option, verb
from batchrun.cli.completion import batches, rows
from batchrun.cli.naming import row_to_read
from batchrun.cli.options import JSON, LEDGER
from batchrun.cli.showing import failed
from batchrun.cli.showing.failed import RunDetails
from batchrun.cli.speak import emit, printable, say, whole_line
from batchrun.model.entries.entry import Entry, start_run_request
from batchrun.model.entries.events import History
from batchrun.model.entries.reasons import advice_for
from batchrun.model.entries.states import UNSENT, State
from batchrun.model.lanes import first_request
from batchrun.model.submissions.submission import Submission
from batchrun.model.tasks import LOG_GROUP, FailedTasks
from batchrun.model.texts.words import seconds
from batchrun.ports.stored import Outcome
from batchrun.report.columns import COLUMNS
from batchrun.report.json_names import API_NAMES, NEWS
from batchrun.report.results import earlier_rows, row

if TYPE_CHECKING:
    Found = Mapping[int, FailedTasks]  # by attempt
    Submissions = Mapping[int, Submission]  # by attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun show``."""

    entry_id: str = argument(metavar="ID", shell_complete=rows)
    batch: str | None = option(shell_complete=batches, help="The batch, if ID is in several.")
    ledger: str = LEDGER()
    as_json: bool = JSON()


@verb(Options, epilog="Read on: 'batchrun help results', 'batchrun help states'.")
async def show(options: Options) -> None:
    """Show the story of the row ID: its run, its attempts, their failed tasks, its request, and each event.

    ID may also be the uuid, the id or the ARN of one of its runs. Everything comes from the ledger; nothing
    is called.
    """
    async with open_ledger(options.ledger, for_once=True) as ledger:
        found = await row_to_read(ledger, options.entry_id, options.batch)
        batch, entry = ledger.batch(found.entry.batch), found.entry
        history = await batch.history(entry.id)
        known = await batch.story.failed_tasks([entry.id])
        attempts = range(1, entry.attempt + 1)
        last = {attempt: await batch.submissions.last(entry.id, attempt) for attempt in attempts}
    tasks = known.get(entry.id, {})
    submissions = {attempt: one for attempt, one in last.items() if one is not None}
    if options.as_json:
        emit("entry", **facts(found, history, tasks, submissions))
        return
    for line in lines(found, history, tasks, submissions):
        say(line)


def facts(outcome: Outcome, history: History, found: Found, submissions: Submissions) -> dict[str, Any]:
    """Return all of it for programs."""
    entry = outcome.entry
    latest = row(entry)
    return {
        "batch": entry.batch,
        **{name: latest[name] for name in COLUMNS},
        "state": entry.state.value,
        **failed.facts(RunDetails.of(entry, found)),
        "attempts": [
            past | failed.facts(RunDetails.of(one, found)) | _submission_facts(submissions.get(one.attempt))
            for past, one in zip(earlier_rows(outcome), outcome.earlier, strict=True)
        ],
        "request": start_run_request(_as_sent(entry)),
        "manifest_request": None if entry.manifest_request is None else json.loads(entry.row_request),
        "next_request": None if entry.next_request is None else json.loads(first_request(entry.next_request)),
        "may_take": list(entry.may_take),
        "events": [
            {"at": at.isoformat(), "attempt": attempt, "event": kind, **_detail(json.loads(detail))}
            for at, attempt, kind, detail in history
        ],
        **_submission_facts(submissions.get(entry.attempt)),
    }


def lines(outcome: Outcome, history: History, found: Found, submissions: Submissions) -> Iterator[str]:
    """Yield the story as lines for people."""
    entry = outcome.entry
    yield whole_line(f"{entry.id} of {entry.batch}: {row(entry)['status']}")
    together = _submission_lines(submissions.get(entry.attempt))
    for label, text in (*_standing(entry), *together, *_logs(RunDetails.of(entry, found))):
        yield f"  {label:<10} {whole_line(text)}"
    if outcome.earlier:
        yield "earlier attempts:"
    for past, one in zip(earlier_rows(outcome), outcome.earlier, strict=True):
        yield f"  {_attempt(past)}"
        for label, text in (
            *_submission_lines(submissions.get(one.attempt)),
            *_logs(RunDetails.of(one, found)),
        ):
            yield f"     {label:<10} {whole_line(text)}"
    yield "events:" if history else "events: none yet"
    yield from (f"  {_event(*event)}" for event in history)
    yield "request:"
    text = json.dumps(start_run_request(_as_sent(entry)), indent=2, ensure_ascii=False)
    yield from (f"  {printable(line)}" for line in text.split("\n"))
    if entry.manifest_request is not None:
        yield f"it differs from the manifest in {', '.join(_departures(entry))}"
    if entry.is_changed:
        yield "its row asks for other content than this; 'batchrun run --changed resubmit' would run that"
    if entry.next_request is not None:
        yield "its next attempt will have other content, from the manifest"


def _as_sent(entry: Entry) -> Entry:
    """Return the entry as it was sent, or as it would be sent to its preferred lane."""
    return entry.as_in(next(iter(entry.may_take), None))


def _detail(stored: dict[str, Any]) -> dict[str, Any]:
    """Return the details of a stored event by the API's names, where there are such."""
    named = {API_NAMES.get(name, name): value for name, value in stored.items()}
    if "run" in named:
        named["run"] = {API_NAMES.get(name, name): value for name, value in named["run"].items()}
    return named


def _departures(entry: Entry) -> list[str]:
    """Return the fields in which the attempt's request differs from the manifest."""
    sent = _as_sent(entry)
    asked, wanted = json.loads(sent.request), json.loads(sent.row_request)
    found = [name for name in sorted({*asked, *wanted}) if asked.get(name) != wanted.get(name)]
    return found or ["the lanes that it may take"]


def _standing(entry: Entry) -> Iterator[tuple[str, str]]:
    cells = row(entry)
    labels = {"attempt": "attempt", "runId": "run", "uuid": "uuid", "arn": "arn", "runOutputUri": "output"}
    yield from ((label, str(cells[name])) for name, label in labels.items() if cells[name])
    if entry.may_take:
        yield "lane", " or ".join(entry.may_take)
    yield from _times(entry)
    if entry.missed_at is not None:
        yield "not found", f"{_time(entry.missed_at)}; it is looked up again before it counts as deleted"
    if entry.due is not None and entry.state in UNSENT:
        yield "due", _time(entry.due)
    why = [str(cells[name]) for name in ("failureReason", "statusMessage") if cells[name]]
    if why:
        yield "reason", ": ".join(why)
    if entry.state in {State.FAILED, State.DELETED, State.REFUSED}:
        yield "to do", str(advice_for(entry.state, entry.run.failure_reason if entry.run else None))


def _logs(logs: RunDetails) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(failed.lines(logs)):
        yield "" if number else "tasks", line
    if logs.streams:
        yield "logs", f"{', '.join(logs.streams)} in {LOG_GROUP}"


def _times(entry: Entry) -> Iterator[tuple[str, str]]:
    run = entry.run
    if run is None:
        return
    if run.creation_time is not None:
        yield "created", _time(run.creation_time)
    if run.start_time is not None:
        yield "started", _time(run.start_time) + _after("queued for", run.creation_time, run.start_time)
    if run.stop_time is not None:
        yield "stopped", _time(run.stop_time) + _after("ran for", run.start_time, run.stop_time)


def _after(words: str, begun: datetime | None, ended: datetime) -> str:
    return "" if begun is None else f", {words} {seconds((ended - begun).total_seconds())}"


def _attempt(past: dict[str, Any]) -> str:
    parts = [f"{past['attempt']}", past["status"], f"run {past['runId']}" if past["runId"] else "no run"]
    parts += [f"lane {past['lane']}"] if past["lane"] else []
    names = ("uuid", "failureReason", "statusMessage", "runOutputUri")
    return whole_line("  ".join([*parts, *(str(past[name]) for name in names if past[name])]))


def _event(at: datetime, attempt: int, kind: str, detail: str) -> str:
    facts = json.loads(detail)
    run = facts.pop("run", {})
    facts |= {name: run[name] for name in NEWS if name in run}
    words = "  ".join(f"{name}={value}" for name, value in facts.items())
    return whole_line(f"{_time(at)}  attempt {attempt}  {kind:<10} {words}")


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _submission_facts(submission: Submission | None) -> dict[str, Any]:
    """Return the submission for programs; empty if the attempt was submitted by itself."""
    if submission is None:
        return {}
    facts = {
        "requestId": submission.request_id,
        "name": submission.name,
        "rows": submission.rows,
        "standing": submission.standing.value,
        "batchId": submission.batch_id,
        "uuid": submission.batch_uuid,
        "status": submission.status,
        "code": submission.code,
        "message": submission.message,
    }
    return {"submission": facts}


def _submission_lines(submission: Submission | None) -> Iterator[tuple[str, str]]:
    """Yield the submission for people, labelled; nothing if the attempt was submitted by itself."""
    if submission is None:
        return
    yield "submission", f"{submission.name} of {submission.rows} rows, requestId {submission.request_id}"
    if submission.batch_id is not None:
        seen = f"last seen as {submission.status}" if submission.status else "not looked at yet"
        yield "run batch", f"{submission.batch_id}, {seen}"
    elif submission.code is not None:
        yield "run batch", f"none is known; {submission.code}: {submission.message}"
    else:
        yield "run batch", "none is known yet"
