"""Waiting times: between looks at a run, and before an attempt is retried.

The jitter is a hash of what is waited for, so that a replay waits equally long.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

#: Seconds between two looks at a lease, to see that it was released, or that its launcher died on this host.
_EVERY: Final = 2.0
#: The same once the lease should have expired: the ledger's own clock may be a little behind.
_SHORTLY: Final = 0.25


def spread(key: str) -> float:
    """Return a number in [0, 1) that looks random and is always the same for *key*."""
    return zlib.crc32(key.encode()) / 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """How long to wait between two looks at a run, or between two sweeps over all of them.

    The wait grows with the run's age, so that the end of a short run is seen within seconds, and a long run
    costs few calls; 30 to 60 s are short enough for real runs (healthomics.md, 3.2). It shrinks when few runs
    are left, since looks cost little then, and the end of the batch waits for them.
    """

    shortest: float = 2.0  #: seconds; also the wait before the first look
    longest: float = 60.0  #: seconds
    share_of_age: float = 0.5  #: the wait as a share of the run's age, where there are many
    share_of_few: float = 0.04  #: the same where there are few
    many: int = 100  #: runs that are many
    share_of_rate: float = 0.8  #: part of the ListRuns rate that sweeps may use
    sweeps_per_longest: int = 2  #: sweeps may come more often, at one call for a hundred runs

    def wait(self, age: float, key: str, failures: int = 0, *, runs: int | None = None) -> float:
        """Return the seconds until the next look.

        Args:
            age: Seconds since the run was accepted.
            key: What the spread is made from, such as the run's id and the look's number.
            failures: How many looks in a row got no answer; each one doubles the wait.
            runs: How many runs are watched one by one; many, where it is not known.
        """
        base = min(max(age * self._share(runs), self.shortest), self.longest)
        patient = min(base * 2.0 ** min(failures, 16), max(self.longest, base))
        return patient * (0.9 + 0.2 * spread(key))

    def _share(self, runs: int | None) -> float:
        crowd = 1.0 if runs is None else min(1.0, runs / self.many)
        return max(self.share_of_few, self.share_of_age * crowd)

    def sweep_wait(self, age: float, calls: int, rate: float) -> float:
        """Return the seconds from the beginning of one sweep to that of the next.

        *age* is that of the youngest run in seconds, *calls* what a sweep takes, *rate* ListRuns calls per
        second.
        """
        by_age = min(max(age * self.share_of_few, self.shortest), self.longest / self.sweeps_per_longest)
        return max(by_age, calls / (self.share_of_rate * rate))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferPolicy:
    """How long an attempt waits after the service said "not now"."""

    quota: float = 60.0  #: seconds after the first 402; doubles with each
    quota_longest: float = 900.0
    denied: float = 1.0  #: seconds after the first 403; doubles with each
    denials_to_refuse: int = 3  #: an entry denied this often while others pass is refused
    unknown: float = 5.0  #: seconds until an attempt of unknown outcome is sent again
    unknown_longest: float = 120.0

    @property
    def longest_wait(self) -> float:
        """The longest wait in seconds; the jitter adds a tenth at most."""
        return max(self.quota_longest, self.unknown_longest) * 1.1

    def quota_wait(self, deferrals: int, key: str) -> float:
        """Return the seconds to wait after a 402, *deferrals* of which came before."""
        return _doubling(self.quota, deferrals, self.quota_longest, key)

    def denied_wait(self, deferrals: int, key: str) -> float:
        """Return the seconds to wait after a 403."""
        return _doubling(self.denied, deferrals, self.quota_longest, key)

    def unknown_wait(self, doubts: int, key: str) -> float:
        """Return the seconds after which an unknown outcome is settled once more."""
        return _doubling(self.unknown, doubts, self.unknown_longest, key)


def _doubling(first: float, times: int, longest: float, key: str) -> float:
    return min(first * 2.0 ** min(times, 16), longest) * (0.9 + 0.2 * spread(f"{key}#{times}"))


def next_look(left: float) -> float:
    """Return the seconds until the next look at a lease with *left* seconds, by a clock that may be off."""
    return min(_EVERY, max(left, _SHORTLY))
