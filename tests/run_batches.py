"""Run batches of a simulated account, by the real client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from batchrun.model.submissions.submission import BatchSeen
from batchrun.service.client import AwsHealthOmics
from batchrun.simulator import (
    BatchDurations,
    Simulator,
    Span,
)
from tests.world import simulated

#: Two seconds CREATING, ten PENDING, and counts that are never behind.
DURATIONS = BatchDurations(creating=Span(mean=2), pending=Span(mean=10), counts_lag=0)
HOUR = timedelta(hours=1)


def world(faults: str = "", **changes: Any) -> Any:
    return simulated(faults, **{"batch_durations": DURATIONS, "max_active": None, **changes})


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {"runSettingId": f"r-{number}", "name": f"n-{number}", "outputUri": "s3://lab/x/", **changes}


def request(rows: int = 2, **changes: Any) -> dict[str, Any]:
    role = "arn:aws:iam::123456789012:role/omics"
    return {
        "batchName": "cohort",
        "requestId": "b-1",
        "defaultRunSetting": {"workflowId": "1234567", "roleArn": role},
        "batchRunSettings": {"inlineSettings": [row(number) for number in range(rows)]},
        **changes,
    }


async def start(
    service: AwsHealthOmics,
    asked: dict[str, Any] | None = None,
    *,
    trusted: timedelta = HOUR,
    remembered: timedelta | None = None,
    is_repeat: bool = False,
) -> BatchSeen:
    turn, now = await service.run_batches.start_turn(), service._calls.clock.latest()
    return await service.run_batches.start(
        asked or request(),
        turn=turn,
        trusted_until=now + trusted,
        remembered_until=None if remembered is None else now + remembered,
        is_repeat=is_repeat,
    )


def sent(simulator: Simulator, operation: str = "StartRunBatch") -> int:
    calls = simulator.state().calls
    return calls[operation].calls if operation in calls else 0


async def all_of(pages: AsyncIterator[Any]) -> list[Any]:
    return [one async for page in pages for one in page]
