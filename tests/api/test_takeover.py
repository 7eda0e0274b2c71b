"""How soon another host goes on when a launcher is killed: by the ledger's own events, in virtual time."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from batchrun.cli.launching.standby import until_free
from batchrun.ledger import open_ledger
from batchrun.ledger.ledger import SqlLedger
from batchrun.model.paces.rates import Rate
from tests.api.test_launching import at

pytestmark = pytest.mark.long

ROWS = 40


@pytest.mark.parametrize("lease", [2.0, 10.0])
async def test_new_rows_are_submitted_within_the_lease_and_two_seconds_of_a_kill(
    tmp_path, monkeypatch, lease
):
    async with at(tmp_path) as place, anyio.create_task_group() as group:
        killed = anyio.CancelScope()

        async def first() -> None:
            """Launch on another host, whose locks nobody here can see, and write nothing at the end."""
            with killed:
                async with place.session(rate=Rate(most=2)) as session:
                    ledger = await session.ledger()
                    assert isinstance(ledger, SqlLedger)
                    monkeypatch.setattr(ledger._store, "host", "another host")
                    async with session.launching(place.manifest(ROWS), lease=lease) as launch:

                        async def dead() -> None:
                            pass

                        monkeypatch.setattr(launch._held, "release", dead)
                        await launch.wait()

        group.start_soon(first)
        await place.clock.sleep(8.3)
        killed_at = place.clock.utcnow()
        killed.cancel()
        sent = len(place.simulator.state().runs)
        assert 10 <= sent < ROWS
        told: list[str] = []
        await until_free(place.ledger, "cohort", clock=place.clock, told=lambda one: told.append(one.holder))
        assert len(told) == 1
        async with (
            place.session(rate=Rate(most=2)) as session,
            session.launching(place.manifest(ROWS), lease=lease) as launch,
        ):
            assert (await launch.wait()).has_only_succeeded
    async with await open_ledger(place.ledger, read_only=True) as ledger:
        batch = ledger.batch("cohort")
        ids = [outcome.entry.id async for outcome in batch.story.outcomes()]
        intents = [when for one in ids for when, _, kind, _ in await batch.history(one) if kind == "intended"]
    assert len(intents) == len(place.simulator.state().runs) == ROWS
    later = [when for when in intents if when > killed_at]
    assert min(later) - killed_at <= timedelta(seconds=lease + 2)
    assert len(later) >= ROWS - sent - 1
