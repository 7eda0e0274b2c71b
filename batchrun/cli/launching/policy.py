"""
What lies before a manifest's runs, in lines for people and in JSON: retries, and how many may be active.

Belongs here: the words. Does not: what a policy leads to (``model.entries.retrying``), quotas
(``model.paces.quotas``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from batchrun.cli.speak import say
from batchrun.cli.wording import seconds
from batchrun.model.entries.retrying import NO_CAPACITY, USUAL_WAIT, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.model.entries.retrying import RetryRule

#: What a rule without a lane of its own does for want of capacity.
_NEXT_LANE: Final = ", in the next of its lanes where a row may take several"


def limits(at_once: Mapping[str, int]) -> str:
    """Say how many may be active at once, by storage: ``50 with DYNAMIC storage, 10 with STATIC storage``."""
    return ", ".join(f"{limit} with {kind} storage" for kind, limit in at_once.items())


def tell_retries(policy: RetryPolicy, *, has_lanes: bool) -> None:
    """Say it, where the manifest says anything: a line for each rule, in the order of trying them."""
    if policy == RetryPolicy():
        return
    if not policy.rules:
        say("failed runs are not retried automatically")
        return
    say("failed runs are retried automatically, by the first rule that matches:")
    for rule in policy.rules:
        moves = has_lanes and rule.change is None and NO_CAPACITY in rule.reasons
        say(f"  {_line(rule, policy)}{_NEXT_LANE if moves else ''}")


def retry_facts(policy: RetryPolicy) -> dict[str, Any]:
    """Return it for programs, where the manifest says anything; waits are in seconds."""
    if policy == RetryPolicy():
        return {}
    rules = [_facts(rule, policy) for rule in policy.rules]
    return {"retry": {"wait": _first_wait(policy), "rules": rules}}


def _line(rule: RetryRule, policy: RetryPolicy) -> str:
    what = " or ".join(rule.reasons) + ("" if rule.message == "*" else f" with message {rule.message}")
    if not rule.times:
        return f"{what}: none"
    changes = f", with other {', '.join(rule.changed_fields)}" if rule.changed_fields else ""
    lanes = f", in {' or '.join(rule.lanes)}" if rule.lanes else ""
    return f"{what}: {rule.times} more after {seconds(_wait(rule, policy))}{changes}{lanes}"


def _facts(rule: RetryRule, policy: RetryPolicy) -> dict[str, Any]:
    return {
        "reasons": list(rule.reasons),
        "message": rule.message,
        "times": rule.times,
        "wait": _wait(rule, policy),
        "change": None if rule.change is None else json.loads(rule.change),
    }


def _wait(rule: RetryRule, policy: RetryPolicy) -> float:
    return _first_wait(policy) if rule.wait is None else rule.wait


def _first_wait(policy: RetryPolicy) -> float:
    return USUAL_WAIT if policy.wait is None else policy.wait
