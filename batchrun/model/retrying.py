"""
Which failed runs get another attempt by themselves, and when.

Rules are tried in order, and the first that matches a run's ``failureReason`` and ``statusMessage`` decides.
Attempts are counted from what is recorded of them, so that a lost counter cannot cause endless retries.

Belongs here: the policy. Does not: what a reason means for people (``reasons``), retries of single calls
(``service.retry``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from batchrun.model.events import Retried
from batchrun.model.policies import spread

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchrun.model.entry import Entry, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """One rule; globs are matched case by case."""

    reason: str  #: glob over ``failureReason``
    times: int  #: retries at most; 0 is none
    message: str = "*"  #: glob over ``statusMessage``
    wait: float | None = None  #: seconds before the first retry; the policy's where it is None

    def matches(self, run: Run) -> bool:
        """Tell whether the rule speaks of this run."""
        reason, message = run.failure_reason or "", run.status_message or ""
        return fnmatchcase(reason, self.reason) and fnmatchcase(message, self.message)


#: What passes by itself (healthomics.md, 3.3); everything else is for people.
DEFAULT_RULES: Final = (
    RetryRule(reason="SERVICE_ERROR", times=2),
    RetryRule(reason="INSTANCE_RESERVATION_FAILED", times=2),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Rules, and the waits between attempts."""

    rules: tuple[RetryRule, ...] = DEFAULT_RULES
    wait: float = 60.0  #: seconds before the first retry; doubles with each
    longest: float = 3600.0

    def rule_for(self, run: Run) -> RetryRule | None:
        """Give the first rule that speaks of *run*."""
        return next((rule for rule in self.rules if rule.matches(run)), None)

    def after_failure(self, entry: Entry, earlier: Iterable[Run | None], at: datetime) -> Retried | None:
        """
        Say whether *entry*, whose run has just failed, gets another attempt.

        Args:
            entry: FAILED.
            earlier: The runs of its earlier attempts.
            at: Wall time.
        """
        rule = self.rule_for(entry.run) if entry.run is not None else None
        if rule is None:
            return None
        used = sum(1 for run in earlier if run is not None and self.rule_for(run) is rule)
        if used >= rule.times:
            return None
        wait = self._wait(rule, used, entry.id)
        why = f"{rule.reason}, retry {used + 1} of {rule.times}"
        return Retried(at=at, due=at + timedelta(seconds=wait), why=why)

    def _wait(self, rule: RetryRule, used: int, key: str) -> float:
        first = self.wait if rule.wait is None else rule.wait
        return min(first * 2.0 ** min(used, 16), max(self.longest, first)) * (0.9 + 0.2 * spread(key))
