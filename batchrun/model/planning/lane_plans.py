"""
The lanes of a launch, by name: what happens in one of them, and what all of them together have in flight.

A batch without lanes has one, without a name. A lane that stops takes its own entries with it.

Belongs here: finding an entry's lane, and lanes that cannot be used. Does not: what is in flight in one lane
(``lane_plan``), what belongs to the batch as a whole (``planner``).
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, assert_never

from batchrun.model.lanes import or_home
from batchrun.model.planning.actions import HoldBack, Note
from batchrun.model.planning.lane_plan import LanePlan
from batchrun.model.planning.limits import LaneLimits
from batchrun.model.planning.sharing import Sharing
from batchrun.model.planning.stimuli import (
    IntentRecorded,
    LanePaused,
    LaneResumed,
    LaneStopped,
    OthersCounted,
    RatesLearned,
    RunsAnnounced,
    SweepFailed,
    Swept,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from batchrun.model.entries.entry import Entry
    from batchrun.model.moment import Moment
    from batchrun.model.planning.actions import Cancel, Follow, Look, Sending, SubmitTogether, Sweep
    from batchrun.model.planning.cancelling import Cancelling
    from batchrun.model.planning.limits import Limits
    from batchrun.model.planning.proving import Proving
    from batchrun.model.planning.queues import Queues
    from batchrun.model.planning.sending import Slots
    from batchrun.model.planning.stimuli import LaneStimulus
    from batchrun.model.submissions.submission import Submission


class LanePlans:
    """Each lane of a launch; one that the launch was not given is as one that stopped."""

    def __init__(
        self,
        limits: Limits,
        lanes: Sequence[LaneLimits],
        *,
        home: str | None,
        queues: Queues,
        proving: Proving,
        slots: Slots,
        cancelling: Cancelling,
    ) -> None:
        """Begin with *lanes*; *home* is that of entries which were sent before the batch had lanes."""
        self._limits = limits
        self._home = home
        self._queues = queues
        self._shared = (queues, proving, slots, Sharing(limits, slots), cancelling)
        self._lanes = {lane.name: self._made(lane) for lane in lanes}

    def _made(self, lane: LaneLimits) -> LanePlan:
        return LanePlan(self._limits, lane, *self._shared)

    def __iter__(self) -> Iterator[LanePlan]:
        return iter(self._lanes.values())

    def of(self, name: str | None) -> LanePlan:
        """Return the lane called *name*."""
        if name not in self._lanes:
            lane = self._lanes[name] = self._made(LaneLimits(name=name))
            lane.is_stopped = True
            self._silent(lane)
        return self._lanes[name]

    def of_entry(self, entry: Entry) -> LanePlan:
        """Return the lane that the entry was sent to."""
        return self.of(or_home(entry.lane, self._home))

    def of_submission(self, submission: Submission) -> LanePlan:
        """Return the lane that it was, or is to be, sent to."""
        return self.of(or_home(submission.lane, self._home))

    # -- what happens in one of them

    def take(  # noqa: C901 (one line for each)
        self, stimulus: LaneStimulus, moment: Moment
    ) -> Sequence[Note | HoldBack]:
        """Take in what happened in a lane; return what is to be done now."""
        match stimulus:
            case Swept(sweep=sweep):
                watch = self.of(sweep.lane).watch
                news = watch.swept(stimulus, now=moment.now, at=moment.at)
                return [Note(news=news, lane=sweep.lane)] if watch.was_listed else []
            case SweepFailed(sweep=sweep):
                self.of(sweep.lane).watch.sweep_failed(stimulus, now=moment.now)
            case RunsAnnounced():
                for lane in self if stimulus.lanes is None else map(self.of, stimulus.lanes):
                    lane.watch.announced(stimulus, now=moment.now)
            case RatesLearned():
                self.of(stimulus.lane).rates_learned(stimulus)
            case OthersCounted():
                return self.of(stimulus.lane).sending.others_counted(stimulus.active)
            case IntentRecorded():
                self.of(stimulus.lane).sending.intent_recorded(stimulus.entry_id)
            case LanePaused(lane=name):
                return self._silent(self.of(name))
            case LaneResumed(lane=name):
                self.of(name).sending.pause(is_paused=False)
                self._queues.lane_back(name)
            case LaneStopped(lane=name):
                self.of(name).is_stopped = True
                return self._silent(self.of(name))
            case _:  # pragma: no cover
                assert_never(stimulus)
        return []

    def _silent(self, lane: LanePlan) -> Sequence[HoldBack]:
        """Send nothing more to a lane that cannot be used; what waits there may go to the others."""
        lane.sending.pause()
        self._queues.lane_silent(lane.name, is_over=lane.is_stopped)
        return [HoldBack(lane=lane.name)]

    # -- all of them

    @property
    def live(self) -> list[LanePlan]:
        """Those that did not stop."""
        return [lane for lane in self if not lane.is_stopped]

    @property
    def has_stopped(self) -> bool:
        """Whether one of them cannot be used any more."""
        return any(lane.is_stopped for lane in self)

    def let_go(self) -> Sequence[HoldBack]:
        """Have what still waits for its turn come back at once."""
        return [HoldBack(lane=lane.name) for lane in self.live]

    def hasten(self, ids: Collection[str]) -> None:
        """Look at the runs of these entries at once, wherever they are watched or come to be."""
        for lane in self:
            lane.batching.hasten(ids)
            for entry_id in ids:
                lane.watch.hasten(entry_id)

    def looks(self, now: float) -> list[Look | Cancel | Sweep]:
        """Return what is to be looked at now."""
        return [*chain.from_iterable(lane.looks(now) for lane in self.live)]

    def together(self, moment: Moment) -> list[SubmitTogether | Follow]:
        """Return what is to be sent together now, and which submissions are to be asked about."""
        return [*chain.from_iterable(lane.batching.plan(moment) for lane in self.live)]

    def sending(self, moment: Moment) -> list[Sending]:
        """Return what is to be sent now, each by the lane that would start it soonest."""
        actions: list[Sending] = []
        plans = [(lane.sending, lane.sending.plan(moment)) for lane in self.live]
        while plans:
            plans.sort(key=lambda one: one[0].turn_in)
            taken = [(sending, plan, next(plan, None)) for sending, plan in plans]
            actions += [action for _, _, action in taken if action is not None]
            plans = [(sending, plan) for sending, plan, action in taken if action is not None]
        return actions

    @property
    def in_air(self) -> int:
        """Calls for entries under way, and sweeps that have something left to show."""
        return sum(lane.in_air for lane in self)

    @property
    def in_air_ids(self) -> frozenset[str]:
        """Ids of the entries that are being sent or settled."""
        return frozenset(chain.from_iterable(lane.being_sent for lane in self))

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, to be settled, watched, or could be sent."""
        return all(lane.is_idle for lane in self)
