"""
How fast one operation may be called, learned from what the service says.

Theory of operation. The service counts calls in a token bucket: so many tokens a second, and a store of them
(its *burst*) that is full when there was no call for a while. Neither number is known. A refusal tells one
thing for certain: the bucket was empty at that moment. Between two such moments exactly as many calls pass as
tokens came in, so their number over the time between them *is* the limit, the more precisely the longer it
took. From this follow three phases:

- OPENING: nothing is known. Calls leave as fast as they are answered, few in the air at once and more with
  each success, so that the burst is used, once, and little is in the air when it ends. Who asks for no pace
  begins with any number in the air, and with the first refusal is paced as all are: to knock again and again
  would get no call more through.
- SEARCHING (:mod:`search`): the bucket was empty a moment ago. Each success adds to the rate, until the next
  refusal; far below what was measured it adds much: others may have let go. While nothing passes at all, a
  call every few seconds finds that out.
- HOLDING (:mod:`holding`): the limit was measured. The rate begins a little below it, lingers just there, and
  after a while asks for a little more, so that the next refusal comes when all that was saved is spent. Where
  it does not come when it is due, the limit was raised, and the rate grows with each success.

A bucket of one is told by its opening, which the second call ends. It saves nothing, so turns that are missed
are lost, and there is nothing to count: what the time between two calls shows is compared instead, and a call
that was refused leaves again one turn after the last one that passed, not after the refusal.

A refusal cuts the rate by one part in as many as calls passed since the last: a half where none did (additive
increase, multiplicative decrease), a hundredth where the limit is well known. Calls that left before a cut
are answered under the old rate, so their refusals are not news. Growth is counted in calls that had to wait
for their turn, never in time: what passes while turns are left over says nothing of a higher rate (as in
RFC 7661).

*Noise* is refusals that do not depend on the rate (:mod:`noise`). Where it is concluded, the rate goes back
up, and single refusals count no more. In a *contest* (:mod:`contest`) others take of the limit, and a lower
rate only leaves them more.

Belongs here: this arithmetic; times come in as arguments. Does not: waiting (``service.calling.pacing``).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from batchrun.model.paces.bucket import LARGEST_GUESS, Burst, measured, opening, shown
from batchrun.model.paces.contest import Contest, Ending
from batchrun.model.paces.handing_on import TIMES, HandedOn, Learned, Phase, ago, all_ago
from batchrun.model.paces.holding import LEAST_HOLD, SHORTEST_SPAN, Curve, curve
from batchrun.model.paces.noise import Noise
from batchrun.model.paces.rates import AUTO, SLOWEST, USUAL_RATE, Rate
from batchrun.model.paces.search import KNOCKS, Search

#: Seconds of lateness that may be caught up on where the burst is not known, so that a busy loop does not
#: lose pace. Not a burst: at 5 calls per second it is a tenth of a turn.
_CATCH_UP: Final = 0.02
#: OPENING: successes for each further call in the air.
_OPENING_STEP: Final = 16
#: How fast the memory of a limit fades until then, and the share of it below which the pace is starved.
_FADING: Final = 0.9
_STARVED: Final = 1 / 8
#: Calls since the last refusal that make their number a measurement.
_MEASURED: Final = 4
#: Calls that a limit is worth that the user, the service or an earlier launch told us.
_CREDIT: Final = 16
#: Calls that a limit of a bucket of one is worth once there is nothing left to try.
_NARROW: Final = 80
#: Calls whose times are remembered to measure by.
_MEMORY: Final = 512


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
        Begin, or continue from what an earlier launch learned.

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
        self._curve = Curve(base=rate.most if math.isfinite(rate.most) else quota or supposed)
        self._search = Search(rate=self._curve.base)
        self._passed = 0  #: since the last refusal
        self._pressed = 0  #: of them, those that had to wait for their turn
        self._limit = 0.0  #: calls per second, as measured last; 0 is never
        self._burst = Burst()
        self._empty_at: float | None = None  #: when the service's bucket was last known to be empty
        self._cut_at = -math.inf  #: calls that left before are no news
        self._times: deque[float] = deque(maxlen=_MEMORY)
        self._noise, self._contest = Noise(), Contest()
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
        self._curve = Curve(base=max(learned.base, SLOWEST), cut=learned.cut, span=learned.span)
        self._search = Search(rate=self._curve.base)
        self._pressed = learned.passed
        self._burst = Burst(learned.burst)
        self._limit = learned.base

    @property
    def has_learned(self) -> bool:
        """Whether the service ever refused a call, so that there is something to continue from."""
        return self._has_learned

    @property
    def is_kept(self) -> bool:
        """Whether calls are paced: where no pace was asked for, from the first refusal on."""
        return self._is_paced or self._phase is not Phase.OPENING

    @property
    def learned(self) -> Learned:
        """What is worth keeping for the next launch: a pace that is starved now may not be then."""
        base = self._search.rate if self._phase is Phase.SEARCHING else self._curve.base
        limit = max(self._limit, self._contest.top * self._contest.is_on)
        phase = Phase.SEARCHING if self._contest.is_on else self._phase
        is_low = phase is Phase.SEARCHING and base < limit / 2
        return Learned(
            phase=phase,
            base=limit / 2 if is_low else max(base, SLOWEST),
            cut=self._curve.cut,
            span=self._curve.span,
            passed=self._pressed,
            burst=self._burst.calls,
        )

    @property
    def rate(self) -> float:
        """Calls per second from now on; infinite while opening."""
        return min(self._most, max(SLOWEST, self._unbounded()))

    @property
    def is_starved(self) -> bool:
        """Whether next to nothing passes of what did before: the quota was lowered, or others use it."""
        if self._contest.is_on:
            return self._contest.share_of_before < _STARVED
        return self._phase is Phase.SEARCHING and self.rate < self._limit * _STARVED

    @property
    def known_rate(self) -> float:
        """Calls per second that can be counted on; infinite where none is kept to yet."""
        return self._curve.base if self._phase is Phase.OPENING and self._is_paced else self.rate

    @property
    def window(self) -> float:
        """How many calls may be in the air."""
        is_cautious = self._phase is Phase.OPENING and self._is_paced
        return 1 + self._pressed // _OPENING_STEP if is_cautious else math.inf

    @property
    def lateness(self) -> float:
        """Seconds of delay that may be caught up on: the service saved their tokens, unless it saves none."""
        saved = self._burst.calls if math.isinf(self._most) else 0
        return 0.0 if saved == 1 else max(_CATCH_UP, saved / 2 / self.rate)

    def _unbounded(self) -> float:
        if self._contest.is_on:
            return self._contest.asked
        match self._phase:
            case Phase.OPENING:
                return math.inf
            case Phase.SEARCHING:
                return self._search.rate
            case Phase.HOLDING:  # pragma: no branch (there is no other)
                return self._curve.rate(self._pressed)

    # -- what others learned, and what they are told

    def hand_on(self, now: float) -> HandedOn:
        """Return what is known at *now*, but for what only its turns know."""
        return HandedOn(
            phase=self._phase.value,
            base=self._curve.base,
            search=self._search.facts,
            cut=self._curve.cut,
            span=self._curve.span,
            passed=self._passed,
            pressed=self._pressed,
            limit=self._limit,
            burst=self._burst.calls,
            burst_in=self._burst.seconds,
            hasty=self._burst.hasty,
            credit=self._credit,
            fastest=self._burst.fastest,
            last_passed=ago(self._burst.passed_at, now),
            empty=ago(self._empty_at, now),
            was_cut=ago(self._cut_at, now),
            times=all_ago([*self._times][-TIMES:], now),
            noise=self._noise.facts,
            contest=replace(self._contest, last=None, told=0.0),
        )

    def take_over(self, known: HandedOn, then: float) -> None:
        """Go on from what another knew at *then*; what the user asked for holds all the same."""
        self._phase, self._limit, self._credit = Phase(known.phase), known.limit, known.credit
        self._curve = Curve(base=known.base, cut=known.cut, span=known.span)
        self._search = Search.of(*known.search)
        self._passed, self._pressed = known.passed, known.pressed
        self._burst = Burst(known.burst, known.burst_in)
        self._burst.hasty, self._burst.fastest = known.hasty, known.fastest
        self._burst.passed_elsewhere(then - (math.inf if known.last_passed is None else known.last_passed))
        self._empty_at = None if known.empty is None else then - known.empty
        self._cut_at = -math.inf if known.was_cut is None else then - known.was_cut
        self._times = deque((then - age for age in known.times), maxlen=_MEMORY)
        self._noise.take_over(known.noise)
        self._contest = replace(known.contest)
        self._has_learned = self._has_learned or self._phase is not Phase.OPENING
        for age in known.in_air:  # nothing of how soon they may follow each other, until they are answered
            self._burst.passed_elsewhere(then - age)
            self._count(then - age, 0.0, pressed=True)

    # -- what the service says

    def passed(self, sent: float, *, pressed: bool = True) -> None:
        """
        Learn that a call, sent at *sent*, got past the limit, whatever it was answered.

        It is *pressed* where more calls would be made if the rate were higher.
        """
        shown = self._burst.passed(sent)
        self.keep_up(sent, pressed=pressed)
        self._count(sent, shown, pressed=pressed)

    def keep_up(self, sent: float, *, pressed: bool = True) -> None:
        """Learn that a call got past others; of whatever else it shows, others may know already."""
        if sent > self._cut_at:
            self._leave(self._contest.passed(sent, self.rate, pressed=pressed))

    def _count(self, sent: float, shown: float, *, pressed: bool) -> None:
        if sent <= self._cut_at:
            return
        if self._phase is Phase.SEARCHING and pressed and not self._contest.is_on:
            self._go_up(shown)
        self._times.append(sent)
        self._passed += 1
        self._pressed += pressed
        self._noise.passed()
        if self._phase is Phase.HOLDING and self._pressed >= max(self._curve.span, LEAST_HOLD):
            self._noise.calm()  # as it should be at a limit

    def refused(self, sent: float, now: float, *, was_counted: bool = False) -> float:
        """
        Learn at *now* that a call, sent at *sent*, was throttled; it may have been taken to pass.

        Return from when on the next turn is counted, where no later call is in the air.
        """
        if sent <= self._cut_at:
            return now
        if self._contest.is_on:
            self._leave(self._contest.lost(sent, now))
            return now
        if self._noise.is_on and not self._noise.is_refuted():
            return now
        last = self._burst.passed_at
        resumes = last if self._burst.is_one and self._passed and last < sent else now
        self._burst.refused(sent, is_hasty=self._phase is Phase.HOLDING and self._calls_since < _MEASURED)
        rate = self.rate
        earlier = [time for time in self._times if time <= sent]
        later = [time for time in self._times if time > sent]  # they say nothing of the time before
        self._passed = max(0, self._passed - was_counted - len(later))
        was_opening = self._phase is Phase.OPENING
        if was_opening:
            self._close_opening(earlier, sent)
        elif self._contest.suspects(sent, rate, known=self._known, supposed=self._supposed):
            self._noise.settle()
        elif self._noise.is_on:
            self._noise.drop()
            self._fall(rate)
        elif self._noise.refused(rate, since=self._passed, is_early=self._is_early):
            top = self._noise.begin()
            self._hold(top, top, self._calls_since)
        else:
            self._go_down(earlier, sent, rate)
        if self._phase is Phase.SEARCHING and not was_opening:
            self._limit = self._remembered(rate)
        self._has_learned = True
        if self._passed >= SHORTEST_SPAN or was_opening:
            self._burst.fastest = 0.0
        self._passed, self._pressed = len(later), 0
        self._credit = _CREDIT if was_opening and self._quota is not None else 0
        self._times = deque(later, maxlen=_MEMORY)
        self._empty_at = sent
        self._cut_at = now
        return resumes

    @property
    def _known(self) -> float:
        """The limit, as it was told or measured; 0 where nobody knows."""
        return self._quota or self._limit or (self._curve.base if self._phase is Phase.HOLDING else 0.0)

    def _leave(self, ending: Ending | None) -> None:
        """Go on without others, where a contest ended."""
        if ending is not None:
            self._passed = self._pressed = 0
        if ending is Ending.CALM:
            self._hold(self._contest.top, self._contest.top, _CREDIT)
        elif ending is Ending.ALONE:
            self._limit = self._contest.sure
            self._seek(Search(rate=self._limit, passed=self._limit))
        elif ending is Ending.HOPELESS:
            self._fall(KNOCKS)

    @property
    def _calls_since(self) -> int:
        """Calls since the last refusal; a limit that we were told counts for some."""
        return self._passed + self._credit

    @property
    def _is_early(self) -> bool:
        if self._phase is Phase.HOLDING:
            return self._pressed < self._curve.span / 2
        return self._noise.is_suspected and self._passed < _MEASURED

    def _close_opening(self, earlier: Sequence[float], sent: float) -> None:
        full = opening(earlier, sent, 1 / self._supposed)
        self._burst.calls, self._burst.seconds = full.calls, full.seconds
        if self._quota is not None:
            self._hold(self._quota, self._quota, _NARROW if self._burst.is_one else _CREDIT)
        else:
            self._seek(Search.opened(full.calls, full.seconds, likely=self._supposed))

    def _remembered(self, rate: float) -> float:
        """Return what is still believed of the limit, after a refusal at *rate* that did not measure it."""
        if self._passed:  # what stops again where some calls pass is a limit
            return min(self._limit, rate) or (rate if rate < self._supposed / 2 else 0.0)
        return self._limit * (_FADING if rate > KNOCKS else 1)  # somebody may be in the way

    def _go_up(self, shown: float) -> None:
        """Try more, after a call that passed at the rate that is *shown*, or hold what passed."""
        is_starved = not self._limit and self._search.rate < self._supposed / 16
        known = (self._supposed if is_starved else self._limit) / 2
        if self._burst.is_one:
            self._seek(self._search.up(shown, known=known))
        else:
            burst = self._burst.calls or LARGEST_GUESS
            self._search = self._search.up_stored(shown, known=known, likely=self._supposed, burst=burst)

    def _go_down(self, earlier: Sequence[float], sent: float, rate: float) -> None:
        """Try less, after a refusal at *rate*, or hold what was measured."""
        if self._phase is Phase.SEARCHING and self._burst.is_one and self._search.passed:
            self._seek(self._search.down(self._burst.too_fast(sent)))
        elif self._calls_since < _MEASURED:
            self._fall(rate)
        else:
            if self._calls_since >= LEAST_HOLD:
                self._burst.hasty = 0
            self._hold(min(rate, self._measured(earlier, sent, rate)), rate, self._calls_since)

    def _fall(self, rate: float) -> None:
        """Search below a *rate* at which few calls passed, or none."""
        is_far = rate < (self._limit or self._supposed) / 4  # others may let go again
        fallen = Search.fallen(rate, passed=self._passed, stores_nothing=self._burst.is_one)
        self._seek(replace(fallen, refused=math.inf) if is_far else fallen)

    def _seek(self, search: Search) -> None:
        """Go on searching, unless a bucket of one leaves nothing to try."""
        if self._burst.is_one and search.is_over:
            self._hold(search.passed, search.passed, _NARROW)
        else:
            self._phase = Phase.SEARCHING
            self._search = replace(search, rate=max(search.rate, SLOWEST))

    def _hold(self, limit: float, rate: float, calls: int) -> None:
        """Hold a *limit* that so many calls measured, the last of them at *rate*."""
        self._phase = Phase.HOLDING
        self._limit = max(limit, rate / 2, SLOWEST)
        self._curve = curve(self._limit, calls, stores_nothing=self._burst.is_one)

    def _measured(self, earlier: Sequence[float], sent: float, rate: float) -> float:
        """Return the limit that explains the refusal of a call; *rate* where there is no telling."""
        if self._empty_at is None:
            return rate
        if self._burst.is_one:
            return shown(*earlier[-2:]) if len(earlier) > 1 else rate  # the last that passed
        return measured(earlier, sent, passed=self._passed, since=self._empty_at, full=self._burst.full)
