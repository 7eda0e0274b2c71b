"""Contests: keeping up with others who use the same limit.

Without others, a refused call came too soon, and a lower rate ends the refusals. Others that call without a
pause, such as a script with the SDK's own retries, cause refusals at any rate, and whoever calls less than
they do gets next to nothing. A contest is concluded when the rate has fallen to a small part of what it was,
and calls are still refused: at half a rate at which calls have passed since, or most of them. From then on a
call that passes raises the rate by as much as several refusals lower it, so that the rate settles where a
good part passes, or at what it was before.

From time to time a few calls are made at a little less than the rate that passes. If these all pass, nobody
else is there, and the limit itself has become lower.

Does not belong here: the rate otherwise (``pace``), refusals whatever the rate (``noise``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

#: The share of a known limit, and of a supposed one, below which a contest is possible.
_SMALL: Final = 1 / 8
_SMALL_OF_SUPPOSED: Final = 1 / 16
#: Refusals that it takes: at this share of a rate at which a call passed, or while no larger share of calls
#: passes; and the share of recent calls that may pass at most.
_CASE: Final = 3
_LOWER: Final = 1 / 2
_FEW: Final = 1 / 2
_MOST: Final = 4 / 5
#: In a contest: what a call that passes adds, as a share of the former rate, and the factor of a refused one.
_WON: Final = 1 / 10
_LEFT: Final = 4 / 5
#: The lowest rate in a contest, in calls per second.
_LEAST: Final = 1.0
#: Calls passed in a row that end a contest, and refusals in a row that do.
_CALM: Final = 32
_HOPELESS: Final = 64
#: Calls between two tests whether others are there, doubling up to the most; calls of a test, and their rate
#: as a share of what passes.
_BETWEEN: Final = 32
_MOST_BETWEEN: Final = 1024
_ASKED: Final = 16
_BELOW: Final = 4 / 5
#: Turns between two calls that count at most; a longer time is a pause.
_LONGEST: Final = 2
#: The decay of the share of calls that pass, and of the rates of an earlier contest.
_KEPT: Final = 9 / 10


class Ending(enum.Enum):
    """How a contest ended."""

    CALM = "calm"  #: the former rate passes again
    ALONE = "alone"  #: nobody else is there: the limit is lower
    HOPELESS = "hopeless"  #: nothing passes


@dataclass(slots=True, kw_only=True)
class Contest:
    """The evidence for others, and the rate while there are some. Rates are in calls per second."""

    is_on: bool = False
    top: float = 0.0  #: the former rate; never exceeded
    low: float = 0.0  #: the rate below which a contest is possible
    has_fallen: bool = False  #: whether calls were refused, and did not all pass since
    passed_at: float = 0.0  #: the highest rate at which a call has passed since then
    case: int = 0  #: refusals that count as evidence
    in_a_row: int = 0  #: calls that passed in a row; negative: that were refused
    share: float = 1.0  #: of recent calls that passed
    rate: float = 0.0  #: while it is on
    calls: int = 0  #: since the last test whether others are there
    won: int = 0  #: of these, those that passed
    seconds: float = 0.0  #: that these took, each at least its turn
    last: float | None = None  #: when the previous call was sent, in loop time
    told: float = 0.0  #: when the last refusal was received, from which the next turn counts
    between: int = _BETWEEN  #: calls until the next test
    asking: int = 0  #: calls left of the present test

    @property
    def asked(self) -> float:
        """The rate in a contest."""
        return self.sure if self.asking else self.rate

    @property
    def sure(self) -> float:
        """The rate of a test: a little less than what passes."""
        return self.won / self.seconds * _BELOW

    @property
    def share_of_before(self) -> float:
        """The rate that passes, as a share of the former rate."""
        return self.rate * self.share / self.top

    # -- without a contest

    def suspects(self, sent: float, rate: float, *, known: float, supposed: float) -> bool:
        """Note a refusal, and report whether it begins a contest.

        Args:
            sent: When the call was sent.
            rate: The rate then.
            known: The limit, as given or measured; 0: unknown.
            supposed: The limit to suppose if it is unknown.
        """
        self._refused()
        if not self.has_fallen:
            self.has_fallen, self.share = True, 1.0
            low = known * _SMALL or supposed * _SMALL_OF_SUPPOSED
            # A limit measured beside others is too low, so former rates decay slowly.
            self.top, self.low = max(known or supposed, self.top * _KEPT), max(low, self.low * _KEPT)
        elif rate < self.low and self.passed_at:
            self.case += rate <= self.passed_at * _LOWER or self.share < _FEW
        if self.case >= _CASE and self.share < _MOST:
            self.is_on, self.rate, self.share = True, self.top, 1.0
            self._begin_to_count(sent, _BETWEEN)
        return self.is_on

    def passed(self, sent: float, rate: float, *, pressed: bool) -> Ending | None:
        """Note that a call passed, and return how the contest ended, if it did.

        A call that is not *pressed* (did not have to wait for its turn) says nothing of a higher rate.
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

    # -- in a contest

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
        """Note at *now* that a call was refused, and return how the contest ended, if it did."""
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
        # After a refusal the next turn counts from its answer, which may take longer than a turn. A longer
        # time was a pause without anything to send, and says nothing of the limit.
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
