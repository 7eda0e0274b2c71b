"""
Which rate is tried next while a limit is looked for: up in steps, from what passed towards what was refused.

A bucket of one stores nothing: it refuses exactly the calls that come sooner after the last one that passed
than its limit allows. So the time between two calls that pass shows a rate that is not too much, and that
of a refusal one that is. Between the two lies the limit: it is looked for among whole calls per second,
which is how quotas are given, and then in steps of a hundredth, so that three refusals find it. Where
tokens are stored, a call that passes shows less: there the calls since the bucket was empty are counted
(``bucket``), and steps are small while the limit may be near, or what was stored would hide it and spoil
the count.

Belongs here: the steps. Does not: what follows from a refusal (``pace``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

#: What a step multiplies the rate by: below what passed before it fell, in the dark, and near the limit.
_BACK: Final = 4.0
_COARSE: Final = 1.5
_FINE: Final = 1.0125
#: Where tokens are stored: calls per second that a step adds, and from how many times the likely limit on it
#: may be longer: the less is stored, the sooner a refusal shows that it is too much.
_STORED_STEP: Final = 0.5
_FAR: Final = 2.5
#: Calls per second that a coarse step adds at most.
_LONGEST_STEP: Final = 5.0
#: The share by which rates differ that are not the same, and by which a whole number is missed: answers take
#: now a little longer and now a little less, and a call must not come too soon.
_SAME: Final = 0.01
JITTER: Final = 0.005
#: Where it begins, as a share of what is supposed, and of what the opening's own pace shows.
_BELOW_SUPPOSED: Final = 0.8
_BELOW_OPENING: Final = 0.7
#: Calls per second while nothing passes, unless it was slower before: few, and yet soon enough.
KNOCKS: Final = 1 / 8
#: A call shows a rate that is so much lower than the one that is tried all the same: it left a little late.
_LATE: Final = 1.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A rate that is tried, and what was found before. In calls per second."""

    rate: float
    passed: float = 0.0  #: the highest that passed; 0 is none
    refused: float = math.inf  #: the lowest that was refused

    @classmethod
    def of(cls, rate: float, passed: float, refused: float | None) -> Search:
        """Return the search of which these are the facts."""
        return cls(rate=rate, passed=passed, refused=math.inf if refused is None else refused)

    @classmethod
    def opened(cls, calls: int, seconds: float, *, likely: float) -> Search:
        """Return where it begins after an opening of so many *calls*; *likely* is the usual limit."""
        return cls(rate=min(max(likely * _BELOW_SUPPOSED, calls / 2), calls / seconds * _BELOW_OPENING))

    @classmethod
    def fallen(cls, rate: float, *, passed: int, stores_nothing: bool) -> Search:
        """Return what to try below a *rate* at which so few calls *passed*, or none."""
        # Half a whole number is one, too.
        below = rate * (1 - JITTER) * (1 - 1 / (2 * passed + 2)) if stores_nothing else rate / 2
        if not passed:
            below = max(below, min(rate, KNOCKS))
        return cls(rate=below, refused=rate if below < rate else math.inf)

    @property
    def facts(self) -> tuple[float, float, float | None]:
        """What is to be handed on, as JSON has it."""
        return self.rate, self.passed, None if math.isinf(self.refused) else self.refused

    @property
    def is_over(self) -> bool:
        """Whether a bucket of one leaves nothing to try between what passed and what was refused."""
        return self.rate >= self.refused or self.refused <= self.passed * (_FINE + _SAME)

    def up(self, shown: float, *, known: float) -> Search:
        """
        Return what to try at a bucket of one after a call that passed.

        Args:
            shown: The rate that the time since the call before shows to be allowed.
            known: What passed before the rate fell, or less; 0 where nobody knows.
        """
        if shown * _LATE < self.rate and self.rate >= known:
            return self
        return replace(self, passed=self.rate, rate=_next(self.rate, self.refused, known))

    def down(self, shown: float) -> Search:
        """Return what to try after a refusal, which the time since the call before shows to be too fast."""
        refused = min(self.refused, self.rate, shown)
        passed = min(self.passed, refused)
        return Search(rate=_next(passed, refused, 0.0), passed=passed, refused=refused)

    def up_stored(self, shown: float, *, known: float, likely: float, burst: int) -> Search:
        """
        Return what to try after a call that passed where tokens are stored.

        Args:
            shown: The rate that the time since the call before shows to be asked for.
            known: What passed before the rate fell, or less; 0 where nobody knows.
            likely: The usual limit.
            burst: Calls that a full bucket lets pass.
        """
        if self.rate < known:
            return replace(self, rate=min(self.rate * _BACK, known))
        step = min(self.rate / 4, _STORED_STEP)
        is_near = known or self.refused < math.inf or self.rate < _FAR * likely
        if not is_near and shown * _LATE >= self.rate:
            step = max(step, self.rate / burst**2)
        return replace(self, rate=self.rate + step)


def _next(passed: float, refused: float, known: float) -> float:
    """Return what to try between two rates."""
    if passed < known:
        return min(passed * _BACK, known)
    if passed * _COARSE < refused:
        return passed + min(passed * (_COARSE - 1), _LONGEST_STEP)
    whole = (math.floor(passed * (1 + _SAME)) + 1) * (1 - JITTER)
    return whole if whole * (1 + _SAME) < refused else passed * _FINE
