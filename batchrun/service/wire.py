"""
Answers of the service as values: the only place where botocore's dicts are read.

An answer is believed only as far as it is complete: without what identifies a run it counts as unparsable.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from batchrun.model.entry import Run, Sighting
from batchrun.model.listing import Listed
from batchrun.service.classify import unparsable

if TYPE_CHECKING:
    from collections.abc import Mapping


def started(answer: Mapping[str, Any]) -> Run:
    """
    Read the answer to StartRun.

    Raises:
        OutcomeUnknownError: It lacks ``id`` or ``uuid``: botocore parses an empty or HTML 201 to ``{}``.
    """
    return Run(
        id=_text(answer, "id", "StartRun"),
        uuid=_text(answer, "uuid", "StartRun"),
        arn=str(answer.get("arn") or ""),
        status=str(answer.get("status") or "PENDING"),
        output_uri=answer.get("runOutputUri"),
    )


def sighted(answer: Mapping[str, Any]) -> Sighting:
    """
    Read the answer to GetRun.

    Raises:
        OutcomeUnknownError: It lacks ``id`` or ``status``. A ``uuid`` that lacks contradicts none.
    """
    run = Run(
        id=_text(answer, "id", "GetRun"),
        uuid=str(answer.get("uuid") or ""),
        arn=str(answer.get("arn") or ""),
        status=_text(answer, "status", "GetRun"),
        output_uri=answer.get("runOutputUri"),
        creation_time=moment(answer.get("creationTime")),
        start_time=moment(answer.get("startTime")),
        stop_time=moment(answer.get("stopTime")),
        failure_reason=answer.get("failureReason"),
        status_message=answer.get("statusMessage"),
    )
    return Sighting(
        run=run,
        name=answer.get("name"),
        tags=answer.get("tags") or {},
        workflow_id=answer.get("workflowId"),
        output_uri=answer.get("outputUri"),
        parameters=answer.get("parameters") or {},
    )


def listed(item: Mapping[str, Any]) -> Listed | None:
    """Read one item of ListRuns; None where it lacks what tells which run it is."""
    if not item.get("id"):
        return None
    return Listed(
        id=str(item["id"]),
        status=str(item.get("status") or ""),
        name=str(item.get("name") or ""),
        creation_time=moment(item.get("creationTime")),
        start_time=moment(item.get("startTime")),
    )


def _text(answer: Mapping[str, Any], name: str, operation: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise unparsable(operation, name)
    return value


def moment(value: object) -> datetime | None:
    """Read a time, in UTC; None where there is none."""
    return value.astimezone(UTC) if isinstance(value, datetime) else None
