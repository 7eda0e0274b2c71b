"""What tests of the engine ``batch`` share: a slow service, its calls, and wishes of people."""

from __future__ import annotations

from collections import Counter
from typing import Any

from batchrun.model.submissions.submission import Standing, Submission
from batchrun.simulator import BatchDurations, Limit, Span, parse_faults
from tests.engine.launching import Bench

#: 2 s CREATING, 10 s PENDING, then two rows a second; counts lag by five seconds.
SLOW: dict[str, Any] = {
    "batch_durations": BatchDurations(creating=Span(mean=2), pending=Span(mean=10), counts_lag=5),
    "limits": {"*": None, "StartRun": Limit(rate=2, burst=1)},
    "max_active": None,
}


def calls(it: Bench) -> Counter[str]:
    return Counter({operation: counts.sent for operation, counts in it.service.calls.items()})


def script(it: Bench, faults: str) -> None:
    it.simulator.script(*parse_faults(faults))


async def submissions(it: Bench) -> list[Submission]:
    """Return the last submission of each row, each once."""
    held = it.ledger.batch("cohort")
    found = [await held.submissions.last(entry.id, entry.attempt) for entry in (await it.entries()).values()]
    return list({one.request_id: one for one in found if one is not None}.values())


async def all_over(it: Bench) -> bool:
    return all(one.standing is Standing.OVER for one in await submissions(it))
