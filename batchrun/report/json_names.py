"""The names in batchrun's JSON output, and the old names of some of them.

Fields of the API have the API's names (``runId``, ``failureReason``), others are in snake_case (``dry_run``).
An old name that was published stays beside the new one.

Does not belong here: making the objects, their shapes (``assets/json.schema.json``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

#: The API's names of fields that the ledger has by names of its own.
API_NAMES: Final[Mapping[str, str]] = {
    "request_id": "requestId",
    "output_uri": "runOutputUri",
    "creation_time": "creationTime",
    "start_time": "startTime",
    "stop_time": "stopTime",
    "failure_reason": "failureReason",
    "status_message": "statusMessage",
}
#: Fields of a run that are news in an event; others are shown once, beside it.
NEWS: Final = ("status", "id", "failure_reason", "status_message")
_OF_REQUEST: Final = {"request_id": API_NAMES["request_id"]}
_RUN: Final = {old: new for old, new in API_NAMES.items() if old not in _OF_REQUEST}


def _camel(*names: str) -> dict[str, str]:
    """Return names by their old ones: ``dry_run`` by ``dryRun``."""
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
#: Old names with the current ones, by kind of object and dotted path within it. Other places, such as a
#: request's parameters, are not changed.
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
    """Return the facts of an object of this *kind*, with old names added."""
    return _aliased(facts, OLD_NAMES[kind]) if kind in OLD_NAMES else dict(facts)


def _aliased(facts: Mapping[str, Any], names: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    told = {name: _within(value, _below(name, names)) for name, value in facts.items()}
    return told | {old: told[new] for old, new in names.get("", {}).items() if new in told}


def _below(name: str, names: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
    """Return the names for the places below *name*."""
    return {
        place.removeprefix(name).removeprefix("."): inner
        for place, inner in names.items()
        if f"{place}.".startswith(f"{name}.")
    }


def _within(value: Any, names: Mapping[str, Mapping[str, str]]) -> Any:
    if names and isinstance(value, dict):
        return _aliased(value, names)
    return [_within(one, names) for one in value] if names and isinstance(value, list) else value
