"""The lanes of a launch, and what is in flight in each. A batch without lanes has one lane without a name.

Belongs here: finding an entry's lane, passing an entry to the lane's next part, and lanes that cannot be
used. Does not: sending (``sending``, ``batching``), watching (``watch``), what concerns the whole batch
(``planner``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import assert_never

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import State
from batchrun.model.lanes import or_home
from batchrun.model.planning import stimuli
from batchrun.model.planning.actions import Cancel, Follow, HoldBack, Look, Note, SubmitTogether, Sweep
from batchrun.model.planning.actions import Sending as SendingAction
from batchrun.model.planning.batching import Batching
from batchrun.model.planning.denials import Resources
from batchrun.model.planning.limits import LaneLimits, Mode
from batchrun.model.planning.sending import Sending, WholeLaunch, is_quota_full
from batchrun.model.planning.sharing import Sharing
from batchrun.model.planning.stimuli import Moment
from batchrun.model.planning.verdicts import QUOTA_FULL
from batchrun.model.planning.watch import Watch
from batchrun.model.submissions.submission import Submission


class LanePlan:
    """One lane of a launch."""

    def __init__(self, launch: WholeLaunch, lane: LaneLimits, sharing: Sharing) -> None:
        self.name = lane.name
        self._limits = launch.limits
        self._cancelling = launch.cancelling
        self._queues = launch.queues
        self.sending = Sending(launch, lane)
        sharing.join(lane.name, self.sending)
        self.batching = Batching(launch, lane.name, self.sending, sharing)
        self.watch = Watch(launch.limits, lane.name)
        self.is_stopped = False
        self._has_started = False  #: whether any row got a run here in this launch
        self._may_not_use_all = False  #: whether some rows are denied for the resources that they use

    # -- filing

    def acted(self, acted: stimuli.Acted, now: float) -> Sequence[HoldBack]:
        """Take the entry of an action that is over."""
        action, entry = acted.action, acted.entry
        if isinstance(action, Look | Cancel):
            self._looked(acted, action, now)
        else:
            self.sending.acted(acted, now)
            if entry.state is State.ACTIVE:
                self.sending.accepted()
        return self.sending.quota_full(entry, now) if is_quota_full(acted) else []

    def accepted(self, entry: Entry, now: float) -> None:
        """Watch the run of an entry that was just started, unless the mode does not watch."""
        self._has_started = True
        if not self._limits.is_pass:
            self._watch_run(entry, since=now)

    def settled(self, entry: Entry, now: float) -> None:
        """Watch the run of a row whose submission was followed; with ``--once`` it is looked at at once."""
        self._has_started = True
        if self._limits.mode is Mode.ONCE:
            self._watch_run(entry, since=now, due=now)
        elif self._limits.mode is not Mode.CANCEL or entry.id in self._cancelling:
            self.accepted(entry, now)

    def put_off(self, entries: Sequence[Entry], now: float) -> Sequence[HoldBack]:
        """Pause if a submission was deferred because of a full quota."""
        full = next((one for one in entries if one.state is State.BACKOFF and one.code == QUOTA_FULL), None)
        return [] if full is None else self.sending.quota_full(full, now)

    def _looked(self, acted: stimuli.Acted, action: Look | Cancel, now: float) -> None:
        entry, failed = acted.entry, not acted.is_answered
        is_going = entry.state is State.ACTIVE
        self.watch.looked(entry, now=now, failed=failed, is_going=is_going, was_seen=acted.was_seen)
        if not is_going:
            self.sending.ended(now)
        if not is_going or entry.id not in self._cancelling:
            return
        if isinstance(action, Cancel) and not failed:
            self._cancelling.asked(entry.id, now)
        if isinstance(action, Cancel) or failed:
            self.watch.quicken(entry.id, now)  # an old run's next look may be an hour away
        elif self._cancelling.is_due(entry.id, now):
            self.watch.hasten(entry.id)  # the cancellation came while this look was in the air

    def file(self, entry: Entry, moment: Moment) -> None:
        """Take an entry in flight that was read from the ledger."""
        self.sending.slots.take(entry.id)
        match entry.state:
            case State.SUBMITTING:
                self.sending.add_unsettled(entry, moment.now)
            case State.ACTIVE:
                age = (moment.at - entry.accepted_at).total_seconds() if entry.accepted_at else 0.0
                since = moment.now - max(0.0, age)
                self.sending.started(since)
                if self._limits.mode is not Mode.DETACH:
                    self._watch_run(entry, since=since, due=moment.now)
            case _:
                raise InvariantError(f"entry '{entry.id}' is {entry.state.value}: it is not in flight")

    def _watch_run(self, entry: Entry, *, since: float, due: float | None = None) -> None:
        self.watch.add(entry, since=since, due=due)
        if entry.id in self._cancelling:
            self.watch.hasten(entry.id)

    def rates_learned(self, rates: stimuli.RatesLearned) -> None:
        """Note how many calls per second to expect."""
        self.watch.rates_learned(rates)
        self.sending.rate_learned(rates.start)
        self.batching.rate_learned(rates.list)

    def denied(self, resources: Resources) -> Sequence[HoldBack]:
        """Send no entry here that uses these resources."""
        self._may_not_use_all = True
        self._queues.deny(self.name, resources)
        return [HoldBack(lane=self.name)]

    # -- what is due

    def looks(self, now: float) -> Iterator[Look | Cancel | Sweep]:
        """Yield the looks and sweeps that are due; a look at a run to be cancelled becomes a Cancel."""
        for look in self.watch.plan(now=now, room=self._limits.concurrency):
            if isinstance(look, Look) and self._cancelling.is_due(look.entry.id, now):
                yield Cancel(entry=look.entry)
            else:
                yield look

    @property
    def wake_at(self) -> float | None:
        """When something becomes due without a stimulus, in loop time; None if nothing does."""
        dues = (self.watch.wake_at(self._limits.concurrency), self.sending.wake_at, self.batching.wake_at)
        return min((due for due in dues if due is not None), default=None)

    # -- how it stands

    @property
    def in_air(self) -> int:
        """Calls for entries under way, and sweeps whose result is still needed."""
        return self.sending.in_air_count + self.batching.in_air_count + self.watch.in_air

    @property
    def being_sent(self) -> frozenset[str]:
        """Ids of the entries that are being sent or settled, alone or together."""
        return self.sending.in_air | self.batching.in_air

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, waited for, or could be sent."""
        if self.is_stopped:
            return self.in_air == 0
        return not self.watch.is_waited_for and self.sending.is_idle and self.batching.is_idle

    @property
    def may_start_nothing(self) -> bool:
        """Whether all that could be sent was denied: nothing was started, and nothing else is left.

        Runs that an earlier launch started with other resources are watched to their end all the same.
        """
        if not self._may_not_use_all or self._has_started or not self._queues.is_spent(self.name):
            return False
        return (
            self.sending.is_idle
            and self.batching.is_idle
            and self._queues.are_denied(self.name, self.watch.uses)
        )

    @property
    def ids(self) -> list[str]:
        """Ids of the entries in flight."""
        return [*self.sending.ids, *self.batching.ids, *self.watch.ids]

    def validate(self) -> None:
        """Raise InvariantError where the state is inconsistent."""
        self.sending.validate()
        if unslotted := [one for one in self.ids if one not in self.sending.slots]:
            raise InvariantError(f"in flight without a slot: {sorted(unslotted)}")


class LanePlans:
    """All lanes of a launch; one that the launch was not given counts as stopped."""

    def __init__(self, launch: WholeLaunch, lanes: Sequence[LaneLimits], *, home: str | None) -> None:
        """Begin with *lanes*; *home* is the lane of entries that were sent before the batch had lanes."""
        self._launch = launch
        self._home = home
        self._sharing = Sharing(launch.limits, launch.slots)
        self._lanes = {lane.name: LanePlan(launch, lane, self._sharing) for lane in lanes}

    def __iter__(self) -> Iterator[LanePlan]:
        return iter(self._lanes.values())

    def of(self, name: str | None) -> LanePlan:
        """Return the lane called *name*."""
        if name not in self._lanes:
            lane = self._lanes[name] = LanePlan(self._launch, LaneLimits(name=name), self._sharing)
            self._stopped(lane)
        return self._lanes[name]

    def of_entry(self, entry: Entry) -> LanePlan:
        """Return the lane that the entry was sent to."""
        return self.of(or_home(entry.lane, self._home))

    def of_run(self, entry: Entry, sender: LanePlan) -> LanePlan:
        """Return the lane that has the entry's run, and move its slot there from *sender*.

        They differ where another ledger's run was found while the entry was to be sent.
        """
        lane = self.of_entry(entry)
        if lane is not sender:
            sender.sending.slots.free(entry.id)
            lane.sending.slots.take(entry.id)
        return lane

    def of_submission(self, submission: Submission) -> LanePlan:
        """Return the lane that the submission was, or is to be, sent to."""
        return self.of(or_home(submission.lane, self._home))

    # -- what happens in one of them

    def take(  # noqa: C901, PLR0912 (one line for each)
        self, stimulus: stimuli.LaneStimulus, moment: Moment
    ) -> Sequence[Note | HoldBack]:
        """Take in what happened in a lane; return the actions that are due at once."""
        match stimulus:
            case stimuli.Swept(sweep=sweep):
                watch = self.of(sweep.lane).watch
                news = watch.swept(stimulus, now=moment.now, at=moment.at)
                return [Note(news=news, lane=sweep.lane)] if watch.was_listed else []
            case stimuli.SweepFailed(sweep=sweep):
                self.of(sweep.lane).watch.sweep_failed(stimulus, now=moment.now)
            case stimuli.RunsAnnounced():
                for lane in self if stimulus.lanes is None else map(self.of, stimulus.lanes):
                    lane.watch.announced(stimulus, now=moment.now)
            case stimuli.RatesLearned():
                self.of(stimulus.lane).rates_learned(stimulus)
            case stimuli.OthersCounted():
                return self.of(stimulus.lane).sending.others_counted(stimulus.active)
            case stimuli.IntentRecorded():
                self.of(stimulus.lane).sending.intent_recorded(stimulus.entry_id)
            case stimuli.LanePaused(lane=name):
                return self._silent(self.of(name))
            case stimuli.LaneClosed(lane=name):
                return self._closed(self.of(name))
            case stimuli.ResourcesDenied(lane=name):
                return self.of(name).denied(stimulus.resources)
            case stimuli.LaneResumed(lane=name):
                self.of(name).sending.pause(is_paused=False)
                self._launch.queues.lane_back(name)
            case stimuli.LaneStopped(lane=name):
                return self._stopped(self.of(name))
            case _:  # pragma: no cover
                assert_never(stimulus)
        return []

    def _silent(self, lane: LanePlan) -> Sequence[HoldBack]:
        """Stop sending to a lane that cannot be used; entries waiting there may go to other lanes."""
        lane.sending.pause()
        self._launch.queues.lane_silent(lane.name, is_over=lane.is_stopped)
        return [HoldBack(lane=lane.name)]

    def _closed(self, lane: LanePlan) -> Sequence[HoldBack]:
        """Stop sending to a lane that can still be asked."""
        lane.sending.close()
        self._launch.queues.lane_closed(lane.name)
        return [HoldBack(lane=lane.name)]

    def _stopped(self, lane: LanePlan) -> Sequence[HoldBack]:
        lane.is_stopped = True
        self._silent(lane)
        return self._closed(lane)

    # -- all of them

    @property
    def live(self) -> list[LanePlan]:
        """The lanes that have not stopped."""
        return [lane for lane in self if not lane.is_stopped]

    @property
    def has_stopped(self) -> bool:
        """Whether any lane has stopped."""
        return any(lane.is_stopped for lane in self)

    def release(self) -> Sequence[HoldBack]:
        """Release all entries that wait for their turn, unsent."""
        return [HoldBack(lane=lane.name) for lane in self.live]

    def hasten(self, ids: Collection[str]) -> None:
        """Look at the runs of these entries at once, in whichever lane they are."""
        for lane in self:
            lane.batching.hasten(ids)
            for entry_id in ids:
                lane.watch.hasten(entry_id)

    def looks(self, now: float) -> list[Look | Cancel | Sweep]:
        """Return the looks and sweeps that are due."""
        return [*chain.from_iterable(lane.looks(now) for lane in self.live)]

    def together(self, moment: Moment) -> list[SubmitTogether | Follow]:
        """Return the submissions to send now, and those to ask about."""
        return [*chain.from_iterable(lane.batching.plan(moment) for lane in self.live)]

    def sending(self, moment: Moment) -> list[SendingAction]:
        """Return what is to be sent or settled now, each entry by the lane that would start it soonest."""
        actions: list[SendingAction] = []
        plans = [(lane.sending, lane.sending.plan(moment)) for lane in self.live]
        while plans:
            plans.sort(key=lambda one: one[0].turn_in)
            taken = [(sending, plan, next(plan, None)) for sending, plan in plans]
            actions += [action for _, _, action in taken if action is not None]
            plans = [(sending, plan) for sending, plan, action in taken if action is not None]
        return actions

    @property
    def in_air(self) -> int:
        """Calls for entries under way, and sweeps whose result is still needed."""
        return sum(lane.in_air for lane in self)

    @property
    def in_air_ids(self) -> frozenset[str]:
        """Ids of the entries that are being sent or settled."""
        return frozenset(chain.from_iterable(lane.being_sent for lane in self))

    @property
    def is_idle(self) -> bool:
        """Whether all lanes are idle."""
        return all(lane.is_idle for lane in self)
