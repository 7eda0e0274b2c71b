"""What a launch does in one lane: carries out the planner's actions there.

Does not belong here: any single action (``submitter``, ``looker``), what belongs to the batch as a whole
(``runner``).
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import aclosing
from typing import Final

import structlog

from batchrun.engine.in_lane import Common
from batchrun.engine.lanes.commons import PaceKeeper
from batchrun.engine.lanes.looker import Looker, Sweeper
from batchrun.engine.lanes.submitter import StartRunSubmitter
from batchrun.engine.parts import LaneLink, Wait
from batchrun.engine.run_batches.follower import Follower
from batchrun.engine.run_batches.together import BatchSubmitter
from batchrun.errors import CallError, OutcomeUnknownError
from batchrun.model.planning import actions, stimuli

#: Seconds between two calls to a service that did not answer.
_ASK_EVERY: Final = 10.0
#: A name that no run has, so that the answer is short.
_NOBODY: Final = "batchrun-is-anybody-there"
_QUOTA: Final = (
    "rows are submitted as active runs end; where runs that have ended fill the quota, "
    "remove some with 'batchrun delete'"
)
log = structlog.get_logger(__name__)


class LaneRunner:
    """One account and region's part of a launch."""

    def __init__(self, link: LaneLink, common: Common) -> None:
        parts = common.parts
        self.link = link
        self._batch = parts.held.name
        self._clock = parts.clock
        self._submitter = StartRunSubmitter(link, common)
        self._together = BatchSubmitter(link, common)
        self._follower = Follower(link, common)
        self.looker = Looker(link, common)
        self._sweeper = Sweeper(link, parts.clock)
        self.paces = PaceKeeper(link, common)
        self._rates: stimuli.RatesLearned | None = None
        self._full_until = 0.0

    @property
    def is_full(self) -> bool:
        """Whether the account's quota was full at the last try, and the next is not due yet."""
        return self._clock.monotonic() < self._full_until

    def rates(self) -> stimuli.RatesLearned | None:
        """Return how many calls per second can be relied on, or None where that has not changed."""
        paces = self.link.service.paces
        rates = stimuli.RatesLearned(
            get=paces.known_rate("GetRun"),
            list=paces.known_rate("ListRuns"),
            start=paces.known_rate("StartRun"),
            lane=self.link.name,
        )
        if rates == self._rates:
            return None
        self._rates = rates
        return rates

    def outcome(self, action: actions.LaneAction) -> Awaitable[stimuli.Stimulus]:
        """Return what carries out an action; it raises as :class:`InLane` says."""
        match action:
            case actions.Submit() | actions.Resend() | actions.Settle():
                return self._submitter.submit(action)
            case actions.SubmitTogether():
                return self._together.submit(action)
            case actions.Follow():
                return self._follower.follow(action)
            case actions.Look():
                return self.looker.look(action)
            case actions.Cancel():
                return self.looker.cancel(action)
            case actions.Sweep():
                return self._sweeper.sweep(action)

    async def hold_back(self, action: actions.HoldBack) -> None:
        """Cancel waits of rows that were not sent."""
        self.link.waits.cancel(Wait.UNSENT)
        if action.quota_message is not None:
            self._full_until = self._clock.monotonic() + action.seconds
            log.info(
                "quota_full",
                batch=self._batch,
                **self.link.logged,
                message=action.quota_message,
                meaning=_QUOTA,
                next_try_in_seconds=round(action.seconds),
            )

    def pause(self) -> None:
        """Stop looking for rows' runs while the lane cannot be used: only its rows wait."""
        self.link.waits.block(Wait.SURVEY, Wait.NAME)

    def hurry(self) -> None:
        """Cancel all waits, and stop retrying calls."""
        self.link.waits.hurry()
        self.link.service.hurry()

    async def answers_again(self) -> bool:
        """Call a silent service until it answers, if only with an error; False where the wait was cancelled.

        Raises:
            ServiceUnusableError: It has been silent for too long.
        """
        with self.link.waits.of(Wait.SWEEP):
            while True:
                await self._clock.sleep(_ASK_EVERY)
                try:
                    async with aclosing(self.link.service.listed_runs(_NOBODY)) as pages:
                        async for _ in pages:
                            break
                except OutcomeUnknownError as error:
                    log.debug("lane_silent", lane=self.link.name, code=error.code)
                    continue
                except CallError as error:
                    log.debug("lane_answers", lane=self.link.name, code=error.code)
                return True
        return False
