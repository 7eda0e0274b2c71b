"""Lanes as results, status, show and the verbs that choose rows tell them apart: from the ledger alone."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest
from pyarrow import parquet

from batchrun.ledger import open_ledger
from batchrun.model.costs import Usage, Work
from batchrun.model.entries.events import Failed, Retried
from batchrun.model.entries.retrying import moved
from batchrun.report.columns import COLUMNS
from tests.cli.conftest import Shell
from tests.cli.ledgers import EAST, IN_LANES, WEST, WORKFLOWS, make, make_lanes
from tests.cli.test_json import held, hold
from tests.ledger.samples import AT, TTL, later, move

#: Of each row's latest attempt: lane, account and region.
PLACES = {
    "free": (None, None, None),
    "fixed": ("west", None, None),
    "going": ("east", EAST[1], EAST[0]),
    "done": ("west", WEST[1], WEST[0]),
    "lost": ("east", EAST[1], EAST[0]),
    "moved": ("west", WEST[1], WEST[0]),
    "refused": ("west", None, None),
}


@pytest.fixture
def lanes(shell: Shell) -> Shell:
    make_lanes(shell.folder)
    return shell


def told(shell: Shell, *arguments: str) -> list[dict[str, Any]]:
    done = shell.run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("format_", ["csv", "json", "jsonl", "parquet"])
def test_every_format_tells_the_place_of_each_run_at_the_end(lanes: Shell, format_):
    done = lanes.run("results", "--format", format_)
    assert done.returncode == 0, done.stderr
    path = lanes.folder / f"cohort.results.{format_}"
    match format_:
        case "csv":
            with path.open() as file:
                rows: list[dict[str, Any]] = list(csv.DictReader(file))
            rows = [{name: cell or None for name, cell in row.items()} for row in rows]
        case "parquet":
            rows = parquet.read_table(path).to_pylist()
        case "json":
            rows = json.loads(path.read_text())
        case _:
            rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [name for name in rows[0] if name != "attempts"][-3:] == ["lane", "accountId", "region"]
    assert tuple(rows[0])[: len(COLUMNS)] == COLUMNS
    assert {row["id"]: (row["lane"], row["accountId"], row["region"]) for row in rows} == PLACES
    if format_ != "csv":
        (past,) = next(row["attempts"] for row in rows if row["id"] == "moved")
        assert (past["lane"], past["accountId"], past["region"]) == ("east", EAST[1], EAST[0])


def test_each_attempt_is_told_in_its_own_lane(lanes: Shell):
    columns = "id,attempt,lane,accountId,region,workflowId"
    done = lanes.run("results", "--attempts", "--where", "id=moved", "--columns", columns)
    assert done.stdout.splitlines()[1:] == [
        "moved,1,east,111111111111,us-east-1,1234567",
        "moved,2,west,222222222222,us-west-2,7654321",
    ]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("lane=west", ["fixed", "done", "moved", "refused"]),
        ("lane!=west", ["free", "going", "lost"]),
        ("lane=", ["free"]),
        ("accountId=111111111111", ["going", "lost"]),
        ("region=us-west-*", ["done", "moved"]),
    ],
)
def test_rows_are_chosen_by_their_lane(lanes: Shell, where, ids):
    done = lanes.run("results", "--columns", "id", "--where", where)
    assert done.stdout.splitlines()[1:] == ids


@pytest.mark.parametrize(
    ("verb", "where", "name", "chosen"),
    [
        ("cancel --pending", "lane=west", "ids", ["fixed"]),
        ("cancel --pending", "lane=east", "ids", []),
        ("retry", "lane=east", "ids", ["lost"]),
        ("retry", "lane=west", "ids", ["refused"]),
        ("delete", "lane=west", "run_ids", ["0000002", "0000005"]),
    ],
)
def test_what_is_done_to_one_lane_leaves_the_others(lanes: Shell, verb, where, name, chosen):
    (one,) = told(lanes, *verb.split(), "cohort", "--dry-run", "--where", where)
    assert one[name] == chosen


def test_every_row_of_the_example_is_told():
    assert list(PLACES) == list(IN_LANES)


def test_status_tells_lanes_apart(lanes: Shell):
    done = lanes.run("status", "cohort")
    assert "  lanes     east: 1 active, 1 failed (111111111111, us-east-1)\n" in done.stdout
    assert "            west: 1 planned, 2 succeeded, 1 refused (222222222222, us-west-2)\n" in done.stdout
    assert "            in none yet: 1 planned, each sent once all its lanes were asked" in done.stdout
    (one,) = told(lanes, "status", "cohort")
    assert [(lane["name"], lane["region"], lane["account"]) for lane in one["lanes"]] == [
        ("east", *EAST),
        ("west", *WEST),
        (None, None, None),
    ]
    assert [(lane["planned"], lane["active"], lane["succeeded"]) for lane in one["lanes"]] == [
        (0, 1, 0),
        (1, 0, 2),
        (1, 0, 0),
    ]


def test_a_run_is_named_with_its_lane_where_status_names_it(lanes: Shell):
    told_ = lanes.run("status", "cohort").stdout
    assert "  oldest    going PENDING, " in told_
    assert " old (run 0000001, lane east)\n" in told_
    assert "FAILED lost (run 0000003, lane east)" in told_
    assert "REFUSED refused (lane west) ValidationException" in told_


def test_a_batch_without_lanes_has_none_to_tell(shell: Shell):
    make(shell.folder)
    (one,) = told(shell, "status", "cohort")
    assert "lanes" not in one
    assert "lane" not in shell.run("status", "cohort").stdout
    assert "  lane" not in shell.run("show", "twice").stdout


def test_a_rows_story_tells_the_lane_of_each_attempt(lanes: Shell):
    done = lanes.run("show", "moved")
    assert "  lane       west\n" in done.stdout
    assert "  1  FAILED  run 0000004  lane east  uuid-4" in done.stdout
    assert "attempt 2  intended   tagged=True  lane=west" in done.stdout
    (one,) = told(lanes, "show", "moved")
    assert (one["lane"], one["may_take"], one["request"]["workflowId"]) == ("west", ["west"], "7654321")
    assert [past["lane"] for past in one["attempts"]] == ["east"]
    assert [event["lane"] for event in one["events"] if event["event"] == "intended"] == ["east", "west"]


def test_a_free_rows_story_tells_what_it_may_take_and_what_it_asks_for_first(lanes: Shell):
    assert "  lane       east or west\n" in lanes.run("show", "free").stdout
    (one,) = told(lanes, "show", "free")
    assert (one["lane"], one["may_take"], one["request"]["workflowId"]) == (None, ["east", "west"], "1234567")


def test_a_row_that_a_rule_sends_elsewhere_differs_in_its_lanes(lanes: Shell):
    async def ruled() -> None:
        async with await open_ledger(lanes.folder / "batchrun.db") as ledger:
            held = await ledger.hold("cohort", holder="host:1", ttl=TTL, at=later(hours=1))
            going = await held.entry("going")
            assert going is not None
            assert going.run is not None
            await move(held, "going", Failed(at=AT, run=replace(going.run, status="FAILED")))
            await move(
                held, "going", Retried(at=AT, due=AT, why="x", request=moved(going.asked, ["west"], []))
            )

    anyio.run(ruled)
    done = lanes.run("show", "going")
    assert "it differs from the manifest in the lanes that it may take" in done.stdout
    assert "  lane       west\n" in done.stdout


def test_the_report_tells_lanes_apart(lanes: Shell):
    done = lanes.run("report", "cohort")
    assert done.returncode == 0, done.stderr
    page = (lanes.folder / "cohort.report.html").read_text()
    assert '<h2 id="lanes">Lanes</h2>' in page
    assert "east: us-east-1 · west: us-west-2 · as the ledger" in page
    assert '"lane":{"words":[null,"west","east"]' in page


def priced(region: str, price: float) -> dict[str, Any]:
    return {"currency": "USD", "region": region, "instances": {"omics.m.xlarge": price}, "storage": {}}


@pytest.fixture
def used(lanes: Shell) -> Shell:
    """Each run that ended has used an hour of one instance, as was asked before."""

    async def ask() -> None:
        async with await open_ledger(lanes.folder / "batchrun.db") as ledger:
            for run in await ledger.batch("cohort").story.ended_runs(limit=9):
                assert run.lane is not None
                work = Work(instance_type="omics.m.xlarge", tasks=1, billed=timedelta(hours=1))
                workflow = WORKFLOWS[run.lane]
                usage = Usage(
                    status=run.run.status, workflow_id=workflow, work=(work,), storage_type="STATIC"
                )
                await ledger.keep_usage(run.run.uuid, usage, at=AT)

    anyio.run(ask)
    both = [priced("us-east-1", 1), priced("us-west-2", 3)]
    (lanes.folder / "prices.json").write_text(json.dumps(both))
    (lanes.folder / "east.json").write_text(json.dumps(both[0]))
    return lanes


def test_each_run_is_priced_by_its_own_region(used: Shell):
    (one,) = told(used, "costs", "cohort", "--prices", "prices.json")
    assert (one["cost"], one["region"]) == (8, "us-east-1, us-west-2")
    assert one["by_lane"] == {"east": {"runs": 2, "cost": 2}, "west": {"runs": 2, "cost": 6}}
    assert [(rows["workflowId"], rows["rows"], rows["region"]) for rows in one["to_come"]] == [
        ("1234567", 2, "us-east-1"),
        ("7654321", 1, "us-west-2"),
    ]
    done = used.run("costs", "cohort", "--prices", "prices.json")
    assert "  lane west  6.00 USD, 2 runs\n" in done.stdout
    (one,) = told(used, "costs", "cohort", "--prices", "prices.json", "--where", "lane=west")
    assert one["cost"] == 6


def test_a_row_of_costs_has_its_lane_and_region_at_the_end(used: Shell):
    done = used.run("costs", "cohort", "--prices", "prices.json", "-o", "-")
    rows = list(csv.reader(done.stdout.splitlines()))
    assert rows[0][-3:] == ["unpriced", "lane", "region"]
    assert [(row[0], row[1], row[14], *row[-2:]) for row in rows[1:]] == [
        ("done", "1", "3.0", "west", "us-west-2"),
        ("lost", "1", "1.0", "east", "us-east-1"),
        ("moved", "1", "1.0", "east", "us-east-1"),
        ("moved", "2", "3.0", "west", "us-west-2"),
    ]


@pytest.mark.parametrize("verb", ["costs", "report"])
def test_prices_that_lack_a_region_are_refused(used: Shell, verb):
    done = used.run(verb, "cohort", "--prices", "east.json")
    assert done.returncode == 2
    assert "these are prices of us-east-1, and the batch's runs are in us-west-2 too" in done.stderr


def test_the_report_prices_each_run_by_its_region(used: Shell):
    assert used.run("report", "cohort", "--prices", "prices.json").returncode == 0
    page = (used.folder / "cohort.report.html").read_text()
    assert "<dt>2 runs in lane west</dt><dd>6.00</dd>" in page
    assert "at prices of us-east-1, us-west-2, not an invoice" in page


def test_what_runs_in_lanes_cost_is_as_the_schema_has_it(used: Shell):
    held(used.run("costs", "cohort", "--prices", "prices.json", "--json").stdout)
    rows = used.run("costs", "cohort", "--prices", "prices.json", "--format", "jsonl", "-o", "-").stdout
    for line in rows.splitlines():
        hold("cost_row", json.loads(line))
    for line in used.run("results", "--format", "jsonl", "-o", "-").stdout.splitlines():
        hold("result", json.loads(line))
