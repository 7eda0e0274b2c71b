"""Lanes as results, status, show and the verbs that choose rows tell them apart: from the ledger alone."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest
from pyarrow import parquet

from batchrun.report.columns import COLUMNS
from tests.cli.conftest import Shell
from tests.cli.ledgers import EAST, IN_LANES, WEST, make_lanes

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


def test_every_row_of_the_example_is_told(lanes: Shell):
    assert list(PLACES) == list(IN_LANES)
    assert len(told(lanes, "status", "cohort")) == 1
