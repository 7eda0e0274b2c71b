"""Watching the runs of one lane: which to look at now, by GetRun or by a sweep (listing all active runs).

Theory of operation. Every run has a time at which it is due for a look. While sweeps are cheaper they are
made in between: a run that a sweep has shown is *covered*, and when it becomes due it is postponed without a
call. A run that leaves the listing has probably ended, and is due at once; so is one whose id belongs to
another run now. A run that no sweep has shown yet keeps its own due times. So both ways work side by side: a
listing that lags, misses runs or fails costs calls, but never leads to a wrong state, and the way can change
at any time. A run that an answer called gone is looked at again after the listing's lag, whatever sweeps
show.

A run without a usable answer for longer than ``longest_silence`` is *late*: it is still looked at, but the
launch does not wait for it.

A run that a message announces as ended (:mod:`announcing`) is due at once. While messages are relied on,
looks and sweeps are rarer by a factor; when they are not any more, all runs get their own due times back.

Does not belong here: which way is cheaper (``sweeps``), what an answer means (``verdicts``, ``listing``).
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Progressed
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.actions import Look, Sweep
from batchrun.model.planning.announcing import Announcements
from batchrun.model.planning.denials import Resources, resources_in
from batchrun.model.planning.limits import Limits, Mode
from batchrun.model.planning.listing import after_listing, shows_going
from batchrun.model.planning.stimuli import RatesLearned, RunsAnnounced, SweepFailed, Swept
from batchrun.model.planning.sweeps import InRunBatches, Sweeps
from batchrun.model.planning.verdicts import Silences

#: Seconds beyond the lag after which a run that an answer called gone is looked at again.
_AFTER_LAG: Final = 1.0


@dataclass(slots=True)
class _Watched:
    entry: Entry
    run_id: str
    since: float  #: loop time at which the run was accepted
    name: str | None
    run_group: str | None
    quick_since: float = float("-inf")  #: loop time from which its age counts, if later than *since*
    ticket: int = 0  #: of its valid place in the queue; places with other tickets are stale
    tries: int = 0
    failures: int = 0  #: in a row
    asked_at: float = 0.0  #: loop time of the last answer to a call about this run alone
    listed_at: float | None = None  #: when the last sweep that showed it began
    is_in_air: bool = False
    is_wanted: bool = False  #: a look at this run is needed, whatever listings show

    @property
    def is_alone(self) -> bool:
        """Whether sweeps cannot replace its looks."""
        return self.is_wanted or self.entry.missed_at is not None


class Watch:
    """The active runs of one lane."""

    def __init__(self, limits: Limits, lane: str | None = None) -> None:
        self._lane = lane
        self._policy = limits.watch
        self._is_once = limits.mode is Mode.ONCE  #: each run is looked at, or listed, once
        self._sweeps = Sweeps(limits.watch, limits.way, is_once=self._is_once)
        self._listing_lag = limits.listing_lag
        self._silences = Silences(limits.longest_silence)
        self._late: set[str] = set()  #: ids of entries whose runs are late
        self._watched: dict[str, _Watched] = {}
        self._run_ids: Counter[str] = Counter()
        self._by_uuid: dict[str, str] = {}  #: ids of entries
        self._announcements = Announcements()
        self._announced_in_air: set[str] = set()  #: ids of entries whose end was announced during a look
        self._groups: Counter[str | None] = Counter()
        self._run_batches = InRunBatches()
        self._queue: list[tuple[float, int, str]] = []
        self._tickets = 0
        self._in_air = 0
        self._youngest = float("-inf")
        self.uses: set[Resources] = set()  #: of all runs that were ever watched
        self.was_listed = False  #: whether a sweep ever showed one of the runs

    def __len__(self) -> int:
        return len(self._watched)

    def add(self, entry: Entry, *, since: float, due: float | None = None) -> None:
        """Watch the run of *entry*, which is ACTIVE; it was accepted at *since* in loop time.

        The first look is at *due*, or by the run's age.
        """
        if entry.run is None:
            raise InvariantError(f"entry '{entry.id}' is {entry.state.value} and has no run to watch")
        request = json.loads(entry.request)
        one = _Watched(entry, entry.run.id, since, request.get("name"), request.get("runGroupId"))
        self.uses.add(resources_in(request))
        one.asked_at = since if due is None else due
        self._watched[entry.id] = one
        self._run_ids[one.run_id] += 1
        self._by_uuid[entry.run.uuid] = entry.id
        self._groups[one.run_group] += 1
        self._youngest = max(self._youngest, since)
        self._put(one, since + self._wait(one, since) if due is None else due)

    def in_run_batch(self, entries: Iterable[Entry], batch_id: str) -> None:
        """Note the run batch of these entries' runs, if they are watched."""
        for entry in entries:
            if entry.id in self._watched:
                self._run_batches.learn(entry.id, batch_id)

    def hasten(self, entry_id: str) -> None:
        """Look at this entry's run at once, and from now on by GetRun only, if it is watched."""
        one = self._watched.get(entry_id)
        if one is None:
            return
        one.is_wanted = True
        if not one.is_in_air:
            self._put(one, float("-inf"))

    def quicken(self, entry_id: str, now: float) -> None:
        """Look at this entry's run as often as at a new one, if it is watched."""
        one = self._watched.get(entry_id)
        if one is not None:
            one.quick_since = now
            self._put(one, now + self._wait(one, now))

    def announced(self, announced: RunsAnnounced, *, now: float) -> None:
        """Look at once at the watched runs that messages announce as ended."""
        if not announced.is_alive:
            self._rely_no_more(now, is_lost=self._announcements.lose())
        for uuid in announced.uuids:
            self._announcements.told(uuid)
            one = self._watched.get(self._by_uuid.get(uuid, ""))
            if one is None:
                self._announcements.looked(uuid, now=now, has_ended=False)
            elif one.is_in_air:
                self._announced_in_air.add(one.entry.id)
            else:
                self._put(one, max(now, one.asked_at + self._policy.shortest) if one.tries else now)

    def _rely_no_more(self, now: float, *, is_lost: bool) -> None:
        if is_lost:
            self._sweeps.hasten(now)
            if not self._sweeps.is_listing:
                self._restore_dues(now)

    def rates_learned(self, rates: RatesLearned) -> None:
        """Note how many calls per second to expect."""
        self._sweeps.rates_learned(rates)

    def plan(self, *, now: float, room: int) -> list[Look | Sweep]:
        """Return what is due, with at most *room* looks in the air at once."""
        self._rely_no_more(now, is_lost=self._announcements.is_lost(now))
        self._choose(now)
        actions: list[Look | Sweep] = []
        if self._sweeps.is_due(now):
            actions.append(self._sweep(now))
        while self._in_air < room and (one := self._pop_due(now)) is not None:
            if self._is_covered(one, now):
                until = max(self._sweeps.believed_until, now + self._policy.shortest)
                self._put(one, min(now + self._wait(one, now), until))
                continue
            one.is_in_air = True
            self._in_air += 1
            actions.append(Look(entry=one.entry))
        return actions

    def looked(
        self, entry: Entry, *, now: float, failed: bool, is_going: bool, was_seen: bool = False
    ) -> None:
        """Take a run back after a look; it is watched further if it *is going*, later if the look failed."""
        one = self._watched.get(entry.id)
        if one is None or not one.is_in_air:
            raise InvariantError(f"entry '{entry.id}' was looked at, and nobody asked for it")
        one.is_in_air = False
        self._in_air -= 1
        is_too_early = is_going and entry.id in self._announced_in_air
        self._announced_in_air.discard(entry.id)
        if not failed:
            self._announcements.looked(_uuid(one.entry), now=now, has_ended=not is_going)
        if not is_going or self._is_once:
            self._drop(one)
            return
        one.entry = entry
        if not failed or was_seen:
            self._heard(one)
        elif self._silences.has_lasted(entry.id, now):
            self._late.add(entry.id)
        one.asked_at = one.asked_at if failed else now
        one.tries += 1
        one.failures = one.failures + 1 if failed else 0
        if is_too_early:
            self._announcements.told(_uuid(entry))
        self._put(one, now + (self._policy.shortest if is_too_early else self._wait(one, now)))

    def swept(self, swept: Swept, *, now: float, at: datetime) -> list[tuple[Entry, Progressed]]:
        """Take the result of a complete sweep, at *now* in loop time and *at* in wall time.

        Returns:
            Each entry, as it was, whose run has progressed, with the event.
        """
        sweep, age = swept.sweep, now - self._youngest
        self._sweeps.over(swept, now, len(self), age=age, rarer=self._announcements.rarer)
        news = []
        for one in list(self._watched.values()):
            if one.is_in_air or one.since >= sweep.begun or not self._is_swept(one, sweep):
                continue
            item = swept.listed.get(one.run_id)
            if item is None or not shows_going(one.entry, one.name, item):
                self._miss(one, now, is_stranger=item is not None)
                continue
            one.listed_at = sweep.begun
            self._heard(one)
            self.was_listed = True
            if item.batch_id is not None:
                self._run_batches.learn(one.entry.id, item.batch_id)
            event = after_listing(one.entry, item, at)
            if event is not None:
                news.append((one.entry, event))
                one.entry = apply(one.entry, event)
            if self._is_once and not one.is_alone:
                self._drop(one)
        return news

    def sweep_failed(self, failed: SweepFailed, *, now: float) -> None:
        """Take a failed sweep: look at each run until listing may work again."""
        self._sweeps.failed(failed, now)
        self._choose(now)

    @property
    def is_waited_for(self) -> bool:
        """Whether some run is not late, or something is under way."""
        return bool(self.in_air) or len(self._late) < len(self._watched)

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the entries that are watched."""
        return frozenset(self._watched)

    @property
    def in_air(self) -> int:
        """Looks under way, and a sweep whose result is still needed."""
        return self._in_air + (self._sweeps.is_under_way and bool(self._watched))

    def wake_at(self, room: int) -> float | None:
        """Return when something becomes due without a stimulus, in loop time, or None."""
        dues = []
        if self._watched and (due := self._sweeps.wake_at) is not None:
            dues.append(due)
        if self._in_air < room and (first := self._first()) is not None:
            dues.append(first[0])
        return min(dues, default=None)

    # -- choosing

    def _sweep(self, now: float) -> Sweep:
        seconds = self._sweeps.begin(now, len(self))
        ours = frozenset(self._run_ids)
        return Sweep(
            begun=now,
            run_group=self._only_group(),
            run_batches=tuple(self._sweeps.run_batches),
            seconds=seconds,
            run_ids=ours,
            lane=self._lane,
        )

    def _is_swept(self, one: _Watched, sweep: Sweep) -> bool:
        """Report whether the sweep was to list the run, which may be newer than the sweep."""
        return not sweep.run_batches or self._run_batches.of(one.entry.id) in sweep.run_batches

    def _choose(self, now: float) -> None:
        if self._sweeps.choose(now, len(self), self._run_batches.all_of(len(self))):
            self._restore_dues(now)

    def _restore_dues(self, now: float) -> None:
        """Give each run its own due time back, after it was postponed while covered."""
        for one in self._watched.values():
            if not one.is_in_air:
                due = one.asked_at + self._wait(one, now)
                self._put(one, now if self._is_once else max(now, due))

    def _is_covered(self, one: _Watched, now: float) -> bool:
        """Report whether a sweep shows the run, or the one under way will show it for the first time."""
        if self._is_alone(one) or not self._sweeps.may_cover(now):
            return False
        if now - one.asked_at >= self._sweeps.trusted_for(len(self)) * self._announcements.rarer:
            return False
        return self._sweeps.show(since=one.since, listed_at=one.listed_at)

    def _is_alone(self, one: _Watched) -> bool:
        return one.is_alone or self._announcements.is_told(_uuid(one.entry))

    def _miss(self, one: _Watched, now: float, *, is_stranger: bool) -> None:
        """Look at once, but only once, at a run that should have been listed; a new one waits."""
        was_listed = one.listed_at is not None
        one.listed_at = None
        is_suspect = is_stranger or self._is_once or now - one.since >= self._listing_lag
        if was_listed or (is_suspect and not one.tries):
            self._put(one, now)

    def _only_group(self) -> str | None:
        groups = [group for group, count in self._groups.items() if count]
        return groups[0] if len(groups) == 1 else None

    # -- the queue

    def _wait(self, one: _Watched, now: float) -> float:
        if one.entry.missed_at is not None and not one.failures:
            return self._listing_lag + _AFTER_LAG
        key = f"{one.entry.id}#{one.tries}"
        age = now - max(one.since, one.quick_since)
        wait = self._policy.wait(age, key, one.failures, runs=len(self._watched))
        return wait if self._is_alone(one) else wait * self._announcements.rarer

    def _put(self, one: _Watched, due: float) -> None:
        self._tickets += 1
        one.ticket = self._tickets
        heapq.heappush(self._queue, (due, one.ticket, one.entry.id))

    def _first(self) -> tuple[float, int, str] | None:
        """Return the head of the queue, after dropping stale places."""
        while self._queue:
            one = self._watched.get(self._queue[0][2])
            if one is not None and one.ticket == self._queue[0][1] and not one.is_in_air:
                return self._queue[0]
            heapq.heappop(self._queue)
        return None

    def _pop_due(self, now: float) -> _Watched | None:
        first = self._first()
        if first is None or first[0] > now:
            return None
        heapq.heappop(self._queue)
        return self._watched[first[2]]

    def _heard(self, one: _Watched) -> None:
        self._late.discard(one.entry.id)
        self._silences.answered(one.entry.id)

    def _drop(self, one: _Watched) -> None:
        self._heard(one)
        del self._watched[one.entry.id]
        self._by_uuid.pop(_uuid(one.entry), None)
        self._groups[one.run_group] -= 1
        self._run_batches.forget(one.entry.id)
        self._run_ids[one.run_id] -= 1  # another run of ours may have the same id
        if not self._run_ids[one.run_id]:
            del self._run_ids[one.run_id]


def _uuid(entry: Entry) -> str:
    return "" if entry.run is None else entry.run.uuid
