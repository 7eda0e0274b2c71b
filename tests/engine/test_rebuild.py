"""A lost ledger, made again from the manifest and the simulated service, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import apsw
import pytest

from batchrun.engine.upkeep.rebuild import Rebuilder, Rebuilt, RunSearch
from batchrun.errors import (
    LeaseHeldError,
    LeaseLostError,
    OutcomeUnknownError,
    ServiceUnusableError,
)
from batchrun.ledger import open_ledger
from batchrun.ledger.verify import Verification
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.recovery import LOST, Match
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed, Mode
from batchrun.model.spec import Spec, default_name
from batchrun.service.calling.call_retries import RetrySettings
from batchrun.simulator import Limit, parse_faults, server
from tests.builders import spec
from tests.engine.launching import Bench, bench, reached, rows
from tests.ledger.samples import connection_of
from tests.world import simulated


@asynccontextmanager
async def lost(it: Bench, folder: Path) -> AsyncIterator[Path]:
    """Go on with a new, empty ledger."""
    place = folder / f"again-{uuid4()}.db"
    before = it.ledger
    async with await open_ledger(place) as ledger:
        it.ledger = ledger
        yield place
        it.ledger = before
    assert list(Verification(place).findings()) == []


async def rebuild(it: Bench, specs: Sequence[Spec], **options: Any) -> Rebuilt:
    now = it.clock.utcnow()
    await it.ledger.open_batch("cohort", region="us-east-1", at=now)
    held = await it.ledger.hold("cohort", holder="test:2", ttl=it.ttl, at=now)
    search = RunSearch(specs=lambda: specs, default_name=partial(default_name, "cohort"), **options)
    rebuilder = Rebuilder(reach=reached(it.service), held=held, ttl=it.ttl, search=search, clock=it.clock)
    try:
        return await rebuilder.run()
    finally:
        await held.release()


def runs_of(entries: dict[str, Entry]) -> dict[str, Any]:
    return {id: (entry.state, entry.attempt, entry.request_id, entry.run) for id, entry in entries.items()}


def starts(it: Bench) -> int:
    return it.simulator.state().calls["StartRun"].calls


@pytest.mark.timeout(300)
async def test_a_deleted_ledger_of_three_pages_of_runs_is_made_again_with_the_same_uuids(tmp_path):
    settings = simulated(failures={"RUN_TASK_FAILED": 0.1}, max_active=None)
    async with bench(tmp_path, settings) as it:
        await it.launch(rows(205))
        before, calls = runs_of(await it.entries()), starts(it)
        async with lost(it, tmp_path):
            listings = it.simulator.state().calls["ListRuns"].calls
            rebuilt = await rebuild(it, rows(205))
            assert rebuilt.is_written
            assert rebuilt.matches == {Match.FOUND: 205}
            assert rebuilt.by_status.keys() == {"COMPLETED", "FAILED"}
            assert runs_of(await it.entries()) == before
            assert it.simulator.state().calls["ListRuns"].calls - listings == 3
            await it.launch(rows(205))
            assert starts(it) == calls
            await it.assert_agreement()


async def test_runs_that_go_on_are_watched_and_rows_without_a_run_are_started(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(25), mode=Mode.DETACH)
        async with lost(it, tmp_path):
            rebuilt = await rebuild(it, rows(30))
            assert rebuilt.matches == {Match.FOUND: 25, Match.MISSING: 5}
            assert rebuilt.missing == [f"row-{number:04}" for number in range(25, 30)]
            states = [entry.state for entry in (await it.entries()).values()]
            assert states == [State.ACTIVE] * 25 + [State.PLANNED] * 5
            calls = starts(it)
            await it.launch(rows(30))
            assert starts(it) == calls + 5
            await it.assert_agreement()


@pytest.mark.long
async def test_it_works_through_throttles_faults_and_runs_of_others(tmp_path):
    # Half of all calls fail: now and then one in hundreds is unlucky for longer than the usual half minute.
    async with bench(tmp_path, retry=RetrySettings(patience=600)) as it:
        others = [spec(f"other-{n}", n, name="not ours") for n in range(150)]
        await it.launch(others, mode=Mode.DETACH, trusts_ledger=True)
        async with lost(it, tmp_path):
            await it.launch(rows(60), mode=Mode.DETACH, trusts_ledger=True)
            await anyio.sleep(300)  # until they have ended
        it.simulator.script(
            *parse_faults("*:throttle=0.2,*:error_after=0.2,*:html_after=0.1,ListRuns:empty_after=0.3")
        )
        async with lost(it, tmp_path):
            rebuilt = await rebuild(it, rows(60))
            assert rebuilt.matches == {Match.FOUND: 60}
            assert it.simulator.state().calls["GetRun"].calls < 200


async def test_few_names_are_asked_for_one_by_one(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(3), trusts_ledger=True)
        async with lost(it, tmp_path):
            rebuilt = await rebuild(it, rows(3))
            assert rebuilt.matches == {Match.FOUND: 3}
            assert it.simulator.state().calls["ListRuns"].calls == 3


async def test_looking_is_paced(tmp_path):
    async with bench(
        tmp_path, simulated(limits={"GetRun": Limit(rate=5, burst=1), "*": None}), read_rate=4.9
    ) as it:
        await it.launch(rows(50), mode=Mode.DETACH)
        async with lost(it, tmp_path):
            begun = anyio.current_time()
            await rebuild(it, rows(50))
            assert anyio.current_time() - begun > 49 / 4.9
            assert it.simulator.state().calls["GetRun"].throttled <= 1


async def test_a_ledger_that_knows_everything_is_left_as_it_is(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(3))
        before = await it.entries()
        rebuilt = await rebuild(it, rows(3))
        assert rebuilt.matches == {Match.KNOWN: 3}
        assert await it.entries() == before


@asynccontextmanager
async def copied(it: Bench, folder: Path) -> AsyncIterator[Path]:
    """Go on with a copy of the ledger as it is now."""
    place = folder / f"copy-{uuid4()}.db"
    await it.ledger._read(lambda: connection_of(it.ledger).execute("VACUUM INTO ?", (str(place),)))
    yield place


@asynccontextmanager
async def put_back(it: Bench, place: Path) -> AsyncIterator[None]:
    async with await open_ledger(place) as ledger:
        it.ledger = ledger
        yield
    assert list(Verification(place).findings()) == []


async def test_an_old_copy_is_brought_up_to_date(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(2))
        async with copied(it, tmp_path) as place:
            await it.launch(rows(5))
            await it.ledger.close()
        async with put_back(it, place):
            rebuilt = await rebuild(it, rows(5))
            assert rebuilt.matches == {Match.KNOWN: 2, Match.FOUND: 3}
            await it.assert_agreement()


async def test_an_old_copy_learns_of_attempts_that_were_begun_after_it(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(2))
        async with copied(it, tmp_path) as place:
            await it.launch(rows(2, priority=3), changed=Changed.RESUBMIT)
            after = await it.entries()
            await it.ledger.close()
        async with put_back(it, place):
            rebuilt = await rebuild(it, rows(2, priority=3), changed=Changed.RESUBMIT)
            assert rebuilt.matches == {Match.FOUND: 2}
            assert [entry.run for entry in (await it.entries()).values()] == [e.run for e in after.values()]
            assert {entry.attempt for entry in after.values()} == {2}


async def test_a_ledger_with_planned_rows_alone_is_filled(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(3))
        async with lost(it, tmp_path):
            await (await it.take_in(rows(3, priority=9))).release()
            rebuilt = await rebuild(it, rows(3))
            assert rebuilt.is_written
            await it.assert_agreement()


async def test_nobody_launches_while_it_looks(tmp_path):
    async with bench(tmp_path, read_rate=1) as it:
        await it.launch(rows(100), mode=Mode.DETACH)
        async with lost(it, tmp_path):
            async with anyio.create_task_group() as group:
                group.start_soon(rebuild, it, rows(100))
                await anyio.sleep(90)  # three times as long as a lease lasts
                with pytest.raises(LeaseHeldError):
                    await it.take_in(rows(100))
            await it.assert_agreement()


async def test_a_lease_that_was_taken_over_ends_it_with_nothing_written(tmp_path):
    async with bench(tmp_path, read_rate=1) as it:
        await it.launch(rows(100), mode=Mode.DETACH)
        async with lost(it, tmp_path) as place, anyio.create_task_group() as group:
            group.start_soon(take_over, place)
            with pytest.raises(LeaseLostError):
                await rebuild(it, rows(100))
            assert await it.entries() == {}


async def take_over(place: Path) -> None:
    await anyio.sleep(5)
    connection = apsw.Connection(str(place))
    connection.execute("UPDATE leases SET fence = fence + 1")
    connection.close()


async def attempts(it: Bench) -> list[list[tuple[int, str | None, str | None]]]:
    """Return number, run's uuid and code of each entry's attempts, oldest first."""
    found = []
    async for outcome in it.ledger.batch("cohort").story.outcomes():
        past = [(one.attempt, one.run.uuid if one.run else None, one.code) for one in outcome.earlier]
        entry = outcome.entry
        found.append([*past, (entry.attempt, entry.run.uuid if entry.run else None, entry.code)])
    return found


async def test_every_attempt_comes_back(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(2))
        await it.launch(rows(2, priority=5), changed=Changed.RESUBMIT)
        before = await attempts(it)
        async with lost(it, tmp_path):
            rebuilt = await rebuild(it, rows(2, priority=5))
            assert (rebuilt.matches, rebuilt.earlier) == ({Match.FOUND: 2}, 2)
            assert await attempts(it) == before
            story = [kind for *_, kind, _ in await it.ledger.batch("cohort").history("row-0000")]
            assert " ".join(story) == (
                "intended doubted accepted completed revised intended accepted completed"
            )
            calls = starts(it)
            await it.launch(rows(2, priority=5))
            assert starts(it) == calls


async def test_an_attempt_whose_run_was_deleted_is_told_as_lost(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(1))
        first = (await it.entries())["row-0000"].run
        assert first is not None
        await it.launch(rows(1, priority=5), changed=Changed.RESUBMIT)
        await it.service._calls.client.delete_run(id=first.id)
        async with lost(it, tmp_path):
            await rebuild(it, rows(1, priority=5))
            (((_, uuid, code), (number, last, _)),) = await attempts(it)
            assert (uuid, code, number) == (None, LOST, 2)
            assert last == it.simulator.state().runs[1].uuid


async def test_a_changed_row_stops_it_until_the_user_decides(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(3))
        changed = [*rows(2), spec("row-0002", 2, priority=9)]
        async with lost(it, tmp_path):
            rebuilt = await rebuild(it, changed)
            assert not rebuilt.is_written
            assert [(row.id, len(row.run_ids)) for row in rebuilt.changed] == [("row-0002", 1)]
            assert await it.entries() == {}
            assert (await rebuild(it, changed, changed=Changed.KEEP)).is_written
            calls = starts(it)
            await it.launch(changed)
            assert starts(it) == calls
            await it.assert_agreement()
            assert [id_ for id_, entry in (await it.entries()).items() if entry.is_changed] == ["row-0002"]
        async with lost(it, tmp_path):
            assert (await rebuild(it, changed, changed=Changed.RESUBMIT)).is_written
            entry = (await it.entries())["row-0002"]
            assert (entry.attempt, entry.state) == (2, State.PLANNED)
            await it.launch(changed)
            assert starts(it) == calls + 1


async def test_a_row_that_was_renamed_is_found_by_the_name_it_had(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(1))
        async with lost(it, tmp_path):
            rebuilt = await rebuild(it, rows(1, name="new name"))
            assert rebuilt.matches == {Match.CHANGED: 1}


@pytest.mark.long
async def test_untagged_runs_are_found_by_what_they_were_asked_for(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(30), tag=False)
        before = {id: entry.run for id, entry in (await it.entries()).items()}
        async with lost(it, tmp_path):
            told = await rebuild(it, rows(30))
            assert told.matches == {Match.AMBIGUOUS: 30}
            assert "--no-tags" in told.ambiguous[0].why
            assert len(told.ambiguous) == 20
            assert (await rebuild(it, rows(30), tagged=False)).is_written
            assert {id: entry.run for id, entry in (await it.entries()).items()} == before
            calls = starts(it)
            await it.launch(rows(30), tag=False)
            assert starts(it) == calls


async def test_an_untagged_twin_stops_it(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(2), tag=False)
        async with lost(it, tmp_path):
            # The same request with another requestId: as a second batch of the same name would send it.
            twin = [spec("twin", 0, name="cohort-row-0001")]
            await it.launch(twin, tag=False, trusts_ledger=True)
        async with lost(it, tmp_path):
            rebuilt = await rebuild(it, rows(2), tagged=False)
            assert not rebuilt.is_written
            assert [(row.id, len(row.run_ids)) for row in rebuilt.ambiguous] == [("row-0001", 2)]
            assert await it.entries() == {}


@pytest.mark.parametrize("operation", ["ListRuns", "GetRun"])
async def test_a_missing_permission_is_named_and_nothing_is_written(tmp_path, operation):
    async with bench(tmp_path) as it:
        await it.launch(rows(30), mode=Mode.DETACH)
        it.simulator.script(*parse_faults(f"{operation}:AccessDeniedException"))
        async with lost(it, tmp_path):
            with pytest.raises(ServiceUnusableError, match=f"allow omics:{operation}"):
                await rebuild(it, rows(30))
            assert await it.entries() == {}


async def test_a_listing_that_is_never_whole_is_not_believed(tmp_path):
    async with bench(tmp_path) as it:
        it.ttl = timedelta(hours=1)
        await it.launch(rows(30), mode=Mode.DETACH)
        it.simulator.script(*parse_faults("ListRuns:empty_after"))
        async with lost(it, tmp_path):
            with pytest.raises((OutcomeUnknownError, ServiceUnusableError)):
                await rebuild(it, rows(30))
            assert await it.entries() == {}


async def test_two_runs_that_are_told_with_one_uuid_are_not_believed(tmp_path, monkeypatch):
    """Written, they would be one run of two rows, which no ledger takes."""
    async with bench(tmp_path) as it:
        await it.launch(rows(30))
        monkeypatch.setattr(server, "draw_uuid", lambda *_: "6a9b54d6-0dba-4f5c-8c4c-5f0b7a1b2c3d")
        it.simulator.script(
            *parse_faults("GetRun:other_uuid_after@*-0003=1x,GetRun:other_uuid_after@*-0017=1x")
        )
        async with lost(it, tmp_path):
            with pytest.raises(
                ServiceUnusableError, match=r"GetRun says of runs \d+ and \d+ .*6a9b54d6-.*Nothing"
            ):
                await rebuild(it, rows(30))
            assert await it.entries() == {}
            assert (await rebuild(it, rows(30))).matches == {Match.FOUND: 30}


async def test_a_run_that_is_listed_and_not_known_may_be_there_so_nothing_is_written(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(30))
        it.simulator.script(*parse_faults("GetRun:ResourceNotFoundException@*-0029=1x"))
        async with lost(it, tmp_path):
            with pytest.raises(ServiceUnusableError, match=r"shows run \d+ \(cohort-row-0029\).*Nothing was"):
                await rebuild(it, rows(30))
            assert await it.entries() == {}
            assert (await rebuild(it, rows(30))).matches == {Match.FOUND: 30}
