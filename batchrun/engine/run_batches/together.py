"""Submitting many attempts by one StartRunBatch: the call, and what is recorded before and after it.

The submission with all of its rows is durable before the call. One whose outcome is unknown stays open, and
is looked for before it is sent again (``follower``). Does not belong here: which rows go together and when
(``model``), what becomes of them at the service (``follower``).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog

from batchrun import errors, points
from batchrun.clock import Clock
from batchrun.engine.in_lane import Common, InLane
from batchrun.engine.launch_errors import not_permitted
from batchrun.engine.parts import LaneLink, Wait
from batchrun.engine.recorder import Outcomes
from batchrun.model.entries.entry import Entry, sent_to
from batchrun.model.entries.events import Intended
from batchrun.model.entries.states import UNSENT
from batchrun.model.entries.transitions import apply
from batchrun.model.lanes import account_of
from batchrun.model.planning.actions import SubmitTogether
from batchrun.model.planning.denials import Denial, Denials, Extent
from batchrun.model.planning.limits import Limits
from batchrun.model.planning.stimuli import SubmittedTogether
from batchrun.model.planning.verdicts import after_rejection
from batchrun.model.submissions import grouping
from batchrun.model.submissions.submission import BatchSeen, Standing, Submission
from batchrun.points import Point
from batchrun.side_by_side import in_groups

#: Bytes of rows in the call itself: the limit is undocumented, and other services have one megabyte.
_INLINE_BYTES: Final = 900_000
#: Rows that are prepared in parallel.
_PREPARED: Final = 16
log = structlog.get_logger(__name__)


class BatchSubmitter(InLane):
    """Sends many attempts by each call."""

    def __init__(self, link: LaneLink, common: Common) -> None:
        super().__init__(link, common)
        self._batches = link.service.run_batches
        self._settings = link.settings
        self._denials = Denials()

    async def submit(self, action: SubmitTogether) -> SubmittedTogether:
        """Send attempts of one shape, and record the outcome.

        The submission is durable before anything leaves, and nothing leaves after a proof has expired. Rows
        whose wait was cancelled before they were sent come back unchanged.
        """
        wave = _Wave(action)
        made, turn = await self._ready(wave)
        if made is not None and self._is_late(wave) and len(wave.ready) <= grouping.INLINE:
            # Looked for by name again, at the same turn: another may come as late.
            made, turn = await self._ready(wave, turn)
        if made is None or self._is_late(wave):
            return wave.outcome()  # a proof has expired: the rows are looked for once more
        submission = replace(made.submission, sent_at=self._clock.latest())
        wave.went(submission, await self._recorder.submit_together(submission, made.intents))
        points.reached(Point.INTENDED)
        return await self._send(wave, submission, turn)

    async def _ready(self, wave: _Wave, turn: float | None = None) -> tuple[_Made | None, float]:
        """Prepare rows that may go, and wait for a turn; None where none may or the wait was cancelled."""
        nothing = None, 0.0
        with self._waits.of(Wait.UNSENT) as scope:
            await self._prove(wave)
            await self._make_ready(wave)
        if scope.cancelled_caught or not wave.ready:
            return nothing
        if self._settings is None:
            wave.ready = _fitting(wave.ready)
        made = await self._made(wave)
        with self._waits.of(Wait.UNSENT) as scope:
            if made.place is not None and self._settings is not None:
                await self._settings.store.keep(made.place, made.settings.encode())
            if turn is None:
                turn = await self._batches.start_turn()
        if scope.cancelled_caught or turn is None:
            return nothing
        points.reached(Point.TURN_TAKEN)
        return made, turn

    def _is_late(self, wave: _Wave) -> bool:
        """Report whether a proof has expired."""
        latest = self._clock.latest()
        return any(latest >= self._limits.trust.send_until(entry, latest) for entry in wave.ready)

    async def _prove(self, wave: _Wave) -> None:
        """Keep only rows in the wave that are proven to have no run."""
        proven: dict[str, Entry] = {}

        async def prove(planned: Entry) -> None:
            entry = await self._prover.proven(planned, self._lane, is_last_look=True)
            if entry is None:
                wave.unproven.add(planned.id)
            elif entry.state in UNSENT and entry.attempt == planned.attempt:
                proven[entry.id] = entry
                if entry.proven_at != planned.proven_at:
                    wave.looked_for.add(entry.id)
            else:
                wave.entries[planned.id] = entry  # its run was adopted, and may have failed already

        await in_groups(prove, wave.ready, at_once=_PREPARED)
        wave.ready = [proven[entry.id] for entry in wave.ready if entry.id in proven]

    async def _make_ready(self, wave: _Wave) -> None:
        """Do what runs need before they start."""
        if (prepare := self._prepare) is not None:

            async def make_ready(entry: Entry) -> None:
                await prepare(entry.id, self._lane)

            await in_groups(make_ready, wave.ready, at_once=_PREPARED)

    async def _made(self, wave: _Wave) -> _Made:
        """Return the submission of the rows that are ready, and the intent of each."""
        at = self._clock.utcnow()
        intents = [(entry, self._intent(entry, wave.looked_for, at)) for entry in wave.ready]
        sent = [apply(entry, intent) for entry, intent in intents]
        settings, request_id = grouping.settings_of(sent), await self._new_id(sent)
        is_large = len(sent) > grouping.INLINE or len(settings) > _INLINE_BYTES
        prefix = "" if self._settings is None else self._settings.prefix
        place = prefix + grouping.file_name(settings) if is_large else None
        request = grouping.batch_request(sent, request_id=request_id, settings=settings, settings_uri=place)
        submission = Submission(
            request_id=request_id,
            batch=self._held.name,
            lane=sent[0].lane,
            name=grouping.batch_name(self._held.name, request_id),
            request=request,
            rows=len(sent),
            intended_at=at,
        )
        return _Made(submission=submission, intents=intents, settings=settings, place=place)

    async def _new_id(self, sent: Sequence[Entry]) -> str:
        """Return a requestId that is new to the ledger; after a lost one the same rows get the same again."""
        number = 0
        while await self._submissions.find(request_id := grouping.submission_id(sent, number)) is not None:
            number += 1
        return request_id

    def _intent(self, entry: Entry, looked_for: Collection[str], at: datetime) -> Intended:
        row = sent_to(entry, self._lane)
        return Intended(
            at=at,
            tagged=self._limits.tag,
            lane=row.lane,
            request=None if row.lane is None else row.request,
            proven_at=row.proven_at if entry.id in looked_for else None,
        )

    async def _send(self, wave: _Wave, submission: Submission, turn: float) -> SubmittedTogether:
        latest = self._clock.latest()
        until = min(self._limits.trust.send_until(entry, latest) for entry in wave.sent)
        try:
            seen = await self._batches.start(json.loads(submission.request), turn=turn, trusted_until=until)
        except errors.CallError as error:
            return await self._failed(wave, submission, error)
        self._denials.passed(wave.sent[0])
        points.reached(Point.ANSWERED)
        await self._submissions.keep(taken(submission, seen), account=account_of(seen.arn))
        points.reached(Point.RECORDED)
        where = {"batch": self._held.name, **self._link.logged}
        log.info("rows_sent_together", **where, run_batch=seen.id, rows=submission.rows)
        return wave.outcome(is_known=True)

    def _barred(self, entry: Entry, error: errors.AccessDeniedError) -> None:
        """Send nothing more that would be denied as the rows that were sent with *entry*."""
        extent = Extent.LANE if self._denials.denied(entry) is Extent.LANE else Extent.RESOURCES
        self._denied(extent, entry, not_permitted("StartRunBatch", error))

    async def _failed(
        self, wave: _Wave, submission: Submission, error: errors.CallError
    ) -> SubmittedTogether:
        """Record that the service refused the batch; where the outcome is unknown, only the error."""
        submission = replace(submission, code=error.code, message=error.message)
        if is_unknown(error):
            await self._submissions.keep(replace(submission, sent_at=self._clock.latest()))
            return wave.outcome()
        refused = await refuse_together(self._outcomes, wave.sent, error, self._limits, self._clock)
        wave.entries.update((entry.id, entry) for entry in refused)
        await self._submissions.keep(replace(submission, standing=Standing.OVER))
        if isinstance(error, errors.AccessDeniedError):
            self._barred(wave.sent[0], error)
        return wave.outcome()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """A submission that is ready to be recorded."""

    submission: Submission
    intents: Sequence[tuple[Entry, Intended]]
    settings: str  #: its rows
    place: str | None  #: where the service reads them; None where they are in the call


class _Wave:
    """The rows of one action, as they are now."""

    def __init__(self, action: SubmitTogether) -> None:
        self._action = action
        self._submission: Submission | None = None
        self.entries = {entry.id: entry for entry in action.entries}
        self.ready: Sequence[Entry] = action.entries  #: rows that may still go
        self.sent: Sequence[Entry] = ()
        self.looked_for: set[str] = set()  #: ids of rows with a new proof
        self.unproven: set[str] = set()

    def went(self, submission: Submission, sent: Sequence[Entry]) -> None:
        """Note that the rows of a submission are intended."""
        self._submission, self.sent = submission, sent
        self.entries.update((entry.id, entry) for entry in sent)

    def outcome(self, *, is_known: bool = False) -> SubmittedTogether:
        """Return the stimulus for the planner."""
        return SubmittedTogether(
            action=self._action,
            entries=tuple(self.entries.values()),
            request_id=None if self._submission is None else self._submission.request_id,
            unproven=frozenset(self.unproven),
            is_known=is_known,
        )


def _fitting(ready: Sequence[Entry]) -> Sequence[Entry]:
    """Return as many of the rows, at least one, as fit into the call itself."""
    size = 0
    for place, entry in enumerate(ready):
        size += len(grouping.settings_of([entry]))
        if size > _INLINE_BYTES and place:
            return ready[:place]
    return ready


def is_unknown(error: errors.CallError) -> bool:
    """Report whether StartRunBatch may have taken effect although it raised *error*."""
    if isinstance(error, errors.NotSentError) and not error.is_doubtful:
        return False
    return error.is_doubtful or isinstance(
        error, errors.ConflictError | errors.OutcomeUnknownError | errors.CredentialsError
    )


async def refuse_together(
    outcomes: Outcomes, entries: Sequence[Entry], error: errors.CallError, limits: Limits, clock: Clock
) -> Sequence[Entry]:
    """Record for each entry that the service refused its submission; return the entries after that."""
    at, denial = clock.utcnow(), Denial(extent=Extent.LANE)
    refused: list[Entry] = []

    async def refuse(entry: Entry) -> None:
        event = after_rejection(entry, error, at, limits, denial)
        refused.append(await outcomes.record(entry, event))

    await in_groups(refuse, entries)
    return refused


def taken(submission: Submission, seen: BatchSeen) -> Submission:
    """Return the submission as accepted by the service."""
    return replace(
        submission,
        standing=Standing.TAKEN,
        batch_id=seen.id,
        batch_uuid=seen.uuid or submission.batch_uuid,
        status=seen.status,
        code=None,
        message=None,
    )
