"""
Keeping up with others who take of the same limit.

Alone, a call that is refused came too soon, and a lower rate ends that. Others who ask on and on, such as a
script with the SDK's own retries, have calls refused at any rate, and who asks less than they do gets next to
nothing, though most of the limit may be used by nobody. That is concluded where the rate has come down to a
small part of what it was and calls are refused still, at half a rate at which calls passed since, or most of
them. From then on a call that passes wins as much as several that are refused lose, so that the rate settles
where a good part passes, or at what it was before.

Every now and then a few calls ask a little less than what passes. Where these all pass, nobody else is there,
and the limit is a lower one.

Belongs here: the verdict, and the rate under it. Does not: the rate without it (``pace``), refusals of a
few calls (``noise``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

#: The share of a limit that is known, and of one that is supposed, below which the question arises.
_SMALL: Final = 1 / 8
_SMALL_OF_SUPPOSED: Final = 1 / 16
#: Refusals that make a case: at this share of a rate at which a call passed, or where no larger share of
#: calls passes; and how many may pass of late all the same.
_CASE: Final = 3
_LOWER: Final = 1 / 2
_FEW: Final = 1 / 2
_MOST: Final = 4 / 5
#: Under the verdict: what a call that passes adds, as a share of the rate of before, and what one that is
#: refused leaves.
_WON: Final = 1 / 10
_LEFT: Final = 4 / 5
#: Calls per second that are asked for all the same.
_LEAST: Final = 1.0
#: Calls that pass one after the other after which nothing speaks for others any more; refusals that end it.
_CALM: Final = 32
_HOPELESS: Final = 64
#: Calls until it is asked whether others are there, twice as many each time up to the most; by how many it is
#: asked, and for which share of what passes.
_BETWEEN: Final = 32
_MOST_BETWEEN: Final = 1024
_ASKED: Final = 16
_BELOW: Final = 4 / 5
#: Turns between two calls at most, where it was another rate by which the later had its turn.
_LONGEST: Final = 2
#: How well the share of calls that pass, and the rates of an earlier contest, are remembered.
_KEPT: Final = 9 / 10


class Ending(enum.Enum):
    """What the end of a contest shows."""

    CALM = "calm"  #: what was asked before passes again
    ALONE = "alone"  #: nobody else is there: the limit is a lower one
    HOPELESS = "hopeless"  #: nothing passes


@dataclass(slots=True, kw_only=True)
class Contest:
    """What speaks for others, and how to keep up with them. Rates are in calls per second."""

    is_on: bool = False
    top: float = 0.0  #: what was asked before; never exceeded
    low: float = 0.0  #: the rate below which the question arises
    has_fallen: bool = False  #: whether calls were refused, and did not all pass since
    passed_at: float = 0.0  #: the highest rate at which a call passed since they were
    case: int = 0  #: refusals that speak for others
    in_a_row: int = 0  #: calls that passed; below 0, that were refused
    share: float = 1.0  #: of calls that pass, of late
    rate: float = 0.0  #: while it is on
    calls: int = 0  #: since it was last asked whether others are there
    won: int = 0  #: of them, those that passed
    seconds: float = 0.0  #: that they took, each at least as long as its rate has it
    last: float | None = None  #: when the one before was sent, in loop time
    told: float = 0.0  #: when a refusal was last heard of, from which on the next turn is counted
    between: int = _BETWEEN  #: after which it is asked next
    asking: int = 0  #: calls to go of those that ask it

    @property
    def asked(self) -> float:
        """The rate under the verdict."""
        return self.sure if self.asking else self.rate

    @property
    def sure(self) -> float:
        """A little less than what passes."""
        return self.won / self.seconds * _BELOW

    @property
    def share_of_before(self) -> float:
        """How much passes, as a share of what was asked before."""
        return self.rate * self.share / self.top

    # -- without a verdict

    def suspects(self, sent: float, rate: float, *, known: float, supposed: float) -> bool:
        """
        Learn that a call was refused, and conclude whether others are there.

        Args:
            sent: When that was sent.
            rate: The rate then.
            known: The limit, as it was told or measured; 0 where nobody knows.
            supposed: What it is taken for then.
        """
        self._refused()
        if not self.has_fallen:
            self.has_fallen, self.share = True, 1.0
            low = known * _SMALL or supposed * _SMALL_OF_SUPPOSED
            # What was measured beside others is little.
            self.top, self.low = max(known or supposed, self.top * _KEPT), max(low, self.low * _KEPT)
        elif rate < self.low and self.passed_at:
            self.case += rate <= self.passed_at * _LOWER or self.share < _FEW
        if self.case >= _CASE and self.share < _MOST:
            self.is_on, self.rate, self.share = True, self.top, 1.0
            self._begin_to_count(sent, _BETWEEN)
        return self.is_on

    def passed(self, sent: float, rate: float, *, pressed: bool) -> Ending | None:
        """
        Learn that a call passed, and return what ends with it.

        One that did not have to wait for its turn, and so is not *pressed*, says nothing of a higher rate.
        """
        self.in_a_row = max(self.in_a_row, 0) + 1
        self.share = self.share * _KEPT + 1 - _KEPT
        if self.is_on:
            return self._won(sent, pressed=pressed)
        if self.in_a_row >= _CALM:
            self._forget()
        elif self.has_fallen and pressed:
            self.passed_at = max(self.passed_at, rate)
        return None

    # -- under the verdict

    def _won(self, sent: float, *, pressed: bool) -> Ending | None:
        if not pressed:
            self.last = sent
        elif self.asking:
            self.asking -= 1
            return None if self.asking else self._end(Ending.ALONE)
        else:
            self._count(sent, won=True)
            self.rate = min(self.top, self.rate + self.top * _WON)
        is_enough = self.rate == self.top or not pressed
        return self._end(Ending.CALM) if self.in_a_row >= _CALM and is_enough else None

    def lost(self, sent: float, now: float) -> Ending | None:
        """Learn at *now* that a call was refused, and return what ends with it."""
        self._refused()
        if self.asking:
            self._begin_to_count(sent, min(2 * self.between, _MOST_BETWEEN))
        else:
            self._count(sent, won=False)
            self.rate = max(min(_LEAST, self.top), self.rate * _LEFT)
        self.told = now
        return self._end(Ending.HOPELESS) if self.in_a_row <= -_HOPELESS else None

    def _refused(self) -> None:
        self.in_a_row = min(self.in_a_row, 0) - 1
        self.share *= _KEPT

    def _begin_to_count(self, sent: float, between: int) -> None:
        self.last, self.between = sent, between
        self.calls = self.won = self.asking = 0
        self.seconds = 0.0

    def _count(self, sent: float, *, won: bool) -> None:
        # The next turn comes after a refusal, whose answer may take longer than a turn. What is longer is a
        # pause, and says nothing of the limit: there was nothing to send.
        turn, last = 1 / self.rate, sent if self.last is None else self.last
        self.seconds += max(turn, min(sent, max(self.told, last) + _LONGEST * turn) - last)
        self.last = sent
        self.calls, self.won = self.calls + 1, self.won + won
        if self.calls >= self.between and self.won:
            self.asking = _ASKED

    def _end(self, ending: Ending) -> Ending:
        self.is_on = False
        self._forget()
        return ending

    def _forget(self) -> None:
        self.has_fallen, self.passed_at, self.case = False, 0.0, 0
