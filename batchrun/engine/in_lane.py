"""What the lanes of a launch share, and the base of each part that works in one lane."""

from __future__ import annotations

from dataclasses import dataclass

from batchrun.engine.parts import LaneLink, LaunchParts, Observer
from batchrun.engine.proof.prover import Prover
from batchrun.engine.recorder import Outcomes, Recorder
from batchrun.errors import AccessDeniedError, CallError
from batchrun.model.entries.entry import Entry
from batchrun.model.planning.denials import Denials, denied_since, has_been_denied


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the lanes of one launch share."""

    parts: LaunchParts
    recorder: Recorder
    outcomes: Outcomes
    prover: Prover
    observer: Observer


class InLane:
    """A part of a launch that works in one lane, and what it works with.

    Its actions raise ServiceUnusableError where the launch as a whole lacks a permission, credentials or a
    service, and LeaseLostError or LedgerError where nothing can be recorded any more.
    """

    def __init__(self, link: LaneLink, common: Common) -> None:
        self._link = link
        self._lane = link.name
        self._service = link.service
        self._recognition = link.recognition
        self._waits = link.waits
        self._ledger = common.parts.ledger
        self._held = common.parts.held
        self._limits = common.parts.limits
        self._clock = common.parts.clock
        self._prepare = common.parts.prepare
        self._recorder = common.recorder
        self._outcomes = common.outcomes
        self._prover = common.prover

    async def _do_others_pass(self, denials: Denials, entry: Entry, error: CallError) -> bool:
        """Report whether other rows were started here, in this launch or since the entry was first denied."""
        if denials.has_passed or entry.code != error.code or not isinstance(error, AccessDeniedError):
            return denials.has_passed
        since = denied_since(error.code, await self._held.history(entry.id))
        return since is not None and await self._held.has_started(since=since, lane=self._lane)

    async def _may_move(self, entry: Entry, error: CallError) -> bool:
        """Report whether the entry may go to another lane; a denied one would go round at once, for ever."""
        return not isinstance(error, AccessDeniedError) or not has_been_denied(
            error.code, await self._held.history(entry.id)
        )

    def _logged(self, run_batch: str | None) -> dict[str, str | None]:
        """Return a run batch for a log line; ids are a lane's own."""
        return {"batch": self._held.name, **self._link.logged, "run_batch": run_batch}
