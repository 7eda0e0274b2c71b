"""Looking for the runs of rows that are DELETED, deleting those that may be, and comparing."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from batchrun.engine.proof.absence import look_at
from batchrun.engine.reach import LISTED, Looked, look_for
from batchrun.engine.upkeep.comparing import compare
from batchrun.engine.upkeep.deleter import Deleted, Deleter
from batchrun.errors import NotFoundError, ServiceUnusableError
from batchrun.model.entries.events import Event, Intended, Removed
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.listing import Listed
from batchrun.ports.stored import Transition
from batchrun.simulator import parse_faults
from tests.engine.launching import Bench, bench, reached, rows
from tests.world import start

GONE = ["ResourceNotFoundException", "other_uuid_after", "deleted_after"]
LAG = 60.0


async def looked_for(it: Bench) -> Looked:
    entries = [(await it.entries())[id_] for id_ in sorted(await it.entries())]
    return await look_for(entries, reach=reached(it.service), at_once=4)


async def started(it: Bench, count: int, *, after: float = 300.0) -> None:
    await it.launch(rows(count), mode=Mode.DETACH)
    await anyio.sleep(after)


async def remove(it: Bench, number: int) -> None:
    run = (await it.entries())[f"row-{number:04}"].run
    assert run is not None
    await it.service.delete_run(run.id)


async def test_a_run_is_there_with_its_status_or_gone(tmp_path):
    async with bench(tmp_path) as it:
        await started(it, 4)
        await remove(it, 1)
        await remove(it, 3)
        stranger = await start(it.service, requestId="theirs", name="theirs")
        looked = await looked_for(it)
        assert sorted((one.id, run.status) for one, run in looked.there) == [
            ("row-0000", "COMPLETED"),
            ("row-0002", "COMPLETED"),
        ]
        assert sorted(one.id for one in looked.gone) == ["row-0001", "row-0003"]
        assert stranger.id in {one.run.id for one in looked.gone if one.run}
        assert looked.unknown == []


@pytest.mark.parametrize("fault", GONE)
async def test_what_is_listed_is_not_gone_whatever_a_look_says(tmp_path, fault):
    async with bench(tmp_path) as it:
        await started(it, 2, after=50)
        it.simulator.script(*parse_faults(f"GetRun:{fault}@*-0001=1x"))
        looked = await looked_for(it)
        assert [(one.id, why) for one, why in looked.unknown] == [("row-0001", LISTED)]
        assert [one.id for one, _ in looked.there] == ["row-0000"]


@pytest.mark.parametrize("faults", ["GetRun:ValidationException", "ListRuns:empty_after"])
async def test_who_gets_no_answer_knows_nothing(tmp_path, faults):
    async with bench(tmp_path) as it:
        await started(it, 1)
        await remove(it, 0)
        it.simulator.script(*parse_faults(faults))
        looked = await looked_for(it)
        assert (looked.there, looked.gone, len(looked.unknown)) == ([], [], 1)


async def test_who_may_not_list_goes_by_the_look_alone(tmp_path):
    async with bench(tmp_path) as it:
        await started(it, 2)
        await remove(it, 0)
        it.simulator.script(*parse_faults("ListRuns:AccessDeniedException"))
        assert [one.id for one in (await looked_for(it)).gone] == ["row-0000"]


async def test_who_may_not_look_is_told_so(tmp_path):
    async with bench(tmp_path) as it:
        await started(it, 2)
        it.simulator.script(*parse_faults("GetRun:AccessDeniedException"))
        with pytest.raises(ServiceUnusableError, match="omics:GetRun"):
            await looked_for(it)


async def test_a_listed_run_is_not_there_only_where_the_listing_says_so_too(tmp_path):
    async with bench(tmp_path) as it:
        await started(it, 1)
        entry = (await it.entries())["row-0000"]
        assert entry.run is not None
        listed = Listed(id=entry.run.id, status="RUNNING")
        seen = await look_at(it.service, listed)
        assert seen is not None
        assert seen.run.uuid == entry.run.uuid
        await remove(it, 0)
        with pytest.raises(NotFoundError):
            await look_at(it.service, listed)
        assert await look_at(it.service, replace(listed, status="DELETED")) is None


async def test_a_row_without_a_run_has_nothing_to_look_for(tmp_path):
    async with bench(tmp_path) as it:
        await started(it, 1)
        (entry,) = (await it.entries()).values()
        looked = await look_for([replace(entry, run=None)], reach=reached(it.service), at_once=1)
        assert looked == Looked()


async def delete(it: Bench, tell: list[int] | None = None) -> Deleted:
    told = [] if tell is None else tell
    deleter = Deleter(
        ledger=it.ledger,
        reach=reached(it.service),
        clock=it.clock,
        concurrency=3,
        lag=LAG,
        tell=told.append,
    )
    return await deleter.delete(
        [one for one in await it.ledger.batch("cohort").story.ended_runs(limit=99) if one.is_there]
    )


async def left(it: Bench) -> list[str]:
    ended = await it.ledger.batch("cohort").story.ended_runs(limit=99)
    return [one.entry_id for one in ended if one.is_there]


@pytest.mark.long
@pytest.mark.parametrize("fault", GONE)
async def test_one_answer_by_which_a_run_is_gone_does_not_keep_it_from_being_deleted(tmp_path, fault):
    async with bench(tmp_path) as it:
        await it.launch(rows(5))
        it.simulator.script(*parse_faults(f"GetRun:{fault}@*-0001=1x"))
        told: list[int] = []
        done = await delete(it, told)
        assert (len(done.deleted), done.gone, done.kept, told) == (5, [], [], [1])
        assert {record.status for record in it.simulator.state().runs} == {"DELETED"}
        assert await left(it) == []


@pytest.mark.parametrize("fault", GONE)
async def test_a_run_that_is_listed_is_kept_for_another_time(tmp_path, fault):
    async with bench(tmp_path) as it:
        await it.launch(rows(2))
        it.simulator.script(*parse_faults(f"GetRun:{fault}@*-0001=2x"))
        done = await delete(it)
        assert [(one.entry_id, why) for one, why in done.kept] == [("row-0001", LISTED)]
        assert await left(it) == ["row-0001"]


@pytest.mark.parametrize(("faults", "lags"), [("", 1), ("ListRuns:AccessDeniedException", 2)])
async def test_what_is_gone_is_remembered_after_it_was_said_again(tmp_path, faults, lags):
    async with bench(tmp_path) as it:
        await it.launch(rows(3))
        await remove(it, 1)
        it.simulator.script(*parse_faults(faults))
        begun = it.clock.monotonic()
        done = await delete(it)
        assert [one.entry_id for one in done.gone] == ["row-0001"]
        assert len(done.deleted) == 2
        assert it.clock.monotonic() - begun >= lags * LAG
        assert await left(it) == []


async def test_who_does_not_wait_leaves_what_was_not_there_for_another_time(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(3))
        await remove(it, 1)
        with anyio.move_on_after(LAG / 2):
            await delete(it)
        assert await left(it) == ["row-0001"]


async def test_an_id_that_is_another_runs_is_never_deleted(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(2))
        await remove(it, 1)
        stranger = await start(it.service, requestId="theirs", name="cohort-row-0001")
        done = await delete(it)
        assert [one.run.id for one in done.gone] == [stranger.id]
        assert it.simulator.state().runs[-1].status != "DELETED"


async def record(it: Bench, number: int, event: Event) -> None:
    held = await it.take_in(rows(8))
    entry = (await it.entries())[f"row-{number:04}"]
    await held.record([Transition(event=event, entry=apply(entry, event))])
    await held.release()


async def test_rows_are_held_against_the_service_and_nothing_is_written(tmp_path):
    async with bench(tmp_path) as it:
        await started(it, 6)
        await started(it, 7, after=0)
        await remove(it, 4)
        await remove(it, 5)
        for number in (3, 5):
            await record(it, number, Removed(at=it.clock.utcnow(), message="404"))
        await record(it, 7, Intended(at=it.clock.utcnow()))
        it.simulator.script(*parse_faults("GetRun:ValidationException@*-0002"))
        before = await it.entries()
        found = await compare(it.ledger.batch("cohort"), reach=reached(it.service), at_once=2)
        assert await it.entries() == before
        assert (found.going, found.ended, found.missing) == (1, {"COMPLETED": 2}, ["row-0004"])
        assert ([entry.id for entry, _ in found.deleted.there], found.gone) == (["row-0003"], 1)
        assert (found.doubtful, list(found.unknown)) == (["row-0007"], ["row-0002"])
