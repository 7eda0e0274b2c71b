"""The contract's words on taking a manifest in."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from batchrun.errors import ChangedRowsError, InvariantError, ManifestWarning
from batchrun.model.entries.events import Doubted, Failed
from batchrun.model.entries.recovery import OTHER_CONTENT
from batchrun.model.entries.retrying import DEFAULT_RULES, RetryPolicy, RetryRule
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import Specs, digest
from batchrun.ports.stored import Sync, TakenFrom
from tests.ledger.samples import (
    AT,
    BATCH,
    accepted,
    completed,
    entry_of,
    filled,
    intended,
    later,
    lease_on,
    move,
    run_of,
    spec,
    specs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrun.model.entries.entry import Entry
    from batchrun.model.spec import Spec
    from batchrun.ports.ledger import Ledger


#: Files of two manifests.
WARNING = ManifestWarning(
    kind="untyped",
    source="x.csv",
    line=7,
    message="'1' looks like \udcff",
    cure="x",
    lines=(7, 8),
    count=9,
    also=(11,),
)
RULE = RetryRule(reason=("A", "B*"), times=2, message="*x", wait=60.0, change='{"priority":1}')
ONE = TakenFrom(
    fingerprint="1" * 64,
    beside=("/x/rows.csv",),
    warnings=(WARNING,),
    warning_count=3,
    retry=RetryPolicy(rules=(RULE, *DEFAULT_RULES), wait=5.0),
)
OTHER = TakenFrom(fingerprint="2" * 64)


async def order(ledger: Ledger) -> list[str]:
    """Return all ids by position, which is unique and never negative."""
    found: list[Entry] = []
    for state in State:
        found += await ledger.batch(BATCH).in_state(state, limit=999)
    positions = {entry.position: entry.id for entry in found}
    assert len(positions) == len(found)
    assert min(positions, default=0) >= 0
    return [positions[position] for position in sorted(positions)]


async def changed(ledger: Ledger) -> list[str]:
    """Return the ids of the rows that are marked as changed."""
    outcomes = [outcome async for outcome in ledger.batch(BATCH).story.outcomes()]
    return [outcome.entry.id for outcome in outcomes if outcome.entry.is_changed]


class Syncing:
    async def test_new_rows_become_planned_entries(self, ledger):
        held = await lease_on(ledger)
        found = await held.sync(specs("b", "a"), changed=Changed.REFUSE, at=AT)
        assert found == Sync(rows=2, new=2)
        entry = await entry_of(ledger, "a")
        assert (entry.state, entry.position, entry.attempt) == (State.PLANNED, 1, 1)
        assert entry.request == specs("b", "a")[1].request
        assert await ledger.batch(BATCH).history("a") == []

    async def test_the_same_manifest_again_changes_nothing(self, ledger):
        held = await filled(ledger, "a", "b")
        before = [await entry_of(ledger, id_) for id_ in "ab"]
        found = await held.sync(specs("a", "b"), changed=Changed.REFUSE, at=later(days=1))
        assert found == Sync(rows=2, unchanged=2)
        assert [await entry_of(ledger, id_) for id_ in "ab"] == before

    async def test_files_that_were_taken_in_last_are_not_compared_again(self, ledger):
        held = await lease_on(ledger)
        await held.sync(specs("a", "b"), changed=Changed.REFUSE, at=AT, taken_from=ONE)
        assert await ledger.batch(BATCH).taken_from() == ONE
        unseen = Specs(lambda: iter(()))
        for changed in Changed:
            again = await held.sync(unseen, changed=changed, at=later(days=1), taken_from=ONE)
            assert again == Sync(rows=2, unchanged=2)
        assert await held.sync_if_known(unseen, at=AT, taken_from=ONE) == Sync(rows=2, unchanged=2)

    async def test_files_that_are_known_are_remembered_at_the_next_comparison(self, ledger):
        held = await filled(ledger, "a", "b")
        assert await ledger.batch(BATCH).taken_from() is None
        await held.sync_if_known(specs("a", "b"), at=AT, taken_from=ONE)
        assert await ledger.batch(BATCH).taken_from() == ONE

    @pytest.mark.parametrize("files", [OTHER, None])
    async def test_other_files_are_compared_and_then_the_first_again(self, ledger, files):
        held = await lease_on(ledger)
        await held.sync(specs("a", "b"), changed=Changed.REFUSE, at=AT, taken_from=ONE)
        more = await held.sync(specs("a", "b", "c"), changed=Changed.REFUSE, at=AT, taken_from=files)
        assert more == Sync(rows=3, new=1, unchanged=2)
        assert await ledger.batch(BATCH).taken_from() == files
        back = await held.sync(specs("a", "b"), changed=Changed.REFUSE, at=AT, taken_from=ONE)
        assert back == Sync(rows=2, unchanged=2, gone=1, gone_ids=("c",))

    async def test_files_with_rows_changed_or_gone_are_compared_each_time(self, ledger):
        held = await filled(ledger, "a", "b")
        await move(held, "a", intended())
        for _ in range(2):
            kept = await held.sync(specs("a", content=2), changed=Changed.KEEP, at=AT, taken_from=ONE)
            assert (kept.changed, kept.gone) == (1, 1)
        gone = await held.sync(specs("a"), changed=Changed.KEEP, at=AT, taken_from=ONE)
        assert (gone.changed, gone.gone) == (0, 1)
        assert await ledger.batch(BATCH).taken_from() is None

    async def test_files_that_were_refused_are_not_remembered(self, ledger):
        held = await lease_on(ledger)
        await held.sync(specs("a"), changed=Changed.REFUSE, at=AT, taken_from=ONE)
        await move(held, "a", intended())
        with pytest.raises(ChangedRowsError):
            await held.sync(specs("a", content=2), changed=Changed.REFUSE, at=AT, taken_from=OTHER)
        assert await ledger.batch(BATCH).taken_from() == ONE

    async def test_the_manifest_may_be_a_stream(self, ledger):
        held = await lease_on(ledger)
        found = await held.sync(Specs(lambda: iter(specs("a", "b"))), changed=Changed.REFUSE, at=AT)
        assert found.rows == 2
        with pytest.raises(InvariantError, match="gone through but once"):
            await held.sync(iter(specs("a", "b")), changed=Changed.REFUSE, at=AT)

    async def test_known_rows_take_the_manifests_positions(self, ledger):
        held = await filled(ledger, "a", "b", "c", "d")
        await held.sync(specs("d", "new", "b", "a", "c"), changed=Changed.REFUSE, at=AT)
        assert await order(ledger) == ["d", "new", "b", "a", "c"]

    async def test_positions_may_have_gaps_and_any_order(self, ledger):
        held = await filled(ledger, "a", "b")
        rows = [spec("b", 30), spec("a", 7), spec("c", 12)]
        await held.sync(rows, changed=Changed.REFUSE, at=AT)
        assert [(await entry_of(ledger, id_)).position for id_ in "abc"] == [7, 30, 12]

    async def test_rows_that_left_stay_behind_the_manifest_in_their_order(self, ledger):
        held = await filled(ledger, "a", "b", "c", "d")
        found = await held.sync(specs("d", "b"), changed=Changed.REFUSE, at=AT)
        assert found == Sync(rows=2, unchanged=2, gone=2, gone_ids=("a", "c"))
        assert await order(ledger) == ["d", "b", "a", "c"]

    async def test_rows_that_left_are_told_each_time_and_come_back(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        for _ in range(2):
            found = await held.sync(specs("c"), changed=Changed.REFUSE, at=AT)
            assert (found.gone, found.gone_ids) == (2, ("a", "b"))
        found = await held.sync(specs("b", "c"), changed=Changed.REFUSE, at=AT)
        assert found == Sync(rows=2, unchanged=2, gone=1, gone_ids=("a",))
        assert await order(ledger) == ["b", "c", "a"]
        assert [e.id for e in await held.due(at=AT, limit=9)] == ["b", "c"]

    async def test_rows_may_come_and_go_while_positions_stretch(self, ledger):
        held = await filled(ledger, *"abcdef")
        await held.sync([], changed=Changed.REFUSE, at=AT)
        rows = [spec("f", 0), spec("a", 3), spec("b", 6)]
        await held.sync(rows, changed=Changed.REFUSE, at=AT)
        assert await order(ledger) == ["f", "a", "b", "c", "d", "e"]

    async def test_an_empty_manifest_leaves_every_entry_behind(self, ledger):
        held = await filled(ledger, "a", "b")
        found = await held.sync([], changed=Changed.REFUSE, at=AT)
        assert found == Sync(gone=2, gone_ids=("a", "b"))
        assert await order(ledger) == ["a", "b"]

    @pytest.mark.parametrize("changed", Changed)
    async def test_a_changed_row_that_was_never_sent_takes_the_new_content(self, ledger, changed):
        held = await filled(ledger, "a", "b")
        found = await held.sync(specs("a", "b", content=2), changed=changed, at=later(days=1))
        assert found == Sync(rows=2, changed=2, changed_ids=("a", "b"))
        entry = await entry_of(ledger, "a")
        assert (entry.request, entry.attempt, entry.state) == (spec("a", 0, 2).request, 1, State.PLANNED)
        ((at, attempt, kind, detail),) = await ledger.batch(BATCH).history("a")
        assert (at, attempt, kind) == (later(days=1), 1, "revised")
        assert json.loads(detail) == {"request": digest(entry.request)}

    async def test_changed_rows_that_were_sent_are_refused_and_nothing_is_written(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        await move(held, "b", intended())
        before = [await entry_of(ledger, id_) for id_ in "abc"]
        rows = specs("new", "c", "b", "a", content=2)
        with pytest.raises(ChangedRowsError) as caught:
            await held.sync(rows, changed=Changed.REFUSE, at=AT)
        assert (caught.value.ids, caught.value.total, caught.value.active) == (("b",), 1, 1)
        assert [await entry_of(ledger, id_) for id_ in "abc"] == before
        assert await ledger.batch(BATCH).entry("new") is None

    async def test_keep_leaves_what_was_sent(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended(), accepted(1))
        before = await entry_of(ledger, "a")
        found = await held.sync(specs("a", content=2), changed=Changed.KEEP, at=AT)
        assert found == Sync(rows=1, changed=1, changed_ids=("a",), active=1)
        assert await entry_of(ledger, "a") == replace(before, is_changed=True)

    async def test_what_was_kept_is_marked_for_as_long_as_it_differs(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        await filled(ledger, "a", batch="other")
        await move(held, "a", intended(), accepted(1))
        await move(held, "b", intended(), accepted(2), completed(2))
        await held.sync(specs("a", "b", "c", content=2), changed=Changed.KEEP, at=AT)
        assert await changed(ledger) == ["a", "b"]
        assert (await ledger.batch(BATCH).counts()).changed == 2
        await move(held, "a", completed(1))
        assert await changed(ledger) == ["a", "b"]
        rows = [spec("a"), spec("b", 1, 3), spec("c", 2, 2)]
        await held.sync(rows, changed=Changed.KEEP, at=AT)
        assert await changed(ledger) == ["b"]
        await held.sync(rows, changed=Changed.RESUBMIT, at=AT)
        assert (await changed(ledger), (await ledger.batch(BATCH).counts()).changed) == ([], 0)

    async def test_a_row_that_left_the_manifest_differs_from_nothing(self, ledger):
        held = await filled(ledger, "a", "b")
        await move(held, "a", intended(), accepted(1))
        await held.sync(specs("a", "b", content=2), changed=Changed.KEEP, at=AT)
        await held.sync(specs("b", content=2), changed=Changed.REFUSE, at=AT)
        assert await changed(ledger) == []

    async def test_a_run_that_was_found_with_other_content_marks_its_attempt(self, ledger):
        held = await filled(ledger, "a")
        otherwise = Doubted(at=AT, code=OTHER_CONTENT, message="started with other content")
        failed = Failed(at=AT, run=run_of(1, "FAILED"))
        await move(held, "a", intended(), otherwise, accepted(1), failed)
        assert await changed(ledger) == ["a"]
        await held.sync(specs("a"), changed=Changed.REFUSE, at=AT)
        assert await changed(ledger) == ["a"]
        await ledger.batch(BATCH).requests.retry(["a"], at=AT, why="asked for")
        assert (await changed(ledger), (await ledger.batch(BATCH).counts()).changed) == ([], 0)
        await held.sync(specs("a"), changed=Changed.REFUSE, at=AT)
        assert await changed(ledger) == []

    async def test_resubmit_begins_a_new_attempt(self, ledger):
        held = await filled(ledger, "a")
        before = await move(held, "a", intended(), accepted(1))
        await held.sync(specs("a", content=2), changed=Changed.RESUBMIT, at=AT)
        entry = await entry_of(ledger, "a")
        assert (entry.attempt, entry.state, entry.run) == (2, State.PLANNED, None)
        assert entry.request == spec("a", 0, 2).request
        (outcome,) = [outcome async for outcome in ledger.batch(BATCH).story.outcomes()]
        (earlier,) = outcome.earlier
        assert (earlier.attempt, earlier.request_id, earlier.run) == (1, before.request_id, before.run)

    async def test_resubmit_waits_for_a_call_in_the_air(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", intended())
        await held.sync(specs("a", content=2), changed=Changed.RESUBMIT, at=AT)
        entry = await entry_of(ledger, "a")
        assert (entry.state, entry.attempt) == (State.SUBMITTING, 1)
        assert entry.next_request == spec("a", 0, 2).request
        found = await ledger.batch(BATCH).compare(specs("a", content=2))
        assert found == Sync(rows=1, unchanged=1)

    async def test_many_changed_rows_are_sampled_and_counted(self, ledger):
        ids = [f"id{number:03}" for number in range(450)]
        held = await filled(ledger, *ids)
        found = await held.sync(specs(*ids, content=2), changed=Changed.REFUSE, at=AT)
        assert (found.changed, found.changed_ids) == (450, tuple(ids[:20]))
        assert (await entry_of(ledger, ids[-1])).request == spec(ids[-1], 0, 2).request
        found = await held.sync([], changed=Changed.REFUSE, at=AT)
        assert (found.gone, found.gone_ids) == (450, tuple(ids[:20]))

    @pytest.mark.parametrize("rows", [[spec("a", 0), spec("a", 1)], [spec("a", 0), spec("b", 0)]])
    @pytest.mark.parametrize("known", [(), ("a", "b")])
    async def test_one_id_or_position_twice_is_a_defect_and_nothing_is_written(self, ledger, rows, known):
        held = await filled(ledger, *known)
        with pytest.raises(InvariantError):
            await held.sync(rows, changed=Changed.REFUSE, at=AT)
        with pytest.raises(InvariantError):
            await ledger.batch(BATCH).compare(rows)
        assert (await ledger.batch(BATCH).counts()).total == len(known)

    async def test_a_manifest_that_breaks_off_writes_nothing(self, ledger):
        def broken() -> Iterator[Spec]:
            yield spec("a", 0)
            raise ValueError("line 2")

        held = await lease_on(ledger)
        with pytest.raises(ValueError, match="line 2"):
            await held.sync(Specs(broken), changed=Changed.REFUSE, at=AT)
        assert await ledger.batch(BATCH).entry("a") is None
        await held.sync(specs("a"), changed=Changed.REFUSE, at=AT)

    @pytest.mark.parametrize(
        "rows", [specs("b", "a", content=2), [*specs("a", "b"), spec("new", 2)], [spec("new", 0)]]
    )
    async def test_a_row_that_is_new_or_changed_is_not_taken_in_as_known(self, ledger, rows):
        held = await filled(ledger, "a", "b")
        await move(held, "a", intended())
        assert await held.sync_if_known(rows, at=AT, place="/lab/other.csv") is None
        assert await order(ledger) == ["a", "b"]
        assert await ledger.batch(BATCH).compare(specs("a", "b")) == Sync(rows=2, unchanged=2)
        batch = await ledger.find_batch(BATCH)
        assert batch is not None
        assert batch.place is None

    async def test_rows_that_are_known_are_taken_in_as_they_stand_now(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        found = await held.sync_if_known(specs("c", "a"), at=AT, place="/lab/cohort.csv")
        assert found == Sync(rows=2, unchanged=2, gone=1, gone_ids=("b",))
        assert await order(ledger) == ["c", "a", "b"]
        batch = await ledger.find_batch(BATCH)
        assert batch is not None
        assert batch.place == "/lab/cohort.csv"

    async def test_compare_says_what_sync_would_and_writes_nothing(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        await move(held, "b", intended())
        rows = [spec("c", 0, 2), spec("b", 1, 2), spec("new", 2)]
        told = await ledger.batch(BATCH).compare(rows)
        assert told == Sync(
            rows=3,
            new=1,
            unchanged=0,
            changed=2,
            changed_ids=("c", "b"),
            active=1,
            gone=1,
            gone_ids=("a",),
        )
        assert await order(ledger) == ["a", "b", "c"]
        assert told == await held.sync(rows, changed=Changed.KEEP, at=AT)

    async def test_compare_needs_no_batch(self, ledger):
        assert await ledger.batch("none").compare(specs("a", "b")) == Sync(rows=2, new=2)
        assert await ledger.find_batch("none") is None
