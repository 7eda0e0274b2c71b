"""
What is to be sent, and what was sent and is to be settled: in which order, within the slots and the pauses.

An entry is in one place at a time: *ready* (to be sent), *unsettled* (sent, outcome unknown), or *in the air*
(being sent or settled). Slots come first: an entry is sent only if the cap on active runs has room for it,
whatever the outcome. A quota that is full pauses what is to be sent; then one goes as a probe, and the others
follow once one is accepted.

Belongs here: that. Does not: whether a run of the entry is there already (``proving``), how runs are watched
(``watch``), what an outcome means (``verdicts``).
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.errors import InvariantError
from batchrun.model.actions import HoldBack, Replay, Settle, Submit
from batchrun.model.limits import Mode
from batchrun.model.states import State
from batchrun.model.verdicts import HELD, QUOTA_FULL, SETTLED_BY_LOOKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from batchrun.model.actions import Sending as SendingAction
    from batchrun.model.entry import Entry
    from batchrun.model.limits import Limits
    from batchrun.model.moment import Moment
    from batchrun.model.proving import Proving
    from batchrun.model.stimuli import Acted

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

    @property
    def ids(self) -> list[str]:
        return [entry.id for _, _, entry in self._heap]


def _may_have_sent(action: SendingAction) -> bool:
    """Report whether carrying out *action* may have sent a StartRun."""
    return action.may_send if isinstance(action, Settle) else True


class Sending:
    """What one launch sends."""

    def __init__(self, limits: Limits, proving: Proving) -> None:
        self._limits = limits
        self._proving = proving
        self._ready: deque[Entry] = deque()
        self._unsettled = _Queue()
        self._in_air: dict[str, SendingAction] = {}
        self._doubts: dict[str, _Doubt] = {}
        self._slots: set[str] = set()
        self._is_holding_back = limits.mode is Mode.CANCEL
        self._is_probing = False
        self._paused_until = float("-inf")
        self._pauses = 0  #: for a full quota, since a submission was last accepted

    # -- filing

    def add_ready(self, entry: Entry) -> None:
        """Take an entry that is to be sent."""
        self._ready.append(entry)

    def add_unsettled(self, entry: Entry, now: float) -> None:
        """Take an entry that an earlier launch sent: when, is not known, at worst just now."""
        self._doubts[entry.id] = _Doubt(since=now, is_inherited=True)
        self._unsettled.put(now, entry)

    def take_slot(self, entry_id: str) -> None:
        """Count the entry's run as one that is, or may come to be, active."""
        self._slots.add(entry_id)

    def free_slot(self, entry_id: str) -> None:
        """Count it no more."""
        self._slots.discard(entry_id)

    def acted(self, acted: Acted, now: float) -> None:
        """File the entry as it is after it was sent or settled; what has a run is for others to watch."""
        entry, action = acted.entry, self._in_air.pop(acted.entry.id, None)
        if action is None:
            raise InvariantError(f"entry '{entry.id}' was sent, and nobody asked for it")
        self._proving.looked(entry.id)
        doubt = self._doubts.pop(entry.id, None)
        if isinstance(action, Submit) and entry is action.entry and not self._is_holding_back:
            if acted.is_answered:  # let go of before it was sent
                self._ready.appendleft(entry)
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

    def withdraw(self, entry_ids: Collection[str]) -> None:
        """Forget these entries where they are ready to be sent."""
        if entry_ids:
            self._ready = deque(entry for entry in self._ready if entry.id not in entry_ids)

    def load_anew(self) -> None:
        """Forget all that is ready to be sent: it is to be read again, with its proofs."""
        self._ready.clear()

    # -- pauses

    def quota_full(self, entry: Entry, now: float) -> list[HoldBack]:
        """Stop spending calls on a quota that is full: probe with one, ever more rarely."""
        if self._is_probing and now < self._paused_until:
            return []
        wait = self._limits.defer.quota_wait(self._pauses, entry.batch)
        self._pauses += 1
        self._paused_until, self._is_probing = now + wait, True
        return [HoldBack(quota_message=entry.message, seconds=wait)]

    def accepted(self) -> None:
        """Learn that a submission was accepted: the quota has room."""
        self._is_probing, self._pauses = False, 0

    def hold_back(self) -> None:
        """Send nothing more; what was sent is settled as ever."""
        self._is_holding_back = True
        self._ready.clear()

    def go_on(self) -> None:
        """Send again, after it was held back."""
        self._is_holding_back = False

    # -- what is due

    def plan(self, moment: Moment) -> list[SendingAction]:
        """Return what is to be sent or settled now; each is in the air until it was acted on."""
        actions: list[SendingAction] = []
        while len(self._in_air) < self._limits.concurrency:
            action = self._next_to_settle(moment) or self._next_to_submit(moment)
            if action is None:
                break
            self._in_air[action.entry.id] = action
            self._slots.add(action.entry.id)
            actions.append(action)
        return actions

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
        if not self._ready or not self._has_slot or moment.now < self._paused_until:
            return None
        if self._is_probing and any(isinstance(action, Submit) for action in self._in_air.values()):
            return None
        if not self._proving.may_send(self._ready[0], moment.now, moment.latest):
            return None
        return Submit(entry=self._ready.popleft())

    @property
    def wake_at(self) -> float | None:
        """When something becomes due by time alone, in loop time; None if nothing does."""
        dues = [self._unsettled.first_due if len(self._in_air) < self._limits.concurrency else None]
        if self._ready and self._has_slot and self._is_probing and not self._in_air:
            dues.append(self._paused_until)
        return min((due for due in dues if due is not None), default=None)

    # -- how it stands

    def room(self) -> int:
        """Return how many more entries that are to be sent may be read."""
        return 0 if self._is_holding_back else self._limits.concurrency - len(self._ready)

    @property
    def in_air(self) -> frozenset[str]:
        """Ids of the entries that are being sent or settled."""
        return frozenset(self._in_air)

    @property
    def in_air_count(self) -> int:
        """How many these are."""
        return len(self._in_air)

    @property
    def held(self) -> frozenset[str]:
        """Ids of the entries that are to be sent and that are here already."""
        return frozenset((*self._in_air, *self._proving.aside, *(entry.id for entry in self._ready)))

    @property
    def ids(self) -> list[str]:
        """Ids of the entries that are ready, unsettled or in the air."""
        return [*(entry.id for entry in self._ready), *self._unsettled.ids, *self._in_air]

    @property
    def slots(self) -> int:
        """Runs that are, or may come to be, active."""
        return len(self._slots)

    def has_slot(self, entry_id: str) -> bool:
        """Report whether the entry's run is, or may come to be, active."""
        return entry_id in self._slots

    @property
    def is_holding_back(self) -> bool:
        """Whether nothing more is sent."""
        return self._is_holding_back

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in the air, unsettled, or could be sent."""
        waits_for_quota = self._is_probing and self._limits.mode is not Mode.WATCH
        can_submit = self._ready and self._has_slot and not waits_for_quota
        is_proving = self._proving.is_waited_for and not self._is_holding_back
        return not (self._in_air or can_submit or is_proving or self._unsettled)

    @property
    def is_stuck(self) -> bool:
        """Whether nothing is under way and what is to be sent waits for slots that nothing here will free."""
        return self.is_idle and bool(self._ready)

    @property
    def _has_slot(self) -> bool:
        return self._limits.max_active is None or len(self._slots) < self._limits.max_active

    def validate(self) -> None:
        """Raise InvariantError where an entry is in two places, or is sent without a slot."""
        unsettled = self._unsettled.ids
        if len(self.ids) != len(set(self.ids)):
            raise InvariantError(f"an entry is in two places: {sorted(self.ids)}")
        if not {*unsettled, *self._in_air} <= self._slots:
            raise InvariantError(f"sent without a slot: {({*unsettled, *self._in_air}) - self._slots}")
        if set(unsettled) - set(self._doubts):
            raise InvariantError(f"unsettled without a doubt: {set(unsettled) - set(self._doubts)}")


def is_quota_full(entry: Entry) -> bool:
    """Report whether the service just put the entry off because its quota is full."""
    return entry.state is State.BACKOFF and entry.code == QUOTA_FULL
