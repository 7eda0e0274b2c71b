"""
Looking for runs that a row may have already, whoever's ledger started them, before the row is sent.

One row is looked for by its name; all that are to be sent by a survey: one pass over ListRuns, or by name
where that takes fewer calls. Only a run of a row's name is looked at itself, since a listing tells neither
tags nor uuid. Belongs here: the calls, and recording what was found. Does not: how long a proof holds
(``model.proofs``), whose a run is (``model.recovery``), when to look (``model.proving``).
"""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import anyio
import structlog

from batchrun.engine.absence import listed_by_name, look_at
from batchrun.engine.denied import not_provable, other_content
from batchrun.engine.waits import Wait
from batchrun.errors import AccessDeniedError, CallError, InvariantError
from batchrun.model.entry import run_name
from batchrun.model.events import Failed
from batchrun.model.limits import Changed
from batchrun.model.listing import Listed, is_same_run
from batchrun.model.proofs import TakenOver
from batchrun.model.recovery import Evidence, Judgement, Match, story
from batchrun.model.states import HAS_RUN, State
from batchrun.model.stimuli import SurveyConcluded, Surveyed, SurveyFailed
from batchrun.ports.stored import Unproven

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from datetime import datetime

    from anyio.abc import ObjectReceiveStream

    from batchrun.clock import Clock, Origin
    from batchrun.engine.outcomes import Outcomes
    from batchrun.engine.recognition import Recognition
    from batchrun.engine.recorder import Recorder
    from batchrun.engine.waits import Waits
    from batchrun.model.actions import Conclude, Survey
    from batchrun.model.entry import Entry, Sighting
    from batchrun.model.limits import Limits
    from batchrun.ports.batch import HeldBatch
    from batchrun.ports.service import HealthOmics

#: Runs looked at, at once.
_LOOKS: Final = 16
#: Rows taken over at once.
_TOGETHER: Final = 200
#: Names that are asked for one by one: a whole listing is hardly shorter.
_FEW: Final = 4
#: Entries whose attempt was not sent, as far as this ledger knows.
UNSENT: Final = frozenset({State.PLANNED, State.BACKOFF})
log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Sighted:
    """What a survey saw of the rows that have a run of their name."""

    begun: datetime  #: the clock's latest time
    evidence: Evidence
    entries: dict[str, Entry] = field(default_factory=dict)  #: rows whose name was seen
    calls: int | None = None  #: of a whole listing


class Prover:
    """Looks by name and over all, and takes over what it finds."""

    def __init__(
        self,
        *,
        held: HeldBatch,
        service: HealthOmics,
        recorder: Recorder,
        outcomes: Outcomes,
        recognition: Recognition,
        waits: Waits,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._held = held
        self._service = service
        self._recorder = recorder
        self._outcomes = outcomes
        self._recognition = recognition
        self._waits = waits
        self._limits = limits
        self._clock = clock
        self._sighted: Sighted | None = None  #: by the survey that is to be concluded
        self._origin: Origin | None = None  #: of the clock that stamps the proofs that are kept
        self.taken_over = TakenOver()

    async def bind(self) -> None:
        """Let proofs count only if this launch's clock can tell their age: others are forgotten."""
        origin = self._clock.origin()
        if self._origin is None or not origin.is_same(self._origin):
            await self._held.bind_proofs(origin)
            self._origin = origin

    # -- one row

    async def _proven_by_survey(self, entry: Entry) -> Entry | None:
        now = await self._held.entry(entry.id)
        if now is None or now.state not in UNSENT:
            return None
        return now if self._limits.trust.holds(now, self._clock.latest()) else None

    async def proven(self, entry: Entry, *, is_last_look: bool = False) -> Entry | None:
        """
        Return the entry with a proof that no run of it is there, looked for by name where it has none.

        Or as it is after the run that another ledger started was taken over; None where that cannot be known
        yet, or the launcher lets go of it. Where proofs end as soon as they are made, only the last look
        counts.

        Raises:
            ServiceUnusableError: A permission is missing.
        """
        at, trust = self._clock.latest(), self._limits.trust
        if self._limits.trusts_ledger:
            return replace(entry, proven_at=at)
        if not is_last_look and (trust.holds(entry, at) or not trust.life):
            return entry
        await self.bind()
        if trust.holds(entry, at):
            return entry
        sightings = None
        with self._waits.of(Wait.UNSENT), self._waits.of(Wait.NAME) as overtaken:
            try:
                sightings = await self.candidates(entry)
            except AccessDeniedError as error:
                raise not_provable(error) from error
            except CallError as error:
                log.warning("look_by_name_failed", id=entry.id, code=error.code, message=error.message)
        if overtaken.cancelled_caught:
            return await self._proven_by_survey(entry)
        if sightings is None:
            return None
        judgement = self._judged(entry, sightings)
        if judgement.match is Match.MISSING:
            return replace(entry, proven_at=at)
        return await self.adopt(entry, judgement) if judgement.match is Match.FOUND else None

    async def candidates(self, entry: Entry) -> list[Sighting]:
        """
        Look at the runs of the entry's name that no entry of the batch has.

        Raises:
            CallError: Not all of them could be looked at.
        """
        name = run_name(entry)
        sightings: list[Sighting] = []
        if name is not None:
            async with aclosing(listed_by_name(self._service, name)) as runs:
                seen = [await look_at(self._service, run) async for run in runs]
            sightings = [sighting for sighting in seen if sighting is not None]
        return await self._unknown(sightings)

    def _judged(self, entry: Entry, sightings: Sequence[Sighting]) -> Judgement:
        """Say what *sightings* mean for the entry, which was not sent."""
        evidence = self._evidence()
        evidence.expect(entry.id, entry.request)
        for sighting in sightings:
            evidence.add(sighting)
        return evidence.judge(entry, tagged=self._limits.tag)

    async def adopt(self, entry: Entry, judgement: Judgement, *, again: bool = False) -> Entry:
        """Record that the service has the row's runs; *again* begins an attempt with its content after."""
        at = self._clock.utcnow()
        events = list(story(entry, judgement.attempts, at, again=again))
        self._recognition.shown()
        after = await self._recorder.record(entry, *events)
        if not again:
            self.taken_over.add(judgement.attempts[-1].run.creation_time)
        if isinstance(events[-1], Failed):
            retried = await self._outcomes.retried(after, events[-1].at)
            after = await self._recorder.record(after, *retried)
        return after

    # -- all rows that are to be sent

    async def survey(self, action: Survey) -> Surveyed | SurveyFailed:
        """
        Look at every run that bears the name of a row to be sent; few rows are left to looks by name.

        Raises:
            ServiceUnusableError: ListRuns is denied.
            LeaseLostError, LedgerError: The batch is another launcher's, or the ledger fails.
        """
        await self.bind()
        begun = self._clock.latest()
        since = begun - self._limits.trust.freshness
        wanted = (await self._held.begin_survey(since=since, at=begun)).get(None, Unproven())
        if len(wanted.names) <= _FEW and not action.is_waited_for:
            return Surveyed(survey=action, are_few=True)
        sighted = self._sighted = Sighted(begun=begun, evidence=self._evidence())
        try:
            with self._waits.of(Wait.SURVEY) as scope:
                await self._look_at_all(wanted, sighted)
        except CallError as error:
            return _failed(action, error)
        if scope.cancelled_caught:  # what was not looked at proves nothing
            return SurveyFailed(survey=action)
        return Surveyed(survey=action, named=tuple(sighted.entries))

    async def conclude(self, action: Conclude) -> SurveyConcluded | SurveyFailed:
        """
        Take over what the survey found for the action's rows, and keep that all others have no run.

        Raises:
            UsageError: Runs of the batch's rows were started with other content, or cannot be told apart.
            LeaseLostError, LedgerError: Nothing more may or can be recorded.
        """
        sighted, self._sighted = self._sighted, None
        if sighted is None:
            raise InvariantError("a survey is to be concluded that was not made")
        try:
            adopted = await self._conclude(sighted, action.entry_ids)
        except CallError as error:
            return _failed(action.survey, error)
        return SurveyConcluded(survey=action.survey, adopted=adopted)

    async def _conclude(self, survey: Sighted, ids: Collection[str]) -> list[Entry]:
        judgements = [(entry, one) async for entry, one in self._judgements(survey, ids)]
        is_other_batch = await self._is_other_batch(judgements)
        resubmits = self._limits.changed is Changed.RESUBMIT and not is_other_batch
        adopted: list[Entry] = []

        async def adopt(entry: Entry, judgement: Judgement) -> None:
            is_changed = judgement.match is Match.CHANGED and resubmits
            if judgement.match is Match.FOUND or is_changed:
                adopted.append(await self.adopt(entry, judgement, again=is_changed))

        for start in range(0, len(judgements), _TOGETHER):
            async with anyio.create_task_group() as group:  # what is recorded at once shares a commit
                for entry, judgement in judgements[start : start + _TOGETHER]:
                    group.start_soon(adopt, entry, judgement)
        undecided = {Match.AMBIGUOUS} if resubmits else {Match.AMBIGUOUS, Match.CHANGED}
        if rest := [(entry.id, one) for entry, one in judgements if one.match in undecided]:
            raise other_content(self._held.name, rest, is_other_batch=is_other_batch)
        others = [entry_id for entry_id in survey.entries if entry_id not in ids]  # they are in the air
        calls = [] if survey.calls is None else [(None, survey.calls)]
        await self._held.end_survey(at=survey.begun, calls=dict(calls), besides=others)
        self._waits.let_go(Wait.NAME)  # what is looked for by name is proven by now
        return adopted

    async def _is_other_batch(self, judgements: Sequence[tuple[Entry, Judgement]]) -> bool:
        """Report whether most runs of the rows' names have other content, earlier launches' counted."""
        matches = Counter(judgement.match for _, judgement in judgements)
        by_state = (await self._recorder.counts()).by_state
        known = sum(by_state.get(state, 0) for state in HAS_RUN)
        again = sum(entry.attempt > 1 for entry, _ in judgements)
        return matches[Match.CHANGED] > matches[Match.FOUND] + known + again

    async def _judgements(
        self, survey: Sighted, ids: Collection[str]
    ) -> AsyncIterator[tuple[Entry, Judgement]]:
        for entry_id in survey.entries:
            entry = await self._held.entry(entry_id)
            if entry_id in ids and entry is not None and entry.state in UNSENT:
                yield entry, survey.evidence.judge(entry, tagged=self._limits.tag)

    async def _look_at_all(self, wanted: Unproven, survey: Sighted) -> None:
        send, receive = anyio.create_memory_object_stream[Listed](_LOOKS)

        async def find() -> None:
            async with send:
                async for run in self._named_runs(wanted, survey):
                    await send.send(run)

        try:
            async with anyio.create_task_group() as group, receive:
                group.start_soon(find)
                for _ in range(_LOOKS):
                    group.start_soon(self._look_at_each, receive.clone(), survey.evidence)
        except ExceptionGroup as failures:
            error = _first(failures)
            raise (not_provable(error) if isinstance(error, AccessDeniedError) else error) from failures

    async def _look_at_each(self, runs: ObjectReceiveStream[Listed], evidence: Evidence) -> None:
        async with runs:
            async for run in runs:
                sighting = await look_at(self._service, run)
                for unknown in await self._unknown([] if sighting is None else [sighting]):
                    evidence.add(unknown)

    async def _named_runs(self, wanted: Unproven, survey: Sighted) -> AsyncIterator[Listed]:
        """List the runs that bear one of the names, by whichever way takes fewer calls."""
        known: set[str] = set()
        rows = len(wanted.names)
        if rows > max(_FEW, wanted.last_calls or 0):
            async for run in self._listed(rows, survey):
                if run.id not in known and await self._expect(run, wanted.names.get(run.name, ()), survey):
                    known.add(run.id)
                    yield run
            if survey.calls is not None:
                return
        for name, entry_ids in wanted.names.items():
            if await self._are_sent(entry_ids):
                continue  # meanwhile: they were looked for one by one
            async with aclosing(listed_by_name(self._service, name)) as runs:
                async for run in runs:
                    if run.id not in known and await self._expect(run, entry_ids, survey):
                        known.add(run.id)
                        yield run

    async def _are_sent(self, entry_ids: Collection[str]) -> bool:
        entries = [await self._held.entry(entry_id) for entry_id in entry_ids]
        return all(entry is not None and entry.state not in UNSENT for entry in entries)

    async def _listed(self, most: int, survey: Sighted) -> AsyncIterator[Listed]:
        """
        Go through the account's runs; `survey.calls` tells whether to the end.

        It ends early after *most* calls, since to ask for each name takes fewer then, and where a run's name
        is left out: such a listing cannot show that a name is not there.
        """
        calls = 0
        async with aclosing(self._service.listed_runs(None)) as pages:
            async for page in pages:
                calls += 1
                for run in page:
                    if not run.name:
                        return
                    yield run
                if calls > most:
                    return
        survey.calls = calls

    async def _expect(self, run: Listed, entry_ids: Collection[str], survey: Sighted) -> bool:
        """Take note of rows whose name was seen; False where they are known to have had just this run."""
        is_news = False
        for entry_id in entry_ids:
            entry = survey.entries.get(entry_id)
            if entry is None:
                entry = await self._held.entry(entry_id)
                if entry is None:
                    continue
                survey.entries[entry_id] = entry
                survey.evidence.expect(entry_id, entry.request)
            is_news = is_news or not await self._is_earlier(run, entry)
        return is_news

    async def _is_earlier(self, run: Listed, entry: Entry) -> bool:
        """Report whether a listed run is surely one of the entry's earlier attempts: ids are used again."""
        if entry.attempt == 1:
            return False
        earlier = [attempt.run for attempt in await self._recorder.earlier(entry)]
        return any(known is not None and is_same_run(known, run) for known in earlier)

    # -- what both have in common

    def _evidence(self) -> Evidence:
        return Evidence(self._held.name, self._limits.retry.changes)

    async def _unknown(self, sightings: Sequence[Sighting]) -> list[Sighting]:
        """Leave out runs that entries of the batch have, in earlier attempts too."""
        taken = await self._recorder.taken([sighting.run.uuid for sighting in sightings])
        return [sighting for sighting in sightings if sighting.run.uuid not in taken]


def _failed(survey: Survey, error: CallError) -> SurveyFailed:
    log.warning("survey_failed", code=error.code, message=error.message)
    return SurveyFailed(survey=survey)


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    """Take an error out of its groups."""
    error: Exception = failures
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
