"""
How fast one operation may be called, learned from what the service says.

Theory of operation. The service counts calls in a token bucket: so many tokens a second, and a store of them
(its *burst*) that is full when nobody has called for a while. Neither number is known. A refusal tells one
thing for certain: the bucket was empty at that moment. Between two such moments exactly as many calls pass as
tokens came in, so their number over the time between them *is* the limit, the more precisely the longer it
took. From this follow three phases:

- OPENING: nothing is known. Calls leave as fast as they are answered, few in the air at once and more with
  each success, so that the burst is used, once, and little is in the air when it ends. Who asks for no pace
  begins with any number in the air, and with the first refusal is paced as all are: to knock again and again
  would get no call more through.
- SEARCHING: the bucket was empty a moment ago. Each success adds to the rate, until the next refusal; where
  the rate has fallen far below what was measured, each doubles it: others may have let go again.
- HOLDING: the limit was measured. The rate begins a little below it, lingers just there, and after a while
  asks for a little more, by a cubic curve as in RFC 9438: tokens that were saved below are spent above, and
  the next refusal comes when all of them are. Where it does not come when it is due, the limit was raised,
  and the rate grows with each success.

A refusal cuts the rate by one part in as many as calls passed since the last: a half where none did (additive
increase, multiplicative decrease), a hundredth where the limit is well known. Calls that left before a cut
are answered under the old rate, so their refusals are not news. Growth is counted in calls that had to wait
for their turn, never in time: what passes while turns are left over says nothing of a higher rate (as in
RFC 7661).

*Noise* is refusals that do not depend on the rate (:mod:`noise`). Where it is concluded, the rate goes back
up, and single refusals count no more.

Belongs here: this arithmetic; times come in as arguments. Does not: waiting (``service.calling.pacing``).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.model.paces.bucket import Rush, measured, rush
from batchrun.model.paces.handing_on import TIMES, HandedOn, Learned, Phase, ago, all_ago
from batchrun.model.paces.noise import Noise

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Calls per second that are supposed where nobody knows better (healthomics.md, 1.1 and 1.2).
USUAL_RATES: Final = {"StartRun": 5.0}
USUAL_RATE: Final = 10.0
#: No pace is ever slower, so that it can find out that things got better: one call in 30 s.
SLOWEST: Final = 1 / 30

#: Seconds of lateness that may be caught up on where the burst is not known, so that a busy loop does not
#: lose pace. Not a burst: at 5 calls per second it is a tenth of a turn.
_CATCH_UP: Final = 0.02
#: OPENING: successes for each further call in the air.
_OPENING_STEP: Final = 16
#: Where the search begins, as a share of what is supposed, and of what the opening's own pace shows.
_BELOW_SUPPOSED: Final = 0.8
_BELOW_OPENING: Final = 0.7
#: SEARCHING: seconds in which the rate doubles, and the fewest calls in which it does.
_DOUBLING: Final = 2.0
_FEWEST_TO_DOUBLE: Final = 4
#: SEARCHING: the deepest that a measured limit is cut, how fast its memory fades where nothing passes, and
#: the share of it below which the pace is starved.
_DEEPEST: Final = 1 / 32
_FADING: Final = 0.9
_STARVED: Final = 1 / 8
#: Calls since the last refusal that make their number a measurement.
_MEASURED: Final = 4
#: Calls that a limit is worth that the user, the service or an earlier launch told us.
_CREDIT: Final = 16
#: HOLDING: the cut, and the calls until the rate is back at the limit, from the calls that measured it.
_SMALLEST_CUT: Final = 0.01
_LARGEST_CUT: Final = 0.5
_SPANS: Final = 5
_SHORTEST_SPAN: Final = 16
_LONGEST_SPAN: Final = 240
#: HOLDING: seconds until then at most, or a raised limit would be long unseen where calls are rare; but not
#: fewer calls than this, or the refusals would be a good part of them.
_LONGEST_HOLD: Final = 45.0
_LEAST_HOLD: Final = 60
#: Measured limits in a row that a few calls prove wrong, until the burst is guessed anew, and up to how many
#: calls: it is found too small where the bucket was not full at the beginning.
_HASTY: Final = 2
_LARGEST_GUESS: Final = 8
#: Calls whose times are remembered to measure by.
_MEMORY: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What the user asked for: a bound, or to find out."""

    most: float = math.inf  #: calls per second that are never exceeded
    is_paced: bool = True  #: False: as fast as answers come, up to the first refusal

    @property
    def is_auto(self) -> bool:
        """Whether the limit is for us to find."""
        return self.is_paced and math.isinf(self.most)


AUTO: Final = Rate()
UNLIMITED: Final = Rate(is_paced=False)
#: Bounds that are the same whatever was asked for: one such call starts up to 100,000 runs.
FIXED_RATES: Final = {"StartRunBatch": Rate(most=1.0)}


class Pace:
    """The rate of one operation, as it is learned. Times are loop time."""

    def __init__(
        self,
        rate: Rate = AUTO,
        *,
        supposed: float = USUAL_RATE,
        quota: float | None = None,
        learned: Learned | None = None,
    ) -> None:
        """
        Begin, or go on from what an earlier launch learned.

        Args:
            rate: What was asked for.
            supposed: Calls per second to begin with once the burst is used.
            quota: The limit, where the service told it.
            learned: What an earlier launch knew.
        """
        self._most = rate.most
        self._is_paced = rate.is_paced
        self._supposed = supposed
        self._quota = quota
        self._phase = Phase.OPENING if math.isinf(rate.most) else Phase.HOLDING
        self._base = rate.most if math.isfinite(rate.most) else quota or supposed
        self._cut = 0.0
        self._span = _LONGEST_SPAN
        self._passed = 0  #: since the last refusal
        self._pressed = 0  #: of them, those that had to wait for their turn
        self._limit = 0.0  #: calls per second, as measured last; 0 is never
        self._burst = 0
        self._burst_in = 0.0  #: seconds that it took to use the burst
        self._hasty = 0  #: limits in a row that were measured, and that a few calls proved wrong
        self._empty_at: float | None = None  #: when the service's bucket was last known to be empty
        self._cut_at = -math.inf  #: calls that left before are no news
        self._times: deque[float] = deque(maxlen=_MEMORY)
        self._noise = Noise()
        self._credit = 0 if math.isinf(rate.most) else _CREDIT
        self._has_learned = False
        if learned is not None and rate.is_paced:
            self._go_on(learned)
        elif learned is not None:
            self._quota = quota or learned.base

    def _go_on(self, learned: Learned) -> None:
        self._has_learned = True
        self._credit = _CREDIT
        self._phase = learned.phase
        self._base = max(learned.base, SLOWEST)
        self._cut = learned.cut
        self._span = learned.span
        self._pressed = learned.passed
        self._burst = learned.burst
        self._limit = learned.base

    @property
    def has_learned(self) -> bool:
        """Whether the service ever refused a call, so that there is something to go on from."""
        return self._has_learned

    @property
    def is_kept(self) -> bool:
        """Whether calls are paced: where no pace was asked for, from the first refusal on."""
        return self._is_paced or self._phase is not Phase.OPENING

    @property
    def learned(self) -> Learned:
        """What is worth keeping for the next launch: a pace that is starved now may not be then."""
        is_low = self._phase is Phase.SEARCHING and self._base < self._limit / 2
        return Learned(
            phase=self._phase,
            base=self._limit / 2 if is_low else self._base,
            cut=self._cut,
            span=self._span,
            passed=self._pressed,
            burst=self._burst,
        )

    @property
    def rate(self) -> float:
        """Calls per second from now on; infinite while opening."""
        return min(self._most, max(self._floor, self._unbounded()))

    @property
    def _floor(self) -> float:
        """The rate that is never gone below: what was measured does not shrink to nothing at once."""
        return max(SLOWEST, self._limit * _DEEPEST)

    @property
    def is_starved(self) -> bool:
        """Whether next to nothing passes of what did before: the quota was lowered, or others use it."""
        return self._phase is Phase.SEARCHING and self.rate < self._limit * _STARVED

    @property
    def known_rate(self) -> float:
        """Calls per second that can be counted on; infinite where none is kept to yet."""
        return self._base if self._phase is Phase.OPENING and self._is_paced else self.rate

    @property
    def window(self) -> float:
        """How many calls may be in the air."""
        is_cautious = self._phase is Phase.OPENING and self._is_paced
        return 1 + self._pressed // _OPENING_STEP if is_cautious else math.inf

    @property
    def lateness(self) -> float:
        """Seconds of delay that may be caught up on: the service saved their tokens, unless it saves none."""
        saved = self._burst if math.isinf(self._most) else 0
        return 0.0 if saved == 1 else max(_CATCH_UP, saved / 2 / self.rate)

    def _unbounded(self) -> float:
        match self._phase:
            case Phase.OPENING:
                return math.inf
            case Phase.SEARCHING:
                return self._searched()
            case Phase.HOLDING:  # pragma: no branch (there is no other)
                beyond = self._pressed - 2 * self._span
                if beyond > 0:
                    return self._grown(self._base * (1 + self._cut), beyond)
                return self._base * (1 + self._cut * (self._pressed / self._span - 1) ** 3)

    def _searched(self) -> float:
        """Double with each success up to half of what was measured last, and go on from there in steps."""
        known = self._limit / 2
        if self._base >= known:
            return self._grown(self._base, self._pressed)
        doublings = math.ceil(math.log2(known / self._base))
        if self._pressed < doublings:
            return self._base * 2.0**self._pressed
        return self._grown(known, self._pressed - doublings)

    @staticmethod
    def _grown(rate: float, calls: int) -> float:
        return rate * (1 + calls / max(_FEWEST_TO_DOUBLE, _DOUBLING * rate))

    # -- what others learned, and what they are told

    def hand_on(self, now: float) -> HandedOn:
        """Return what is known at *now*, but for what only its turns know."""
        return HandedOn(
            phase=self._phase.value,
            base=self._base,
            cut=self._cut,
            span=self._span,
            passed=self._passed,
            pressed=self._pressed,
            limit=self._limit,
            burst=self._burst,
            burst_in=self._burst_in,
            hasty=self._hasty,
            credit=self._credit,
            empty=ago(self._empty_at, now),
            was_cut=ago(self._cut_at, now),
            times=all_ago([*self._times][-TIMES:], now),
            noise=self._noise.facts,
        )

    def take_over(self, known: HandedOn, then: float) -> None:
        """Go on from what another knew at *then*; what the user asked for holds all the same."""
        self._phase, self._base, self._limit = Phase(known.phase), known.base, known.limit
        self._cut, self._span, self._credit = known.cut, known.span, known.credit
        self._passed, self._pressed = known.passed, known.pressed
        self._burst, self._burst_in, self._hasty = known.burst, known.burst_in, known.hasty
        self._empty_at = None if known.empty is None else then - known.empty
        self._cut_at = -math.inf if known.was_cut is None else then - known.was_cut
        self._times = deque((then - age for age in known.times), maxlen=_MEMORY)
        self._noise.take_over(known.noise)
        self._has_learned = self._has_learned or self._phase is not Phase.OPENING
        for age in known.in_air:
            self.passed(then - age)

    # -- what the service says

    def passed(self, sent: float, *, pressed: bool = True) -> None:
        """
        Learn that a call got past the limit, whatever it was answered.

        Args:
            sent: When it was sent.
            pressed: More calls would be made if the rate were higher.
        """
        if sent <= self._cut_at:
            return
        self._times.append(sent)
        self._passed += 1
        self._pressed += pressed
        self._noise.passed()
        if self._phase is Phase.HOLDING and self._pressed >= max(self._span, _LEAST_HOLD):
            self._noise.calm()  # as it should be at a limit

    def refused(self, sent: float, now: float, *, was_counted: bool = False) -> None:
        """Learn at *now* that a call, sent at *sent*, was throttled; it may have been taken to pass."""
        if sent <= self._cut_at:
            return
        if self._noise.is_on and not self._noise.is_refuted():
            return
        rate = self.rate
        earlier = [time for time in self._times if time <= sent]
        later = [time for time in self._times if time > sent]  # they say nothing of the time before
        self._passed = max(0, self._passed - was_counted - len(later))
        was_opening = self._phase is Phase.OPENING
        if was_opening:
            self._close_opening(earlier, sent)
        elif self._noise.is_on:
            self._noise.drop()
            self._search(rate / 2)
        elif self._noise.refused(rate, since=self._passed, is_early=self._is_early):
            top = self._noise.begin()
            self._hold(top, top)
        elif self._calls_since < _MEASURED:
            self._doubt_burst()
            self._search(rate / 2)
        else:
            self._hasty = 0 if self._calls_since >= _LEAST_HOLD else self._hasty
            self._hold(min(rate, self._measured(earlier, sent, rate)), rate)
        if self._phase is Phase.SEARCHING:
            # What stops again where some calls pass is a limit; where none do, somebody may be in the way.
            self._limit = min(self._limit, rate) if self._passed else self._limit * _FADING
        self._has_learned = True
        self._passed, self._pressed = len(later), 0
        self._credit = _CREDIT if was_opening and self._quota is not None else 0
        self._times = deque(later, maxlen=_MEMORY)
        self._empty_at = sent
        self._cut_at = now

    @property
    def _calls_since(self) -> int:
        """Calls since the last refusal; a limit that we were told counts for some."""
        return self._passed + self._credit

    @property
    def _is_early(self) -> bool:
        if self._phase is Phase.HOLDING:
            return self._pressed < self._span / 2
        return self._noise.is_suspected and self._passed < _MEASURED

    def _close_opening(self, earlier: Sequence[float], sent: float) -> None:
        full = rush(earlier, sent, 1 / self._supposed)
        self._burst, self._burst_in = full.calls, full.seconds
        if self._quota is not None:
            self._hold(self._quota, self._quota)
            return
        own_pace = self._burst / self._burst_in
        self._search(min(max(self._supposed * _BELOW_SUPPOSED, self._burst / 2), own_pace * _BELOW_OPENING))

    def _doubt_burst(self) -> None:
        """Where limits that were measured end at once, again and again, the burst was taken for too small."""
        if self._phase is Phase.HOLDING:
            self._hasty += 1
        if self._hasty >= _HASTY:
            self._hasty = 0
            self._burst = max(self._burst, min(2 * self._burst, _LARGEST_GUESS))

    def _search(self, rate: float) -> None:
        self._phase = Phase.SEARCHING
        self._base = max(rate, self._floor)

    def _hold(self, limit: float, rate: float) -> None:
        self._phase = Phase.HOLDING
        self._base = self._limit = max(limit, rate / 2, SLOWEST)
        self._cut = min(max(1 / (self._calls_since + 1), _SMALLEST_CUT), _LARGEST_CUT)
        longest = min(_LONGEST_SPAN, max(_LEAST_HOLD, int(_LONGEST_HOLD * self._base)))
        self._span = max(_SHORTEST_SPAN, min(_SPANS * self._calls_since, longest))

    def _measured(self, earlier: Sequence[float], sent: float, rate: float) -> float:
        """Return the limit that explains the refusal of a call; *rate* where there is no telling."""
        if self._empty_at is None:
            return rate
        full = Rush(calls=self._burst, seconds=self._burst_in) if self._burst else None
        return measured(earlier, sent, passed=self._passed, since=self._empty_at, full=full)
