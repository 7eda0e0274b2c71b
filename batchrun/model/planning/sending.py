"""Sending in one lane, by StartRun: which entry is next, and which unknown outcome is to be settled.

An entry is *ready* (:mod:`queues`), *in the air* (being sent or settled), or *unsettled* (sent, outcome
unknown: :mod:`doubts`). It is sent only if the caps on active runs of lane, account and batch have room for
it, whatever the outcome. A full quota pauses sending, but for one entry for each run that ends meanwhile;
then one entry is sent as a probe, and the others follow once one is accepted. Entries that other lanes may
take too are taken only shortly before their turn, so that the lane with the next turn gets them.

Does not belong here: whether a run of the entry exists already (``proving``), watching runs (``watch``), what
an outcome means (``verdicts``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import State
from batchrun.model.planning.actions import HoldBack, Submit
from batchrun.model.planning.actions import Sending as SendingAction
from batchrun.model.planning.cancelling import Cancelling
from batchrun.model.planning.denials import SYSTEMIC
from batchrun.model.planning.doubts import Doubts, may_have_sent
from batchrun.model.planning.limits import LaneLimits, Limits, Mode
from batchrun.model.planning.proving import Proving
from batchrun.model.planning.queues import Queue, Queues
from batchrun.model.planning.stimuli import Acted, Moment
from batchrun.model.planning.verdicts import HELD, QUOTA_FULL, Silences

#: Seconds before its turn at which a lane takes an entry that another lane might take too.
_AHEAD: Final = 0.25


class Slots:
    """The runs that are, or may become, active, under a cap; counted in the slots *above* as well."""

    def __init__(self, most: int | None, above: Slots | None = None) -> None:
        """Allow *most* (None: any number), and no more than *above* does."""
        self._most = math.inf if most is None else most
        self._above = above
        self._ids: set[str] = set()
        self.others = 0  #: active runs of other batches, which count too

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._ids

    @property
    def have_room(self) -> bool:
        """Whether one more may become active."""
        return self._own >= 1 and (self._above is None or self._above.have_room)

    @property
    def room(self) -> float:
        """How many more may become active, maybe infinite."""
        return max(0, self._own if self._above is None else min(self._own, self._above.room))

    @property
    def most(self) -> float:
        """How many may be active at once, maybe infinite."""
        own = self._most - self.others
        return own if self._above is None else min(own, self._above.most)

    @property
    def beyond(self) -> float:
        """By how many the cap is exceeded, since others' runs were counted later."""
        return max(0, -self._own)

    @property
    def has_own_room(self) -> bool:
        """Whether there would be room without others' runs."""
        return self._own + self.others >= 1 and (self._above is None or self._above.has_own_room)

    @property
    def _own(self) -> float:
        return self._most - len(self._ids) - self.others

    def take(self, entry_id: str) -> None:
        """Count the entry's run."""
        self._ids.add(entry_id)
        if self._above is not None:
            self._above.take(entry_id)

    def free(self, entry_id: str) -> None:
        """Stop counting it."""
        self._ids.discard(entry_id)
        if self._above is not None:
            self._above.free(entry_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeLaunch:
    """What all lanes of a launch have together."""

    limits: Limits
    queues: Queues
    proving: Proving
    slots: Slots
    cancelling: Cancelling


class Sending:
    """Sending in one lane."""

    def __init__(self, launch: WholeLaunch, lane: LaneLimits) -> None:
        self._limits = limits = launch.limits
        self._lane = lane.name
        self._queues = launch.queues
        self._proving = launch.proving
        self._doubts = Doubts(limits)
        self._in_air: dict[str, SendingAction] = {}
        self._waiting: set[str] = set()  #: of these, without a recorded intent: they may still go elsewhere
        self._account = Slots(lane.account_max_active, launch.slots)
        self.slots = Slots(lane.max_active, self._account)
        #: Loop time until which no list may show any run yet: after it a launch with a lost ledger sees some.
        self._all_unlisted_until = math.inf
        self._rate = math.inf  #: StartRun calls per second to expect
        self._is_holding_back = limits.mode is Mode.CANCEL
        self._is_paused = False
        self._is_closed = False  #: sends nothing new in this launch
        self._is_probing = False
        self._paused_until = float("-inf")
        self._planned_at = float("-inf")  #: loop time
        self._pauses = 0  #: for a full quota, in a row, since a submission was last accepted
        self._vacated = 0  #: places that ended runs left during the present pause, and nothing was sent for
        self._silences = Silences(limits.longest_silence)
        self._unheard: set[str] = set()  #: entries of unknown outcome, sent since an outcome was last known
        self.is_unheard = False  #: whether all outcomes have been unknown for longer than ``longest_silence``

    # -- filing

    def add_unsettled(self, entry: Entry, now: float) -> None:
        """Take an entry that an earlier launch sent, at an unknown time; at worst just now."""
        self._doubts.inherit(entry, now)

    def acted(self, acted: Acted, now: float) -> None:
        """Take an entry back that was sent or settled; its run, if any, is for ``watch``."""
        entry, action = acted.entry, self._in_air.pop(acted.entry.id, None)
        if action is None:
            raise InvariantError(f"entry '{entry.id}' was sent, and nobody asked for it")
        self._proving.looked(entry.id)
        was_waiting = entry.id in self._waiting
        self._waiting.discard(entry.id)
        self._note_answer(entry, action, now)
        if isinstance(action, Submit) and entry is action.entry and not self._is_holding_back:
            if not was_waiting:  # its intent is recorded for a lane that cannot be used: no other may send it
                return
            if acted.is_answered or self._is_paused:  # released unsent
                self._queues.put_back(entry)
            else:
                self._proving.could_not_look(entry.id)
            return
        is_left = self._limits.is_pass or entry.code in HELD
        if entry.state is State.SUBMITTING and not is_left:
            self._doubts.again(acted, action, now)
        else:
            self._doubts.over(entry.id)

    def _note_answer(self, entry: Entry, action: SendingAction, now: float) -> None:
        if entry.state is State.ACTIVE:
            self.started(now)
        if entry.state is not State.SUBMITTING:
            if entry is not action.entry:
                self.heard()
        elif may_have_sent(action):
            self.unheard([entry.id], now)

    def started(self, when: float) -> None:
        """Note that a run was started then, in loop time."""
        self._all_unlisted_until = min(self._all_unlisted_until, when + self._limits.listing_lag)

    def intent_recorded(self, entry_id: str) -> None:
        """Note that an entry's intent is recorded: its call is about to leave."""
        self._waiting.discard(entry_id)

    def rate_learned(self, rate: float) -> None:
        """Note how many StartRun calls per second to expect."""
        self._rate = rate

    def others_counted(self, active: int) -> list[HoldBack]:
        """Note how many runs of others the account has, and release entries that have no slot any more."""
        self._account.others = active
        spare = 1 if self._limits.mode is Mode.WATCH else 0  # one may wait for a slot
        return [HoldBack(lane=self._lane)] if self._account.beyond > spare and self._waiting else []

    # -- pauses

    def quota_full(self, entry: Entry, now: float) -> list[HoldBack]:
        """Pause for a full quota; after that, one entry at a time is sent as a probe, with growing pauses."""
        if self._is_probing and now < self._paused_until:
            self._vacated = 0  # others were quicker
            return []
        wait = self._put_off(entry.batch, now)
        return [HoldBack(lane=self._lane, quota_message=entry.message, seconds=wait)]

    def _put_off(self, key: str, now: float) -> float:
        wait = self._limits.defer.quota_wait(self._pauses, key)
        self._pauses += 1
        self._paused_until, self._is_probing, self._vacated = now + wait, True, 0
        return wait

    def accepted(self) -> None:
        """Note that a submission was accepted: the quota has room."""
        self.heard()
        self._is_probing, self._pauses = False, 0

    def ended(self, now: float) -> None:
        """Learn that a run has ended: a quota that is full has a place again."""
        self._vacated += now < self._paused_until and not self.is_unheard

    def unheard(self, entry_ids: Iterable[str], now: float) -> None:
        """Note that these were sent, with unknown outcome.

        If several entries, and all for longer than ``longest_silence``, had unknown outcomes, the service
        counts as unusable: one entry at a time is tried, with growing pauses, and the launch does not wait
        for it.
        """
        self._unheard.update(entry_ids)
        has_lasted = self._silences.has_lasted(self._lane, now) and len(self._unheard) >= SYSTEMIC
        if has_lasted and now >= self._paused_until:
            self.is_unheard = True
            self._put_off("", now)

    def heard(self) -> None:
        """Note that an outcome became known."""
        self._unheard.clear()
        self._silences.answered(self._lane)
        if self.is_unheard:
            self.is_unheard = self._is_probing = False
            self._pauses, self._paused_until = 0, float("-inf")

    def hold_back(self) -> None:
        """Send nothing new; what was sent is still settled."""
        self._is_holding_back = True

    def go_on(self) -> None:
        """Send again, after :meth:`hold_back`."""
        self._is_holding_back = False

    def pause(self, *, is_paused: bool = True) -> None:
        """Send nothing new while the lane cannot be used."""
        self._is_paused = is_paused

    def close(self) -> None:
        """Send nothing new in this launch; what was sent is still settled."""
        self._is_closed = True

    # -- what is due

    def plan(self, moment: Moment) -> Iterator[SendingAction]:
        """Yield what is to be sent or settled now; each is in the air until :meth:`acted`."""
        self._planned_at = moment.now
        if self.is_unheard and moment.now < self._paused_until:
            return
        while len(self._in_air) < self._most_in_air:
            action = self._doubts.next_due(moment) or self._next_to_submit(moment)
            if action is None:
                return
            self._in_air[action.entry.id] = action
            self.slots.take(action.entry.id)
            if isinstance(action, Submit):
                self._waiting.add(action.entry.id)
                self._vacated = max(0, self._vacated - 1)
            yield action

    @property
    def _most_in_air(self) -> int:
        return 1 if self.is_unheard else self._limits.concurrency

    def _next_to_submit(self, moment: Moment) -> Submit | None:
        has_room = self.slots.have_room
        if not (has_room or self._may_wait_for_a_place) or not self._may_submit(moment.now):
            return None
        for queue in self._queues.of_lane(self._lane, is_together=False):
            if not self._is_turn_near(queue) or not (has_room or len(queue.lanes) <= 1):
                continue
            entry = self._first_of(queue, moment)
            if entry is not None and self._proving.may_send(entry, moment.now, moment.latest):
                return Submit(entry=queue.ready.popleft(), lane=self._lane)
        return None

    def _first_of(self, queue: Queue, moment: Moment) -> Entry | None:
        """Return the first entry that may be sent here now; leave those before it that cannot be proven."""
        is_first = False
        while queue.ready and not is_first:
            if len(queue.lanes) > 1 and moment.now < self._all_unlisted_until:
                queue.begin_with(self._lane)
            is_first = not self._queues.leave_unprovable(queue, 1, moment.latest)
        return queue.ready[0] if queue.ready else None

    @property
    def _may_wait_for_a_place(self) -> bool:
        """Whether one entry should wait for a run of others to end; else they would take every free slot."""
        return not self._waiting and self._limits.mode is Mode.WATCH and self.slots.has_own_room

    def _may_submit(self, now: float) -> bool:
        has_place = self._vacated > 0 and not (self._is_paused or self._is_closed)
        return has_place or self.may_begin(now)

    def may_begin(self, now: float) -> bool:
        """Report whether anything new may be sent."""
        if self._is_paused or self._is_closed or now < self._paused_until:
            return False
        return not (self._is_probing and any(isinstance(action, Submit) for action in self._in_air.values()))

    def _is_turn_near(self, queue: Queue) -> bool:
        """Report whether the lane takes one more entry of *queue*: a shared one only just before its turn."""
        return len(queue.lanes) <= 1 or len(self._waiting) < max(1.0, self._rate * _AHEAD)

    @property
    def turn_in(self) -> float:
        """Seconds, about, until one more entry would have its turn."""
        return (len(self._waiting) + 1) / self._rate if self._rate else math.inf

    @property
    def wake_at(self) -> float | None:
        """When something becomes due without a stimulus, in loop time; None if nothing does."""
        dues = [self._doubts.first_due if len(self._in_air) < self._most_in_air else None]
        if self.is_unheard and dues[0] is not None:
            dues = [max(dues[0], self._paused_until)]
        if self._has_ready and self.slots.have_room and self._pauses_still and not self._in_air:
            # After the pause only a stimulus can remove what else prevents sending.
            dues.append(self._paused_until)
        return min((due for due in dues if due is not None), default=None)

    # -- how it stands

    @property
    def in_air(self) -> frozenset[str]:
        """Ids of the entries that are being sent or settled."""
        return frozenset(self._in_air)

    @property
    def in_air_count(self) -> int:
        """How many these are."""
        return len(self._in_air)

    @property
    def ids(self) -> list[str]:
        """Ids of the entries that are unsettled or in the air."""
        return [*self._doubts.ids, *self._in_air]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in the air, waited for as unsettled, or could be sent."""
        is_waiting = self._doubts.are_waited_for and not self.is_unheard
        return not (self._in_air or (self._has_ready and self.may_come_to_send) or is_waiting)

    @property
    def may_come_to_send(self) -> bool:
        """Whether there is room for a run, or may be during this launch, once runs of others have ended."""
        have_room = self.slots.have_room or (self._limits.mode is Mode.WATCH and self.slots.has_own_room)
        return have_room and not (self.is_put_off or self.is_unheard or self._is_closed)

    @property
    def resumes_at(self) -> float:
        """When the pause ends, in loop time."""
        return self._paused_until

    @property
    def is_put_off(self) -> bool:
        """Whether sending waits for a full quota, and this launch does not."""
        return (self._is_probing or self._pauses_still) and self._limits.mode is not Mode.WATCH

    @property
    def _pauses_still(self) -> bool:
        """Whether a pause lasts, even if a call sent before it has been accepted since."""
        return self._paused_until > self._planned_at

    @property
    def _has_ready(self) -> bool:
        return any(queue.ready for queue in self._queues.of_lane(self._lane, is_together=False))

    def validate(self) -> None:
        """Raise InvariantError where an entry waits without being in the air."""
        if not self._waiting <= self._in_air.keys():
            raise InvariantError(f"waits, and is not in the air: {self._waiting - self._in_air.keys()}")


def is_quota_full(acted: Acted) -> bool:
    """Report whether the service has just deferred the entry because a quota of the lane is full."""
    entry = acted.entry
    is_put_off = entry.state is State.BACKOFF or (
        entry.state is State.PLANNED and entry is not acted.action.entry
    )
    return is_put_off and entry.code == QUOTA_FULL
