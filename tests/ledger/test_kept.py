"""
A ledger that an earlier batchrun wrote (2c545db, against the shipped simulator) opens, resumes and verifies.

It is a batch of 13 rows: some succeeded, failed, were retried or cancelled, some planned, one put off for a
full quota; two of one name; with learned paces, proofs, failed tasks and usages.
"""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from batchrun import open_ledger, write_results
from batchrun.errors import LedgerUnusableError
from batchrun.ledger.verify import Verification
from batchrun.manifest import Source, load
from batchrun.model.entries.states import ENDED, State
from batchrun.model.lanes import Offer, offers_text
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import canonical
from batchrun.report.columns import COLUMNS
from tests.engine.launching import OFTEN, bench
from tests.world import simulated

KEPT = Path(__file__).parent / "kept"
#: The columns of then; those that came since stand behind them.
COLUMNS_THEN = COLUMNS[: COLUMNS.index("changed") + 1]
RESULTS = ["cohort.results.csv", "cohort.results.jsonl"]


@pytest.fixture(autouse=True)
def kept(tmp_path):
    """A copy of it, as somebody has it who installs a newer batchrun."""
    return Path(shutil.copy(KEPT / "batchrun.db", tmp_path / "batchrun.db"))


@pytest.fixture
def rows():
    with load(Source(path=str(KEPT / "cohort.json"))) as manifest:
        yield list(manifest.specs())


def assert_sound(path: Path, *, events: int) -> None:
    verification = Verification(path)
    assert [str(one) for one in verification.findings()] == []
    assert (verification.batches, verification.entries, verification.events) == (1, 13, events)


async def assert_told(path: Path, folder: Path, *, for_once: bool = False) -> None:
    async with open_ledger(path, for_once=for_once) as ledger:
        for name in RESULTS:
            told = await write_results(ledger, "cohort", folder / name, columns=COLUMNS_THEN, attempts=True)
            assert told == (16 if name.endswith(".csv") else 13)  # a row for each attempt, or for each entry
            assert (folder / name).read_text() == (KEPT / name).read_text()
        await write_results(ledger, "cohort", folder / "now.results.csv", attempts=True)
    with (folder / "now.results.csv").open() as now, (KEPT / "cohort.results.csv").open() as then:
        for line, before in zip(csv.reader(now), csv.reader(then), strict=True):
            assert line[: len(before)] == before
            place = ["123456789012", "us-east-1"] if line[3] else ["", ""]
            assert line[len(before) :] == (
                ["lane", "accountId", "region"] if line[0] == "id" else ["", *place]
            )


async def test_it_is_read_as_it_is_and_stays_so(kept, tmp_path):
    """A launcher of then may still work on it."""
    before = kept.read_bytes()
    assert_sound(kept, events=46)
    await assert_told(kept, tmp_path, for_once=True)
    with pytest.raises(LedgerUnusableError, match="run its batch once more"):
        async with open_ledger(kept):
            pass
    assert kept.read_bytes() == before


class NoTemporaryFiles(apsw.VFS):
    """The files of a system where none of the folders for temporary ones may be written."""

    def __init__(self) -> None:
        super().__init__("no temporary files", "", makedefault=True)

    def xOpen(self, name, flags):  # noqa: N802 (its name)
        if name is None:
            raise apsw.exception_for(apsw.SQLITE_IOERR_GETTEMPPATH)
        return super().xOpen(name, flags)


async def test_where_it_cannot_be_copied_it_is_told_what_else_helps(kept):
    """Seen: without a folder for temporary files the disk was said to fail."""
    without = NoTemporaryFiles()
    try:
        with pytest.raises(LedgerUnusableError, match="run its batch once more"):
            async with open_ledger(kept, for_once=True):
                pass
    finally:
        without.unregister()


async def test_it_says_the_same(kept, tmp_path):
    async with bench(tmp_path):  # opened to write, which brings it up to date
        pass
    assert_sound(kept, events=46)
    await assert_told(kept, tmp_path)


@pytest.mark.long
async def test_it_goes_on_where_it_stood(kept, tmp_path, rows):
    async with bench(tmp_path, simulated(seed=7)) as it:
        before = await it.entries()
        await it.launch(rows, watch=OFTEN)
        after = await it.entries()
        started = {record.tags["batchrun:id"] for record in it.simulator.state().runs}
    assert_sound(kept, events=81)
    assert started == {"fail1", "later1", "later2", "later3", "unsent1"}
    assert {before[id_].state for id_ in started} == {State.PLANNED, State.BACKOFF}
    assert {after[id_].state for id_ in started} == {State.SUCCEEDED}
    assert {id_ for id_, entry in before.items() if entry.state in ENDED} == set(before) - started
    rest = set(before) - started
    assert {id_: after[id_] for id_ in rest} == {id_: replace(before[id_], proven_at=None) for id_ in rest}


async def test_the_manifest_is_known_row_for_row(tmp_path, rows):
    async with bench(tmp_path, simulated(seed=7)) as it:
        held = await it.take_in(rows, Changed.REFUSE)
        found = await it.ledger.batch("cohort").compare(rows)
        await held.release()
        assert (found.rows, found.unchanged, found.gone) == (13, 13, 0)
        kept_paces = await it.ledger.paces.all()
        assert [(pace.operation, pace.learned.base > 0) for pace in kept_paces] == [("StartRun", True)]
        spent = await it.ledger.batch("cohort").story.ended_runs(limit=100)
        assert [(one.entry_id, one.attempt) for one in spent if one.usage is None] == []
        assert len(spent) == 10
        failed = await it.ledger.batch("cohort").story.failed_tasks(["fail2"])
        assert {attempt: told.tasks[0].failure_reason for attempt, told in failed["fail2"].items()} == {
            1: "OUT_OF_MEMORY_ERROR",
            2: "OUT_OF_MEMORY_ERROR",
        }


#: Of what was sent, of what is sent again, and of what was not sent yet, as the launcher of then makes them.
REQUEST_IDS = {
    "done1": "ae00023a5337fa2c9064167ae4ab1be0687d457ae5c8f196e478f6dff0e934ec",
    "fail1": "95465b03df7403ebbf1558f2dcd7406f2f97e52818eac3c8b2a3e273cb4f60d5",
    "later1": "24b604c6901c3ed665d45c86c46fab1455cd417a3a5a77e810fbe10f5d1df2b9",
}


@pytest.mark.long
async def test_request_ids_are_as_they_were(tmp_path, rows):
    async with bench(tmp_path, simulated(seed=7)) as it:
        before = {id_: entry.request_id for id_, entry in (await it.entries()).items()}
        await it.launch(rows, watch=OFTEN)
        sent = {run.tags["batchrun:id"]: run.tags["batchrun:request-id"] for run in it.simulator.state().runs}
        assert {id_: one.request_id for id_, one in (await it.entries()).items()} == before
    assert {id_: before[id_] for id_ in REQUEST_IDS} == REQUEST_IDS
    assert sent == {id_: before[id_] for id_ in ("fail1", "later1", "later2", "later3", "unsent1")}


async def test_lanes_that_the_manifest_names_now_change_no_row_that_was_sent(kept, tmp_path, rows):
    async with bench(tmp_path) as it:
        before = await it.entries()
        held = await it.ledger.hold("cohort", holder="host:1", ttl=timedelta(minutes=1), at=it.clock.utcnow())
        now = [replace(row, offers=_offers(row.request)) for row in rows]
        found = await held.sync(now, changed=Changed.REFUSE, at=it.clock.utcnow(), home="east")
        unsent = {id_ for id_, entry in before.items() if entry.state is State.PLANNED}
        assert set(found.changed_ids) == unsent == {"later1", "later2", "later3", "unsent1"}
        after = await it.entries()
        await held.release()
    assert {id_: one.may_take for id_, one in after.items() if one.may_take} == dict.fromkeys(
        [*sorted(unsent), "unsent2"], ("west", "east")
    )
    assert {id_: one.request_id for id_, one in after.items() if one.was_sent} == {
        id_: one.request_id for id_, one in before.items() if one.was_sent
    }
    assert {one.content for one in after.values()} == {row.offers for row in now}
    assert_sound(kept, events=46 + len(unsent))


def _offers(request: str) -> str:
    away = canonical(json.loads(request) | {"workflowId": "7654321"})
    return offers_text([Offer(lane="west", request=away), Offer(lane="east", request=request)])
