"""Attempts that ask for something else than their row: by a rule, or as copies of a run, in virtual time."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from batchrun.errors import ChangedRowsError
from batchrun.ledger.verify import Verification
from batchrun.model.entries.duplicating import NOT_THERE
from batchrun.model.entries.recovery import Match
from batchrun.model.entries.retrying import DEFAULT_RULES, RetryPolicy, RetryRule
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed, Mode
from batchrun.model.spec import canonical
from batchrun.simulator import FailFirst, Settings, parse_faults
from tests.engine.launching import Bench, bench, reconnected, rows
from tests.engine.test_rebuild import lost, rebuild, runs_of
from tests.world import simulated

OOM, SPACE = "OUT_OF_MEMORY_ERROR", "FILE_SYSTEM_OUT_OF_SPACE"
POLICY = RetryPolicy(
    rules=(
        RetryRule(
            reason=SPACE, times=1, change=canonical({"storageType": "STATIC", "storageCapacity": 4800})
        ),
        RetryRule(reason=OOM, times=1, change=canonical({"parameters": {"mem": 64}, "priority": 7})),
        *DEFAULT_RULES,
    )
)


def failing(*reasons: str, match: str = "*") -> Settings:
    """Fail the first runs of each name for these reasons, one after the other, and let the next pass."""
    rules = (FailFirst(times=n, match=match, reason=reason) for n, reason in enumerate(reasons, start=1))
    return simulated(fail_first=tuple(rules), max_active=None, max_active_static=None)


async def asked(it: Bench, id: str = "row-0000") -> list[Any]:
    """Return what the service has of each of the row's runs, in the order in which they were made."""
    ids = [run.id for run in it.simulator.state().runs if run.tags.get("batchrun:id", id) == id]
    return [await it.service._calls.client.get_run(id=one) for one in ids]


async def test_a_rule_changes_the_next_attempt_and_the_one_after_goes_on_from_there(tmp_path):
    async with bench(tmp_path, failing(SPACE, OOM)) as it:
        manifest = rows(2, storageType="DYNAMIC", parameters={"reads": "r"})
        _, launcher = await it.launch(manifest, retry=POLICY)
        assert launcher.tally.has_only_succeeded
        first, second, third = await asked(it)
        assert (first["storageType"], first["parameters"]) == ("DYNAMIC", {"reads": "r"})
        assert (second["storageType"], second["storageCapacity"]) == ("STATIC", 4800)
        assert (third["storageType"], third["storageCapacity"]) == ("STATIC", 4800)
        assert (third["parameters"], third["priority"]) == ({"reads": "r", "mem": 64}, 7)
        assert len({run.request_id for run in it.simulator.state().runs}) == 6
        entry = (await it.entries())["row-0000"]
        assert (entry.attempt, entry.content) == (3, manifest[0].request)
        assert third["tags"]["batchrun:request-id"] == entry.request_id
    assert list(Verification(tmp_path / "batchrun.db").findings()) == []


async def test_caps_and_changes_hold_over_passes_that_begin_anew(tmp_path):
    async with bench(tmp_path, failing(*[SPACE] * 9)) as it:
        for _ in range(30):
            await it.launch(rows(1), mode=Mode.ONCE, retry=POLICY)
            await anyio.sleep(30)
        assert [one.get("storageCapacity") for one in await asked(it)] == [None, 4800]
        assert (await it.entries())["row-0000"].state is State.FAILED


async def test_the_same_manifest_is_unchanged_and_a_changed_one_is_resubmitted(tmp_path):
    async with bench(tmp_path, failing(SPACE)) as it:
        await it.launch(rows(1), retry=POLICY)
        assert (await it.ledger.batch("cohort").compare(rows(1))).unchanged == 1
        with pytest.raises(ChangedRowsError):
            await it.launch(rows(1, priority=1))
        await (await it.ledger.hold("cohort", holder="x", ttl=it.ttl, at=later(it))).release()
        await it.launch(rows(1, priority=1), changed=Changed.RESUBMIT, retry=POLICY)
        assert [one.get("storageCapacity") for one in await asked(it)] == [None, 4800, None]
        assert (await it.ledger.batch("cohort").compare(rows(1, priority=1))).unchanged == 1


def later(it: Bench):
    return it.clock.utcnow() + 2 * it.ttl


async def test_people_go_on_from_what_the_last_attempt_asked_for(tmp_path):
    async with bench(tmp_path, failing(SPACE, OOM)) as it:
        await it.launch(rows(1), retry=RetryPolicy(rules=POLICY.rules[:1]))
        assert await retried(it, "row-0000") == ["row-0000"]
        await it.launch(rows(1))
        assert [one.get("storageCapacity") for one in await asked(it)] == [None, 4800, 4800]


async def retried(it: Bench, *ids: str, duplicates: bool = False):
    now = it.clock.utcnow()
    return await it.ledger.batch("cohort").requests.retry(ids, at=now, why="asked for", duplicates=duplicates)


@pytest.mark.parametrize("tag", [True, False])
async def test_a_duplicate_has_what_the_run_had_and_keeps_its_row_s_place(tmp_path, tag):
    async with bench(tmp_path, failing(OOM, OOM)) as it:
        manifest = rows(1, parameters={"reads": "r"}, storageCapacity=2400, tags={"who": "me"})
        await it.launch(manifest, tag=tag)
        assert await retried(it, "row-0000", duplicates=True) == ["row-0000"]
        assert (await it.ledger.batch("cohort").compare(manifest)).unchanged == 1
        await it.launch(manifest, tag=tag)
        await retried(it, "row-0000")
        await it.launch(manifest, tag=tag)
        first, copy, last = await asked(it)
        assert copy["runId"] == first["id"]
        for name in ("workflowId", "parameters", "storageCapacity", "outputUri", "roleArn", "name"):
            assert copy[name] == first[name] == last[name]
        assert copy["tags"]["who"] == "me"
        assert "runId" not in last
        assert (await it.entries())["row-0000"].state is State.SUCCEEDED
    assert list(Verification(tmp_path / "batchrun.db").findings()) == []


@pytest.mark.parametrize("faults", ["StartRun:drop_after=1x", "StartRun:hang_after=1x"])
@pytest.mark.parametrize("tag", [True, False])
async def test_a_duplicate_whose_answer_was_lost_is_made_once(tmp_path, tag, faults):
    async with bench(tmp_path, failing(OOM)) as it:
        await it.launch(rows(1), tag=tag)
        await retried(it, "row-0000", duplicates=True)
        it.simulator.script(*parse_faults(faults))
        await it.launch(rows(1), tag=tag, replay_window=0.0)
        assert len(it.simulator.state().runs) == 2
        assert (await it.entries())["row-0000"].state is State.SUCCEEDED


@pytest.mark.parametrize("others", [0, 1])
async def test_a_run_that_was_removed_or_whose_id_went_to_another_is_not_copied(tmp_path, others):
    async with bench(tmp_path, failing(OOM, match="cohort-row-0000")) as it:
        await it.launch(rows(1))
        await retried(it, "row-0000", duplicates=True)
        first = it.simulator.state().runs[0]
        await it.service._calls.client.delete_run(id=first.id)
        await it.launch(rows(1 + others)[1:])
        assert [run.id for run in it.simulator.state().runs] == [first.id] * (1 + others)
        await it.launch(rows(1))
        entry = (await it.entries())["row-0000"]
        assert (entry.state, entry.code) == (State.REFUSED, NOT_THERE)
        assert len(it.simulator.state().runs) == 1 + others


@pytest.mark.parametrize("is_stopped_at", ["the look", "the call"])
async def test_whoever_goes_on_with_a_copy_looks_again_whose_the_id_is(tmp_path, is_stopped_at):
    async with bench(tmp_path, failing(OOM, match="cohort-row-0000")) as it:
        await it.launch(rows(1))
        await retried(it, "row-0000", duplicates=True)
        call = {"the look": "GetRun:hang_before=9x", "the call": "StartRun:drop_before=9x"}[is_stopped_at]
        it.simulator.script(*parse_faults(call))
        await it.launch(rows(1), deadline=2.0)
        it.simulator.faults.replace([])
        first = it.simulator.state().runs[0]
        await it.service._calls.client.delete_run(id=first.id)
        async with reconnected(it):
            await it.launch(rows(2)[1:])
            assert it.simulator.state().runs[1].id == first.id
            await it.launch(rows(1))
        entry = (await it.entries())["row-0000"]
        assert (entry.state, entry.code) == (State.REFUSED, NOT_THERE)
        assert len(it.simulator.state().runs) == 2


@pytest.mark.parametrize("fault", ["ResourceNotFoundException", "other_uuid_after"])
async def test_one_answer_by_which_the_source_is_gone_decides_nothing(tmp_path, fault):
    async with bench(tmp_path, failing(OOM)) as it:
        await it.launch(rows(1))
        await retried(it, "row-0000", duplicates=True)
        it.simulator.script(*parse_faults(f"GetRun:{fault}=1x"))
        await it.launch(rows(1), replay_window=0.0, trusts_ledger=True)
        assert ("row-0000", "deferred") in it.told.steps
        assert (await it.entries())["row-0000"].state is State.SUCCEEDED


async def test_a_source_that_cannot_be_looked_at_is_looked_at_later(tmp_path):
    async with bench(tmp_path, failing(OOM)) as it:
        await it.launch(rows(1))
        await retried(it, "row-0000", duplicates=True)
        it.simulator.script(*parse_faults("GetRun:AccessDeniedException=1x"))
        await it.launch(rows(1))
        assert ("row-0000", "deferred") in it.told.steps
        assert (await it.entries())["row-0000"].state is State.SUCCEEDED
        assert len(it.simulator.state().runs) == 2


async def test_a_lost_ledger_knows_changed_attempts_and_duplicates_again(tmp_path):
    async with bench(tmp_path, failing(SPACE, OOM, OOM)) as it:
        await it.launch(rows(3), retry=POLICY)
        assert await retried(it, "row-0001", duplicates=True) == ["row-0001"]
        await it.launch(rows(3))
        before = runs_of(await it.entries())
        assert [attempt for _state, attempt, *_ in before.values()] == [3, 4, 3]
        async with lost(it, tmp_path):
            rebuilt = await rebuild(it, rows(3), changes=POLICY.changes)
            assert rebuilt.matches == {Match.FOUND: 3}
            assert runs_of(await it.entries()) == before
            assert (await it.ledger.batch("cohort").compare(rows(3))).unchanged == 3


async def test_without_its_rules_a_changed_attempt_is_told_as_other_content(tmp_path):
    async with bench(tmp_path, failing(SPACE)) as it:
        await it.launch(rows(1), retry=POLICY)
        async with lost(it, tmp_path):
            rebuilt = await rebuild(it, rows(1))
            assert (rebuilt.matches, rebuilt.is_written) == ({Match.CHANGED: 1}, False)
            assert "other content" in json.dumps([one.why for one in rebuilt.changed])
