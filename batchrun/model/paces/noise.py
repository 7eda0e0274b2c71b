"""
Noise: refusals that do not depend on the rate.

At a limit a lower rate ends the refusals, or makes them rarer. If they keep coming early, and no rarer, while
the rate falls to about half and most calls pass, the rate is not their cause, and lowering it further would
only stop the launch. This verdict can be wrong: it is dropped as soon as many more calls are refused than
when it was reached, and then takes more evidence to be reached again.

Belongs here: the verdict. Does not: the rate (``pace``).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

#: The share of the former rate at which a verdict is possible.
_FALLEN: Final = 0.6
#: Early refusals that it takes (twice as many after a wrong verdict), and calls that pass per refusal.
_EARLY_REFUSALS: Final = 3
_PASSED_PER_REFUSAL: Final = 2.5
#: Refusals become rarer if so many times the average number of calls passed before the last one.
_RARER: Final = 1.5
#: The latest calls; more refusals among them than so many times the verdict's share, and some more, refute
#: it.
_RECENT: Final = 16
_TIMES_THE_SHARE: Final = 2
_AND_MORE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFacts:
    """What speaks for noise, as it is handed on."""

    is_on: bool
    was_wrong: bool
    share: float
    fell_from: float | None
    early: int
    passed: int
    refused: int
    recent: tuple[bool, ...]


class Noise:
    """What speaks for noise, and whether it was concluded."""

    def __init__(self) -> None:
        self.is_on = False
        self._was_wrong = False  #: the last verdict was dropped
        self._share = 0.0  #: of calls that were refused, when the verdict was reached
        self._fell_from: float | None = None
        self._early = 0
        self._passed = 0
        self._refused = 0
        self._recent: deque[bool] = deque(maxlen=_RECENT)

    @property
    def facts(self) -> NoiseFacts:
        """What is to be handed on."""
        return NoiseFacts(
            is_on=self.is_on,
            was_wrong=self._was_wrong,
            share=self._share,
            fell_from=self._fell_from,
            early=self._early,
            passed=self._passed,
            refused=self._refused,
            recent=tuple(self._recent),
        )

    def take_over(self, facts: NoiseFacts) -> None:
        """Go on from what another knew."""
        self.is_on, self._was_wrong, self._share = facts.is_on, facts.was_wrong, facts.share
        self._fell_from, self._early = facts.fell_from, facts.early
        self._passed, self._refused = facts.passed, facts.refused
        self._recent = deque(facts.recent, maxlen=_RECENT)

    @property
    def is_suspected(self) -> bool:
        """Whether refusals came early of late."""
        return self._fell_from is not None

    def passed(self) -> None:
        """Count a call that passed."""
        self._recent.append(False)
        self._passed += 1

    def refused(self, rate: float, *, since: int, is_early: bool) -> bool:
        """
        Count a refusal, and report whether it makes the case.

        Args:
            rate: Calls per second at which it came.
            since: Calls that passed since the last one.
            is_early: It came long before the limit, as measured, should have been felt.
        """
        if is_early and self._fell_from is None:
            self._fell_from, self._passed, self._refused = rate, 0, 0
        self._refused += 1
        self._early += is_early
        if self._fell_from is None or self._early < _EARLY_REFUSALS * (1 + self._was_wrong):
            return False
        is_no_rarer = since <= _RARER * self._passed / self._refused
        is_mostly_passing = self._passed >= _PASSED_PER_REFUSAL * self._refused
        return rate <= _FALLEN * self._fell_from and is_no_rarer and is_mostly_passing

    def begin(self) -> float:
        """Conclude that it is noise, and return the rate before it was lowered in vain."""
        rate, share = self._fell_from or 0.0, self._refused / (self._passed + self._refused)
        self.settle()
        self.is_on, self._share, self._was_wrong = True, share, False
        return rate

    def is_refuted(self) -> bool:
        """Count a refusal under the verdict, and report whether there are too many for noise."""
        self._recent.append(True)
        return sum(self._recent) > _RECENT * _TIMES_THE_SHARE * self._share + _AND_MORE

    def calm(self) -> None:
        """Note that no call was refused for long: the suspicion is dropped."""
        if not self.is_on:
            self.settle()

    def drop(self) -> None:
        """Take the verdict back."""
        self.settle()
        self._was_wrong = True

    def settle(self) -> None:
        """Forget all suspicion."""
        self.is_on = False
        self._fell_from = None
        self._early = self._passed = self._refused = 0
        self._recent.clear()
