"""Token buckets: how many calls of an operation are accepted per second."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

#: Tolerance for float rounding in loop time, so that a token that is due is given.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The rate limit of one operation."""

    rate: float  #: tokens per second
    burst: int  #: tokens in a full bucket; at least 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate) and self.rate > 0):
            raise ValueError(f"a rate must be a number above 0, not {self.rate}")
        if self.burst < 1:
            raise ValueError(f"a burst must be at least 1, not {self.burst}")


#: The service's defaults; each operation is counted by itself. The burst is not documented.
SERVICE_LIMITS: Mapping[str, Limit] = {
    "StartRun": Limit(rate=5, burst=5),
    "StartRunBatch": Limit(rate=1, burst=1),
    "TagResource": Limit(rate=5, burst=5),
    "UntagResource": Limit(rate=5, burst=5),
    "ListTagsForResource": Limit(rate=5, burst=5),
    "*": Limit(rate=10, burst=10),
}


class Bucket:
    """The tokens of one operation; full at first."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._tokens = float(limit.burst)
        self._seen = -math.inf

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one and take none."""
        limit = self._limit
        earned = (now - self._seen) * limit.rate
        self._tokens = min(float(limit.burst), self._tokens + earned)
        self._seen = now
        if self._tokens < 1 - _TOLERANCE:
            return (1 - self._tokens) / limit.rate
        self._tokens -= 1
        return 0.0


class Buckets:
    """A bucket per operation; *limits* override the service's defaults."""

    def __init__(self, limits: Mapping[str, Limit | None]) -> None:
        # A "*" in *limits* overrides the defaults by name: "*=unlimited" means every operation.
        self._limits = dict(limits) if "*" in limits else {**SERVICE_LIMITS, **limits}
        self._buckets: dict[str, Bucket] = {}

    def limit(self, operation: str) -> Limit | None:
        """Return the limit of *operation*; None if it has none."""
        return self._limits.get(operation, self._limits["*"])

    def take(self, operation: str, now: float) -> float:
        """Take a token of *operation* and return 0, or return the seconds until there is one."""
        limit = self.limit(operation)
        if limit is None:
            return 0.0
        if operation not in self._buckets:
            self._buckets[operation] = Bucket(limit)
        return self._buckets[operation].take(now)
