"""Launchers of one ledger share an account's pace: together they keep the limit as one would."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from batchrun import AUTO, Limits, Mode, Rate, open_ledger
from batchrun.ports.stored import Commons
from batchrun.simulator.buckets import Limit
from tests.api.test_launching import at
from tests.world import simulated

ACCOUNT = "123456789012"
SUBMIT = Limits(mode=Mode.DETACH)
pytestmark = pytest.mark.usefixtures("hosts")


async def submitted(place, name: str, rows: int, *, rate: Rate = AUTO, after: float = 0.0):
    """Launch a batch of its own in a session of its own, and return when it was over and its calls."""
    await anyio.sleep(after)
    manifest = place.manifest(rows, name, value=name)
    async with (
        place.session(rate=rate) as session,
        session.launching(manifest, limits=SUBMIT) as launch,
    ):
        await launch.wait()
        return place.clock.monotonic(), launch.calls["StartRun"]


async def together(tmp_path, *launches: dict[str, Any], rate: float, burst: int):
    """Return how long these launches took, over the least time, and the share of calls that was throttled."""
    limits = {"StartRun": Limit(rate=rate, burst=burst), "*": None}
    ends, calls = [], []
    async with at(tmp_path, simulated(limits=limits, max_active=None)) as place:
        begun = place.clock.monotonic()

        async def one(number: int, wanted: dict[str, Any]):
            end, counts = await submitted(place, f"batch{number}", **wanted)
            ends.append(end)
            calls.append(counts)

        async with anyio.create_task_group() as group:
            for number, wanted in enumerate(launches):
                group.start_soon(one, number, wanted)
        least = (sum(wanted["rows"] for wanted in launches) - burst) / rate
        sent, throttled = (sum(getattr(one, name) for one in calls) for name in ("sent", "throttled"))
        return (max(ends) - begun) / least, throttled / sent


@pytest.mark.long
async def test_two_launchers_keep_a_limit_of_8_as_one_would(tmp_path):
    """By themselves each finds a limit of its own: a tenth of the calls is throttled, or one starves."""
    took, throttled = await together(tmp_path, {"rows": 300}, {"rows": 300}, rate=8, burst=8)
    assert took <= 1.02
    assert throttled < 0.01


async def test_also_where_no_two_calls_may_come_at_once(tmp_path):
    """Nothing is stored, so what is lost until the limit is found stays lost: one alone takes 1.07 too."""
    took, throttled = await together(tmp_path, {"rows": 80}, {"rows": 80}, rate=8, burst=1)
    assert took <= 1.08
    assert throttled < 0.025


async def test_one_that_has_little_to_send_leaves_the_pace_to_the_other(tmp_path):
    took, throttled = await together(tmp_path, {"rows": 300}, {"rows": 20}, rate=8, burst=8)
    assert took <= 1.02
    assert throttled < 0.01


async def test_whoever_is_alone_leaves_no_trace_of_its_pace_with_others(tmp_path):
    limits = {"StartRun": Limit(rate=8, burst=8), "*": None}
    async with at(tmp_path, simulated(limits=limits, max_active=None)) as place:
        await submitted(place, "alone", 40)
        starts = Commons(region="us-east-1", account=ACCOUNT, operation="StartRun")
        async with open_ledger(place.ledger) as ledger:
            assert await ledger.paces.left(starts, at=place.clock.utcnow()) is None
