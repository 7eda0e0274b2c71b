"""Copies of a ledger, other ledgers: still one run per row, whatever was forgotten."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import apsw
import pytest

from batchrun.engine.upkeep.comparing import compare
from batchrun.errors import LeaseLostError, ServiceUnusableError, UsageError
from batchrun.ledger import open_ledger
from batchrun.ledger.verify import Verification
from batchrun.model.entries.retrying import RetryPolicy
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed, Mode
from batchrun.model.planning.verdicts import AMBIGUOUS
from batchrun.model.spec import Spec
from batchrun.simulator import FailFirst, Span, parse_faults
from tests.builders import spec
from tests.engine.lanes import LaneBench
from tests.engine.launching import Bench, bench, reached, reconnected, rows
from tests.engine.test_sweeps import crowd
from tests.ledger.samples import connection_of
from tests.world import connected, simulated

HOUR = 3600.0


def forgetful(faults: str = "", **changes):
    """A service that remembers a requestId for an hour, and lists a new run after a minute."""
    return simulated(faults, idempotency_window=HOUR, listing_lag=60, max_active=None, **changes)


@asynccontextmanager
async def another(it: Bench, place: Path) -> AsyncIterator[None]:
    """Go on with the ledger at *place*, with a client of its own."""
    before = it.ledger
    async with await open_ledger(place) as it.ledger, reconnected(it):
        yield
    assert list(Verification(place).findings()) == []
    it.ledger = before


@asynccontextmanager
async def beside(it: Bench, place: Path) -> AsyncIterator[Bench]:
    """Make a bench of the ledger at *place*, against the same service at the same time."""
    async with (
        connected(endpoint_url=it.simulator.url, clock=it.clock) as (service, _),
        await open_ledger(place) as ledger,
    ):
        yield Bench(ledger, service, it.simulator, it.clock)


async def copy(it: Bench | LaneBench, place: Path) -> Path:
    await it.ledger._read(lambda: connection_of(it.ledger).execute("VACUUM INTO ?", (str(place),)))
    return place


def started(it: Bench) -> dict[str, int]:
    """How many runs each row has."""
    ids = [record.tags["batchrun:id"] for record in it.simulator.state().runs]
    return {id_: ids.count(id_) for id_ in ids}


def once_each(count: int) -> dict[str, int]:
    return {f"row-{number:04}": 1 for number in range(count)}


def listings(it: Bench) -> int:
    calls = it.simulator.state().calls
    return calls["ListRuns"].calls if "ListRuns" in calls else 0


@pytest.mark.long
async def test_a_copy_put_back_after_more_rows_were_submitted(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        await it.launch(rows(4))
        place = await copy(it, tmp_path / "copy.db")
        await it.launch(rows(12))
        await anyio.sleep(2 * HOUR)
        async with another(it, place):
            _, launcher = await it.launch(rows(12))
            assert started(it) == once_each(12)
            assert launcher.taken_over.rows == 8
            await it.assert_agreement()


@pytest.mark.long
@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.DETACH])
async def test_a_backup_put_back_within_the_hour_knows_nothing_of_attempts_made_since(tmp_path, mode):
    """The row's own requestId was never taken: its attempt was refused, and the next one runs."""
    async with bench(tmp_path, forgetful(), rate=1) as it:
        await it.launch(rows(12), mode=Mode.DETACH, deadline=2)
        place = await copy(it, tmp_path / "backup.db")
        it.simulator.script(*parse_faults("StartRun:ValidationException"))
        async with reconnected(it):
            await it.launch(rows(12), mode=Mode.DETACH)
        it.simulator.faults.replace(())
        refused = [id for id, entry in (await it.entries()).items() if entry.run is None]
        assert len(refused) > 4
        await it.ledger.batch("cohort").requests.retry(refused, at=it.clock.utcnow(), why="asked for")
        async with reconnected(it):
            await it.launch(rows(12))
        async with another(it, place):
            _, launcher = await it.launch(rows(12), mode=mode)
            assert started(it) == once_each(12)
            assert launcher.taken_over.rows == len(refused)
            async with reconnected(it):
                await it.launch(rows(12))
            await it.assert_agreement()


async def test_a_row_that_a_backup_has_in_doubt_may_have_gone_on_under_another_attempt(tmp_path):
    async with bench(tmp_path, forgetful("StartRun:drop_before")) as it:
        await it.launch(rows(3), mode=Mode.DETACH, deadline=5)
        assert {entry.state for entry in (await it.entries()).values()} == {State.SUBMITTING}
        place = await copy(it, tmp_path / "backup.db")
        it.simulator.faults.replace(parse_faults("StartRun:ValidationException"))
        async with reconnected(it):
            await it.launch(rows(3))
        assert {entry.state for entry in (await it.entries()).values()} == {State.REFUSED}
        it.simulator.faults.replace(())
        await it.ledger.batch("cohort").requests.retry(once_each(3), at=it.clock.utcnow(), why="asked for")
        async with reconnected(it):
            await it.launch(rows(3))
        async with another(it, place):
            _, launcher = await it.launch(rows(3))
            assert started(it) == once_each(3)
            assert launcher.taken_over.rows == 3
            await it.assert_agreement()


async def test_a_later_attempt_with_other_content_leaves_a_row_in_doubt_to_a_person(tmp_path):
    changed = [spec("row-0000", 0, workflowId="7654321")]
    async with bench(tmp_path, forgetful("StartRun:drop_before")) as it:
        await it.launch(rows(1), mode=Mode.DETACH, deadline=5)
        place = await copy(it, tmp_path / "backup.db")
        it.simulator.faults.replace(parse_faults("StartRun:ValidationException"))
        async with reconnected(it):
            await it.launch(rows(1))
        it.simulator.faults.replace(())
        async with reconnected(it):
            await it.launch(changed, changed=Changed.RESUBMIT)
        async with another(it, place):
            await it.launch(rows(1))
            (entry,) = (await it.entries()).values()
            assert (entry.state, entry.code) == (State.SUBMITTING, AMBIGUOUS)
            assert started(it) == once_each(1)


@pytest.mark.long
async def test_a_colleague_s_launch_of_the_same_manifest_takes_over_what_is_there(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        await it.launch(rows(50))
        await anyio.sleep(2 * HOUR)
        async with another(it, tmp_path / "colleague.db"):
            _, launcher = await it.launch(rows(50))
            assert started(it) == once_each(50)
            assert launcher.taken_over.rows == 50
            assert launcher.taken_over.first is not None
            assert launcher.taken_over.last is not None
            assert launcher.taken_over.first <= launcher.taken_over.last
            assert launcher.tally.by_state[State.SUCCEEDED] == 50
            assert "StartRun" not in launcher.calls_by_lane[None]
            await it.assert_agreement()


@pytest.mark.long
async def test_a_batch_that_is_lost_while_runs_are_taken_over_ends_the_launch_with_that_error(tmp_path):
    async with bench(tmp_path, forgetful(latency=Span(mean=0.25))) as it:
        await it.launch(rows(20))
        await anyio.sleep(2 * HOUR)
        place = tmp_path / "colleague.db"
        async with await open_ledger(place) as it.ledger, reconnected(it):
            async with anyio.create_task_group() as group:
                group.start_soon(claimed_by_another, place)
                with pytest.raises(LeaseLostError):
                    await it.launch(rows(20))
            assert {entry.state for entry in (await it.entries()).values()} == {State.PLANNED}


async def claimed_by_another(place: Path) -> None:
    """Claim the batch when the survey has seen the runs, and before they are taken over."""
    await anyio.sleep(0.6)
    with closing(apsw.Connection(str(place))) as connection:
        connection.execute("UPDATE leases SET fence = fence + 1")


async def test_a_ledger_copied_and_both_launched(tmp_path):
    async with bench(tmp_path, forgetful(), rate=5) as it:
        await it.launch(rows(30), mode=Mode.DETACH, deadline=1)
        place = await copy(it, tmp_path / "copy.db")
        async with reconnected(it):
            await it.launch(rows(30), mode=Mode.DETACH)
        await anyio.sleep(2 * HOUR)
        async with another(it, place):
            await it.launch(rows(30))
            assert started(it) == once_each(30)
            await it.assert_agreement()


async def test_later_attempts_of_another_ledger_are_taken_over_too(tmp_path):
    settings = forgetful(fail_first=(FailFirst(reason="SERVICE_ERROR", times=2),))
    async with bench(tmp_path, settings) as it:
        await it.take_in(rows(3))
        place = await copy(it, tmp_path / "copy.db")
        async with another(it, tmp_path / "first.db"):
            await it.launch(rows(3))
            assert started(it) == dict.fromkeys(once_each(3), 3)
        await anyio.sleep(2 * HOUR)
        async with another(it, place):
            await anyio.sleep(60)  # the lease of the ledger that was copied
            await it.launch(rows(3))
            assert started(it) == dict.fromkeys(once_each(3), 3)
            assert {(e.attempt, e.state) for e in (await it.entries()).values()} == {(3, State.SUCCEEDED)}


@pytest.mark.long
@pytest.mark.parametrize("seed", range(6))
async def test_any_order_any_subset_one_run_per_row(tmp_path, seed):
    chance = random.Random(seed)
    async with bench(tmp_path, forgetful("StartRun:drop_after=0.1"), rate=20) as it:
        places = [tmp_path / "a.db", tmp_path / "b.db"]
        for _ in range(5):
            async with another(it, chance.choice(places)):
                await it.launch(_some(chance), mode=chance.choice([Mode.ONCE, Mode.DETACH, Mode.WATCH]))
            await anyio.sleep(chance.choice([60, 600, HOUR - 60, HOUR, 3 * HOUR]))
        async with another(it, places[0]):
            await it.launch(rows(30))
            assert started(it) == once_each(30)
            await it.assert_agreement()


def _some(chance: random.Random) -> Sequence[Spec]:
    chosen = chance.sample(rows(30), chance.randint(5, 30))
    return [Spec(id=one.id, position=place, request=one.request) for place, one in enumerate(chosen)]


async def test_most_runs_differ_so_it_is_another_batch_of_the_name(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        await it.launch(rows(10))
        for changed in Changed:
            async with another(it, tmp_path / f"{changed.value}.db"):
                with pytest.raises(UsageError, match=r"another batch named 'cohort'.*--batch NAME"):
                    await it.launch(rows(10, priority=7), changed=changed)
                assert {entry.state for entry in (await it.entries()).values()} == {State.PLANNED}
        assert started(it) == once_each(10)


async def test_a_few_changed_rows_are_refused_or_run_again_with_the_new_content(tmp_path):
    mended = [spec(f"row-{n:04}", n, **({"priority": 7} if n == 9 else {})) for n in range(10)]
    async with bench(tmp_path, forgetful()) as it:
        await it.launch(rows(10))
        async with another(it, tmp_path / "keep.db"):
            with pytest.raises(UsageError, match=r"'row-0009'.*--changed resubmit"):
                await it.launch(mended, changed=Changed.KEEP)
            assert started(it) == once_each(10)
        async with another(it, tmp_path / "resubmit.db"):
            _, launcher = await it.launch(mended, changed=Changed.RESUBMIT)
            assert started(it) == once_each(10) | {"row-0009": 2}
            assert (await it.entries())["row-0009"].attempt == 2
            assert launcher.taken_over.rows == 9


def mended_last(count: int) -> list[Spec]:
    return [*rows(count - 1), spec(f"row-{count - 1:04}", count - 1, priority=7)]


@pytest.mark.long
@pytest.mark.parametrize("is_failed", [False, True])
async def test_a_row_that_was_refused_is_run_again_once_that_is_asked_for(tmp_path, is_failed):
    """The refused launch has taken the others over, and has those planned again whose runs failed."""
    settings = forgetful(fail_first=(FailFirst(reason="SERVICE_ERROR", times=1),) if is_failed else ())
    async with bench(tmp_path, settings) as it:
        await it.launch(rows(10), retry=RetryPolicy(rules=()))
        await anyio.sleep(2 * HOUR)
        place = tmp_path / "colleague.db"
        for _ in range(2):
            async with another(it, place):
                with pytest.raises(UsageError, match=r"runs of 1 row that.*--changed resubmit"):
                    await it.launch(mended_last(10))
        assert started(it) == once_each(10)
        async with another(it, place):
            await it.launch(mended_last(10), changed=Changed.RESUBMIT)
            expected = dict.fromkeys(once_each(10), 2) if is_failed else once_each(10) | {"row-0009": 2}
            assert started(it) == expected
            assert (await it.entries())["row-0009"].attempt == 2
        async with another(it, place):
            await it.launch(mended_last(10), changed=Changed.RESUBMIT)
            assert started(it) == expected


async def test_a_copy_of_the_ledger_weighs_what_it_has_against_the_one_row_that_differs(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        await it.launch(rows(8))
        place = await copy(it, tmp_path / "copy.db")
        await it.launch(rows(9))
        await anyio.sleep(2 * HOUR)
        async with another(it, place):
            with pytest.raises(UsageError, match="--changed resubmit"):
                await it.launch(mended_last(9))
        async with another(it, place):
            await it.launch(mended_last(9), changed=Changed.RESUBMIT)
            assert started(it) == once_each(9) | {"row-0008": 2}


async def test_runs_in_the_way_that_are_met_after_others_were_started_are_no_wrong_input(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        await it.launch([spec("row-0005", 0, priority=7)])
        async with another(it, tmp_path / "b.db"):
            with pytest.raises((UsageError, ServiceUnusableError), match="row-0005") as raised:
                await it.launch(rows(6))
            has_started = len(it.simulator.state().runs) > 1
            assert isinstance(raised.value, ServiceUnusableError) is has_started


async def test_untagged_runs_are_taken_over_where_they_are_what_the_row_asks_for(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        await it.launch(rows(3), tag=False)
        await anyio.sleep(2 * HOUR)
        async with another(it, tmp_path / "b.db"):
            await it.launch(rows(3), tag=False)
            assert len(it.simulator.state().runs) == 3
        async with another(it, tmp_path / "c.db"):
            with pytest.raises(UsageError, match="no tags; give --no-tags"):
                await it.launch(rows(3))


async def test_runs_of_the_same_names_that_others_own_are_no_business_of_ours(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        client, role = it.service._calls.client, "arn:aws:iam::123456789012:role/omics"
        for number in range(3):
            await client.start_run(
                roleArn=role,
                requestId=f"their-{number}",
                name=f"cohort-row-{number:04}",
                workflowId="7654321",
                outputUri="s3://theirs/",
            )
        await anyio.sleep(60)
        await it.launch(rows(3))
        assert len(it.simulator.state().runs) == 6


@pytest.mark.long
async def test_ticks_within_the_window_cost_no_look_more(tmp_path):
    async with bench(tmp_path, forgetful(), rate=1) as it:
        await it.launch(rows(200), mode=Mode.ONCE, deadline=10)
        first = listings(it)
        assert first <= 12  # two pages at most, and the first rows by name
        for _ in range(3):
            async with reconnected(it, rate=1):
                await it.launch(rows(200), mode=Mode.DETACH, deadline=10)
        assert listings(it) == first


@pytest.mark.long
async def test_a_batch_that_submits_for_long_looks_once_in_each_window(tmp_path):
    settings = simulated(idempotency_window=120, listing_lag=2, max_active=None)
    async with bench(tmp_path, settings, rate=0.45) as it:
        await it.launch(  # 333 s
            rows(150), mode=Mode.DETACH, concurrency=4, replay_window=120.0, listing_lag=2.0
        )
        assert started(it) == once_each(150)
        surveys = 1 + 1 + 2 + 2  # pages of an account that grows
        assert listings(it) <= surveys + 4  # and the first rows by name


@pytest.mark.long
async def test_a_listing_that_is_dearer_than_names_is_given_up(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        await crowd(it, 20)
        before = listings(it)
        async with another(it, tmp_path / "b.db"):
            await it.launch(rows(6), mode=Mode.DETACH)
            assert listings(it) - before <= 7 + 2 * 6
            assert len(it.simulator.state().runs) == 2006


async def test_what_cannot_be_looked_for_now_is_looked_for_again(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        it.simulator.script(*parse_faults("ListRuns:InternalServerException=40x"))
        await it.launch(rows(8))
        assert started(it) == once_each(8)
        await it.assert_agreement()


@pytest.mark.parametrize("count", [3, 40])
async def test_what_is_listed_and_not_known_may_be_there(tmp_path, count):
    """By name and by survey: one 404 proves nothing where the service has forgotten the requestIds."""
    async with bench(tmp_path, forgetful()) as it:
        await it.launch(rows(count), mode=Mode.DETACH)
        await anyio.sleep(2 * HOUR)
        it.simulator.script(*parse_faults(f"GetRun:ResourceNotFoundException={count}x"))
        async with another(it, tmp_path / "theirs.db"):
            await it.launch(rows(count))
            assert started(it) == once_each(count)
            await it.assert_agreement()


async def test_runs_that_are_deleted_and_still_listed_hold_nobody_up_for_long(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        await it.launch(rows(3))
        for entry in (await it.entries()).values():
            assert entry.run is not None
            await it.service.delete_run(entry.run.id)
        await it.ledger.batch("cohort").requests.retry(["row-0001"], at=it.clock.utcnow(), why="asked for")
        await it.launch(rows(3))
        assert started(it) == once_each(3)


async def test_a_tick_that_cannot_look_sends_nothing_and_ends(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        it.simulator.script(*parse_faults("ListRuns:InternalServerException"))
        await it.launch(rows(8), mode=Mode.ONCE)
        assert not it.simulator.state().runs
        assert {entry.state for entry in (await it.entries()).values()} == {State.PLANNED}


@pytest.mark.long
async def test_a_comparison_with_the_service_names_what_another_ledger_started(tmp_path):
    async with bench(tmp_path, forgetful()) as it:
        await it.launch(rows(2))
        place = await copy(it, tmp_path / "copy.db")
        await it.launch(rows(4))
        await anyio.sleep(60)
        async with another(it, place):
            await (await it.take_in(rows(5))).release()
            found = await compare(it.ledger.batch("cohort"), reach=reached(it.service), at_once=4)
            assert found.elsewhere == ["row-0002", "row-0003"]
