"""Which failed runs are retried automatically, and when.

Of the rules, the first that matches a run's ``failureReason`` and ``statusMessage`` decides. Retries are
counted from the recorded attempts, so that there is no counter to lose. A rule may change the request of the
next attempt; later changes add to that.

Does not belong here: advice for users (``reasons``), retries of single calls
(``service.calling.call_retries``).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import Retried
from batchrun.model.entries.policies import spread
from batchrun.model.lanes import lanes_of, offers_of, offers_text
from batchrun.model.spec import Json, canonical, merged


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """One rule; its globs are case-sensitive."""

    reason: str | tuple[str, ...]  #: glob over ``failureReason``, or several of which one matches
    times: int  #: retries at most; 0 is none
    message: str = "*"  #: glob over ``statusMessage``
    wait: float | None = None  #: seconds before the first retry; the policy's where it is None
    #: Canonical JSON: fields to change in the next attempt's request; null removes a field. ``lane``, a name
    #: or a list, says where it may go: to the first lane that was not tried yet.
    change: str | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """The globs over ``failureReason``."""
        return (self.reason,) if isinstance(self.reason, str) else self.reason

    @property
    def changed_fields(self) -> tuple[str, ...]:
        """The StartRun fields that differ in the next attempt."""
        return () if self.change is None else tuple(name for name in json.loads(self.change) if name != LANE)

    @property
    def lanes(self) -> tuple[str, ...]:
        """The lanes that the next attempt may go to; () if the rule does not say."""
        lanes = None if self.change is None else json.loads(self.change).get(LANE)
        return (lanes,) if isinstance(lanes, str) else tuple(lanes or ())

    def matches(self, run: Run) -> bool:
        """Report whether the rule applies to this run."""
        reason, message = run.failure_reason or "", run.status_message or ""
        is_meant = any(fnmatchcase(reason, glob) for glob in self.reasons)
        return is_meant and fnmatchcase(message, self.message)


#: The key of a change that says where the next attempt goes.
LANE: Final = "lane"
#: The reason for which another lane may help.
NO_CAPACITY: Final = "INSTANCE_RESERVATION_FAILED"
#: Temporary failures (healthomics.md, 3.3); all others are for people.
DEFAULT_RULES: Final = (
    RetryRule(reason="SERVICE_ERROR", times=2),
    RetryRule(reason=NO_CAPACITY, times=2),
)
#: The largest jitter: waits are multiplied by 0.9 to 1.1.
_MOST_SPREAD: Final = 1.1
#: Seconds before the first retry unless set otherwise.
USUAL_WAIT: Final = 60.0


def changed(content: str, change: str) -> str:
    """Return *content* with the fields of *change* merged into each request; null removes a field."""
    over = {name: value for name, value in json.loads(change).items() if name != LANE}
    offers = offers_of(content)
    if not offers:
        return _changed(content, over)
    return offers_text([replace(offer, request=_changed(offer.request, over)) for offer in offers])


def moved(content: str, lanes: Collection[str], tried: Sequence[str]) -> str:
    """Return *content* with one offer open: the first of *lanes* that was tried least often.

    Unchanged if none of *lanes* is offered. *tried* are the lanes of all attempts so far, oldest first.
    """
    offers = offers_of(content)
    known = [lane for lane in lanes if any(offer.lane == lane for offer in offers)]
    if not known:
        return content
    counts = {lane: tried.count(lane) for lane in known}
    lane = min(known, key=lambda one: counts[one])
    return offers_text([replace(offer, is_open=offer.lane == lane) for offer in offers])


def _changed(request: str, over: dict[str, Json]) -> str:
    before = json.loads(request)
    fields = merged(before, over)
    if over.get("parametersUri") is not None:
        fields.pop("parameters", None)  # the file replaces them
    return canonical({name: value for name, value in fields.items() if value is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Rules, and the waits between attempts."""

    rules: tuple[RetryRule, ...] = DEFAULT_RULES
    wait: float | None = None  #: seconds before the first retry; doubles with each; None is a minute
    longest: float = 3600.0

    @property
    def changes(self) -> tuple[str, ...]:
        """The changes of all rules."""
        return tuple(rule.change for rule in self.rules if rule.change is not None)

    @property
    def longest_wait(self) -> float:
        """The longest wait of a retry in seconds."""
        first = (wait for wait in (self.wait, USUAL_WAIT, *(rule.wait for rule in self.rules)) if wait)
        return max(self.longest, *first) * _MOST_SPREAD

    def over(self, manifest: RetryPolicy) -> RetryPolicy:
        """Return this policy, given to a launch, merged with the *manifest*'s.

        If its rules end with the default ones, the manifest's replace these. Any other list of rules is
        complete; an empty one means that nothing is retried.
        """
        wait = manifest.wait if self.wait is None else self.wait
        own, last = self.rules[: -len(DEFAULT_RULES)], self.rules[-len(DEFAULT_RULES) :]
        rules = (*own, *manifest.rules) if last == DEFAULT_RULES else self.rules
        return replace(self, rules=rules, wait=wait)

    def rule_for(self, run: Run) -> RetryRule | None:
        """Return the first rule that applies to *run*."""
        return next((rule for rule in self.rules if rule.matches(run)), None)

    def after_failure(
        self, entry: Entry, earlier: Iterable[Run | None], at: datetime, *, tried: Sequence[str] = ()
    ) -> Retried | None:
        """Return the event that begins another attempt of *entry*, which has just failed; None for no retry.

        *earlier* are the runs of its earlier attempts, *tried* their lanes, oldest first.
        """
        rule = self.rule_for(entry.run) if entry.run is not None else None
        if rule is None:
            return None
        used = sum(1 for run in earlier if run is not None and self.rule_for(run) is rule)
        if used >= rule.times:
            return None
        due = at + timedelta(seconds=self._wait(rule, used, entry.id))
        why = f"{' or '.join(rule.reasons)}, retry {used + 1} of {rule.times}"
        asked = entry.asked if rule.change is None else changed(entry.asked, rule.change)
        if lanes := _next_lanes(rule, entry):
            asked = moved(asked, lanes, [*tried, *([] if entry.lane is None else [entry.lane])])
        if asked == entry.asked:
            return Retried(at=at, due=due, why=why)
        if rule.changed_fields:
            why += f", with {', '.join(rule.changed_fields)} changed"
        if lanes:
            why += f", in lane {' or '.join(lanes_of(asked))}"
        return Retried(at=at, due=due, why=why, request=asked)

    def _wait(self, rule: RetryRule, used: int, key: str) -> float:
        first = next(wait for wait in (rule.wait, self.wait, USUAL_WAIT) if wait is not None)
        return min(first * 2.0 ** min(used, 16), max(self.longest, first)) * (0.9 + 0.2 * spread(key))


def _next_lanes(rule: RetryRule, entry: Entry) -> tuple[str, ...]:
    """Return the lanes that another attempt may go to, if one is to be chosen now, before it waits."""
    if rule.lanes:
        return rule.lanes
    if rule.change is None and entry.run is not None and entry.run.failure_reason == NO_CAPACITY:
        offered = lanes_of(entry.content)
        return offered if len(offered) > 1 else ()
    return ()
