"""Looking for runs that rows may have already, started from any ledger, before the rows are sent.

A single row is looked for by its name, all that are to be sent by a survey, in every lane that they may take.
A row is proven to have no run once each of its lanes was seen: a lane that cannot be reached leaves its rows
unproven, and no others. Belongs here: what a look proves, and recording what was found. Does not: how a
survey looks (``survey``), how long a proof holds (``model.planning.proofs``), whose a run is
(``model.entries.recovery``), when to look (``model.planning.proving``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Final

import structlog

from batchrun.clock import ClockOrigin
from batchrun.engine.launch_errors import listing_denied, listing_unanswered, other_content
from batchrun.engine.parts import LaneLink, LaunchParts, Wait
from batchrun.engine.proof.absence import listed_by_name, look_at
from batchrun.engine.proof.other_submissions import OtherSubmissions
from batchrun.engine.proof.survey import FEW, LaneSurvey, Sighted, is_earlier
from batchrun.engine.recorder import Outcomes, Recorder
from batchrun.errors import AccessDeniedError, CallError, InvariantError, ServiceUnusableError
from batchrun.model.entries.entry import Entry, Sighting, run_name
from batchrun.model.entries.events import Failed
from batchrun.model.entries.recovery import Evidence, Judgement, Match, later_attempts, story
from batchrun.model.entries.states import HAS_RUN, UNSENT
from batchrun.model.lanes import or_home, or_home_alone, request_in
from batchrun.model.planning.actions import Conclude, Survey
from batchrun.model.planning.latecomers import Latecomers
from batchrun.model.planning.limits import Changed, Mode
from batchrun.model.planning.stimuli import SurveyConcluded, Surveyed, SurveyFailed
from batchrun.model.planning.verdicts import Silences, held_for_rivals
from batchrun.model.spec import named
from batchrun.model.submissions.grouping import Engine
from batchrun.model.tally import TakenOver
from batchrun.ports.stored import Unproven
from batchrun.side_by_side import each, in_groups

_LATE: Final = "more may not be listed yet, in any lane that their rows may take, so nothing is sent"
log = structlog.get_logger(__name__)


class Prover:
    """Looks for runs by name and by surveys, and adopts what it finds."""

    def __init__(
        self,
        parts: LaunchParts,
        *,
        recorder: Recorder,
        outcomes: Outcomes,
        give_up: Callable[[LaneLink, ServiceUnusableError], None],
    ) -> None:
        """Prepare the prover; *give_up* is called with a lane that cannot be used."""
        self._held, self._limits, self._clock = parts.held, parts.limits, parts.clock
        self._proofs, self._trust = parts.held.proofs, parts.limits.trust
        self._links = {link.name: link for link in parts.links}
        self._home = parts.home
        self._recorder = recorder
        self._outcomes = outcomes
        self._give_up = give_up
        self._parts = parts
        self._others: dict[str | None, OtherSubmissions] = {}
        self._sighted: Sighted | None = None  #: by the survey that :meth:`conclude` ends
        self._origin: ClockOrigin | None = None  #: of the clock that stamps the stored proofs
        self._silences = Silences(parts.limits.longest_silence)  #: of surveys, by lane
        self._latecomers = Latecomers(have_choice=False, began=0.0, lag=0.0)  #: until :meth:`begin`
        self.taken_over = TakenOver()

    async def begin(self) -> None:
        """Decide which proofs of earlier launches count: those of passes (many), of rows with one lane.

        The ledger may be an old copy, and rows may have been sent since: where they had the choice of
        another lane, under another attempt, or by StartRunBatch, the service knows none of our requestIds.
        Without StartRunBatch the service is asked for submissions of others only once a run is found that
        came from one.
        """
        await self.bind()
        if self._limits.trusts_ledger:
            return
        goes_together = self._limits.engine is not Engine.STARTRUN or await self._held.submissions.count() > 0
        self._others = {
            name: OtherSubmissions(link, self._parts, is_needed=goes_together)
            for name, link in self._links.items()
        }
        has_choice = any(len(lanes) > 1 for lanes in await self._held.choices())
        if goes_together or has_choice or self._limits.mode is Mode.WATCH:
            await self._proofs.forget()
        await self._expect_latecomers(have_choice=has_choice)

    async def _expect_latecomers(self, *, have_choice: bool) -> None:
        """Begin to expect late runs; a launch that was killed may have found some already."""
        lag = self._limits.listing_lag
        self._latecomers = Latecomers(have_choice=have_choice, began=self._clock.monotonic(), lag=lag)
        lately = self._clock.utcnow() - timedelta(seconds=lag)
        if have_choice and await self._proofs.has_found(since=lately):
            self._latecomers.expect()

    async def bind(self) -> None:
        """Forget proofs unless they were stamped by this launch's clock, which knows their age."""
        origin = self._clock.origin()
        if self._origin is None or not origin.is_same(self._origin):
            await self._proofs.bind(origin)
            self._origin = origin

    # -- one row

    async def proven(self, entry: Entry, lane: str | None, *, is_last_look: bool = False) -> Entry | None:
        """Return the entry with a proof that it has no run, which is looked for by name if it has none yet.

        Where another ledger started its run, that is adopted, and the entry returned as it is then. None
        where nothing can be known yet, or the wait was cancelled in *lane*, to which the row would go. Where
        proofs expire at once, only the last look is made.

        Raises:
            ServiceUnusableError: A permission is missing.
        """
        at, begun, trust = self._clock.latest(), self._clock.monotonic(), self._trust
        if self._limits.trusts_ledger:
            return replace(entry, proven_at=at)
        is_proven = trust.holds(entry, at)
        if not is_last_look and (is_proven or not trust.life):
            return entry
        await self.bind()
        if is_proven:
            return entry if not is_last_look or await self._stands(entry, self._links[lane]) else None
        evidence = self._evidence()
        evidence.expect(entry.id, entry.asked)
        with self._links[lane].waits.of(Wait.UNSENT):
            for place in self._places(entry):
                link = self._links.get(place)
                if link is None:
                    return None
                with link.waits.of(Wait.NAME) as overtaken:
                    if not await self._add_named(entry, link, evidence):
                        return None
                if overtaken.cancelled_caught:
                    return await self._proven_by_survey(entry)
            judgement = evidence.judge(entry, tagged=self._limits.tag)
            if judgement.match is Match.MISSING:
                is_late = len(entry.may_be_in) > 1 and self._latecomers.wait_until(begun) is not None
                return None if is_late else replace(entry, proven_at=at)
            return await self.adopt(entry, judgement) if judgement.match is Match.FOUND else None
        return None

    async def _stands(self, entry: Entry, link: LaneLink) -> bool:
        """Report whether the entry's proof still counts: no submission of another ledger was seen since."""
        if not any(others.are_possible for others in self._others.values()):
            return True

        async def is_clear() -> bool:
            return not await self.is_in_doubt(link.name)

        if not await self._is_answered(is_clear, entry, link):
            return False
        doubts = (self._others[place].doubted_at for place in self._places(entry) if place in self._others)
        return not any(doubt and entry.proven_at and entry.proven_at <= doubt for doubt in doubts)

    def _places(self, entry: Entry) -> Sequence[str | None]:
        return or_home_alone(entry.may_be_in, self._home)

    async def _add_named(self, entry: Entry, link: LaneLink, evidence: Evidence) -> bool:
        """Add the runs of the entry's name in one lane to *evidence*; False where not all could be seen."""

        async def look() -> bool:
            if await self.is_in_doubt(link.name):
                return False
            for sighting in await self.candidates(entry, link.name):
                evidence.add(sighting, link.name)
            # A run that was just seen may have shown a submission.
            return not await self.is_in_doubt(link.name)

        return await self._is_answered(look, entry, link)

    async def _is_answered(self, ask: Callable[[], Awaitable[bool]], entry: Entry, link: LaneLink) -> bool:
        """Return the answer of *ask* about an entry; False where there is none."""
        try:
            return await ask()
        except AccessDeniedError as error:
            self._give_up(link, listing_denied(error))
        except ServiceUnusableError as error:
            self._give_up(link, error)
        except CallError as error:
            log.warning("look_by_name_failed", id=entry.id, **_logged(error))
        return False

    async def is_in_doubt(self, lane: str | None) -> bool:
        """Report whether the service may still start runs of a submission that this ledger does not know.

        Raises:
            CallError: That is unknown.
        """
        others = self._others.get(lane)
        return others is not None and await others.may_start_runs()

    async def _proven_by_survey(self, entry: Entry) -> Entry | None:
        now = await self._held.entry(entry.id)
        if now is None or now.state not in UNSENT:
            return None
        return now if self._trust.holds(now, self._clock.latest()) else None

    async def candidates(self, entry: Entry, lane: str | None) -> list[Sighting]:
        """Return the runs of the entry's name in *lane* that no entry of the batch has.

        Raises:
            CallError: Not all of them could be looked at.
            ServiceUnusableError: The lane cannot be used.
        """
        service = self._links[lane].service
        name = (
            run_name(entry) if lane == entry.lane else named(request_in(entry.asked, lane) or entry.request)
        )
        sightings: list[Sighting] = []
        if name is not None:
            async with aclosing(listed_by_name(service, name)) as runs:
                seen = [
                    await look_at(service, run)
                    async for run in runs
                    if not await is_earlier(self._held, run, entry)
                ]
            sightings = [sighting for sighting in seen if sighting is not None]
        taken = await self._held.known_runs([sighting.run.uuid for sighting in sightings], lane=lane)
        found = [sighting for sighting in sightings if sighting.run.uuid not in taken]
        self._notice(found, lane)
        return found

    def _notice(self, sightings: Iterable[Sighting], lane: str | None) -> None:
        """Notice submissions of other ledgers by the runs that came from them."""
        if (others := self._others.get(lane)) is not None:
            others.notice(sightings)

    async def overtaken(self, entry: Entry, seen: Sequence[Sighting], lane: str | None) -> Entry | None:
        """Take over later attempts of a row that was sent and has no run of its own; None if none was *seen*.

        Only an old copy of a ledger does not know them. Where they are not what the row asks for, or cannot
        be told apart, the row waits for a person.
        """
        later = later_attempts(entry, seen)
        if not later:
            return None
        evidence = self._evidence()
        evidence.expect(entry.id, entry.asked)
        for sighting in later:
            evidence.add(sighting, lane)
        judgement = evidence.judge(entry, tagged=True)
        if judgement.match is Match.FOUND:
            return await self.adopt(entry, judgement)
        rivals = [sighting.run.id for sighting in later]
        return await self._outcomes.record(entry, held_for_rivals(rivals, self._clock.utcnow()))

    async def adopt(self, entry: Entry, judgement: Judgement, *, again: bool = False) -> Entry:
        """Record runs that the service has of a row; *again* then begins a new attempt with its content."""
        at = self._clock.utcnow()
        events = list(story(entry, judgement.attempts, at, again=again))
        for attempt in judgement.attempts:
            self._links[or_home(attempt.lane, self._home)].recognition.shown()
        after = await self._recorder.record(entry, *events)
        self._latecomers.expect()
        if not again:
            self.taken_over.add(judgement.attempts[-1].run.creation_time)
        if isinstance(events[-1], Failed):
            retried = await self._outcomes.retried(after, events[-1].at)
            after = await self._recorder.record(after, *retried)
        return after

    # -- all rows that are to be sent

    async def survey(self, action: Survey) -> Surveyed | SurveyFailed:
        """Look at every run that bears the name of a row to be sent, unless there are only a few names.

        Raises:
            LeaseLostError, LedgerError: The batch is another launcher's, or the ledger fails.
        """
        await self.bind()
        begun = self._clock.latest()
        since = begun - self._trust.freshness
        by_lane = await self._proofs.begin_survey(since=since, at=begun)
        are_few = all(len(unproven.names) <= FEW for unproven in by_lane.values())
        if are_few and not action.is_waited_for and not self._latecomers.have_choice:
            return Surveyed(survey=action, are_few=True)
        sighted = self._sighted = Sighted(begun=begun, evidence=self._evidence())

        async def look(lane: str | None) -> None:
            if not await self._is_seen(lane, by_lane[lane], sighted):
                sighted.unreached.add(lane)

        await each(look, by_lane, at_once=len(by_lane))
        if by_lane and len(sighted.unreached) == len(by_lane):
            return SurveyFailed(survey=action)
        return Surveyed(survey=action, named=tuple(sighted.entries))

    async def _is_seen(self, lane: str | None, unproven: Unproven, sighted: Sighted) -> bool:
        """Survey one lane; report whether all of it was seen, else it proves nothing."""
        link = self._links.get(or_home(lane, self._home))
        if link is None or not unproven.names:
            return link is not None
        try:
            with link.waits.of(Wait.SURVEY):
                if await self.is_in_doubt(link.name):
                    return False
                survey = LaneSurvey(link, self._held, sighted)
                self._notice(await survey.look(unproven), link.name)
                self._silences.answered(link.name)
                return not await self.is_in_doubt(link.name)
        except AccessDeniedError as error:
            self._give_up(link, listing_denied(error))
        except ServiceUnusableError as error:
            self._give_up(link, error)
        except CallError as error:
            log.warning("survey_failed", **link.logged, **_logged(error))
            if self._silences.has_lasted(link.name, self._clock.monotonic()):
                self._give_up(link, listing_unanswered(error))
        return False

    async def conclude(self, action: Conclude) -> SurveyConcluded | SurveyFailed:
        """Adopt the runs that the survey found for the action's rows, and store the proof of all others.

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
            log.warning("survey_failed", code=error.code, message=error.message)
            return SurveyFailed(survey=action.survey)
        again_at = self._latecomers.wait_until(action.survey.begun)
        since = sighted.begun - self._trust.freshness
        if again_at is not None and await self._held.unproven(since=since, at=sighted.begun):
            waits = f"{_LATE} for {again_at - self._clock.monotonic():.0f} s (--listing-lag)"
            log.warning("runs_of_another_ledger", batch=self._held.name, found=len(adopted), meaning=waits)
            return SurveyConcluded(survey=action.survey, adopted=adopted, again_at=again_at)
        await self._end_survey(sighted, action.entry_ids)
        return SurveyConcluded(survey=action.survey, adopted=adopted, is_partial=bool(sighted.unreached))

    async def _conclude(self, survey: Sighted, ids: Collection[str]) -> list[Entry]:
        judgements = [(entry, judgement) async for entry, judgement in self._judgements(survey, ids)]
        is_other_batch = await self._is_other_batch(judgements)
        resubmits = self._limits.changed is Changed.RESUBMIT and not is_other_batch
        adopted: list[Entry] = []

        async def adopt(found: tuple[Entry, Judgement]) -> None:
            entry, judgement = found
            is_changed = judgement.match is Match.CHANGED and resubmits
            if judgement.match is Match.FOUND or is_changed:
                adopted.append(await self.adopt(entry, judgement, again=is_changed))

        await in_groups(adopt, judgements)
        undecided = {Match.AMBIGUOUS} if resubmits else {Match.AMBIGUOUS, Match.CHANGED}
        if rest := [(entry.id, judgement) for entry, judgement in judgements if judgement.match in undecided]:
            raise other_content(self._held.name, rest, is_other_batch=is_other_batch)
        return adopted

    async def _end_survey(self, survey: Sighted, ids: Collection[str]) -> None:
        others = [entry_id for entry_id in survey.entries if entry_id not in ids]  # they are being sent
        await self._proofs.end_survey(
            at=survey.begun, calls=survey.calls, besides=others, unreached=survey.unreached
        )
        for link in self._links.values():
            link.waits.cancel(Wait.NAME)  # rows that are looked for by name are proven by now

    async def _is_other_batch(self, judgements: Sequence[tuple[Entry, Judgement]]) -> bool:
        """Report whether most runs of the rows' names have other content, earlier launches included."""
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

    def _evidence(self) -> Evidence:
        return Evidence(self._held.name, self._limits.retry.changes, home=self._home)


def _logged(error: CallError) -> dict[str, str]:
    """Return the fields to log for a look that failed."""
    return {
        "operation": error.operation,
        "code": error.code,
        "message": error.message,
        "so_far": "what was not looked for is not sent; it is tried again",
    }
