"""
Listing runs of a lane instead of looking at each: whether it is worth it, which, when, and for how long.

The price of looking at each run is their number over the GetRun rate, that of a sweep is its pages, others'
runs among them, over the ListRuns rate: what counts is how much of a rate is used up. Where all runs are in
run batches of the service, these may be listed alone, one by one, which is cheaper where others have many.

Belongs here: what is known of sweeps as a whole. Does not: what a sweep shows of one run, and which run is
looked at (``watch``).
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
#: Sweeps must cost this many times less to be begun, and merely less to be gone on with.
_WORTH_BEGINNING: Final = 2.0
#: Calls per second that are counted on before anything was learned, and where nothing limits them.
_ANNOUNCED: Final = 10.0
_UNLIMITED: Final = 1000.0
#: Seconds for which listings alone are believed that a run has not ended; longer where asking so often
#: would take more than this part of the GetRun rate.
_TRUSTED_FOR: Final = 900.0
_SPARED: Final = 0.1
#: A sweep that should have been over, with the wait for the next, so many times, shows nothing any more.
_LATE: Final = 2.0
_LATE_AT_LEAST: Final = 10.0
#: A sweep may take so many times as long as to look at each run, and at least these seconds.
_TOO_DEAR: Final = 2.0
_SWEEP_AT_LEAST: Final = 15.0
#: Seconds after which what a sweep took, or that it failed, is no reason any more not to try another.
_FORGOTTEN: Final = 600.0
#: Seconds without sweeps after one that failed; doubles with each in a row.
_AFTER_FAILURE: Final = 30.0
_LONGEST_AFTER_FAILURE: Final = 900.0


class Way(enum.Enum):
    """How runs are watched."""

    AUTO = "auto"  #: by whichever costs less
    GET = "get"  #: one by one
    LIST = "list"  #: by sweeps, and one by one where these do not show a run


class InRunBatches:
    """Which run batches of the service the watched runs are in, as far as that is known."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}  #: entry's id: its batch's
        self._runs: Counter[str] = Counter()

    def learn(self, entry_id: str, batch_id: str) -> None:
        """Learn which one the entry's run is in."""
        if self._of.get(entry_id) != batch_id:
            self.forget(entry_id)
            self._of[entry_id] = batch_id
            self._runs[batch_id] += 1

    def forget(self, entry_id: str) -> None:
        """Learn that the entry's run is not watched any more."""
        batch_id = self._of.pop(entry_id, None)
        if batch_id is not None:
            self._runs[batch_id] -= 1
            if not self._runs[batch_id]:
                del self._runs[batch_id]

    def of(self, entry_id: str) -> str | None:
        """Return the one that the entry's run is in, where that is known."""
        return self._of.get(entry_id)

    def all_of(self, runs: int) -> Mapping[str, int]:
        """Return how many are in each, if all of so many *runs* are in one; else nothing."""
        return self._runs if len(self._of) == runs else {}


class Sweeps:
    """Sweeps over the runs of one lane; *runs* is always how many are watched."""

    def __init__(self, policy: WatchPolicy, way: Way, *, is_once: bool) -> None:
        """Begin without any; with *is_once* there is one."""
        self._policy = policy
        self._way = way
        self._is_once = is_once
        self._get = self._list = _ANNOUNCED
        self._may_list = way is not Way.GET
        self._may_list_batches = True
        self._failures = 0  #: in a row
        self._calls = 0  #: that the last one over all runs took
        self._calls_at = float("-inf")  #: when
        self._seconds = 0.0  #: that the last one took, over the same as the next
        self.run_batches: Mapping[str, int] = {}  #: those alone that are listed, with their runs; or all runs
        self._due = float("-inf")
        self.believed_until = float("-inf")  #: what the last one showed
        self.is_listing = False  #: the present choice
        self.is_under_way = False
        self.begun_at: float | None = None  #: the last complete one

    def rates_learned(self, rates: RatesLearned) -> None:
        """Learn how many calls per second can be counted on."""
        self._get, self._list = min(rates.get, _UNLIMITED), min(rates.list, _UNLIMITED)

    # -- whether, and when

    def choose(self, now: float, runs: int, run_batches: Mapping[str, int]) -> bool:
        """
        Choose by the price; report whether runs are not listed any more, and were.

        *run_batches* has how many of the *runs* are in each; nothing where not all of them are in any.
        """
        can_list = self._may_list and (not self._failures or now >= self._due)
        was_listing = self.is_listing
        if not was_listing and now >= self._due + _FORGOTTEN:
            self._seconds = 0.0  # it was slow once; maybe it is not any more
        self._choose_what(now, runs, run_batches)
        self.is_listing = can_list and (self._way is Way.LIST or self._is_worth_it(runs))
        return was_listing and not self.is_listing

    def _choose_what(self, now: float, runs: int, run_batches: Mapping[str, int]) -> None:
        """List run batches alone where that takes no more calls, as far as is known."""
        if now >= self._calls_at + _FORGOTTEN:
            self._calls = 0  # others may have come or gone
        is_narrow = self._may_list_batches and 0 < _calls_for(run_batches) <= (self._calls or _calls(runs))
        if is_narrow != bool(self.run_batches):
            self._seconds = 0.0
        self.run_batches = run_batches if is_narrow else {}

    def _is_worth_it(self, runs: int) -> bool:
        edge = 1.0 if self.is_listing else _WORTH_BEGINNING
        return self._seconds_for(runs) * edge < runs / self._get

    def _seconds_for(self, runs: int) -> float:
        """Return how long one takes: by its calls and their rate, or as measured, where that is more."""
        calls = _calls_for(self.run_batches) or self._calls or _calls(runs)
        return max(calls / self._list, self._seconds)

    @property
    def wake_at(self) -> float | None:
        """When the next is due, in loop time; None if none will be by time alone."""
        is_over = self._is_once and self.begun_at is not None
        return self._due if self.is_listing and not self.is_under_way and not is_over else None

    def is_due(self, now: float) -> bool:
        """Report whether one is to be begun."""
        due = self.wake_at
        return due is not None and now >= due

    def hasten(self, now: float) -> None:
        """Let the next be due at once."""
        self._due = min(self._due, now)

    # -- one of them

    def begin(self, now: float, runs: int) -> float:
        """Begin one; return the seconds that it may take."""
        self.is_under_way = True
        if self.begun_at is None:
            self.believed_until = now + max(_LATE * self._seconds_for(runs), _LATE_AT_LEAST)
        return max(_TOO_DEAR * runs / self._get, _SWEEP_AT_LEAST)

    def over(self, swept: Swept, now: float, runs: int, *, age: float, rarer: float) -> None:
        """Learn that one is complete; *age* is that of the youngest run, and waits are longer by *rarer*."""
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
        """Learn that one came to nothing: the next comes later, each time, and where it is denied never."""
        self.is_under_way = False
        self._seconds = now - failed.sweep.begun
        self._may_list = self._may_list and not failed.is_denied
        self._may_list_batches = self._may_list_batches and not failed.sweep.run_batches
        pause = min(_AFTER_FAILURE * 2.0 ** min(self._failures, 16), _LONGEST_AFTER_FAILURE)
        self._failures += 1
        self._due = now + pause

    # -- what they show

    def may_cover(self, now: float) -> bool:
        """Report whether a run that they show needs no look; not while they are on trial after a failure."""
        return self.is_listing and not self._failures and now < self.believed_until

    def trusted_for(self, runs: int) -> float:
        """Return the seconds for which they alone are believed that a run has not ended."""
        return max(_TRUSTED_FOR, runs / (_SPARED * self._get))

    def show(self, *, since: float, listed_at: float | None) -> bool:
        """Report whether the last one showed a run accepted at *since*, or one will for the first time."""
        return self.begun_at is None or since >= self.begun_at or listed_at == self.begun_at


def _calls(runs: int) -> int:
    """Return how many calls list so many runs, where there are no others."""
    return len(GOING_STATUSES) + runs // _PAGE


def _calls_for(run_batches: Mapping[str, int]) -> int:
    return sum(_calls(runs) for runs in run_batches.values())
