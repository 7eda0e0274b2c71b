"""The rate at which one operation is called, learned from the service's throttles.

Theory of operation. The service counts calls in a token bucket: it refills at some rate (the *limit*), and
stores up to some number of tokens (the *burst*). Neither number is known. A refusal (a throttled call) shows
that the bucket was empty at that moment. Between two refusals exactly as many calls pass as tokens came in,
so their number divided by the time *is* the limit, the more precisely the longer it took. Hence three phases:

- OPENING: nothing is known. Calls are sent as fast as they are answered, few in the air at first and more
  with each success, so that the burst is used up, and few calls are in the air when it ends. With the rate
  ``unlimited`` any number is in the air, until the first refusal; after that it is paced too, since more
  calls would not get more through.
- SEARCHING (:mod:`search`): the bucket was empty a moment ago. Each success raises the rate until the next
  refusal, and by more if the rate is far below an earlier measurement, since others may have stopped calling.
  While nothing passes, a call every few seconds tries again.
- HOLDING (:mod:`holding`): the limit was measured. The rate begins a little below it, stays near it, and then
  rises a little above, so that the next refusal comes when the saved tokens are spent. If none comes when it
  is due, the limit was raised, and the rate grows with each success.

A bucket with a burst of one is recognised in OPENING, by a refusal of the second call. It stores nothing, so
that missed turns are lost, and counting calls shows nothing: the time between two calls is used instead, and
a refused call is sent again one turn after the last one that passed, not after the refusal.

A refusal lowers the rate by one part in as many as calls passed since the last: by half if none did (additive
increase, multiplicative decrease), by a hundredth if the limit is well known. Refusals of calls that were
sent before a cut count no more: they were sent at the old rate. Growth is counted in calls that had to wait
for their turn (*pressed*), never in time: calls that pass while turns are unused say nothing of a higher rate
(as in RFC 7661).

*Noise* (:mod:`noise`) is refusals that do not depend on the rate: the rate goes back up, and single refusals
are ignored. In a *contest* (:mod:`contest`) others use the same limit, and a lower rate would only leave them
more.

Belongs here: this arithmetic; times are arguments. Does not: waiting (``service.calling.pacing``).
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

#: Seconds of delay to catch up on if the burst is unknown, so that a busy loop does not lose turns: at 5
#: calls per second a tenth of a turn, so not a burst.
_CATCH_UP: Final = 0.02
#: OPENING: successes for each further call in the air.
_OPENING_STEP: Final = 16
#: The factor by which a remembered limit fades with a refusal, and the share of it below which a pace is
#: starved.
_FADING: Final = 0.9
_STARVED: Final = 1 / 8
#: Fewest calls between two refusals that measure the limit.
_MEASURED: Final = 4
#: Calls that a limit counts for which the user, the service or an earlier launch gave.
_CREDIT: Final = 16
#: Calls that the limit of a bucket of one counts for once the search is over.
_NARROW: Final = 80
#: Calls whose times are kept for measuring.
_MEMORY: Final = 512


class Pace:
    """The learned rate of one operation. Times are loop time."""

    def __init__(
        self,
        rate: Rate = AUTO,
        *,
        supposed: float = USUAL_RATE,
        quota: float | None = None,
        learned: Learned | None = None,
    ) -> None:
        """Begin, or continue from what an earlier launch learned.

        Args:
            rate: What the user asked for.
            supposed: Calls per second to begin with after the burst.
            quota: The limit, if Service Quotas told it.
            learned: What an earlier launch learned.
        """
        self._most = rate.most
        self._is_paced = rate.is_paced
        self._supposed = supposed
        self._quota = quota
        self._phase = Phase.OPENING if math.isinf(rate.most) else Phase.HOLDING
        self._curve = Curve(base=rate.most if math.isfinite(rate.most) else quota or supposed)
        self._search = Search(rate=self._curve.base)
        self._passed = 0  #: calls since the last refusal
        self._pressed = 0  #: of these, calls that had to wait for their turn
        self._limit = 0.0  #: calls per second, as last measured; 0: never
        self._burst = Burst()
        self._empty_at: float | None = None  #: when the service's bucket was last known to be empty
        self._cut_at = -math.inf  #: refusals of calls sent before this are ignored
        self._times: deque[float] = deque(maxlen=_MEMORY)
        self._noise, self._contest = Noise(), Contest()
        self._credit = 0 if math.isinf(rate.most) else _CREDIT
        self.has_learned = False  #: whether the service ever refused a call, so that something was learned
        if learned is not None and rate.is_paced:
            self._go_on(learned)
        elif learned is not None:
            self._quota = quota or learned.base

    def _go_on(self, learned: Learned) -> None:
        self.has_learned = True
        self._credit = _CREDIT
        self._phase = learned.phase
        self._curve = Curve(base=max(learned.base, SLOWEST), cut=learned.cut, span=learned.span)
        self._search = Search(rate=self._curve.base)
        self._pressed = learned.passed
        self._burst = Burst(learned.burst)
        self._limit = learned.base

    @property
    def is_kept(self) -> bool:
        """Whether calls are paced; with ``unlimited`` only after the first refusal."""
        return self._is_paced or self._phase is not Phase.OPENING

    @property
    def learned(self) -> Learned:
        """What to keep for the next launch, which may not be starved even if this one is."""
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
        """Whether much less passes than before: the quota was lowered, or others use it."""
        if self._contest.is_on:
            return self._contest.share_of_before < _STARVED
        return self._phase is Phase.SEARCHING and self.rate < self._limit * _STARVED

    @property
    def known_rate(self) -> float:
        """Calls per second to expect; infinite while unpaced."""
        return self._curve.base if self._phase is Phase.OPENING and self._is_paced else self.rate

    @property
    def window(self) -> float:
        """How many calls may be in the air at once."""
        is_cautious = self._phase is Phase.OPENING and self._is_paced
        return 1 + self._pressed // _OPENING_STEP if is_cautious else math.inf

    @property
    def lateness(self) -> float:
        """Seconds of delay to catch up on: the service stored the tokens, unless its burst is one."""
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

    # -- handing over between launchers

    def hand_on(self, now: float) -> HandedOn:
        """Return what is known at *now*, for the next launcher; the caller adds its turns."""
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
            noise=replace(self._noise),
            contest=replace(self._contest, last=None, told=0.0),
        )

    def take_over(self, known: HandedOn, then: float) -> None:
        """Continue from what another launcher knew at *then*; the user's bound still applies.

        One that never was refused, as it took its turn before this one left what it had learned, knows less.
        """
        if not (self.has_learned and Phase(known.phase) is Phase.OPENING):
            self._take(known, then)
        for age in known.in_air:  # unanswered: their spacing shows nothing yet
            self._burst.passed_elsewhere(then - age)
            self._count(then - age, 0.0, pressed=True)

    def _take(self, known: HandedOn, then: float) -> None:
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
        self._noise, self._contest = replace(known.noise), replace(known.contest)
        self.has_learned = self.has_learned or self._phase is not Phase.OPENING

    # -- what the service says

    def passed(self, sent: float, *, pressed: bool = True) -> None:
        """Note that a call, sent at *sent*, was not throttled, whatever the answer.

        It is *pressed* if more calls would have been made at a higher rate.
        """
        shown = self._burst.passed(sent)
        self.keep_up(sent, pressed=pressed)
        self._count(sent, shown, pressed=pressed)

    def keep_up(self, sent: float, *, pressed: bool = True) -> None:
        """Note for the contest alone that a call passed: the rest may have been handed over already."""
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
        self._noise.call_passed()
        if self._phase is Phase.HOLDING and self._pressed >= max(self._curve.span, LEAST_HOLD):
            self._noise.calm()  # refusals are as rare as at a real limit

    def refused(self, sent: float, now: float, *, was_counted: bool = False) -> float:
        """Note at *now* that a call sent at *sent* was throttled; *was_counted*: it was taken to have passed.

        Return the time from which the next turn counts, if no later call is in the air.
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
        later = [time for time in self._times if time > sent]  # these show nothing of the time before
        self._passed = max(0, self._passed - was_counted - len(later))
        was_opening = self._phase is Phase.OPENING
        if was_opening:
            self._close_opening(earlier, sent)
        elif self._contest.suspects(sent, rate, known=self._known, supposed=self._supposed):
            self._noise.settle()
        elif self._noise.is_on:
            self._noise.drop()
            self._fall(rate)
        elif self._noise.call_refused(rate, since=self._passed, is_early=self._is_early):
            top = self._noise.begin()
            self._hold(top, top, self._calls_since)
        else:
            self._go_down(earlier, sent, rate)
        if self._phase is Phase.SEARCHING and not was_opening:
            self._limit = self._remembered(rate)
        self.has_learned = True
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
        """The limit, as given or measured; 0: unknown."""
        return self._quota or self._limit or (self._curve.base if self._phase is Phase.HOLDING else 0.0)

    def _leave(self, ending: Ending | None) -> None:
        """Choose the rate after the end of a contest, if it ended."""
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
        """Calls since the last refusal, plus those that a given limit counts for."""
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
        """Return the limit to remember after a refusal at *rate* that did not measure it."""
        if self._passed:  # a refusal after some calls passed is a limit's
            return min(self._limit, rate) or (rate if rate < self._supposed / 2 else 0.0)
        return self._limit * (_FADING if rate > KNOCKS else 1)  # others may be using it

    def _go_up(self, shown: float) -> None:
        """Raise the rate after a call that passed and whose spacing has *shown* a rate, or hold it."""
        is_starved = not self._limit and self._search.rate < self._supposed / 16
        known = (self._supposed if is_starved else self._limit) / 2
        if self._burst.is_one:
            self._seek(self._search.up(shown, known=known))
        else:
            burst = self._burst.calls or LARGEST_GUESS
            self._search = self._search.up_stored(shown, known=known, likely=self._supposed, burst=burst)

    def _go_down(self, earlier: Sequence[float], sent: float, rate: float) -> None:
        """Lower the rate after a refusal at *rate*, or hold what was measured."""
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
        is_far = rate < (self._limit or self._supposed) / 4  # others may stop calling
        fallen = Search.fallen(rate, passed=self._passed, stores_nothing=self._burst.is_one)
        self._seek(replace(fallen, refused=math.inf) if is_far else fallen)

    def _seek(self, search: Search) -> None:
        """Continue with *search*, or hold if it is over in a bucket of one."""
        if self._burst.is_one and search.is_over:
            self._hold(search.passed, search.passed, _NARROW)
        else:
            self._phase = Phase.SEARCHING
            self._search = replace(search, rate=max(search.rate, SLOWEST))

    def _hold(self, limit: float, rate: float, calls: int) -> None:
        """Hold a *limit* measured by so many *calls*, the last of them at *rate*."""
        self._phase = Phase.HOLDING
        self._limit = max(limit, rate / 2, SLOWEST)
        self._curve = curve(self._limit, calls, stores_nothing=self._burst.is_one)

    def _measured(self, earlier: Sequence[float], sent: float, rate: float) -> float:
        """Return the limit that explains a refusal; *rate* if that cannot be told."""
        if self._empty_at is None:
            return rate
        if self._burst.is_one:
            return shown(*earlier[-2:]) if len(earlier) > 1 else rate  # the last that passed
        return measured(earlier, sent, passed=self._passed, since=self._empty_at, full=self._burst.full)
