"""
The planner: which action is due, within the limits. It holds what is in flight and decides; the engine acts.

Theory of operation. The engine loads open entries from the ledger into the planner (:meth:`Planner.add`),
asks what may be done now (:meth:`Planner.plan`), carries each action out, and reports the entry as it is
afterwards (:meth:`Planner.done`), which frees what the action held and files the entry anew. An entry is in
one place at a time: *ready* (to be sent), *unsettled* (sent, outcome unknown), *watched* (its run is going,
:mod:`watch`), or *in the air* (an action is under way). Ended entries are not held, so memory grows with the
runs in flight.

Slots come first: an entry is sent only if the cap on active runs has room for it, whatever the outcome. Time
is an argument: *now* in seconds of loop time, *at* in wall time.

Belongs here: what to do next. Does not: what an outcome means (``verdicts``), where an event leads
(``transitions``), how runs are watched (``watch``), and doing anything.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.errors import InvariantError
from batchrun.model.actions import Action, Cancel, Look, Replay, Settle, Submit, Survey, Sweep
from batchrun.model.cancelling import Cancelling
from batchrun.model.limits import Limits, Mode
from batchrun.model.proving import Proving
from batchrun.model.states import HOLDS_SLOT, State
from batchrun.model.verdicts import HELD, SETTLED_BY_LOOKING
from batchrun.model.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from batchrun.model.entry import Entry

#: Times that an outcome stays unknown before the run is looked for: its answer may never be readable.
_REPEATS: Final = 3


@dataclass(slots=True)
class _Doubt:
    """How the outcome of an attempt was asked for."""

    since: float  #: loop time at which it may have been sent last
    tries: int = 0
    is_inherited: bool = False  #: an earlier launch sent it: when, only its clock knew


class _Queue:
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


def _may_have_sent(action: Action) -> bool:
    """Report whether carrying out *action* may have sent a StartRun."""
    if isinstance(action, Settle):
        return action.may_send
    return not isinstance(action, Look | Cancel)


class Planner:
    """What is in flight, and what is due."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.watch = Watch(
            limits.watch, limits.way, listing_lag=limits.listing_lag, is_once=limits.mode is Mode.ONCE
        )
        self._cancelling = Cancelling()
        self._proving = Proving(limits)
        self._ready: deque[Entry] = deque()
        self._unsettled = _Queue()
        self._sending: dict[str, Action] = {}
        self._doubts: dict[str, _Doubt] = {}
        self._slots: set[str] = set()
        self._is_draining = False
        self._is_holding_back = limits.mode is Mode.CANCEL
        self._is_probing = False
        self._paused_until = float("-inf")

    # -- what the engine tells the planner

    def add(self, entry: Entry, *, now: float, at: datetime) -> None:
        """File an open entry that was loaded from the ledger."""
        match entry.state:
            case State.PLANNED | State.BACKOFF:
                self._ready.append(entry)
            case State.SUBMITTING:
                self._slots.add(entry.id)
                # When the launcher before us sent it last is not known: at worst just now.
                self._doubts[entry.id] = _Doubt(since=now, is_inherited=True)
                self._unsettled.put(now, entry)
            case State.ACTIVE:
                self._slots.add(entry.id)
                age = (at - entry.accepted_at).total_seconds() if entry.accepted_at else 0.0
                if self._limits.mode is not Mode.DETACH:
                    self._watch(entry, since=now - max(0.0, age), due=now)
            case _:
                raise InvariantError(f"entry '{entry.id}' is {entry.state.value}: there is nothing to plan")

    def done(self, action: Action, entry: Entry, *, now: float, failed: bool = False) -> None:
        """
        File *entry* as it is after *action*.

        Args:
            action: What was carried out.
            entry: The entry after the action's events.
            now: Loop time.
            failed: The action got no usable answer and should be tried again later.
        """
        if entry.state not in HOLDS_SLOT:
            self._slots.discard(entry.id)
            self._cancelling.over(entry.id)
        if isinstance(action, Look | Cancel):
            self._looked(action, entry, now, failed=failed)
            return
        del self._sending[entry.id]
        self._proving.looked(entry.id)
        doubt = self._doubts.pop(entry.id, None)
        if doubt is None or entry.state is not action.entry.state:
            doubt = _Doubt(since=now)
        if _may_have_sent(action):
            doubt.since = now
        doubt.tries += 1
        doubt.is_inherited = doubt.is_inherited and failed
        if isinstance(action, Submit) and entry is action.entry and not self._is_holding_back:
            self._not_sent(entry, failed=failed)
        else:
            self._refile(entry, doubt, now)

    def set_aside(self, entry_ids: Collection[str]) -> Collection[str]:
        """
        Send nothing of these entries until the survey is over; return those that are not being sent already.

        A survey has found runs that bear their names, which decide what becomes of them.
        """
        ids = {entry_id for entry_id in entry_ids if entry_id not in self._sending}
        self._proving.set_aside(ids)
        self.withdraw(ids)
        return ids

    def surveyed(self, survey: Survey, *, now: float, failed: bool = False, are_few: bool = False) -> None:
        """
        Learn that a survey is over; what is to be sent is to be loaded anew, with its proofs.

        Args:
            survey: What was carried out.
            now: Loop time.
            failed: It did not see everything, and is to be made again.
            are_few: It was left to looks by name, since so few are to be sent.
        """
        self._proving.surveyed(survey, now, failed=failed, are_few=are_few)
        self._ready.clear()

    def withdraw(self, entry_ids: Collection[str]) -> None:
        """Forget these entries where they are ready to be sent: they were cancelled."""
        self._ready = deque(entry for entry in self._ready if entry.id not in entry_ids)

    def cancel(self, entry_ids: Collection[str]) -> None:
        """Have the runs of these entries cancelled, now or as soon as they have one."""
        self._cancelling.want(entry_ids)
        for entry_id in entry_ids:
            self.watch.hasten(entry_id)

    def is_cancelling(self, entry_id: str) -> bool:
        """Report whether the entry's run is to be cancelled."""
        return entry_id in self._cancelling

    def pause(self, until: float) -> None:
        """Submit nothing until then, in loop time, and then one at a time until one is accepted."""
        self._paused_until = until
        self._is_probing = True

    def resume(self) -> None:
        """Submit as ever: a submission was accepted."""
        self._is_probing = False

    @property
    def is_paused(self) -> bool:
        """Whether submissions are paused or probed."""
        return self._is_probing

    def hold_back(self) -> None:
        """Submit nothing more; what was sent is settled and watched as ever."""
        self._is_holding_back = True
        self._ready.clear()

    def go_on(self) -> None:
        """Submit again, after it was held back."""
        self._is_holding_back = False

    def drain(self) -> None:
        """Plan nothing more; what is in the air is still awaited."""
        self._is_draining = True

    # -- what the planner tells the engine

    def room(self) -> int:
        """Say how many more entries that are to be sent the engine may load."""
        if self._is_draining or self._is_holding_back:
            return 0
        return self._limits.concurrency - len(self._ready)

    def plan(self, *, now: float, at: datetime) -> list[Action | Sweep | Survey]:
        """
        Return the actions to carry out now; each is in the air until it is reported as done.

        Args:
            now: Loop time.
            at: The clock's latest time, by which proofs end.
        """
        if self._is_draining:
            return []
        looks = self.watch.plan(now=now, room=self._limits.concurrency)
        sending = self._plan_sending(now, at)
        return [*self._proving.plan(now), *sending, *(self._look_or_cancel(look, now) for look in looks)]

    @property
    def wake_at(self) -> float | None:
        """When something becomes due by time alone, in loop time; None if nothing does."""
        if self._is_draining:
            return None
        has_room = len(self._sending) < self._limits.concurrency
        dues = [
            self.watch.wake_at(self._limits.concurrency),
            self._unsettled.first_due if has_room else None,
            self._proving.wake_at,
        ]
        if self._ready and self._has_slot and self._is_probing and not self._sending:
            dues.append(self._paused_until)
        return min((due for due in dues if due is not None), default=None)

    @property
    def in_air(self) -> int:
        """Actions under way."""
        return len(self._sending) + self.watch.in_air

    @property
    def sending(self) -> Collection[str]:
        """Ids of the entries that are being sent or settled."""
        return frozenset(self._sending)

    @property
    def held(self) -> Collection[str]:
        """Ids of the entries that are to be sent and that the planner has already."""
        return {*self._sending, *self._proving.aside, *(entry.id for entry in self._ready)}

    @property
    def slots(self) -> int:
        """Runs that are, or may come to be, active."""
        return len(self._slots)

    def has_slot(self, entry_id: str) -> bool:
        """Report whether the entry is in flight already: its run is, or may come to be, active."""
        return entry_id in self._slots

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in flight that the mode waits for."""
        if self._is_draining:
            return self.in_air == 0
        waits_for_quota = self._is_probing and self._limits.mode is not Mode.WATCH
        can_submit = self._ready and self._has_slot and not waits_for_quota
        is_proving = self._proving.is_waited_for and not self._is_holding_back
        return not (self.in_air or can_submit or is_proving or self._unsettled or self.watch)

    @property
    def is_stuck(self) -> bool:
        """Whether nothing is in flight and what is to be sent waits for slots that nothing will free."""
        return self.is_idle and bool(self._ready)

    # -- inside

    def _plan_sending(self, now: float, at: datetime) -> list[Action]:
        actions: list[Action] = []
        while len(self._sending) < self._limits.concurrency:
            action = self._next_to_settle(now, at) or self._next_to_submit(now, at)
            if action is None:
                break
            self._sending[action.entry.id] = action
            self._slots.add(action.entry.id)
            actions.append(action)
        return actions

    def _watch(self, entry: Entry, *, since: float, due: float | None = None) -> None:
        self.watch.add(entry, since=since, due=due)
        if entry.id in self._cancelling:
            self.watch.hasten(entry.id)

    def _look_or_cancel(self, look: Look | Sweep, now: float) -> Action | Sweep:
        if isinstance(look, Look) and self._cancelling.is_due(look.entry.id, now):
            return Cancel(entry=look.entry)
        return look

    def _looked(self, action: Look | Cancel, entry: Entry, now: float, *, failed: bool) -> None:
        is_going = entry.state is State.ACTIVE
        self.watch.looked(entry, now=now, failed=failed, is_going=is_going)
        if not is_going or entry.id not in self._cancelling:
            return
        if isinstance(action, Cancel) and not failed:
            self._cancelling.asked(entry.id, now)
        if isinstance(action, Cancel) or failed:
            self.watch.quicken(entry.id, now)  # an old run's next look may be an hour away
        elif self._cancelling.is_due(entry.id, now):
            self.watch.hasten(entry.id)  # it was asked for while this look was in the air

    def _not_sent(self, entry: Entry, *, failed: bool) -> None:
        """File what was let go of before it was sent, or could not be looked for."""
        if failed:
            self._proving.could_not_look(entry.id)
        else:
            self._ready.appendleft(entry)

    def _next_to_settle(self, now: float, at: datetime) -> Action | None:
        entry = self._unsettled.pop_due(now)
        if entry is None:
            return None
        doubt, trust = self._doubts[entry.id], self._limits.trust
        is_worth_repeating = entry.code not in SETTLED_BY_LOOKING and doubt.tries < _REPEATS
        is_trusted = trust.holds(entry, at)
        if is_trusted and is_worth_repeating and not doubt.is_inherited:
            return Replay(entry=entry)
        is_proof = now - doubt.since >= self._limits.listing_lag
        may_send = is_proof or is_trusted or trust.is_seamless
        return Settle(entry=entry, is_proof=is_proof, may_send=may_send)

    def _next_to_submit(self, now: float, at: datetime) -> Action | None:
        if not self._ready or not self._has_slot or now < self._paused_until:
            return None
        if self._is_probing and any(isinstance(action, Submit) for action in self._sending.values()):
            return None
        if not self._proving.may_send(self._ready[0], now, at):
            return None
        return Submit(entry=self._ready.popleft())

    @property
    def _has_slot(self) -> bool:
        return self._limits.max_active is None or len(self._slots) < self._limits.max_active

    def _refile(self, entry: Entry, doubt: _Doubt, now: float) -> None:
        if self._limits.mode in {Mode.ONCE, Mode.DETACH}:
            return
        match entry.state:
            case State.ACTIVE:
                self._watch(entry, since=now)
            case State.SUBMITTING if entry.code not in HELD:
                self._doubts[entry.id] = doubt
                wait = self._limits.defer.unknown_wait(doubt.tries - 1, entry.id)
                self._unsettled.put(now + wait, entry)
            case _:
                pass  # sent again from the ledger when it is due, or ended
