"""
How a launch is told while it goes on, in the two ways without a terminal, and at its end.

Belongs here: log lines for people and cron, JSON lines for programs, and the last word on stdout. Does not:
the live display (``drawn``), the numbers (``progress``), the results file (``report``).
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
from batchrun.model.entries.events import (
    Accepted,
    Deferred,
    Doubted,
    Event,
    Failed,
    Intended,
    Missed,
    Moved,
    Progressed,
    Recalled,
    Refused,
    Removed,
    Retried,
    Revised,
    Withdrawn,
    kind,
)
from batchrun.model.entries.states import ENDED, State
from batchrun.model.planning.verdicts import DENIED, HELD
from batchrun.model.tally import Tally
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
    from batchrun.model.planning.proofs import TakenOver

log = structlog.get_logger(__name__)
_LOG_EVERY: Final = 60.0
_JSON_EVERY: Final = 10.0
#: A look that fails now and then is nothing; one that fails this often since the last news is worth a word.
_FAILED_LOOKS_TOLD: Final = frozenset({5, 50, 500, 5000})


class Reporter(ABC):
    """Reports how a launch goes; an engine observer."""

    has_summary = False  #: whether the launch has ended, and its summary follows on stdout

    def __init__(self, batch: str, progress: Progress, clock: Clock) -> None:
        self._batch = batch
        self._progress = progress
        self._clock = clock
        self._failed_looks: Counter[str] = Counter()

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        """Count a step and report it."""
        self._progress.recorded(before, event, after)
        self._failed_looks.pop(after.id, None)
        self.step(event, after)

    def look_failed(self, entry: Entry, error: CallError) -> None:
        """Take note of a look that got no answer."""
        self._failed_looks[entry.id] += 1
        is_worth_a_word = self._failed_looks[entry.id] in _FAILED_LOOKS_TOLD
        level = log.warning if is_worth_a_word else log.debug
        why = {"code": error.code, "message": error.message}
        level("look_failed", **bound(entry), **why, times=self._failed_looks[entry.id])

    def tasks_found(self, entry_id: str, attempt: int, found: FailedTasks) -> None:
        """Take note of which tasks failed in a run."""
        self._progress.tasks_found(entry_id, attempt, found)

    async def follow(self, held: Launch, *beside: Callable[[], Coroutine[Any, Any, None]]) -> Ended:
        """Report until *held* has ended, with what is to go on *beside* it, and return how it did."""
        async with anyio.create_task_group() as aside:
            aside.start_soon(self.run, lambda: self._progress.snapshot(held.tally))
            for one in beside:
                aside.start_soon(one)
            with suppress(Exception):  # raised below, where no task group wraps it
                await held.wait()
                self.has_summary = True
            aside.cancel_scope.cancel()
        return await held.wait()

    @abstractmethod
    def step(self, event: Event, entry: Entry) -> None:
        """Report one step."""

    @abstractmethod
    async def run(self, snapshot: Callable[[], Snapshot]) -> None:
        """Report the numbers every so often, until cancelled."""


class Numbers(Reporter):
    """The numbers alone, in the log once a minute."""

    def step(self, event: Event, entry: Entry) -> None:
        """Say nothing: what happens is what was asked for."""

    async def run(self, snapshot: Callable[[], Snapshot]) -> None:
        """Log the numbers once a minute."""
        while True:
            await self._clock.sleep(_LOG_EVERY)
            log.info("progress", **numbers(snapshot()))


class LogLines(Numbers):
    """
    A log line for each change of state, and the numbers once a minute.

    A failure is a warning unless the run is retried. The next step says so, and is recorded together with it,
    so the line waits for that.
    """

    def __init__(self, batch: str, progress: Progress, clock: Clock) -> None:
        super().__init__(batch, progress, clock)
        self._log = log.bind()  # once: each line of an unbound one makes a new logger
        self._failed: tuple[Failed, Entry] | None = None
        #: What is held for a permission, told of one row for all.
        self._denied: set[tuple[str, str | None]] = set()
        self._has_failed = anyio.Event()

    def step(self, event: Event, entry: Entry) -> None:
        """Log the step: what changes hands or ends at info, what passes at debug."""
        self._tell_failed(before=event)
        if isinstance(event, Failed):
            self._failed = event, entry
            self._has_failed.set()
        else:
            is_passing = isinstance(event, Progressed | Intended | Withdrawn)
            told = self._log
            is_bad = _is_bad(event, entry) and not self._is_told(event)
            level = told.debug if is_passing else told.warning if is_bad else told.info
            _tell(level, event, entry)

    def _is_told(self, event: Event) -> bool:
        """Report whether it was told of another row already, and is no more this one's than that one's."""
        if not isinstance(event, Doubted) or event.code not in DENIED:
            return False
        denial = event.code, event.message
        is_told = denial in self._denied
        self._denied.add(denial)
        return is_told

    async def run(self, snapshot: Callable[[], Snapshot]) -> None:
        """Log the numbers once a minute, and what failed and is not retried."""
        async with anyio.create_task_group() as aside:
            aside.start_soon(super().run, snapshot)
            try:
                while True:
                    await self._has_failed.wait()
                    self._has_failed = anyio.Event()
                    self._tell_failed()
            finally:
                self._tell_failed()

    def _tell_failed(self, before: Event | None = None) -> None:
        """Log the failure that waits, if any, *before* the step that follows."""
        if self._failed is not None:
            is_retried = isinstance(before, Retried | Revised)
            _tell(self._log.info if is_retried else self._log.warning, *self._failed)
            self._failed = None


class JsonLines(Reporter):
    """One JSON object on stdout for each step, and one with the numbers every ten seconds."""

    def step(self, event: Event, entry: Entry) -> None:
        """Write the step."""
        run = entry.run
        emit(
            "step",
            at=event.at.isoformat(),
            batch=entry.batch,
            id=entry.id,
            attempt=entry.attempt,
            **lane_of(entry),
            event=kind(event),
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
    """Return the numbers as plain values, rounded to what matters."""
    found = {"total": snapshot.total, **snapshot.counts, **asdict(snapshot)}
    return {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in found.items()
        if name != "counts" and value is not None
    }


def bound(entry: Entry) -> dict[str, Any]:
    """Return what every log line about an entry carries."""
    facts: dict[str, object] = {
        "batch": entry.batch,
        "id": entry.id,
        "attempt": entry.attempt,
        **lane_of(entry),
    }
    return {**facts, "run_id": entry.run.id} if entry.run else facts


def lane_of(entry: Entry) -> dict[str, str]:
    """Return the attempt's lane; nothing where it has none."""
    return {} if entry.lane is None else {"lane": entry.lane}


def _tell(level: Callable[..., Any], event: Event, entry: Entry) -> None:
    name, facts = _as_log(event, entry)
    level(name, **bound(entry), **facts)


def _is_bad(event: Event, entry: Entry) -> bool:
    """Report whether the user has to know: a doubt that the launch settles by itself is not reported."""
    if isinstance(event, Doubted):
        return event.code in HELD
    return entry.state in ENDED and entry.state is not State.SUCCEEDED


def _as_log(event: Event, entry: Entry) -> tuple[str, dict[str, Any]]:
    run = entry.run
    match event:
        case Accepted():
            return "run_accepted", {"uuid": run.uuid if run else None, "was_found": event.was_found}
        case Refused() | Doubted():
            name = "submission_refused" if isinstance(event, Refused) else "outcome_unknown"
            return name, {"code": event.code, "message": event.message}
        case Deferred():
            return "submission_deferred", {
                "code": event.code,
                "message": event.message,
                "due": str(event.due),
            }
        case Moved():
            return "row_moved", {"to": "any of its lanes"}
        case Retried():
            return "run_retried", {"why": event.why, "due": str(event.due)}
        case Recalled():
            return "cancel_sent", {}
        case Missed():
            return "run_not_found", {"message": event.message, "so_far": "it will be looked up again"}
        case Removed():
            return "run_removed", {"message": event.message}
        case _ if run is not None and entry.state in {*ENDED, State.ACTIVE}:
            why = {"failureReason": run.failure_reason, "statusMessage": run.status_message}
            return f"run_{run.status.lower()}", {key: value for key, value in why.items() if value}
        case _:
            return kind(event), {}


def tell_end(ended: Ended, progress: Progress, tally: Tally, results: str | None, output: Output) -> None:
    """Say how the batch stands at the end of a launch, and where its results are, if they are anywhere."""
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
    """Say, even under -q, that runs of another ledger were met: the user may have wanted new ones."""
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
    if tally.failed > len(failures):
        say(
            f"  {tally.failed} in all did not succeed; 'batchrun status {ended.batch} --failed' "
            "groups them by reason"
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
    """Say what happens to rows that were submitted together."""
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
