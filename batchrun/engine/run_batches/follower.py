"""Following a submission: finding it where its answer was lost, and settling its rows one by one.

Theory of operation. A row of a batch that the service has is settled by ListRunsInBatch: it names the run, or
the error that StartRun would have had. A row that is not listed once the service is done and listings had
their time is looked for among all runs by name and tags; one that is not there either never will be, and may
be sent anew. A submission with an unknown outcome is looked for by name; only where it is not listed after
that time, and none of its rows has a run, is it sent once more, the same bytes with the same requestId.

Does not belong here: when a look is due (``model.planning.batching``), sending for the first time
(``together``).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from batchrun import points
from batchrun.engine.in_lane import Common, InLane
from batchrun.engine.launch_errors import not_permitted
from batchrun.engine.parts import LaneLink, Wait
from batchrun.engine.run_batches.canceller import Canceller
from batchrun.engine.run_batches.together import is_unknown, refuse_together, taken
from batchrun.engine.run_batches.unlisted import Unlisted
from batchrun.errors import (
    AccessDeniedError,
    CallError,
    InvariantError,
    NotFoundError,
)
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import Accepted, Deferred, Doubted, Event, Withdrawn
from batchrun.model.entries.states import State
from batchrun.model.lanes import account_of
from batchrun.model.planning import verdicts
from batchrun.model.planning.actions import Follow
from batchrun.model.planning.denials import Denials, Extent
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.stimuli import Followed
from batchrun.model.spec import TAG_REQUEST_ID
from batchrun.model.submissions.submission import (
    CANCELLABLE,
    GONE,
    BatchRow,
    BatchSeen,
    Stage,
    Standing,
    Submission,
    stage,
    told_twice,
)
from batchrun.points import Point
from batchrun.side_by_side import in_groups

#: Seconds, beyond the lag of listings, after which a single pass takes a call in flight for over.
_A_CALL: Final = 900.0
#: How long the proof that a submission is not there holds.
_A_MOMENT: Final = timedelta(seconds=60)
log = structlog.get_logger(__name__)


class Follower(InLane):
    """Follows submissions, one look at a time for each."""

    def __init__(self, link: LaneLink, common: Common) -> None:
        super().__init__(link, common)
        self._batches = link.service.run_batches
        self._unlisted = Unlisted(link, common)
        self._canceller = Canceller(link, common)
        self._denials = Denials()

    async def follow(self, action: Follow) -> Followed:
        """Look at the submission of the action's rows, and record what became of them."""
        submission = await self._submissions.find(action.request_id)
        if submission is None:
            raise InvariantError(f"submission {action.request_id} is followed, and not in the ledger")
        case = _Case(action, submission)
        latest = self._clock.latest()
        if submission.sent_at is None or submission.sent_at > latest:  # by a clock that was ahead, or another
            await self._keep(case, replace(submission, sent_at=latest))
        with self._waits.of(Wait.LOOK):
            try:
                await self._ask(case)
            except AccessDeniedError as error:
                raise not_permitted(error.operation, error) from error
            except CallError as error:
                said = {"code": error.code, "message": error.message}
                where = self._logged(submission.batch_id)
                log.info("submission_not_seen", **where, operation=error.operation, **said)
                await self._keep(case, replace(case.submission, code=error.code, message=error.message))
                return case.outcome(is_answered=False)
            return case.outcome()
        return case.outcome(is_answered=False)

    async def _ask(self, case: _Case) -> None:
        if not case.left:
            await self._close_if_over(case)
        elif case.submission.standing is Standing.INTENDED and not await self._is_found(case):
            await self._missing(case)
        else:
            await self._seen(case)

    async def _close_if_over(self, case: _Case) -> None:
        if not case.left:
            await self._keep(case, replace(case.submission, standing=Standing.OVER))

    async def _keep(self, case: _Case, submission: Submission, seen: BatchSeen | None = None) -> None:
        if submission != case.submission:
            account = None if seen is None else account_of(seen.arn)
            await self._submissions.keep(submission, account=account)
            case.submission = submission

    # -- whether the service has it

    async def _is_found(self, case: _Case) -> bool:
        """Look for a submission whose answer was lost; report whether the service has it."""
        intended_at = case.submission.intended_at
        remembered_until = intended_at + timedelta(seconds=self._limits.batch_replay_window)
        # A time that a clock ahead of ours recorded cannot be trusted.
        if intended_at <= self._clock.latest() < remembered_until:
            return await self._is_sent(case, remembered_until)
        try:
            seen = await self._listed(case.submission)
        except AccessDeniedError as error:
            await self._hold(case, error)
            return False
        if seen is not None:
            await self._keep(case, taken(case.submission, seen), seen)
        return seen is not None

    async def _listed(self, submission: Submission) -> BatchSeen | None:
        async with aclosing(self._batches.named(submission.name)) as pages:
            async for page in pages:
                for listed in page:
                    seen = await self._batches.get(listed.id)
                    if seen.tags.get(TAG_REQUEST_ID) == submission.request_id:
                        return seen
        return None

    async def _hold(self, case: _Case, error: AccessDeniedError) -> None:
        """Hold the rows as they are: the service may have them, and listing is denied."""
        doubt = verdicts.held_with_its_batch(error, self._clock.utcnow())
        case.is_held = True
        await self._record(case, [(entry, doubt) for entry in await self._left(case)])

    async def _missing(self, case: _Case) -> None:
        """Resend a submission that is proven not to be there.

        Where one of its rows has a run, the service had it once, and it is never sent again: its other rows
        go by another one. So they do where the user cancelled it.
        """
        if case.is_held or not self._is_proof(case) or await self._prover.is_in_doubt(self._lane):
            return
        await self._recognition.confirm()
        found = await self._unlisted.runs(await self._left(case))
        await self._record(case, found)
        if found:  # it may be there, and listed late
            await self._keep(case, replace(case.submission, sent_at=self._clock.latest()))
        elif case.is_whole and not case.action.cancels and self._limits.mode is not Mode.CANCEL:
            await self._is_sent(case)
        else:
            await self._let_go(case, GONE, "its batch is not there, and no run of it")
            await self._close_if_over(case)

    async def _is_sent(self, case: _Case, remembered_until: datetime | None = None) -> bool:
        """Resend the same bytes; report whether the service is known to have them."""
        turn = await self._batches.start_turn()
        latest = self._clock.latest()
        await self._keep(case, replace(case.submission, sent_at=latest))
        case.was_sent = True
        request = json.loads(case.submission.request)
        try:
            seen = await self._batches.start(
                request,
                turn=turn,
                trusted_until=remembered_until or latest + _A_MOMENT,
                remembered_until=remembered_until,
                is_repeat=remembered_until is not None,
            )
        except CallError as error:
            await self._keep(case, replace(case.submission, code=error.code, message=error.message))
            if not is_unknown(error):
                left = await self._left(case)
                for entry in await refuse_together(self._outcomes, left, error, self._limits, self._clock):
                    case.settle(entry)
                await self._close_if_over(case)
            return False
        points.reached(Point.ANSWERED)
        await self._keep(case, taken(case.submission, seen), seen)
        return True

    def _is_proof(self, case: _Case) -> bool:
        """Report whether what is not found now never will be."""
        if case.action.is_proof or self._limits.mode is Mode.WATCH:
            return case.action.is_proof
        since, lag = case.submission.sent_at, self._limits.listing_lag
        lag += _A_CALL if case.stage is Stage.UNKNOWN else 0.0
        return since is not None and self._clock.latest() >= since + timedelta(seconds=lag)

    # -- its rows

    async def _seen(self, case: _Case) -> None:
        """Settle rows of a batch that the service has."""
        batch_id = case.submission.batch_id
        if batch_id is None:
            raise InvariantError(f"submission {case.submission.request_id} was taken, and has no batch")
        was_done = case.stage is Stage.DONE
        seen = await self._got(case.submission, batch_id)
        status = GONE if seen is None else seen.status
        case.stage = Stage.DONE if seen is None else stage(status)
        if seen is not None and case.action.cancels and status in CANCELLABLE:
            await self._canceller.cancel(case.submission, batch_id)
        if seen is not None and not case.learns_nothing_from(seen):
            await self._list(case, batch_id)
        is_done = case.stage is Stage.DONE
        if case.left and was_done and is_done and self._is_proof(case):
            await self._take_apart(case, seen)
        # Only now does the lag of its last runs begin.
        sent_at = self._clock.latest() if is_done and not was_done else case.submission.sent_at
        standing = Standing.TAKEN if case.left else Standing.OVER
        answered = replace(case.submission, status=status, code=None, message=None)
        await self._keep(case, replace(answered, standing=standing, sent_at=sent_at), seen)

    async def _got(self, submission: Submission, batch_id: str) -> BatchSeen | None:
        """Call GetBatch; None where the batch is gone, or another has its id, and no listing has it."""
        try:
            seen = await self._batches.get(batch_id)
        except NotFoundError:
            return await self._listed(submission)
        is_other = seen.uuid and submission.batch_uuid and seen.uuid != submission.batch_uuid
        return None if is_other else seen

    async def _list(self, case: _Case, batch_id: str) -> None:
        async with aclosing(self._batches.rows(batch_id)) as pages:
            async for page in pages:
                rows = {row.setting_id: row for row in page if row.setting_id in case.left}
                uuids = [row.run.uuid for row in rows.values() if row.run is not None]
                wrong = {*told_twice(page), *await self._held.known_runs(uuids, lane=self._lane), ""}
                entries = [*(await self._held.entries(rows)).values()]
                if entries and any(row.run is not None for row in page):
                    self._denials.passed(entries[0])  # all rows of a submission use the same
                events = [(entry, await self._event(case, entry, rows[entry.id], wrong)) for entry in entries]
                await self._record(case, [(entry, event) for entry, event in events if event is not None])
                if case.denied is not None:  # only now: it may end the launch, and this look with it
                    self._denied(case.extent, case.denied[0], not_permitted("StartRun", case.denied[1]))

    async def _event(self, case: _Case, entry: Entry, row: BatchRow, wrong: Collection[str]) -> Event | None:
        """Return the event for a listed row; None where it was not submitted yet, or may have a run."""
        at = self._clock.utcnow()
        if row.run is not None:
            run = await self._looked_at(case, entry, row.run) if row.run.uuid in wrong else row.run
            return Accepted(at=at, run=run) if run is not None else None
        if row.code is None and row.status != "FAILED":
            return None
        error = self._batches.refusal(row)
        if not verdicts.is_certain(error):
            case.doubtful[entry.id] = error
            return None
        return await self._rejected(case, entry, error, at)

    async def _rejected(self, case: _Case, entry: Entry, error: CallError, at: datetime) -> Event:
        denial = await self._denial(self._denials, entry, error)
        if denial is not None and denial.extent is not Extent.ENTRY and case.extent is not Extent.LANE:
            case.extent, case.denied = denial.extent, (entry, error)
        if denial is not None and not denial.may_move:
            case.staying.add(entry.id)
        return verdicts.after_rejection(entry, error, at, self._limits, denial)

    async def _looked_at(self, case: _Case, entry: Entry, run: Run) -> Run | None:
        """Call GetRun for a run listed with a wrong uuid; None where another run has its id now."""
        with suppress(NotFoundError):
            seen = await self._service.get_run(run.id)
            if seen.tags.get(TAG_REQUEST_ID) == entry.request_id:
                if seen.run.uuid:
                    return seen.run
                case.nameless.add(entry.id)
                return None
        case.gone[entry.id] = run.id
        return None

    async def _take_apart(self, case: _Case, seen: BatchSeen | None) -> None:
        """Settle rows that are not listed: each has a run of its name and tags, or never will have one."""
        points.reached(Point.TAKING_APART)
        if seen is None:
            await self._recognition.confirm()
        await self._record(case, await self._unlisted.runs(await self._left(case)))
        status = GONE if seen is None else seen.status
        why = f"run batch {case.submission.batch_id} is {status} and did not start it"
        if seen is not None and seen.failure_reason:
            why += f": {seen.failure_reason}"
        await self._let_go(case, status, why)

    async def _let_go(self, case: _Case, status: str, why: str) -> None:
        """Settle rows that are proven to have no run; ambiguous ones stay for the user."""
        entries, at = await self._left(case), self._clock.utcnow()
        gone = [(entry, case.gone[entry.id]) for entry in entries if entry.id in case.gone]
        batch_id = case.submission.batch_id
        await self._record(
            case, [(entry, verdicts.held_for_its_deleted_run(run_id, batch_id, at)) for entry, run_id in gone]
        )
        open_ids = {*case.gone, *case.nameless}
        free = [entry for entry in entries if entry.code != verdicts.AMBIGUOUS and entry.id not in open_ids]
        case.is_held = len(free) + sum(entry.id in case.nameless for entry in entries) < len(entries)
        if free:
            log.info("rows_not_started", **self._logged(batch_id), status=status, rows=len(free))
        is_fruitless = case.is_whole

        def event(entry: Entry) -> Event:
            if (error := case.doubtful.get(entry.id)) is not None:
                return verdicts.after_rejection(entry, error, at, self._limits)
            return verdicts.after_batch(entry, status, why, at, self._limits, is_fruitless=is_fruitless)

        await self._record(case, [(entry, event(entry)) for entry in free])

    async def _left(self, case: _Case) -> Sequence[Entry]:
        return list((await self._held.entries(case.left)).values())

    async def _record(self, case: _Case, events: Sequence[tuple[Entry, Event]]) -> None:
        """Record an event for each entry; one that is settled already stays as it is."""

        async def record(step: tuple[Entry, Event]) -> None:
            entry, event = step
            is_known = isinstance(event, Doubted) and event.code == entry.code
            if entry.state is State.SUBMITTING and not is_known:
                entry = await self._recorded(entry, event, may_move=entry.id not in case.staying)
            if entry.state is not State.SUBMITTING:
                case.settle(entry)

        if any(isinstance(event, Accepted) for _, event in events):
            self._recognition.shown()
        doubts = [(entry, event.code) for entry, event in events if isinstance(event, Doubted)]
        case.is_held = case.is_held or any(code == verdicts.AMBIGUOUS for _, code in doubts)
        case.nameless.update(entry.id for entry, code in doubts if code == verdicts.NAMELESS)
        await in_groups(record, events)

    async def _recorded(self, entry: Entry, event: Event, *, may_move: bool) -> Entry:
        is_withdrawn = isinstance(event, Deferred) and event.code == verdicts.CANCELLED_WITH_ITS_BATCH
        if is_withdrawn and entry.next_request is None:
            withdrawn = Withdrawn(at=event.at, message="its batch was cancelled before it was started")
            return await self._recorder.record(entry, event, withdrawn)
        return await self._outcomes.record(entry, event, may_move=may_move)


class _Case:
    """One look at a submission: which rows it is about, and what is known of them so far."""

    def __init__(self, action: Follow, submission: Submission) -> None:
        self.action = action
        self.submission = submission
        self.left = set(action.ids)  #: ids of rows that are not settled
        is_known = submission.standing is not Standing.INTENDED
        self.stage = stage(submission.status or "") if is_known else Stage.UNKNOWN
        self.was_sent = False
        self.is_held = False
        self.doubtful: dict[str, CallError] = {}  #: rows that failed and may have a run all the same, and why
        self.gone: dict[str, str] = {}  #: rows whose run is gone, and its id
        self.staying: set[str] = set()  #: ids of denied rows that go to no other lane
        self.extent = Extent.ENTRY  #: how far the lack of a permission reaches
        self.denied: tuple[Entry, CallError] | None = None  #: a row that was denied, and why, if beyond it
        self.nameless: set[str] = set()  #: rows with a run whose uuid is unknown
        self._settled: list[Entry] = []

    @property
    def is_whole(self) -> bool:
        """Whether none of its rows is settled."""
        return len(self.left) == self.submission.rows

    def learns_nothing_from(self, seen: BatchSeen) -> bool:
        """Report whether the counts, which lag and will still grow, cover only settled rows."""
        if stage(seen.status) is Stage.DONE or seen.started is None or seen.failed is None:
            return False
        return seen.started + seen.failed <= self.submission.rows - len(self.left)

    def settle(self, entry: Entry) -> None:
        """Note a row that is not SUBMITTING any more."""
        self.left.discard(entry.id)
        self._settled.append(entry)

    def outcome(self, *, is_answered: bool = True) -> Followed:
        """Return the stimulus for the planner."""
        return Followed(
            action=self.action,
            stage=self.stage,
            settled=self._settled,
            run_batch=self.submission.batch_id,
            was_sent=self.was_sent,
            is_answered=is_answered,
            is_held=self.is_held,
        )
