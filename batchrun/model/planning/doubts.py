"""Attempts of one lane whose outcome is unknown: how to settle each, when, and for how long to wait.

An attempt is sent again while the service remembers its requestId; if that does not help, its run is looked
for. One that stays unknown for longer than ``longest_silence`` is *late*: it is retried rarely, and the
launch does not wait for it. If the service has answered with conflicts for that long, it is tried once more,
and recorded as refused if there is still a conflict and no listing shows a run: no call that it could
conflict with stays in the air that long. So it is where passes were answered with conflicts for that long.

Does not belong here: what is sent for the first time (``sending``), what an answer means (``verdicts``).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import History, last_alike
from batchrun.model.planning.actions import Resend, Settle
from batchrun.model.planning.actions import Sending as SendingAction
from batchrun.model.planning.limits import Limits
from batchrun.model.planning.stimuli import Acted, Moment
from batchrun.model.planning.verdicts import CONFLICT, SETTLED_BY_LOOKING, Silences

#: Repeated calls with an unknown outcome before the run is looked for: the answer may never be readable.
_REPEATS: Final = 3


@dataclass(slots=True)
class _Doubt:
    """An attempt of unknown outcome."""

    entry: Entry
    since: float  #: loop time at which it may have been sent last
    tries: int = 0
    is_inherited: bool = False  #: whether an earlier launch sent it, at an unknown time
    is_late: bool = False
    conflicts_since: float | None = None  #: loop time since which every answer was a conflict


def has_conflicted_for(seconds: float, history: History, now: datetime) -> bool:
    """Report whether every answer has been a conflict for so long, over several launches.

    A few answers are wanted too: our clock may have been set meanwhile.
    """
    conflicts = last_alike(history, "doubted", CONFLICT)
    return len(conflicts) >= _REPEATS and (now - conflicts[0]).total_seconds() >= seconds


def may_have_sent(action: SendingAction) -> bool:
    """Report whether carrying out *action* may have sent a StartRun."""
    return action.may_send if isinstance(action, Settle) else True


class Doubts:
    """The attempts of unknown outcome in one lane; each waits here, or is being settled."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._silences = Silences(limits.longest_silence)
        self._heap: list[tuple[float, int, str]] = []
        self._count = 0
        self._doubts: dict[str, _Doubt] = {}

    def inherit(self, entry: Entry, now: float) -> None:
        """Take an entry that an earlier launch sent, at an unknown time; at worst just now."""
        self._silences.has_lasted(entry.id, now)
        self._put(_Doubt(entry, since=now, is_inherited=True), now)

    def next_due(self, moment: Moment) -> Resend | Settle | None:
        """Return the action that is due for one of them, if any."""
        if not self._heap or self._heap[0][0] > moment.now:
            return None
        doubt, trust = self._doubts[heapq.heappop(self._heap)[2]], self._limits.trust
        entry = doubt.entry
        is_worth_repeating = entry.code not in SETTLED_BY_LOOKING and doubt.tries < _REPEATS
        is_trusted = trust.holds(entry, moment.latest)
        if is_trusted and is_worth_repeating and not doubt.is_inherited:
            return Resend(entry=entry)
        is_proof = moment.now - doubt.since >= self._limits.listing_lag
        may_send = is_proof or is_trusted or trust.is_seamless
        since, patience = doubt.conflicts_since, self._limits.longest_silence
        may_refuse = is_proof and since is not None and moment.now - since >= patience
        return Settle(entry=entry, is_proof=is_proof, may_send=may_send, may_refuse=may_refuse)

    def over(self, entry_id: str) -> None:
        """Drop an attempt whose outcome is known, or of no interest to this launch."""
        self._doubts.pop(entry_id, None)
        self._silences.answered(entry_id)

    def again(self, acted: Acted, action: SendingAction, now: float) -> None:
        """Keep an attempt that was sent or settled, and whose outcome is still unknown."""
        entry = acted.entry
        doubt = self._doubts.get(entry.id)
        if doubt is None or entry.state is not action.entry.state:
            doubt = _Doubt(entry, since=now)
        doubt.entry = entry
        if may_have_sent(action):
            doubt.since = now
        doubt.is_inherited = doubt.is_inherited and not acted.is_answered
        if entry.code != CONFLICT:
            doubt.conflicts_since = None
        elif doubt.conflicts_since is None:
            doubt.conflicts_since = now
        had_last_word = isinstance(action, Settle) and action.may_refuse
        wait = self._wait(doubt, now, may_be_refused=entry.code == CONFLICT and not had_last_word)
        doubt.tries += 1
        self._put(doubt, now + wait)

    def _wait(self, doubt: _Doubt, now: float, *, may_be_refused: bool) -> float:
        """Return the seconds until the next try, and note whether it is late."""
        has_lasted = self._silences.has_lasted(doubt.entry.id, now)
        doubt.is_late = has_lasted and not may_be_refused
        if doubt.is_late:
            return self._limits.longest_silence
        wait = self._limits.defer.unknown_wait(doubt.tries, doubt.entry.id)
        return wait + self._limits.listing_lag if has_lasted else wait  # so that looking proves something

    def _put(self, doubt: _Doubt, due: float) -> None:
        self._count += 1
        self._doubts[doubt.entry.id] = doubt
        heapq.heappush(self._heap, (due, self._count, doubt.entry.id))

    @property
    def first_due(self) -> float | None:
        """When the next one is due, in loop time."""
        return self._heap[0][0] if self._heap else None

    @property
    def are_waited_for(self) -> bool:
        """Whether any of them is not late."""
        return any(not doubt.is_late for doubt in self._doubts.values())

    @property
    def ids(self) -> list[str]:
        """Ids of the entries that wait."""
        return [entry_id for _, _, entry_id in self._heap]
