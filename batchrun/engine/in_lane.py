"""What the lanes of a launch share, and the base of each part that works in one lane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from batchrun.engine.launch_errors import not_permitted
from batchrun.engine.parts import LaneLink, LaunchParts, Observer
from batchrun.engine.proof.prover import Prover
from batchrun.engine.recorder import Outcomes, Recorder
from batchrun.errors import AccessDeniedError, CallError, ServiceUnusableError
from batchrun.model.entries.entry import Entry
from batchrun.model.planning.denials import (
    SYSTEMIC,
    Denial,
    Denials,
    Extent,
    Resources,
    denied_at,
    judging_lanes,
    resources_of,
    uses_of,
    waiting_as,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the lanes of one launch share."""

    parts: LaunchParts
    recorder: Recorder
    outcomes: Outcomes
    prover: Prover
    observer: Observer
    close: Callable[[LaneLink, ServiceUnusableError], None]  #: called where a lane may start no runs, and why
    #: called where a lane may not use some resources, and why
    withhold: Callable[[LaneLink, Resources, ServiceUnusableError], None]
    suspect: Callable[[LaneLink, ServiceUnusableError], None]  #: called where that may be so, by few rows


class InLane:
    """A part of a launch that works in one lane, and what it works with.

    Its actions raise ServiceUnusableError where the launch as a whole lacks credentials, a service, or the
    permission to ask it, and LeaseLostError or LedgerError where nothing can be recorded any more.
    """

    def __init__(self, link: LaneLink, common: Common) -> None:
        self._link = link
        self._lane = link.name
        self._service = link.service
        self._recognition = link.recognition
        self._waits = link.waits
        self._ledger = common.parts.ledger
        self._held = common.parts.held
        self._submissions = common.parts.held.submissions
        self._limits = common.parts.limits
        self._clock = common.parts.clock
        self._prepare = common.parts.prepare
        self._recorder = common.recorder
        self._outcomes = common.outcomes
        self._prover = common.prover
        self._close = common.close
        self._withhold = common.withhold
        self._suspect = common.suspect

    async def _denial(self, denials: Denials, entry: Entry, error: CallError) -> Denial | None:
        """Note that the entry was denied, and return what that means; None if *error* is no denial.

        Others pass if one was started here in this launch, or since the entry was first denied; also in its
        other lanes, if each has denied it.
        """
        if not isinstance(error, AccessDeniedError):
            return None
        extent = denials.denied(entry)
        history = await self._held.history(entry.id)
        before = denied_at(error.code, history)
        judging = judging_lanes(entry, self._lane, before, history)
        do_others_pass = denials.has_passed or (bool(before) and await self._has_started(judging, before[0]))
        if not do_others_pass and len(before) + 1 >= SYSTEMIC:  # pass after pass, too few at once
            self._suspect(self._link, not_permitted("StartRun", error))
        may_move = extent is not Extent.ENTRY or len(before) < SYSTEMIC
        if extent is Extent.ENTRY and before and await self._are_alike_waiting(entry, error.code, before[0]):
            return await self._with_its_like(entry, error.code, may_move=may_move)
        return Denial(extent=extent, counts=do_others_pass, may_move=may_move)

    async def _has_started(self, lanes: Sequence[str | None], since: datetime) -> bool:
        """Report whether a row was started since then in one of these lanes."""
        for lane in lanes:
            if await self._held.has_started(since=since, lane=lane):
                return True
        return False

    async def _are_alike_waiting(self, entry: Entry, code: str, since: datetime) -> bool:
        """Report whether several rows that use the same have no run, and none has started one since then."""
        if await self._alike(entry, code, are_all=True) < SYSTEMIC:
            return False
        return not await self._held.has_started(since=since, lane=self._lane, uses=uses_of(entry))

    async def _with_its_like(self, entry: Entry, code: str, *, may_move: bool) -> Denial:
        """Return what a denial means where the entry may lack no more than its like: it is not refused.

        Where enough of them were denied, by earlier launches too, none is sent.
        """
        if await self._alike(entry, code, are_all=False) < SYSTEMIC:
            return Denial(extent=Extent.ENTRY, counts=False, may_move=may_move)
        return Denial(extent=Extent.RESOURCES)

    async def _alike(self, entry: Entry, code: str, *, are_all: bool) -> int:
        lanes, uses = waiting_as(entry)
        return await self._held.unsent_alike(
            lanes=lanes, uses=uses, code=code, are_all=are_all, limit=SYSTEMIC
        )

    def _denied(self, extent: Extent, entry: Entry, why: ServiceUnusableError) -> None:
        """Send nothing more that would be denied too; called once the entry's denial is recorded."""
        if extent is Extent.LANE:
            self._close(self._link, why)
        elif extent is Extent.RESOURCES:
            self._withhold(self._link, resources_of(entry), why)

    def _logged(self, run_batch: str | None) -> dict[str, str | None]:
        """Return a run batch for a log line; ids are a lane's own."""
        return {"batch": self._held.name, **self._link.logged, "run_batch": run_batch}
