"""What a program does once a batch has ended: results, the report, and another attempt."""

from __future__ import annotations

import csv
import errno
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from batchrun import (
    LedgerUnusableError,
    ReportError,
    ResultsError,
    RetryPolicy,
    State,
    Target,
    UsageError,
    load_manifest,
    open_ledger,
    retry,
    write_report,
    write_results,
)
from batchrun.model.planning.limits import Limits
from batchrun.simulator import FailFirst
from tests.api.test_launching import SETS, Place, at
from tests.world import SELDOM, simulated

NOBODY = Target(endpoint_url="http://127.0.0.1:9")
NO_RETRY = Limits(retry=RetryPolicy(rules=()), watch=SELDOM)
ROWS = [{"id": f"s{number}", "parameters": {"x": number}, "tags": {"family": "CEU"}} for number in range(3)]


def failing(match: str = "*-s1"):
    return simulated(fail_first=(FailFirst(times=1, match=match, reason="RUN_TASK_FAILED"),))


async def launched(place: Place, **options: Any) -> bool:
    with load_manifest(ROWS, batch="cohort", sets=SETS) as manifest:
        async with place.launching(manifest, limits=NO_RETRY, **options) as launch:
            return (await launch.wait()).has_only_succeeded


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "parquet"])
async def test_results_are_written_in_any_format_with_the_rows_own_columns(tmp_path, ending):
    async with at(tmp_path, failing()) as place:
        assert not await launched(place)
        path = tmp_path / f"some.{ending}"
        async with open_ledger(place.ledger) as ledger:
            columns = ["id", "tags.family", "parameters.x"]
            number = await write_results(ledger, "cohort", path, columns=columns, where=["status=completed"])
            assert number == 2
        assert [row["id"] for row in read(path)] == ["s0", "s2"]
        assert [(row["tags.family"], str(row["parameters.x"])) for row in read(path)] == [
            ("CEU", "0"),
            ("CEU", "2"),
        ]


def read(path: Path) -> list[dict[str, Any]]:
    match path.suffix:
        case ".csv":
            return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        case ".json":
            return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
        case ".jsonl":
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        case _:
            return parquet.read_table(path).to_pylist()  # type: ignore[no-any-return]


async def test_results_and_a_report_can_be_written_while_a_launch_goes_on(tmp_path):
    async with at(tmp_path, failing("none")) as place:
        with load_manifest(ROWS, batch="cohort", sets=SETS) as manifest:
            async with place.launching(manifest) as launch:
                await anext(launch.steps())
                assert await write_results(launch.ledger, "cohort", tmp_path / "now.csv") == 3
                await write_report(launch.ledger, "cohort", tmp_path / "now.html")
                assert (await launch.wait()).has_only_succeeded
    assert "cohort" in (tmp_path / "now.html").read_text(encoding="utf-8")


async def test_nothing_is_replaced_that_is_something_else(tmp_path):
    async with at(tmp_path) as place:
        await launched(place)
        mine = tmp_path / "mine.csv"
        mine.write_text("id,note\na,keep this\n", encoding="utf-8")
        async with open_ledger(place.ledger) as ledger:
            for path in (mine, place.ledger, tmp_path / "results.xlsx", tmp_path / "nowhere" / "x.csv"):
                with pytest.raises(UsageError):
                    await write_results(ledger, "cohort", path)
            with pytest.raises(UsageError):
                await write_report(ledger, "cohort", place.ledger)
            (tmp_path / "full.csv").symlink_to("/dev/full")
            with pytest.raises(ResultsError):
                await write_results(ledger, "cohort", tmp_path / "full.csv")
        assert "keep this" in mine.read_text(encoding="utf-8")


def test_results_that_cannot_be_read_from_the_ledger_leave_the_cure_to_its_error():
    damaged = LedgerUnusableError("a.db is damaged; move it away")
    told = str(ResultsError("x.csv", damaged))
    assert told == "the results cannot be written: a.db is damaged; move it away"


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "give another with"), (errno.EMFILE, "allow more open files ('ulimit -n')")],
)
@pytest.mark.parametrize("kind", [ResultsError, ReportError])
def test_another_place_is_advised_only_where_it_would_help(kind, number, told):
    assert told in str(kind("x.csv", OSError(number, os.strerror(number))))


async def test_what_no_row_can_have_is_told(tmp_path):
    async with at(tmp_path) as place:
        await launched(place)
        async with open_ledger(place.ledger) as ledger:
            for columns, where in ((None, ["status=FAILD"]), (["tags.famly"], []), (["nope"], [])):
                with pytest.raises(UsageError):
                    await write_results(ledger, "cohort", tmp_path / "x.csv", columns=columns, where=where)
            with pytest.raises(UsageError, match="the ledger has no batch 'other'; it has: cohort"):
                await write_results(ledger, "other", tmp_path / "x.csv")


async def test_what_failed_gets_another_attempt_and_nobody_is_called_for_that(tmp_path):
    async with at(tmp_path, failing()) as place:
        assert not await launched(place)
        retried = partial(retry, "cohort", ledger=place.ledger, target=NOBODY, clock=place.clock)
        assert (await retried(ids=["s0"])).ids == ()
        assert (await retried(where=["status=CANCELLED"])).ids == ()
        assert (await retried(reason="*MEMORY_OF*")).ids == ()
        done = await retried(reason="*TASK*")
        assert (done.ids, done.reappeared, done.unknown) == (("s1",), (), {})
        assert await launched(place)
        assert len(place.simulator.state().runs) == 4


async def test_a_launch_that_is_running_takes_note_of_a_retry(tmp_path):
    async with at(tmp_path, simulated("StartRun:ValidationException@*-s1=1x")) as place:
        with load_manifest(ROWS, batch="cohort", sets=SETS) as manifest:
            async with place.launching(manifest, limits=NO_RETRY) as launch:
                async for step in launch.steps():
                    if step.kind == "refused":
                        where = ["status=refused"]
                        done = await retry("cohort", ledger=place.ledger, where=where, clock=place.clock)
                        assert done.ids == ("s1",)
                assert (await launch.wait()).has_only_succeeded


async def test_a_retry_of_what_is_not_there_is_told_and_makes_no_ledger(tmp_path):
    with pytest.raises(LedgerUnusableError):
        await retry("cohort", ledger=tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
    async with at(tmp_path) as place:
        await launched(place)
        for ids, where in ((["nobody"], []), (None, ["status=gone"]), (None, ["x"])):
            with pytest.raises(UsageError):
                await retry("cohort", ledger=place.ledger, ids=ids, where=where)
        with pytest.raises(UsageError):
            await retry("other", ledger=place.ledger)
        async with open_ledger(place.ledger) as ledger:
            assert (await ledger.batch("cohort").counts()).by_state == {State.SUCCEEDED: 3}
