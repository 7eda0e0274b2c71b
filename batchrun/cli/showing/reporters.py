"""Reports of a launch while it goes on, in the two ways without a terminal, and at its end.

Belongs here: log lines for people and cron, JSON lines for programs, and the summary on stdout. Does not: the
live display (``drawn``), the numbers (``progress``), the results file (``report``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import anyio
import structlog

from batchrun.cli.showing.overview_lines import changed
from batchrun.cli.speak import complain, emit, say
from batchrun.errors import CallError
from batchrun.model.entries import events
from batchrun.model.entries.states import ENDED, State
from batchrun.model.planning.verdicts import DENIED, HELD
from batchrun.model.tally import TakenOver, Tally
from batchrun.model.tasks import FailedTasks
from batchrun.model.texts.words import counted, seconds, stands
from batchrun.report.overview import WithService
from batchrun.report.results import status

if TYPE_CHECKING:
    from batchrun.api.launch import Ended, Launch
    from batchrun.cli.options import Output
    from batchrun.cli.showing.progress import Progress, Snapshot
    from batchrun.clock import Clock
    from batchrun.model.entries.entry import Entry

log = structlog.get_logger(__name__)
_LOG_EVERY: Final = 60.0
_JSON_EVERY: Final = 10.0
#: Numbers of failed looks at a run, since its last news, that are worth a warning.
_FAILED_LOOKS_TOLD: Final = frozenset({5, 50, 500, 5000})


class Reporter(ABC):
    """Reports a launch; an engine observer."""

    has_summary = False  #: whether the launch has ended, and its summary follows on stdout

    def __init__(self, batch: str, progress: Progress, clock: Clock) -> None:
        self._batch = batch
        self._progress = progress
        self._clock = clock
        self._failed_looks: Counter[str] = Counter()

    def recorded(self, before: Entry, event: events.Event, after: Entry) -> None:
        """Count a step and report it."""
        self._progress.recorded(before, event, after)
        self._failed_looks.pop(after.id, None)
        self.step(event, after)

    def look_failed(self, entry: Entry, error: CallError) -> None:
        """Count a look at a run that got no answer; warn if there were many."""
        self._failed_looks[entry.id] += 1
        is_worth_a_word = self._failed_looks[entry.id] in _FAILED_LOOKS_TOLD
        level = log.warning if is_worth_a_word else log.debug
        why = {"code": error.code, "message": error.message}
        level("look_failed", **bound(entry), **why, times=self._failed_looks[entry.id])

    def tasks_found(self, entry_id: str, attempt: int, found: FailedTasks) -> None:
        """Record which tasks of a run failed."""
        self._progress.tasks_found(entry_id, attempt, found)

    async def follow(self, held: Launch, *beside: Callable[[], Coroutine[Any, Any, None]]) -> Ended:
        """Report until *held* has ended, run *beside* meanwhile, and return how it ended."""
        async with anyio.create_task_group() as aside:
            aside.start_soon(self.run, lambda: self._progress.snapshot(held.tally))
            for one in beside:
                aside.start_soon(one)
            with suppress(Exception):  # raised below, outside the task group
                await held.wait()
                self.has_summary = True
            aside.cancel_scope.cancel()
        return await held.wait()

    @abstractmethod
    def step(self, event: events.Event, entry: Entry) -> None:
        """Report one step."""

    @abstractmethod
    async def run(self, snapshot: Callable[[], Snapshot]) -> None:
        """Report the numbers at intervals, until cancelled."""


class Numbers(Reporter):
    """Logs only the numbers, once a minute."""

    def step(self, event: events.Event, entry: Entry) -> None:
        """Report nothing: the steps are what the user asked for."""

    async def run(self, snapshot: Callable[[], Snapshot]) -> None:
        """Log the numbers once a minute."""
        while True:
            await self._clock.sleep(_LOG_EVERY)
            log.info("progress", **numbers(snapshot()))


class LogLines(Numbers):
    """Logs a line for each change of state, and the numbers once a minute.

    A failure is a warning unless the run is retried. The next step, recorded together with it, shows that,
    so the line waits for it.
    """

    def __init__(self, batch: str, progress: Progress, clock: Clock) -> None:
        super().__init__(batch, progress, clock)
        self._log = log.bind()  # once: an unbound one makes a new logger for each line
        self._failed: tuple[events.Failed, Entry] | None = None
        #: Missing permissions, each reported for one row only.
        self._denied: set[tuple[str, str | None]] = set()
        self._has_failed = anyio.Event()

    def step(self, event: events.Event, entry: Entry) -> None:
        """Log the step: problems as warnings, passing states at debug, all else at info."""
        self._tell_failed(before=event)
        if isinstance(event, events.Failed):
            self._failed = event, entry
            self._has_failed.set()
        else:
            is_passing = isinstance(event, events.Progressed | events.Intended | events.Withdrawn)
            told = self._log
            is_bad = _is_bad(event, entry) and not self._is_told(event)
            level = told.debug if is_passing else told.warning if is_bad else told.info
            _tell(level, event, entry)

    def _is_told(self, event: events.Event) -> bool:
        """Return whether the event is a denial that was already reported for another row; record it."""
        if not isinstance(event, events.Doubted) or event.code not in DENIED:
            return False
        denial = event.code, event.message
        is_told = denial in self._denied
        self._denied.add(denial)
        return is_told

    async def run(self, snapshot: Callable[[], Snapshot]) -> None:
        """Log the numbers once a minute, and failures that are not retried."""
        async with anyio.create_task_group() as aside:
            aside.start_soon(super().run, snapshot)
            try:
                while True:
                    await self._has_failed.wait()
                    self._has_failed = anyio.Event()
                    self._tell_failed()
            finally:
                self._tell_failed()

    def _tell_failed(self, before: events.Event | None = None) -> None:
        """Log the waiting failure, if any, *before* the next step."""
        if self._failed is not None:
            is_retried = isinstance(before, events.Retried | events.Revised)
            _tell(self._log.info if is_retried else self._log.warning, *self._failed)
            self._failed = None


class JsonLines(Reporter):
    """Writes a JSON object on stdout for each step, and one with the numbers every ten seconds."""

    def step(self, event: events.Event, entry: Entry) -> None:
        """Write the step."""
        run = entry.run
        emit(
            "step",
            at=event.at.isoformat(),
            batch=entry.batch,
            id=entry.id,
            attempt=entry.attempt,
            **lane_of(entry),
            event=events.kind(event),
            status=status(entry),
            runId=run.id if run else None,
            uuid=run.uuid if run else None,
            runOutputUri=run.output_uri if run else None,
            failureReason=run.failure_reason if run else entry.code,
            statusMessage=run.status_message if run else entry.message,
        )

    async def run(self, snapshot: Callable[[], Snapshot]) -> None:
        """Write the numbers every ten seconds."""
        while True:
            await self._clock.sleep(_JSON_EVERY)
            emit("progress", batch=self._batch, **numbers(snapshot()))


def numbers(snapshot: Snapshot) -> dict[str, Any]:
    """Return the numbers as JSON values, rounded."""
    found = {"total": snapshot.total, **snapshot.counts, **asdict(snapshot)}
    return {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in found.items()
        if name != "counts" and value is not None
    }


def bound(entry: Entry) -> dict[str, Any]:
    """Return the facts that every log line about an entry has."""
    run = {"run_id": entry.run.id} if entry.run else {}
    return {"batch": entry.batch, "id": entry.id, "attempt": entry.attempt, **lane_of(entry), **run}


def lane_of(entry: Entry) -> dict[str, str]:
    """Return the attempt's lane; empty if it has none."""
    return {} if entry.lane is None else {"lane": entry.lane}


def _tell(level: Callable[..., Any], event: events.Event, entry: Entry) -> None:
    name, facts = _as_log(event, entry)
    level(name, **bound(entry), **facts)


def _is_bad(event: events.Event, entry: Entry) -> bool:
    """Return whether to warn the user: not of an unknown outcome that the launch settles by itself."""
    if isinstance(event, events.Doubted):
        return event.code in HELD
    return entry.state in ENDED and entry.state is not State.SUCCEEDED


def _as_log(event: events.Event, entry: Entry) -> tuple[str, dict[str, Any]]:
    run = entry.run
    match event:
        case events.Accepted():
            return "run_accepted", {"uuid": run.uuid if run else None, "was_found": event.was_found}
        case events.Refused() | events.Doubted():
            name = "submission_refused" if isinstance(event, events.Refused) else "outcome_unknown"
            return name, {"code": event.code, "message": event.message}
        case events.Deferred():
            return "submission_deferred", {
                "code": event.code,
                "message": event.message,
                "due": str(event.due),
            }
        case events.Moved():
            return "row_moved", {"to": "any of its lanes"}
        case events.Retried():
            return "run_retried", {"why": event.why, "due": str(event.due)}
        case events.Recalled():
            return "cancel_sent", {}
        case events.Missed():
            return "run_not_found", {"message": event.message, "so_far": "it will be looked up again"}
        case events.Removed():
            return "run_removed", {"message": event.message}
        case _ if run is not None and entry.state in {*ENDED, State.ACTIVE}:
            why = {"failureReason": run.failure_reason, "statusMessage": run.status_message}
            return f"run_{run.status.lower()}", {key: value for key, value in why.items() if value}
        case _:
            return events.kind(event), {}


def tell_end(ended: Ended, progress: Progress, tally: Tally, results: str | None, output: Output) -> None:
    """Print the state of the batch at the end of a launch, and where its results are, if written."""
    now = progress.snapshot(tally)
    if output.as_json:
        facts = {**numbers(now), "changed": ended.counts.changed, **_taken_over(ended.taken_over)}
        emit("summary", batch=ended.batch, stop=ended.stop.value, results=results, **facts)
    elif not output.quiet:
        _tell_numbers(ended, now, progress, tally)
        if results is not None:
            say(f"results: {results}")
    if not output.as_json:
        tell_taken_over(ended.batch, ended.taken_over)


def tell_taken_over(batch: str, found: TakenOver) -> None:
    """Report, even with -q, that runs of another ledger were found: the user may have wanted new ones."""
    if not found.rows:
        return
    times = sorted({f"{time:%Y-%m-%d %H:%M}" for time in (found.first, found.last) if time is not None})
    created = f", created {' to '.join(times)} UTC" if times else ""
    rows = counted(found.rows, "row already had its run", "rows already had their runs")
    complain(
        f"{batch}: {rows} at the service{created}, started from another ledger: taken "
        "over, not started again; for new runs give another --batch",
        hang=2,
    )


def _taken_over(found: TakenOver) -> dict[str, object]:
    if not found.rows:
        return {}
    first, last = (time.isoformat() if time else None for time in (found.first, found.last))
    return {"taken_over": {"rows": found.rows, "first_created": first, "last_created": last}}


def _tell_numbers(ended: Ended, now: Snapshot, progress: Progress, tally: Tally) -> None:
    failures = list(progress.failures)
    say(f"{ended.batch}: {counts(now)} (of {now.total}, in {seconds(now.elapsed)})", hang=2)
    if ended.counts.changed:
        say(f"  {changed(ended.counts.changed)}", hang=4)
    for one in failures:
        say(f"  {one.line}", hang=4)
    unsuccessful = tally.failed + tally.by_state[State.CANCELLED]
    if unsuccessful > len(failures):
        say(
            f"  {unsuccessful} in all did not succeed; 'batchrun status {ended.batch} --failed' "
            "groups them by reason",
            hang=4,
        )
    if now.ended < now.total:
        is_going = bool(now.counts["queued"] or now.counts["running"])
        going = "; active runs continue" if is_going else ""
        there = _with_service(progress.there.at_most(now.counts["submitting"]))
        advice = _advice(ended, is_going=is_going)
        say(f"{now.total - now.ended} left{going}.{there} {advice}", hang=2)
    if now.others and (planned := now.counts["planned"]):
        say(
            f"{planned} planned wait for {now.others} active runs of others (--account-max-active). "
            "A batch without a launcher keeps its places until it is run again.",
            hang=2,
        )


def _with_service(there: WithService) -> str:
    """Return what happens to rows that were submitted together."""
    if not there.all_rows:
        return ""
    goes_on = ": it continues to start them" if there.rows and not there.unknown else ""
    return f" {there.text[0].upper()}{there.text[1:]}{goes_on}."


def _advice(ended: Ended, *, is_going: bool) -> str:
    if not ended.is_held_back:
        return "Run the same command again to continue."
    watch = " The same command only watches active runs." if is_going else ""
    return (
        "Too many have failed (--stop-after), so no more are submitted: 'batchrun status --failed' says why; "
        f"then 'batchrun retry' what failed, or run again with a higher --stop-after.{watch}"
    )


def counts(now: Snapshot) -> str:
    """Return the counts that are not zero, in the order of a run's life."""
    return stands(now.counts) or "nothing to do"
