"""
What one lane sends, and what was sent and is to be settled: in which order, within slots and pauses.

An entry is in one place at a time: *ready* (:mod:`queues`, to be sent by any lane that it may take),
*unsettled* (sent, outcome unknown), or *in the air* (being sent or settled). Slots come first: an entry is
sent only if the caps on active runs, the lane's and the batch's, have room for it, whatever the outcome. A
quota that is full pauses what is to be sent; then one goes as a probe, and the others follow once one is
accepted. What other lanes may take too is taken only shortly before its turn, so that it goes where a turn
comes first.

Belongs here: that. Does not: whether a run of the entry is there already (``proving``), how runs are watched
(``watch``), what an outcome means (``verdicts``).
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.errors import InvariantError
from batchrun.model.entries.states import State
from batchrun.model.planning.actions import HoldBack, Replay, Settle, Submit
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.verdicts import HELD, QUOTA_FULL, SETTLED_BY_LOOKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrun.model.entries.entry import Entry
    from batchrun.model.moment import Moment
    from batchrun.model.planning.actions import Sending as SendingAction
    from batchrun.model.planning.limits import LaneLimits, Limits
    from batchrun.model.planning.proving import Proving
    from batchrun.model.planning.queues import Queue, Queues
    from batchrun.model.planning.stimuli import Acted

#: Times that an outcome stays unknown before the run is looked for: its answer may never be readable.
_REPEATS: Final = 3
#: Seconds before its turn at which a lane takes what another lane might take too.
_AHEAD: Final = 0.25


@dataclass(slots=True)
class _Doubt:
    """How the outcome of an attempt was asked for."""

    since: float  #: loop time at which it may have been sent last
    tries: int = 0
    is_inherited: bool = False  #: an earlier launch sent it: when, only its clock knew


class _ByTime:
    """Entries by the time they are due; each at most once."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Entry]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, due: float, entry: Entry) -> None:
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, entry))

    def pop_due(self, now: float) -> Entry | None:
        if self._heap and self._heap[0][0] <= now:
            return heapq.heappop(self._heap)[2]
        return None

    @property
    def first_due(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    @property
    def ids(self) -> list[str]:
        return [entry.id for _, _, entry in self._heap]


def _may_have_sent(action: SendingAction) -> bool:
    """Report whether carrying out *action* may have sent a StartRun."""
    return action.may_send if isinstance(action, Settle) else True


class Slots:
    """Runs that are, or may come to be, active: a lane's count in its batch's too."""

    def __init__(self, most: int | None, above: Slots | None = None) -> None:
        """Allow *most*, where that is said, and what *above* allows."""
        self._most = math.inf if most is None else most
        self._above = above
        self._ids: set[str] = set()
        self.others = 0  #: runs of others, that count too

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
        """How many more may become active; may be infinite."""
        return max(0, self._own if self._above is None else min(self._own, self._above.room))

    @property
    def most(self) -> float:
        """How many may be active at once; may be infinite."""
        own = self._most - self.others
        return own if self._above is None else min(own, self._above.most)

    @property
    def beyond(self) -> float:
        """How many more may become active than are allowed, by what was learned of others since."""
        return max(0, -self._own)

    @property
    def has_own_room(self) -> bool:
        """Whether one more might become active if there were no others."""
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
        """Count it no more."""
        self._ids.discard(entry_id)
        if self._above is not None:
            self._above.free(entry_id)


class Sending:
    """What one lane sends."""

    def __init__(
        self, limits: Limits, lane: LaneLimits, queues: Queues, proving: Proving, slots: Slots
    ) -> None:
        """Send what *queues* have for *lane*; *slots* are the batch's."""
        self._limits = limits
        self._lane = lane.name
        self._queues = queues
        self._proving = proving
        self._unsettled = _ByTime()
        self._in_air: dict[str, SendingAction] = {}
        self._waiting: set[str] = set()  #: of these, what waits before its intent: it may still go elsewhere
        self._doubts: dict[str, _Doubt] = {}
        self._account = Slots(lane.account_max_active, slots)
        self.slots = Slots(lane.max_active, self._account)
        self._rate = math.inf  #: StartRun calls per second that can be counted on
        self._is_holding_back = limits.mode is Mode.CANCEL
        self._is_paused = False
        self._is_probing = False
        self._paused_until = float("-inf")
        self._pauses = 0  #: for a full quota, since a submission was last accepted

    # -- filing

    def add_unsettled(self, entry: Entry, now: float) -> None:
        """Take an entry that an earlier launch sent: when, is not known, at worst just now."""
        self._doubts[entry.id] = _Doubt(since=now, is_inherited=True)
        self._unsettled.put(now, entry)

    def acted(self, acted: Acted, now: float) -> None:
        """File the entry as it is after it was sent or settled; what has a run is for others to watch."""
        entry, action = acted.entry, self._in_air.pop(acted.entry.id, None)
        if action is None:
            raise InvariantError(f"entry '{entry.id}' was sent, and nobody asked for it")
        self._proving.looked(entry.id)
        was_waiting = entry.id in self._waiting
        self._waiting.discard(entry.id)
        doubt = self._doubts.pop(entry.id, None)
        if isinstance(action, Submit) and entry is action.entry and not self._is_holding_back:
            if not was_waiting:  # its intent is on disk, and the lane cannot be used: nobody else may send it
                return
            if acted.is_answered or self._is_paused:  # let go of before it was sent
                self._queues.put_back(entry)
            else:
                self._proving.could_not_look(entry.id)
            return
        if self._limits.mode in {Mode.ONCE, Mode.DETACH} or entry.code in HELD:
            return
        if entry.state is State.SUBMITTING:
            self._settle_later(acted, action, doubt, now)

    def _settle_later(self, acted: Acted, action: SendingAction, doubt: _Doubt | None, now: float) -> None:
        if doubt is None or acted.entry.state is not action.entry.state:
            doubt = _Doubt(since=now)
        if _may_have_sent(action):
            doubt.since = now
        doubt.is_inherited = doubt.is_inherited and not acted.is_answered
        wait = self._limits.defer.unknown_wait(doubt.tries, acted.entry.id)
        doubt.tries += 1
        self._doubts[acted.entry.id] = doubt
        self._unsettled.put(now + wait, acted.entry)

    def intent_recorded(self, entry_id: str) -> None:
        """Learn that an entry waits no more: its call is about to leave."""
        self._waiting.discard(entry_id)

    def rate_learned(self, rate: float) -> None:
        """Learn how many StartRun calls per second can be counted on."""
        self._rate = rate

    def others_counted(self, active: int) -> list[HoldBack]:
        """Learn how many runs of others the account has; what finds no place any more is let go of."""
        self._account.others = active
        spare = 1 if self._limits.mode is Mode.WATCH else 0  # it waits for a place
        return [HoldBack(lane=self._lane)] if self._account.beyond > spare and self._waiting else []

    # -- pauses

    def quota_full(self, entry: Entry, now: float) -> list[HoldBack]:
        """Stop spending calls on a quota that is full: probe with one, ever more rarely."""
        if self._is_probing and now < self._paused_until:
            return []
        wait = self._limits.defer.quota_wait(self._pauses, entry.batch)
        self._pauses += 1
        self._paused_until, self._is_probing = now + wait, True
        return [HoldBack(lane=self._lane, quota_message=entry.message, seconds=wait)]

    def accepted(self) -> None:
        """Learn that a submission was accepted: the quota has room."""
        self._is_probing, self._pauses = False, 0

    def hold_back(self) -> None:
        """Send nothing more; what was sent is settled as ever."""
        self._is_holding_back = True

    def go_on(self) -> None:
        """Send again, after it was held back."""
        self._is_holding_back = False

    def pause(self, *, is_paused: bool = True) -> None:
        """Send nothing that was not sent before, for as long as the lane cannot be used."""
        self._is_paused = is_paused

    # -- what is due

    def plan(self, moment: Moment) -> Iterator[SendingAction]:
        """Go through what is to be sent or settled now; each is in the air until it was acted on."""
        while len(self._in_air) < self._limits.concurrency:
            action = self._next_to_settle(moment) or self._next_to_submit(moment)
            if action is None:
                return
            self._in_air[action.entry.id] = action
            self.slots.take(action.entry.id)
            if isinstance(action, Submit):
                self._waiting.add(action.entry.id)
            yield action

    def _next_to_settle(self, moment: Moment) -> SendingAction | None:
        entry = self._unsettled.pop_due(moment.now)
        if entry is None:
            return None
        doubt, trust = self._doubts[entry.id], self._limits.trust
        is_worth_repeating = entry.code not in SETTLED_BY_LOOKING and doubt.tries < _REPEATS
        is_trusted = trust.holds(entry, moment.latest)
        if is_trusted and is_worth_repeating and not doubt.is_inherited:
            return Replay(entry=entry)
        is_proof = moment.now - doubt.since >= self._limits.listing_lag
        may_send = is_proof or is_trusted or trust.is_seamless
        return Settle(entry=entry, is_proof=is_proof, may_send=may_send)

    def _next_to_submit(self, moment: Moment) -> Submit | None:
        has_room = self.slots.have_room
        if not (has_room or self._may_wait_for_a_place) or not self.may_begin(moment.now):
            return None
        for queue in self._queues.of_lane(self._lane, is_together=False):
            while self._queues.leave_unprovable(queue, 1, moment.latest):
                pass
            if not queue.ready or not self._is_turn_near(queue) or not (has_room or len(queue.lanes) <= 1):
                continue
            if self._proving.may_send(queue.ready[0], moment.now, moment.latest):
                return Submit(entry=queue.ready.popleft(), lane=self._lane)
        return None

    @property
    def _may_wait_for_a_place(self) -> bool:
        """Whether one row is to be there when a run of others has ended, or they would take each place."""
        return not self._waiting and self._limits.mode is Mode.WATCH and self.slots.has_own_room

    def may_begin(self, now: float) -> bool:
        """Report whether something may be sent that was not sent before."""
        if self._is_paused or now < self._paused_until:
            return False
        return not (self._is_probing and any(isinstance(action, Submit) for action in self._in_air.values()))

    def _is_turn_near(self, queue: Queue) -> bool:
        """Report whether the lane takes one more row of *queue*: what others may take it takes late."""
        return len(queue.lanes) <= 1 or len(self._waiting) < max(1.0, self._rate * _AHEAD)

    @property
    def turn_in(self) -> float:
        """Seconds until one more row would have its turn, about."""
        return (len(self._waiting) + 1) / self._rate if self._rate else math.inf

    @property
    def wake_at(self) -> float | None:
        """When something becomes due by time alone, in loop time; None if nothing does."""
        dues = [self._unsettled.first_due if len(self._in_air) < self._limits.concurrency else None]
        if self._has_ready and self.slots.have_room and self._is_probing and not self._in_air:
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
        return [*self._unsettled.ids, *self._in_air]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in the air, unsettled, or could be sent."""
        return not (self._in_air or (self._has_ready and self.may_come_to_send) or self._unsettled)

    @property
    def may_come_to_send(self) -> bool:
        """Whether there is room, or comes to be while this launch lasts, once runs of others have ended."""
        have_room = self.slots.have_room or (self._limits.mode is Mode.WATCH and self.slots.has_own_room)
        return have_room and not self.is_put_off

    @property
    def resumes_at(self) -> float:
        """When something may be sent again, in loop time, as far as a full quota is in the way."""
        return self._paused_until

    @property
    def is_put_off(self) -> bool:
        """Whether what is to be sent waits for a quota, longer than this launch does."""
        return self._is_probing and self._limits.mode is not Mode.WATCH

    @property
    def _has_ready(self) -> bool:
        return any(queue.ready for queue in self._queues.of_lane(self._lane, is_together=False))

    def validate(self) -> None:
        """Raise InvariantError where an entry waits in two places, or is settled without a doubt."""
        unsettled = self._unsettled.ids
        if not self._waiting <= self._in_air.keys():
            raise InvariantError(f"waits, and is not in the air: {self._waiting - self._in_air.keys()}")
        if set(unsettled) - set(self._doubts):
            raise InvariantError(f"unsettled without a doubt: {set(unsettled) - set(self._doubts)}")


def is_quota_full(acted: Acted) -> bool:
    """Report whether the service just put the entry off because its quota is full, here at least."""
    entry = acted.entry
    is_put_off = entry.state is State.BACKOFF or (
        entry.state is State.PLANNED and entry is not acted.action.entry
    )
    return is_put_off and entry.code == QUOTA_FULL
