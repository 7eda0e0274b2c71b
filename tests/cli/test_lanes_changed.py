"""Lanes that change while a batch is half done: added, removed, renamed, moved, or two of one place."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest

from tests.cli.conftest import Shell, Simulated
from tests.cli.test_lanes_login import OwnAddress
from tests.cli.test_lanes_now import own_urls

EAST = 'east: {region: us-east-1, profile: lab, account: "111111111111"}\n'
WEST = 'west: {region: us-west-2, profile: lab, account: "222222222222"}\n'
TWIN = 'twin: {region: us-east-1, profile: lab, account: "111111111111"}\n'
FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.1s", "--listing-lag", "0s")


@pytest.fixture
def served(shell: Shell, simulate_lanes) -> Simulated:
    made: Simulated = simulate_lanes(EAST + WEST, "--limits", "*=unlimited", "--time-scale", "0.0001")
    shell.environment["AWS_ENDPOINT_URL"] = made.url
    shell.cohort(0)
    return made


def write(shell: Shell, lanes: str, rows: dict[str, str]) -> None:
    shell.write("lanes.yaml", lanes)
    text = "".join(f"{id},x,{lane}\n" for id, lane in rows.items())
    shell.write("rows.csv", f"id,parameters.sample,lane\n{text}")


def launch(shell: Shell, *options: str):
    words = ("rows.csv", "--defaults", "defaults.yaml", "--lanes", "lanes.yaml", *FAST, *options)
    return shell.run("run", *words)


def begun(served: Simulated) -> Counter[tuple[str, str, str]]:
    """Count the runs of each attempt, by its lane."""
    return Counter(
        (lane, run["tags"]["batchrun:id"], run["tags"]["batchrun:attempt"])
        for lane, url in own_urls(served).items()
        for run in OwnAddress(url).state()["runs"]
    )


def once_each(served: Simulated, count: int) -> None:
    found = Counter((id, attempt) for _, id, attempt in begun(served).elements())
    assert set(found.values()) == {1}
    assert len(found) == count


@pytest.mark.long
def test_two_lanes_of_one_place_start_each_row_once_whoevers_ledger(shell: Shell, served: Simulated):
    ids = {f"s{n}": "east|twin" if n % 2 else "twin|east" for n in range(12)}
    write(shell, EAST + TWIN, ids)
    done = launch(shell, "--once")
    assert done.returncode in {0, 3}, done.stderr
    once_each(served, 12)
    shutil.move(shell.folder / "batchrun.db", shell.folder / "old.db")
    done = launch(shell)
    assert done.returncode == 0, done.stderr
    once_each(served, 12)


def test_two_lanes_of_one_place_with_a_second_ledger_that_begins_half_way(shell: Shell, served: Simulated):
    write(shell, EAST + TWIN, {f"s{n}": "east|twin" for n in range(6)})
    done = launch(shell)
    assert done.returncode == 0, done.stderr
    write(shell, TWIN + EAST, {f"s{n}": "twin|east" for n in range(12)})
    shutil.move(shell.folder / "batchrun.db", shell.folder / "old.db")
    done = launch(shell)
    assert done.returncode == 0, done.stderr
    once_each(served, 12)


@pytest.mark.long
@pytest.mark.parametrize("lanes", ["", WEST.replace("west", "pacific")], ids=["removed", "renamed"])
def test_a_lane_that_is_not_there_any_more_keeps_its_runs_and_is_named(
    shell: Shell, served: Simulated, lanes: str
):
    rows = {"a": "east", "b": "west", "c": "east"}
    write(shell, EAST + WEST, rows)
    done = launch(shell, "--detach")
    assert done.returncode == 3, done.stderr
    write(shell, EAST + lanes, {**rows, "b": "pacific" if lanes else "east"})
    done = launch(shell)
    assert done.returncode == 2, done.stderr
    assert "b (lane is " in done.stderr
    assert "put back what was named 'west' in the table of lanes" in done.stderr
    for once in ((), ("--once",)):
        done = launch(shell, "--changed", "keep", *once)
        assert done.returncode == 5, done.stderr
        begin, end = done.stderr.split("lane west: the manifest has no such lane any more")
        assert "lane_stopped" in begin
        assert "(1 row waits)" in end
    assert {row["id"]: row["status"] for row in shell.results("rows.results.csv")}["a"] == "COMPLETED"
    write(shell, EAST + WEST, rows)
    done = launch(shell)
    assert done.returncode == 0, done.stderr
    once_each(served, 3)


def test_with_a_lost_ledger_runs_of_a_lane_that_was_renamed_are_taken_in(shell: Shell, served: Simulated):
    rows = {"a": "east", "b": "west", "c": "east"}
    write(shell, EAST + WEST, rows)
    done = launch(shell, "--detach")
    assert done.returncode == 3, done.stderr
    shutil.move(shell.folder / "batchrun.db", shell.folder / "old.db")
    write(shell, EAST + WEST.replace("west:", "pacific:"), {**rows, "b": "pacific"})
    done = launch(shell)
    assert done.returncode == 2, done.stderr
    assert "with other content, 'b' first" in done.stderr
    assert "take them in with 'batchrun ledger rebuild MANIFEST --changed keep'" in done.stderr
    words = ("rows.csv", "--defaults", "defaults.yaml", "--lanes", "lanes.yaml", "--changed", "keep")
    done = shell.run("ledger", "rebuild", *words)
    assert done.returncode == 0, done.stderr
    done = launch(shell)
    assert done.returncode == 0, done.stderr
    once_each(served, 3)


def test_a_lanes_region_is_kept(shell: Shell, served: Simulated):
    write(shell, EAST + WEST, {"a": "east", "b": "west"})
    done = launch(shell, "--detach")
    assert done.returncode == 3, done.stderr
    write(shell, EAST + TWIN.replace("twin", "west"), {"a": "east", "b": "west", "c": "west"})
    done = launch(shell)
    assert done.returncode == 2
    assert "lane 'west' has its runs in us-west-2, but its region is us-east-1 now" in done.stderr
    once_each(served, 2)


@pytest.mark.long
def test_lanes_come_to_a_batch_that_is_half_done_and_go_again(shell: Shell, served: Simulated):
    shell.write("rows.csv", "id,parameters.sample\n" + "".join(f"{id},x\n" for id in "abc"))
    plain = ("run", "rows.csv", "--defaults", "defaults.yaml", *FAST)
    where = {"AWS_REGION": "us-east-1", "AWS_PROFILE": "lab"}
    done = shell.run(*plain, "--detach", **where)
    assert done.returncode == 3, done.stderr
    rows = {"a": "west|east", "b": "east", "c": "east|west", "d": "west", "e": "east"}
    write(shell, WEST + EAST, rows)
    done = launch(shell)
    assert done.returncode == 0, done.stderr
    once_each(served, 5)
    shell.write("rows.csv", "id,parameters.sample\n" + "".join(f"{id},x\n" for id in "abcdef"))
    done = shell.run(*plain, **where)
    assert done.returncode == 2, done.stderr
    assert "d (lane is gone, was west)" in done.stderr
    assert "give the lanes again (--lanes FILE, or lanes: in the manifest), or use --changed" in done.stderr
    done = shell.run(*plain, **{**where, "AWS_REGION": "us-west-2"})
    assert done.returncode == 2, done.stderr
    assert "it was run with lanes (east, west): give the lanes again" in done.stderr
    done = shell.run(*plain, "--changed", "keep", **where)
    assert done.returncode == 0, done.stderr
    once_each(served, 6)
