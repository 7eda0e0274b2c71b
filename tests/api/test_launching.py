"""Launching from Python: real ledger, client and simulator, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from batchrun import (
    UNLIMITED,
    BatchrunError,
    ChangedRowsError,
    Launch,
    LeaseHeldError,
    LedgerUnusableError,
    Limits,
    Manifest,
    ManifestError,
    Mode,
    RetryPolicy,
    ServiceUnusableError,
    Session,
    State,
    Step,
    Stop,
    Target,
    UsageError,
    load_manifest,
    open_ledger,
)
from batchrun.clock import VirtualClock
from batchrun.simulator import FailFirst, Settings, Simulator, serve
from tests.world import SELDOM, simulated

SETS = ("workflowId=1234567", "roleArn=arn:aws:iam::123456789012:role/omics", "outputUri=s3://lab/{id}/")
LIMITS = Limits(watch=SELDOM)


class Place:
    """A folder with manifests and a ledger, and one simulated account."""

    def __init__(self, folder: Path, simulator: Simulator, clock: VirtualClock, stack: ExitStack) -> None:
        self.ledger = folder / "batchrun.db"
        self.simulator = simulator
        self._folder = folder
        self.clock = clock
        self._stack = stack

    def manifest(self, rows: int, name: str = "cohort", **changes: Any) -> Manifest:
        path = self._folder / f"{name}.csv"
        lines = "".join(f"s{number:03},{changes.get('value', number)}\n" for number in range(rows))
        path.write_text(f"id,parameters.x\n{lines}", encoding="utf-8")
        return self._stack.enter_context(load_manifest(path, sets=SETS))

    def session(self, **changes: Any) -> Session:
        settings = {
            "target": Target(endpoint_url=self.simulator.url),
            "rate": UNLIMITED,
            "read_rate": UNLIMITED,
            "clock": self.clock,
        }
        return Session(self.ledger, **{**settings, **changes})

    @asynccontextmanager
    async def launching(
        self, manifest: Manifest, limits: Limits = LIMITS, **options: Any
    ) -> AsyncIterator[Launch]:
        async with self.session() as session, session.launching(manifest, limits=limits, **options) as launch:
            yield launch


@asynccontextmanager
async def at(folder: Path, settings: Settings | None = None) -> AsyncIterator[Place]:
    clock = VirtualClock()
    with ExitStack() as stack:
        async with serve(settings or simulated(), clock=clock) as simulator:
            yield Place(folder, simulator, clock, stack)


async def test_a_launch_goes_from_manifest_to_its_end(tmp_path):
    async with at(tmp_path) as place, place.launching(place.manifest(5)) as launch:
        assert (launch.sync.new, launch.tally.total, launch.has_work) == (5, 5, True)
        ended = await launch.wait()
        assert (ended.batch, ended.stop, ended.is_over, ended.has_only_succeeded) == (
            "cohort",
            Stop.FINISHED,
            True,
            True,
        )
        assert ended.counts.by_state == {State.SUCCEEDED: 5}
        assert launch.tally.by_state[State.SUCCEEDED] == 5


async def test_nothing_is_submitted_before_it_is_awaited(tmp_path):
    async with at(tmp_path) as place:
        async with place.launching(place.manifest(3)) as launch:
            await anyio.sleep(600)
            assert launch.sync.new == 3
        assert not place.simulator.state().runs
        async with place.launching(place.manifest(3)) as launch:  # it was given free
            assert (launch.sync.new, launch.sync.unchanged) == (0, 3)


async def test_the_steps_tell_everything_in_order(tmp_path):
    async with at(tmp_path) as place, place.launching(place.manifest(3)) as launch:
        steps = [step async for step in launch.steps()]
        ended = await launch.wait()
    assert ended.has_only_succeeded
    by_id: dict[str, list[Step]] = {}
    for step in steps:
        by_id.setdefault(step.entry.id, []).append(step)
    assert sorted(by_id) == ["s000", "s001", "s002"]
    for story in by_id.values():
        kinds = [step.kind for step in story]
        assert (kinds[0], kinds[1], kinds[-1]) == ("intended", "accepted", "completed")
        assert [step.before for step in story[1:]] == [step.entry for step in story[:-1]]
        assert all(step.missed == 0 for step in story)


async def test_a_slow_reader_holds_nothing_up_and_learns_what_it_missed(tmp_path):
    async with at(tmp_path) as place, place.launching(place.manifest(40)) as launch:
        steps = launch.steps(most=10)
        seen = [await anext(steps)]
        ended = await launch.wait()  # the reader sleeps all the while
        assert ended.has_only_succeeded
        seen += [step async for step in steps]
        assert len(seen) == 11
        assert [step.missed > 0 for step in seen[1:]] == [True, *[False] * 9]
        async with open_ledger(place.ledger) as ledger:
            recorded = [len(await ledger.batch("cohort").history(f"s{number:03}")) for number in range(40)]
        assert sum(recorded) == sum(1 + step.missed for step in seen)


async def test_a_reader_that_comes_when_all_is_over_is_not_kept_waiting(tmp_path):
    async with at(tmp_path) as place, place.launching(place.manifest(1)) as launch:
        await launch.wait()
        assert [step async for step in launch.steps()] == []


async def test_to_leave_early_stops_in_good_order_and_the_same_again_goes_on(tmp_path):
    async with at(tmp_path) as place:
        async with place.launching(place.manifest(4)) as launch:
            async for step in launch.steps():
                if step.kind == "accepted":
                    break
        going = len(place.simulator.state().runs)
        assert going >= 1
        assert "CancelRun" not in place.simulator.state().calls
        async with place.launching(place.manifest(4)) as launch:
            assert (await launch.wait()).has_only_succeeded
        assert len(place.simulator.state().runs) == 4


async def broken_reader(place: Place) -> None:
    async with place.launching(place.manifest(2)) as launch:
        async for _ in launch.steps():
            _ = 1 / 0


async def test_what_the_block_raises_comes_out_as_it_is(tmp_path):
    async with at(tmp_path) as place:
        with pytest.raises(ZeroDivisionError):
            await broken_reader(place)
        async with place.launching(place.manifest(2)) as launch:
            assert (await launch.wait()).has_only_succeeded


async def test_stop_and_deadline_say_what_is_left(tmp_path):
    async with at(tmp_path) as place:
        async with place.launching(place.manifest(2)) as launch:
            launch.stop()
            ended = await launch.wait()
            assert (ended.stop, ended.is_over) == (Stop.SIGNAL, False)
        async with place.launching(place.manifest(2), deadline=30.0) as launch:
            ended = await launch.wait()
            assert (ended.stop, ended.is_over, ended.counts.by_state) == (
                Stop.DEADLINE,
                False,
                {State.ACTIVE: 2},
            )
        async with place.launching(place.manifest(2), limits=Limits(mode=Mode.DETACH)) as launch:
            assert (await launch.wait()).stop is Stop.FINISHED


async def inattentive(place: Place) -> None:
    """Leave a launch that has failed without asking how it ended."""
    async with place.launching(place.manifest(1, "other")) as launch:
        await anext(launch.steps())
        await anyio.sleep(60)


async def test_what_ends_a_launch_is_raised_by_wait_by_the_steps_and_else_at_the_end(tmp_path):
    refusing = simulated("StartRun:AccessDeniedException")
    async with at(tmp_path, refusing) as place:
        async with place.launching(place.manifest(1)) as launch:
            with pytest.raises(ServiceUnusableError):
                await launch.wait()
            with pytest.raises(ServiceUnusableError):
                async for _ in launch.steps():
                    pass
        with pytest.raises(ServiceUnusableError):
            await inattentive(place)


@pytest.mark.long
async def test_several_batches_go_on_beside_each_other_in_one_session(tmp_path):
    async with at(tmp_path) as place, place.session() as session:
        first, second = place.manifest(3, "first"), place.manifest(2, "second")
        async with session.launching(first) as one, session.launching(second) as other:
            async with anyio.create_task_group() as group:
                group.start_soon(one.wait)
                group.start_soon(other.wait)
            assert (await one.wait()).counts.by_state == {State.SUCCEEDED: 3}
            assert (await other.wait()).counts.by_state == {State.SUCCEEDED: 2}
    assert anyio.current_time() < 400, "one after the other"
    async with open_ledger(place.ledger) as ledger:
        assert {batch.name for batch in await ledger.batches()} == {"first", "second"}


async def test_one_batch_is_held_by_one_launch(tmp_path):
    async with at(tmp_path) as place, place.session() as session:
        manifest = place.manifest(1)
        async with session.launching(manifest) as launch:
            assert launch.lease.batch == "cohort"
            with pytest.raises(LeaseHeldError):
                async with session.launching(manifest):
                    pass


async def test_a_batch_that_has_ended_is_told_without_the_service(tmp_path, monkeypatch):
    async with at(tmp_path) as place:
        async with place.launching(place.manifest(2)) as launch:
            await launch.wait()
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        calls = place.simulator.state().calls
        async with place.session(target=Target()) as session, session.launching(place.manifest(2)) as launch:
            assert not launch.has_work
            assert [step async for step in launch.steps()] == []
            assert (await launch.wait()).has_only_succeeded
        assert place.simulator.state().calls == calls


async def test_what_cannot_be_used_is_said_before_anything_is_made(tmp_path, monkeypatch):
    async with at(tmp_path) as place:
        with pytest.raises(ManifestError) as caught:
            load_manifest(tmp_path / "nothing.csv")
        assert [problem.message for problem in caught.value.problems] == ["there is no such file"]
        with pytest.raises(LedgerUnusableError):
            async with open_ledger(place.ledger):
                pass
        monkeypatch.delenv("AWS_REGION")
        with pytest.raises(UsageError, match="region"):
            async with place.session(target=Target()) as session, session.launching(place.manifest(1)):
                pass
        assert not place.ledger.exists()


async def test_changed_rows_are_refused(tmp_path):
    async with at(tmp_path) as place:
        async with place.launching(place.manifest(1), limits=Limits(mode=Mode.DETACH)) as launch:
            await launch.wait()
        with pytest.raises(ChangedRowsError) as caught:
            async with place.launching(place.manifest(1, value="other")):
                pass
        assert isinstance(caught.value, BatchrunError)
        assert caught.value.ids == ("s000",)
        assert 's000 (parameters.x is "other", was "0")' in str(caught.value)
        assert "1 row has a run that is not over" in str(caught.value)
        assert "'batchrun cancel --ids ID,...' ends runs first" in str(caught.value)


async def test_a_ledger_can_be_read_beside_a_launch(tmp_path):
    async with (
        at(tmp_path) as place,
        place.launching(place.manifest(3)) as launch,
        open_ledger(place.ledger) as ledger,
    ):
        assert (await ledger.batch("cohort").counts()).by_state == {State.PLANNED: 3}
        await launch.wait()
        found = [outcome.entry async for outcome in ledger.batch("cohort").story.outcomes()]
    assert [(entry.id, entry.state) for entry in found] == [(f"s{n:03}", State.SUCCEEDED) for n in range(3)]
    assert all(entry.run is not None and entry.run.output_uri for entry in found)


@pytest.mark.parametrize(
    ("limits", "attempts"), [(Limits(), 2), (Limits(retry=RetryPolicy(rules=())), 1)], ids=["usual", "none"]
)
async def test_a_launch_retries_as_its_manifest_says_unless_it_is_told_otherwise(tmp_path, limits, attempts):
    path = tmp_path / "m.yaml"
    path.write_text(
        "runs: [{id: a}]\nretry: [{reason: EXPORT_FAILED, times: 1, change: {priority: 7}}]\n",
        encoding="utf-8",
    )
    settings = simulated(fail_first=(FailFirst(times=1, reason="EXPORT_FAILED"),))
    async with at(tmp_path, settings) as place:
        with load_manifest(path, sets=SETS) as manifest:
            async with place.launching(manifest, limits=limits) as launch:
                await launch.wait()
                entry = await launch.ledger.batch("m").entry("a")
        assert entry is not None
        assert (entry.attempt, '"priority":7' in entry.request) == (attempts, attempts == 2)
