"""
The names in what batchrun writes as JSON for programs, and the names that some of them had before.

A name is the API's where it is one of the API's fields (``runId``, ``failureReason``), and else ours, in
snake_case (``dry_run``). Where something else was published once, that name stays beside it.

Belongs here: names of what is kept, and the old ones. Does not: the objects (their makers), their shapes
(``assets/json.schema.json``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

#: What the API calls fields that the ledger keeps by names of ours.
API_NAMES: Final[Mapping[str, str]] = {
    "request_id": "requestId",
    "output_uri": "runOutputUri",
    "creation_time": "creationTime",
    "start_time": "startTime",
    "stop_time": "stopTime",
    "failure_reason": "failureReason",
    "status_message": "statusMessage",
}
#: Of a run within an event, what is news; the rest is shown once, beside it.
NEWS: Final = ("status", "id", "failure_reason", "status_message")
_OF_REQUEST: Final = {"request_id": API_NAMES["request_id"]}
_RUN: Final = {old: new for old, new in API_NAMES.items() if old not in _OF_REQUEST}


def _camel(*names: str) -> dict[str, str]:
    """Return names of ours by what they were once called: ``dryRun`` for ``dry_run``."""
    return {re.sub("_([a-z])", lambda match: match[1].upper(), name): name for name in names}


_TASKS: Final = _camel("failed_tasks", "has_more_failed_tasks", "log_group", "log_streams")
_COST_ROW: Final = {
    **_camel("cached_tasks", "task_seconds", "task_cost", "running_seconds"),
    "storageGiB": "storage_gib",
    **_camel("storage_cost"),
}
_COSTS: Final = {
    **_camel("is_estimate", "priced_runs", "task_cost", "storage_cost", "by_status", "per_completed_run"),
    **_camel("unpriced_tasks", "without_dynamic_storage", "without_static_storage"),
    **_camel("without_unknown_storage", "not_known_yet"),
    "ready2Run": "ready2run",
    **_camel("to_come"),
}
_REBUILD: Final = {
    **_camel("by_status", "earlier_attempts", "gone_from_manifest", "other_batches", "missing_ids"),
    **_camel("changed_rows", "ambiguous_rows"),
}
#: Old names and what they are called now, by kind of object and, dotted, by where in it they stand. Only
#: these places are looked at: what is a user's own, such as a request's parameters, has names of its own.
OLD_NAMES: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "finding": {"": {"problem": "message"}},  # a problem of a ledger; those of manifests had the name before
    "retry": {"": _camel("dry_run")},
    "cancel": {"": _camel("dry_run", "is_done")},
    "delete": {"": _camel("dry_run", "run_ids")},
    "check": {"": _camel("start_run_per_second", "kept_runs", "active_runs")},
    "plan": {"": _camel("changed_ids", "gone_ids", "to_come")},
    "entry": {"": _TASKS, "attempts": _TASKS, "events": _OF_REQUEST, "events.run": _RUN},
    "costs": {"": _COSTS},
    "cost_row": {"": _COST_ROW},
    "rebuild": {"": _REBUILD},
    "notice": {"": _camel("exit_code", "started_at", "ended_at")},
}


def with_old_names(kind: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of an object of this *kind* with what they were once called beside."""
    return _aliased(facts, OLD_NAMES[kind]) if kind in OLD_NAMES else dict(facts)


def _aliased(facts: Mapping[str, Any], names: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    told = {name: _within(value, _below(name, names)) for name, value in facts.items()}
    return told | {old: told[new] for old, new in names.get("", {}).items() if new in told}


def _below(name: str, names: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
    """Return the names of the places in what stands under *name*."""
    return {
        place.removeprefix(name).removeprefix("."): inner
        for place, inner in names.items()
        if f"{place}.".startswith(f"{name}.")
    }


def _within(value: Any, names: Mapping[str, Mapping[str, str]]) -> Any:
    if names and isinstance(value, dict):
        return _aliased(value, names)
    return [_within(one, names) for one in value] if names and isinstance(value, list) else value
