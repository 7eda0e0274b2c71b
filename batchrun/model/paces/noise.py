"""Noise: refusals that do not depend on the rate.

At a limit a lower rate ends the refusals, or makes them rarer. If they keep coming early, and no rarer, while
the rate falls to about half and most calls pass, the rate is not their cause, and lowering it further would
only stop the launch. This verdict can be wrong: it is dropped as soon as many more calls are refused than
when it was reached, and then takes more evidence to be reached again.

Does not belong here: the rate (``pace``).
"""

from __future__ import annotations

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


@dataclass(slots=True, kw_only=True)
class Noise:
    """The evidence for noise, and whether it was concluded; handed on as it is."""

    is_on: bool = False
    was_wrong: bool = False  #: the last verdict was dropped
    share: float = 0.0  #: of calls that were refused, when the verdict was reached
    fell_from: float | None = None  #: the rate before it was lowered; None: no suspicion
    early: int = 0  #: refusals, since the suspicion began, that came early
    passed: int = 0  #: calls since then
    refused: int = 0
    recent: tuple[bool, ...] = ()  #: whether each of the latest calls was refused

    @property
    def is_suspected(self) -> bool:
        """Whether refusals came early of late."""
        return self.fell_from is not None

    def call_passed(self) -> None:
        """Count a call that passed."""
        self._remember(was_refused=False)
        self.passed += 1

    def call_refused(self, rate: float, *, since: int, is_early: bool) -> bool:
        """Count a refusal, and report whether it makes the case.

        Args:
            rate: Calls per second at which it came.
            since: Calls that passed since the last one.
            is_early: It came long before the limit, as measured, should have been felt.
        """
        if is_early and self.fell_from is None:
            self.fell_from, self.passed, self.refused = rate, 0, 0
        self.refused += 1
        self.early += is_early
        if self.fell_from is None or self.early < _EARLY_REFUSALS * (1 + self.was_wrong):
            return False
        is_no_rarer = since <= _RARER * self.passed / self.refused
        is_mostly_passing = self.passed >= _PASSED_PER_REFUSAL * self.refused
        return rate <= _FALLEN * self.fell_from and is_no_rarer and is_mostly_passing

    def begin(self) -> float:
        """Conclude that it is noise, and return the rate before it was lowered in vain."""
        rate, share = self.fell_from or 0.0, self.refused / (self.passed + self.refused)
        self.settle()
        self.is_on, self.share, self.was_wrong = True, share, False
        return rate

    def is_refuted(self) -> bool:
        """Count a refusal under the verdict, and report whether there are too many for noise."""
        self._remember(was_refused=True)
        return sum(self.recent) > _RECENT * _TIMES_THE_SHARE * self.share + _AND_MORE

    def calm(self) -> None:
        """Note that no call was refused for long: the suspicion is dropped."""
        if not self.is_on:
            self.settle()

    def drop(self) -> None:
        """Take the verdict back."""
        self.settle()
        self.was_wrong = True

    def settle(self) -> None:
        """Forget all suspicion."""
        self.is_on = False
        self.fell_from = None
        self.early = self.passed = self.refused = 0
        self.recent = ()

    def _remember(self, *, was_refused: bool) -> None:
        self.recent = (*self.recent, was_refused)[-_RECENT:]
