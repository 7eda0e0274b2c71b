"""Starting runs by StartRun: the calls, and the events that their outcomes make.

Belongs here: the order of proof, turn, intent, call and record. Does not: what an outcome means
(``model.planning.verdicts``), when an action is due (``model.planning.sending``).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import anyio

from batchrun import points
from batchrun.engine.in_lane import Common, InLane
from batchrun.engine.launch_errors import listing_denied, not_permitted
from batchrun.engine.parts import LaneLink, Wait
from batchrun.errors import AccessDeniedError, CallError, ConflictError, NotFoundError, RefusedError
from batchrun.model.entries.duplicating import is_duplicate, replaced, source_of, unknown
from batchrun.model.entries.entry import Entry, sent_to, start_run_request
from batchrun.model.entries.events import Accepted, Deferred, Doubted, Event, Intended
from batchrun.model.entries.states import UNSENT, State
from batchrun.model.planning import verdicts
from batchrun.model.planning.actions import Sending, Settle, Submit
from batchrun.model.planning.denials import Denials
from batchrun.model.planning.doubts import has_conflicted_for
from batchrun.model.planning.stimuli import Acted
from batchrun.points import Point


class StartRunSubmitter(InLane):
    """Sends one attempt by each call; many at once, one action at a time for each entry."""

    def __init__(self, link: LaneLink, common: Common) -> None:
        super().__init__(link, common)
        self._trust = self._limits.trust
        self._denials = Denials()
        #: Two untagged rows with the same content must not both adopt one run.
        self._one_untagged_search = anyio.Lock()
        self._may_list = True  #: False once ListRuns was denied: not found is no proof then

    async def submit(self, action: Sending) -> Acted:
        """Send, resend or settle an attempt, and record the outcome.

        The intent is durable before anything is sent, and nothing is sent after its proof has expired. A row
        whose wait was cancelled before it was sent comes back unchanged.

        Raises:
            ServiceUnusableError: The launch lacks credentials, a service, or a permission to ask it.
            LeaseLostError, LedgerError: Nothing can be recorded any more.
        """
        if isinstance(action, Submit):
            entry = await self._submit(action.entry)
        else:
            entry = await (self._settle(action) if isinstance(action, Settle) else self._replay(action.entry))
        if entry is None:
            return Acted(action=action, entry=action.entry, is_answered=False)
        return Acted(action=action, entry=entry, is_answered=entry.state is not State.SUBMITTING)

    async def _submit(self, planned: Entry) -> Entry | None:
        """Send a row for the first time; unchanged where the wait was cancelled, None without a proof."""
        entry = await self._prover.proven(planned, self._lane)
        if entry is None or not _is_to_be_sent(entry, planned):
            return entry
        if not await self._is_prepared(entry):
            return planned
        turn = await self._turn(Wait.UNSENT)
        if turn is None:
            return planned
        points.reached(Point.TURN_TAKEN)
        entry = await self._prover.proven(entry, self._lane, is_last_look=True)  # the proof may have expired
        if entry is None or not _is_to_be_sent(entry, planned):
            return entry
        entry = sent_to(entry, self._lane)
        # Before the intent is on disk: a launcher that finds an intent may send it without this check.
        spoilt = None
        if is_duplicate(entry):
            with self._waits.of(Wait.UNSENT) as scope:
                spoilt = await self._without_source(entry)
            if scope.cancelled_caught:
                return planned
        proven_at = entry.proven_at if entry.proven_at != planned.proven_at else None
        intent = Intended(
            at=self._clock.utcnow(),
            tagged=self._limits.tag,
            lane=entry.lane,
            request=None if entry.lane is None else entry.request,
            proven_at=proven_at,
        )
        entry = await self._recorder.record(entry, intent, *([] if spoilt is None else [spoilt]))
        points.reached(Point.INTENDED)
        return await self._send(entry, turn) if spoilt is None else entry

    async def _is_prepared(self, entry: Entry) -> bool:
        """Do what a run needs before it starts; False where the wait was cancelled."""
        if self._prepare is None:
            return True
        with self._waits.of(Wait.UNSENT) as scope:
            await self._prepare(entry.id, self._lane)
        return not scope.cancelled_caught

    async def _without_source(self, entry: Entry) -> Event | None:
        """Check that the run to be copied is still there under its id.

        Returns None where it is, or nothing is copied; else the event to record in place of sending.
        """
        if not is_duplicate(entry):
            return None
        earlier = await self._held.earlier(entry.id)
        source = source_of(entry, [attempt.run for attempt in earlier])
        if source is None:
            return unknown(entry, self._clock.utcnow())
        try:
            found = await self._service.get_run(source.id)
        except NotFoundError:
            found = None
        except CallError as error:  # nothing was sent
            wait = timedelta(seconds=self._limits.defer.denied_wait(entry.deferrals, entry.id))
            now = self._clock.utcnow()
            return Deferred(at=now, due=now + wait, code=error.code, message=error.message)
        if found is not None and found.run.uuid == source.uuid:
            return None
        return replaced(entry, source, self._clock.utcnow(), self._limits.listing_lag)

    async def _replay(self, entry: Entry) -> Entry:
        turn = await self._turn(Wait.UNSETTLED)
        if turn is None:
            return entry
        if await self._without_source(entry) is not None:
            # Sent now it would copy another run; the copy is there if the first try arrived.
            return await self._searched(entry) or entry
        return await self._send(entry, turn, is_repeat=True)

    async def _settle(self, action: Settle) -> Entry:
        entry, trust, begun = action.entry, self._trust, self._clock.latest()
        found = await self._searched(entry)
        if found is not None:
            return found
        may_refuse = action.may_refuse or await self._has_conflicted_for_long(entry)
        is_proof = (action.is_proof or may_refuse) and self._may_list
        if is_proof or (trust.is_seamless and self._may_list):
            entry = replace(entry, proven_at=begun)
        if not is_proof:
            return await self._replay(entry) if trust.holds(entry, self._clock.latest()) else entry
        turn = await self._turn(Wait.UNSETTLED)
        if turn is None:
            return entry
        spoilt = await self._without_source(entry)
        if spoilt is not None:
            return await self._outcomes.record(entry, spoilt)
        # No run is there, so the requestId is unused.
        return await self._send(entry, turn, may_refuse=may_refuse)

    async def _turn(self, wait: Wait) -> float | None:
        """Wait for a turn to start a run; None where the wait was cancelled."""
        with self._waits.of(wait):
            return await self._service.start_turn()
        return None

    async def _send(
        self, entry: Entry, turn: float, *, is_repeat: bool = False, may_refuse: bool = False
    ) -> Entry:
        request = start_run_request(entry)
        trusted_until = self._trust.send_until(entry, self._clock.latest())
        try:
            run = await self._service.start_run(
                request, turn=turn, trusted_until=trusted_until, is_repeat=is_repeat
            )
        except CallError as error:
            is_ours_maybe = isinstance(error, ConflictError) or (
                isinstance(error, RefusedError) and error.is_doubtful
            )
            # The run may be there: by a call still in flight, or by one whose answer was lost.
            found = await self._searched(entry) if is_ours_maybe else None
            return await self._failed(entry, error, may_refuse=may_refuse) if found is None else found
        self._denials.passed(entry)
        points.reached(Point.ANSWERED)
        entry = await self._accepted(entry, Accepted(at=self._clock.utcnow(), run=run))
        points.reached(Point.RECORDED)
        return entry

    async def _has_conflicted_for_long(self, entry: Entry) -> bool:
        """Report whether all answers to passes, none of which waits for the end, were conflicts for long."""
        if not self._limits.is_pass or entry.code != verdicts.CONFLICT:
            return False
        history = await self._held.history(entry.id)
        return has_conflicted_for(self._limits.longest_silence, history, self._clock.utcnow())

    async def _accepted(self, entry: Entry, accepted: Accepted) -> Entry:
        self._recognition.shown()
        return await self._outcomes.record(entry, accepted)

    async def _failed(self, entry: Entry, error: CallError, *, may_refuse: bool) -> Entry:
        denial = await self._denial(self._denials, entry, error)
        now = self._clock.utcnow()
        event = (verdicts.after_last_word(error, now) if may_refuse else None) or verdicts.after_failure(
            entry, error, now, self._limits, denial
        )
        after = await self._outcomes.record(entry, event, may_move=denial is None or denial.may_move)
        if denial is not None:  # of what was sent: the row may have other content by now
            self._denied(denial.extent, entry, not_permitted("StartRun", error))
        return after

    async def _searched(self, entry: Entry) -> Entry | None:
        """Look for the entry's run and record what was found; None where there is no such run.

        None too while the requestId is remembered, where ListRuns is denied and the ledger is trusted:
        sending again settles the row then.
        """
        async with self._one_untagged_search if not entry.tagged else nullcontext():
            try:
                seen = await self._prover.candidates(entry, self._lane)
            except AccessDeniedError as error:
                if not self._limits.trusts_ledger:
                    raise listing_denied(error) from error
                self._may_list = False
                if self._trust.holds(entry, self._clock.latest()):
                    return None
                return await self._outcomes.record(
                    entry, verdicts.held_for_permission(error, self._clock.utcnow())
                )
            except CallError as error:
                doubt = Doubted(at=self._clock.utcnow(), code=error.code, message=error.message)
                return await self._outcomes.record(entry, doubt)
            result, at = verdicts.search(entry, seen), self._clock.utcnow()
            if result.rivals:
                return await self._outcomes.record(entry, verdicts.held_for_rivals(result.rivals, at))
            if result.run is None:
                return await self._prover.overtaken(entry, seen, self._lane) if entry.tagged else None
            if not result.run.uuid:
                return await self._outcomes.record(entry, verdicts.nameless(result.run.id, at))
            return await self._accepted(entry, Accepted(at=at, run=result.run, was_found=True))


def _is_to_be_sent(entry: Entry, planned: Entry) -> bool:
    """Report whether *entry* is still the planned attempt: an adopted run may have failed already."""
    return entry.state in UNSENT and entry.attempt == planned.attempt
