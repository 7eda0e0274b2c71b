"""The search for a limit: which rate to try next, between one that passed and one that was refused.

A bucket of one refuses exactly the calls that follow the last passed one sooner than its limit allows. So the
time between two calls that pass shows a rate that is allowed, and a refusal one that is not. The limit in
between is searched among whole numbers of calls per second, as quotas are given, and then in steps of a
hundredth: three refusals find it. Where tokens are stored, a call that passes shows less: the calls since the
bucket was empty are counted (``bucket``), and steps are small while the limit may be near, or stored tokens
would hide it and falsify the count.

Does not belong here: what follows from a refusal (``pace``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

#: Factors of a step: below an earlier rate, with nothing known, and near the limit.
_BACK: Final = 4.0
_COARSE: Final = 1.5
_FINE: Final = 1.0125
#: With stored tokens: calls per second that a step adds; from so many times the likely limit on it may add
#: more: the less is stored, the sooner a refusal shows that the rate is too high.
_STORED_STEP: Final = 0.5
_FAR: Final = 2.5
#: Calls per second that a coarse step adds at most.
_LONGEST_STEP: Final = 5.0
#: The relative difference from which on rates differ, and the margin below a whole number: since latencies
#: vary, a call might arrive too soon.
_SAME: Final = 0.01
JITTER: Final = 0.005
#: The first rate, as a share of the supposed one, and of the opening's own.
_BELOW_SUPPOSED: Final = 0.8
_BELOW_OPENING: Final = 0.7
#: Calls per second while nothing passes, unless the rate was lower before.
KNOCKS: Final = 1 / 8
#: By this factor a call's spacing may be longer than its turn, since it was sent a little late.
_LATE: Final = 1.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The rate to try, and what was found before, in calls per second."""

    rate: float
    passed: float = 0.0  #: the highest that passed; 0: none
    refused: float = math.inf  #: the lowest that was refused

    @classmethod
    def of(cls, rate: float, passed: float, refused: float | None) -> Search:
        """Return the search with these :attr:`facts`."""
        return cls(rate=rate, passed=passed, refused=math.inf if refused is None else refused)

    @classmethod
    def opened(cls, calls: int, seconds: float, *, likely: float) -> Search:
        """Return the first step after an opening of so many *calls*; *likely* is the usual limit."""
        return cls(rate=min(max(likely * _BELOW_SUPPOSED, calls / 2), calls / seconds * _BELOW_OPENING))

    @classmethod
    def fallen(cls, rate: float, *, passed: int, stores_nothing: bool) -> Search:
        """Return the step below a *rate* at which only so many calls *passed*, maybe none."""
        # Less the margin, since half a whole number is a whole number, too.
        below = rate * (1 - JITTER) * (1 - 1 / (2 * passed + 2)) if stores_nothing else rate / 2
        if not passed:
            below = max(below, min(rate, KNOCKS))
        return cls(rate=below, refused=rate if below < rate else math.inf)

    @property
    def facts(self) -> tuple[float, float, float | None]:
        """What is handed on, as JSON values."""
        return self.rate, self.passed, None if math.isinf(self.refused) else self.refused

    @property
    def is_over(self) -> bool:
        """Whether no rate is left to try between what passed and what was refused, in a bucket of one."""
        return self.rate >= self.refused or self.refused <= self.passed * (_FINE + _SAME)

    def up(self, shown: float, *, known: float) -> Search:
        """Return the next step at a bucket of one, after a call that passed.

        Args:
            shown: The rate that its spacing from the call before shows to be allowed.
            known: A rate, at most, that passed before it fell; 0: unknown.
        """
        if shown * _LATE < self.rate and self.rate >= known:
            return self
        return replace(self, passed=self.rate, rate=_next(self.rate, self.refused, known))

    def down(self, shown: float) -> Search:
        """Return the next step at a bucket of one, after a refusal whose spacing has *shown* this rate."""
        refused = min(self.refused, self.rate, shown)
        passed = min(self.passed, refused)
        return Search(rate=_next(passed, refused, 0.0), passed=passed, refused=refused)

    def up_stored(self, shown: float, *, known: float, likely: float, burst: int) -> Search:
        """Return the next step where tokens are stored, after a call that passed.

        Args:
            shown: The rate that its spacing from the call before shows.
            known: A rate, at most, that passed before it fell; 0: unknown.
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
    """Return the rate to try between two others."""
    if passed < known:
        return min(passed * _BACK, known)
    if passed * _COARSE < refused:
        return passed + min(passed * (_COARSE - 1), _LONGEST_STEP)
    whole = (math.floor(passed * (1 + _SAME)) + 1) * (1 - JITTER)
    return whole if whole * (1 + _SAME) < refused else passed * _FINE
