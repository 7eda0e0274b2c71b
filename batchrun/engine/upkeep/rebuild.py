"""Rebuilding a lost ledger, or bringing an old copy up to date, from manifest and service.

One sweep of ListRuns, GetRun for each run that bears a row's name, one judgement for each row, and then, if
no row is in doubt, one transaction. The lease is held throughout, so that no launcher starts rows whose runs
are still being looked for. StartRun is never called.

Belongs here: the order of looking, judging and writing. Does not: which run is whose, and its events
(``model.entries.recovery``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import anyio
import structlog

from batchrun.clock import Clock
from batchrun.engine.lease import LeaseKeeper
from batchrun.engine.proof.absence import listed_by_names, look_at
from batchrun.engine.reach import Reach
from batchrun.errors import AccessDeniedError, NotFoundError, ServiceUnusableError
from batchrun.model.entries.contents import asks_otherwise, with_content
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.recovery import Evidence, Judgement, Match, story
from batchrun.model.entries.states import HOLDS_SLOT
from batchrun.model.entries.transitions import apply
from batchrun.model.lanes import names_of
from batchrun.model.planning.limits import Changed
from batchrun.model.planning.listing import Listed
from batchrun.model.spec import Spec
from batchrun.ports.held import HeldBatch
from batchrun.ports.service import HealthOmics
from batchrun.ports.stored import Transition
from batchrun.side_by_side import each_found, plainly

#: Runs looked at in parallel.
_LOOKS: Final = 16
#: Up to so many names are listed one by one: the account may hold any number of other runs.
_FEW_NAMES: Final = 20
_SAMPLES: Final = 20
_TELL_EVERY: Final = 1000
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSearch:
    """What to rebuild, and how."""

    specs: Callable[[], Iterable[Spec]]  #: the manifest's rows; can be called repeatedly
    default_name: Callable[[str], str]  #: the name of a run by its row's id, where the row has none
    place: str | None = None  #: where the manifest is
    changes: tuple[str, ...] = ()  #: what the manifest's retry rules change from one attempt to the next
    tagged: bool = True  #: whether the batch's runs were started with our tags
    #: KEEP accepts runs of other content as the row's, RESUBMIT plans new ones after them.
    changed: Changed = Changed.REFUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubtful:
    """A row whose run is ambiguous, or needs a decision of the user."""

    id: str
    run_ids: tuple[str, ...]
    why: str


@dataclass(slots=True, kw_only=True)
class Rebuilt:
    """What was found, and whether it was written. Samples have at most 20 rows, counts are exact."""

    rows: int = 0
    matches: Counter[Match] = field(default_factory=Counter)
    by_status: Counter[str] = field(default_factory=Counter)  #: runs that were found, changed rows' included
    earlier: int = 0  #: runs of attempts before the last
    gone: int = 0  #: runs of this batch whose rows the manifest does not have
    elsewhere: Counter[str] = field(default_factory=Counter)  #: runs of these names, by their own batch
    missing: list[str] = field(default_factory=list)
    changed: list[Doubtful] = field(default_factory=list)
    ambiguous: list[Doubtful] = field(default_factory=list)
    is_written: bool = False

    def count(self, spec: Spec, judgement: Judgement) -> None:
        """Count the judgement on a row."""
        self.rows += 1
        self.matches[judgement.match] += 1
        if judgement.attempts:
            self.by_status[judgement.attempts[-1].run.status] += 1
            self.earlier += len(judgement.attempts) - 1
        match judgement.match:
            case Match.MISSING if len(self.missing) < _SAMPLES:
                self.missing.append(spec.id)
            case Match.CHANGED if len(self.changed) < _SAMPLES:
                run = judgement.attempts[-1].run
                self.changed.append(Doubtful(id=spec.id, run_ids=(run.id,), why="other content"))
            case Match.AMBIGUOUS if len(self.ambiguous) < _SAMPLES:
                self.ambiguous.append(Doubtful(id=spec.id, run_ids=judgement.rivals, why=judgement.why))
            case _:
                pass


class Rebuilder:
    """Rebuilds one batch's entries; call :meth:`run` once."""

    def __init__(
        self, *, reach: Reach, held: HeldBatch, ttl: timedelta, search: RunSearch, clock: Clock
    ) -> None:
        self._held = held
        self._reach = reach
        self._search = search
        self._clock = clock
        self._keeper = LeaseKeeper(held, ttl=ttl, clock=clock)
        self._batch = held.name
        self._looked_at = 0
        self._ids: dict[tuple[str | None, str], str] = {}  #: of the runs seen, by lane and uuid

    async def run(self) -> Rebuilt:
        """Look for every row's run, write all (nothing if a row is in doubt), and return what was found.

        Raises:
            ChangedRowsError: Rows that were sent from this ledger have changed.
            ServiceError: The service cannot be asked for everything; nothing was written.
            LeaseLostError, LedgerError: Nothing was written.
        """
        rebuilt = Rebuilt()
        with plainly():
            async with anyio.create_task_group() as group:
                group.start_soon(self._keeper.run)
                await self._rebuild(rebuilt)
                group.cancel_scope.cancel()
        return rebuilt

    async def _rebuild(self, rebuilt: Rebuilt) -> None:
        search = self._search
        home = self._reach.home
        evidence = Evidence(self._batch, search.changes, counts_namesakes=True, home=home)
        names: set[str] = set()
        for spec in search.specs():
            evidence.expect(spec.id, spec.content)
            names |= {*(name or "" for name in names_of(spec.content)), search.default_name(spec.id)}
        for lane, service in self._reach.services.items():
            await self._sweep(lane, service, evidence, frozenset(names))
        log.info("runs_looked_at", batch=self._batch, count=self._looked_at)
        judgements = {id_: found async for id_, found in self._judge(evidence, rebuilt) if found.attempts}
        undecided = rebuilt.matches[Match.CHANGED] if self._search.changed is Changed.REFUSE else 0
        if not (undecided or rebuilt.matches[Match.AMBIGUOUS]):
            await self._write(judgements)
            rebuilt.is_written = True

    async def _sweep(
        self, lane: str | None, service: HealthOmics, evidence: Evidence, names: frozenset[str]
    ) -> None:
        """Look at every run of a lane that may be a row's."""

        async def look_at(run: Listed) -> None:
            await self._look_at(run, lane, service, evidence)

        await each_found(look_at, _candidates(service, names), at_once=_LOOKS)

    async def _look_at(self, run: Listed, lane: str | None, service: HealthOmics, evidence: Evidence) -> None:
        try:
            sighting = await look_at(service, run)
        except AccessDeniedError as error:
            raise _not_permitted(error) from error
        except NotFoundError as error:
            raise _not_known(run) from error
        if sighting is not None:
            self._check_identity(sighting.run, lane)
            if not await self._held.known_runs([sighting.run.uuid], lane=lane):
                evidence.add(sighting, lane)
        self._looked_at += 1
        if self._looked_at % _TELL_EVERY == 0:
            log.info("looking_at_runs", batch=self._batch, count=self._looked_at)

    def _check_identity(self, run: Run, lane: str | None) -> None:
        """Raise ServiceUnusableError where another run of the lane is told with the same uuid."""
        other = self._ids.setdefault((lane, run.uuid), run.id)
        if run.uuid and other != run.id:
            raise _same_uuid(run, other)

    async def _judge(self, evidence: Evidence, rebuilt: Rebuilt) -> AsyncIterator[tuple[str, Judgement]]:
        is_empty = not (await self._held.counts()).total
        for spec in self._search.specs():
            judgement = await self._judged(evidence, spec, is_empty=is_empty)
            rebuilt.count(spec, judgement)
            yield spec.id, judgement
        rebuilt.gone, rebuilt.elsewhere = evidence.gone, evidence.elsewhere

    async def _judged(self, evidence: Evidence, spec: Spec, *, is_empty: bool) -> Judgement:
        """Return the judgement on a row; KNOWN where the ledger, perhaps an old copy, has it already."""
        known = None if is_empty else await self._held.entry(spec.id)
        fresh = Entry(
            batch=self._batch, id=spec.id, position=spec.position, request=spec.request, offers=spec.offers
        )
        if known is not None and known.state in HOLDS_SLOT:
            return Judgement(match=Match.KNOWN)  # the next launch settles and watches it
        entry = (
            fresh
            if known is None or not known.was_sent
            else _asking_for(known, spec.content, self._reach.home)
        )
        if entry.manifest_request is not None and self._search.changed is Changed.KEEP:
            return Judgement(match=Match.KNOWN)
        judgement = evidence.judge(entry, tagged=self._search.tagged)
        if judgement.match is Match.MISSING and entry.was_sent:
            return Judgement(match=Match.KNOWN)
        return judgement

    async def _write(self, judgements: dict[str, Judgement]) -> None:
        at = self._clock.utcnow()
        specs = self._search.specs()
        changed, place = self._search.changed, self._search.place
        await self._held.sync(specs, changed=changed, at=at, place=place, home=self._reach.home)
        steps: list[Transition] = []
        for entry_id, judgement in judgements.items():
            entry = await self._held.entry(entry_id)
            if entry is not None and entry.attempt <= judgement.attempts[-1].number:
                steps += self._steps(entry, judgement, at)
        # Invariant: one transaction. Half of it would look like a batch whose other rows were never sent.
        await self._held.record(steps)

    def _steps(self, entry: Entry, judgement: Judgement, at: datetime) -> Iterator[Transition]:
        again = judgement.match is Match.CHANGED and self._search.changed is Changed.RESUBMIT
        for event in story(entry, judgement.attempts, at, again=again):
            entry = apply(entry, event)
            yield Transition(event=event, entry=entry)


def _asking_for(entry: Entry, content: str, home: str | None) -> Entry:
    """Return the entry as it would be with *content* as its row's."""
    settled = replace(entry, next_request=None)
    if content != settled.content and not asks_otherwise(settled, content, home):
        return with_content(settled, content)  # other lanes are offered, and nothing else
    return replace(settled, manifest_request=content if content != entry.asked else None)


async def _candidates(service: HealthOmics, names: frozenset[str]) -> AsyncIterator[Listed]:
    known: set[str] = set()
    try:
        async with aclosing(listed_by_names(service, sorted(names), few=_FEW_NAMES, nameless=False)) as runs:
            async for run in runs:
                if run.id not in known:
                    known.add(run.id)
                    yield run
    except AccessDeniedError as error:
        raise _not_permitted(error) from error


def _not_permitted(error: AccessDeniedError) -> ServiceUnusableError:
    return ServiceUnusableError(
        f"{error.operation} is denied: {error.message}; nothing was written: allow omics:{error.operation} "
        "('batchrun help iam' has the whole policy), then run the same command again"
    )


def _same_uuid(run: Run, other: str) -> ServiceUnusableError:
    return ServiceUnusableError(
        f"GetRun says of runs {other} and {run.id} that both have the uuid {run.uuid}, which is one run's "
        "alone. Nothing was written; run the same command again, and ask AWS if that stays so"
    )


def _not_known(run: Listed) -> ServiceUnusableError:
    return ServiceUnusableError(
        f"ListRuns shows run {run.id} ({run.name}), but GetRun does not find it; a "
        "deleted run soon leaves the list. Nothing was written; run the same command again in a minute"
    )
