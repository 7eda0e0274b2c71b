"""
The names in what batchrun writes as JSON for programs, and the names that some of them had before.

A name is the API's where it is one of the API's fields (``runId``, ``failureReason``), and else ours, in
snake_case (``dry_run``). Where something else was published once, that name stays beside it.

Belongs here: the old names. Does not: the objects (their makers), their shapes (``assets/json.schema.json``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_TASKS: Final = {
    "failedTasks": "failed_tasks",
    "hasMoreFailedTasks": "has_more_failed_tasks",
    "logGroup": "log_group",
    "logStreams": "log_streams",
}

#: Old names and what they are called now, by kind of object and, dotted, by where in it they stand. Only
#: these places are looked at: what is a user's own, such as a request's parameters, has names of its own.
OLD_NAMES: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "finding": {"": {"problem": "message"}},  # a problem of a ledger; those of manifests had the name before
    "retry": {"": {"dryRun": "dry_run"}},
    "cancel": {"": {"dryRun": "dry_run", "isDone": "is_done"}},
    "delete": {"": {"dryRun": "dry_run", "runIds": "run_ids"}},
    "check": {
        "": {
            "startRunPerSecond": "start_run_per_second",
            "keptRuns": "kept_runs",
            "activeRuns": "active_runs",
        }
    },
    "plan": {"": {"changedIds": "changed_ids", "goneIds": "gone_ids", "toCome": "to_come"}},
    "entry": {
        "": _TASKS,
        "attempts": _TASKS,
        "events": {"request_id": "requestId"},
        "events.run": {
            "output_uri": "runOutputUri",
            "creation_time": "creationTime",
            "start_time": "startTime",
            "stop_time": "stopTime",
            "failure_reason": "failureReason",
            "status_message": "statusMessage",
        },
    },
    "costs": {
        "": {
            "isEstimate": "is_estimate",
            "pricedRuns": "priced_runs",
            "taskCost": "task_cost",
            "storageCost": "storage_cost",
            "byStatus": "by_status",
            "perCompletedRun": "per_completed_run",
            "unpricedTasks": "unpriced_tasks",
            "withoutDynamicStorage": "without_dynamic_storage",
            "withoutStaticStorage": "without_static_storage",
            "withoutUnknownStorage": "without_unknown_storage",
            "notKnownYet": "not_known_yet",
            "ready2Run": "ready2run",
            "toCome": "to_come",
        }
    },
    "cost_row": {
        "": {
            "cachedTasks": "cached_tasks",
            "taskSeconds": "task_seconds",
            "taskCost": "task_cost",
            "runningSeconds": "running_seconds",
            "storageGiB": "storage_gib",
            "storageCost": "storage_cost",
        }
    },
    "rebuild": {
        "": {
            "byStatus": "by_status",
            "earlierAttempts": "earlier_attempts",
            "goneFromManifest": "gone_from_manifest",
            "otherBatches": "other_batches",
            "missingIds": "missing_ids",
            "changedRows": "changed_rows",
            "ambiguousRows": "ambiguous_rows",
        }
    },
    "notice": {"": {"exitCode": "exit_code", "startedAt": "started_at", "endedAt": "ended_at"}},
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
