"""
The columns of the results.

Belongs here: their names and order. Does not: what stands in them (``results``), own ones (``own_columns``).
"""

from __future__ import annotations

from typing import Final

#: A contract: names, order and meaning (design.md, 7). Names are the API's where it has one.
COLUMNS: Final = (
    "id",
    "status",
    "runId",
    "uuid",
    "runOutputUri",
    "attempt",
    "requestId",
    "name",
    "workflowId",
    "creationTime",
    "startTime",
    "stopTime",
    "failureReason",
    "statusMessage",
    "arn",
    "changed",
)
