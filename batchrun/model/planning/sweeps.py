"""Sweeps: when to list the runs of a lane instead of looking at each, what to list, how long to believe it.

Looking costs the number of runs over the GetRun rate; a sweep costs its pages, which include others' runs,
over the ListRuns rate. If all runs are in run batches of the service, these may be listed instead, which is
cheaper where others have many runs.

Belongs here: sweeps as a whole. Does not: what a sweep shows of one run, which run to look at (``watch``).
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from batchrun.model.entries.states import GOING_STATUSES

if TYPE_CHECKING:
    from batchrun.model.entries.policies import WatchPolicy
    from batchrun.model.planning.stimuli import RatesLearned, SweepFailed, Swept

_PAGE: Final = 100
#: Sweeps must cost this many times less to begin with them, and merely less to continue.
_WORTH_BEGINNING: Final = 2.0
#: Calls per second to expect before anything was learned, and where nothing limits them.
_ANNOUNCED: Final = 10.0
_UNLIMITED: Final = 1000.0
#: Seconds for which sweeps alone are believed that a run has not ended; longer if looking so often would take
#: more than this share of the GetRun rate.
_TRUSTED_FOR: Final = 900.0
_SPARED: Final = 0.1
#: A sweep is believed until the next one is overdue: by so many times its duration, and at least these
#: seconds.
_LATE: Final = 2.0
_LATE_AT_LEAST: Final = 10.0
#: A sweep may take so many times as long as looking at each run, and at least these seconds.
_TOO_DEAR: Final = 2.0
_SWEEP_AT_LEAST: Final = 15.0
#: Seconds after which a slow or failed sweep no longer prevents another.
_FORGOTTEN: Final = 600.0
#: Seconds without sweeps after a failed one; doubles with each in a row.
_AFTER_FAILURE: Final = 30.0
_LONGEST_AFTER_FAILURE: Final = 900.0


class Way(enum.Enum):
    """How runs are watched."""

    AUTO = "auto"  #: by whichever costs less
    GET = "get"  #: one by one
    LIST = "list"  #: by sweeps, and one by one the runs that these do not show


class InRunBatches:
    """Which run batches of the service the watched runs are in, as far as known."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}  #: entry's id to run batch's id
        self._runs: Counter[str] = Counter()

    def learn(self, entry_id: str, batch_id: str) -> None:
        """Note which run batch the entry's run is in."""
        if self._of.get(entry_id) != batch_id:
            self.forget(entry_id)
            self._of[entry_id] = batch_id
            self._runs[batch_id] += 1

    def forget(self, entry_id: str) -> None:
        """Drop an entry whose run is not watched any more."""
        batch_id = self._of.pop(entry_id, None)
        if batch_id is not None:
            self._runs[batch_id] -= 1
            if not self._runs[batch_id]:
                del self._runs[batch_id]

    def of(self, entry_id: str) -> str | None:
        """Return the run batch that the entry's run is in, if known."""
        return self._of.get(entry_id)

    def all_of(self, runs: int) -> Mapping[str, int]:
        """Return how many runs are in each run batch, if all of so many *runs* are in one; else nothing."""
        return self._runs if len(self._of) == runs else {}


class Sweeps:
    """The sweeps of one lane; *runs* is always the number of watched runs."""

    def __init__(self, policy: WatchPolicy, way: Way, *, is_once: bool) -> None:
        """Begin without a sweep; with *is_once* there will be only one."""
        self._policy = policy
        self._way = way
        self._is_once = is_once
        self._get = self._list = _ANNOUNCED
        self._may_list = way is not Way.GET
        self._may_list_batches = True
        self._failures = 0  #: in a row
        self._calls = 0  #: of the last sweep over all runs
        self._calls_at = float("-inf")  #: when that was
        self._seconds = 0.0  #: duration of the last sweep of the same kind as the next
        self.run_batches: Mapping[str, int] = {}  #: what to list, with their runs; empty: all runs
        self._due = float("-inf")
        self.believed_until = float("-inf")  #: loop time until which the last sweep is believed
        self.is_listing = False  #: the present choice
        self.is_under_way = False
        self.begun_at: float | None = None  #: when the last complete sweep began

    def rates_learned(self, rates: RatesLearned) -> None:
        """Note how many calls per second to expect."""
        self._get, self._list = min(rates.get, _UNLIMITED), min(rates.list, _UNLIMITED)

    # -- whether, and when

    def choose(self, now: float, runs: int, run_batches: Mapping[str, int]) -> bool:
        """Choose the cheaper way; report whether sweeps were given up.

        *run_batches* has the number of runs in each, or is empty if not all *runs* are in one.
        """
        can_list = self._may_list and (not self._failures or now >= self._due)
        was_listing = self.is_listing
        if not was_listing and now >= self._due + _FORGOTTEN:
            self._seconds = 0.0  # it may not be slow any more
        self._choose_what(now, runs, run_batches)
        self.is_listing = can_list and (self._way is Way.LIST or self._is_worth_it(runs))
        return was_listing and not self.is_listing

    def _choose_what(self, now: float, runs: int, run_batches: Mapping[str, int]) -> None:
        """List run batches only, if that takes no more calls, as far as known."""
        if now >= self._calls_at + _FORGOTTEN:
            self._calls = 0  # the number of others' runs may have changed
        is_narrow = self._may_list_batches and 0 < _calls_for(run_batches) <= (self._calls or _calls(runs))
        if is_narrow != bool(self.run_batches):
            self._seconds = 0.0
        self.run_batches = run_batches if is_narrow else {}

    def _is_worth_it(self, runs: int) -> bool:
        edge = 1.0 if self.is_listing else _WORTH_BEGINNING
        return self._seconds_for(runs) * edge < runs / self._get

    def _seconds_for(self, runs: int) -> float:
        """Return how long a sweep takes: by its calls and their rate, or as measured if that is more."""
        calls = _calls_for(self.run_batches) or self._calls or _calls(runs)
        return max(calls / self._list, self._seconds)

    @property
    def wake_at(self) -> float | None:
        """When the next sweep is due without a stimulus, in loop time, or None."""
        is_over = self._is_once and self.begun_at is not None
        return self._due if self.is_listing and not self.is_under_way and not is_over else None

    def is_due(self, now: float) -> bool:
        """Report whether a sweep is due."""
        due = self.wake_at
        return due is not None and now >= due

    def hasten(self, now: float) -> None:
        """Make the next sweep due at once."""
        self._due = min(self._due, now)

    # -- one of them

    def begin(self, now: float, runs: int) -> float:
        """Begin a sweep; return the seconds that it may take."""
        self.is_under_way = True
        if self.begun_at is None:
            self.believed_until = now + max(_LATE * self._seconds_for(runs), _LATE_AT_LEAST)
        return max(_TOO_DEAR * runs / self._get, _SWEEP_AT_LEAST)

    def over(self, swept: Swept, now: float, runs: int, *, age: float, rarer: float) -> None:
        """Take a complete sweep; *age* is the youngest run's, and the wait is multiplied by *rarer*."""
        begun = swept.sweep.begun
        self.is_under_way = False
        self._failures = 0
        self.begun_at = begun
        self._seconds = now - begun
        if not swept.sweep.run_batches:
            self._calls, self._calls_at = swept.calls, now
        wait = self._policy.sweep_wait(age, swept.calls, self._list) * rarer
        self._due = max(now, begun + wait)
        self.believed_until = self._due + max(_LATE * self._seconds_for(runs), _LATE_AT_LEAST)

    def failed(self, failed: SweepFailed, now: float) -> None:
        """Take a failed sweep: the next comes later with each failure, and never if listing is denied."""
        self.is_under_way = False
        self._seconds = now - failed.sweep.begun
        self._may_list = self._may_list and not failed.is_denied
        self._may_list_batches = self._may_list_batches and not failed.sweep.run_batches
        pause = min(_AFTER_FAILURE * 2.0 ** min(self._failures, 16), _LONGEST_AFTER_FAILURE)
        self._failures += 1
        self._due = now + pause

    # -- what they show

    def may_cover(self, now: float) -> bool:
        """Report whether runs that sweeps show need no look; not while on trial after a failure."""
        return self.is_listing and not self._failures and now < self.believed_until

    def trusted_for(self, runs: int) -> float:
        """Return the seconds for which sweeps alone are believed that a run has not ended."""
        return max(_TRUSTED_FOR, runs / (_SPARED * self._get))

    def show(self, *, since: float, listed_at: float | None) -> bool:
        """Report whether the last sweep showed a run accepted at *since*, or the next may."""
        return self.begun_at is None or since >= self.begun_at or listed_at == self.begun_at


def _calls(runs: int) -> int:
    """Return how many calls list so many runs, without others."""
    return len(GOING_STATUSES) + runs // _PAGE


def _calls_for(run_batches: Mapping[str, int]) -> int:
    return sum(_calls(runs) for runs in run_batches.values())
