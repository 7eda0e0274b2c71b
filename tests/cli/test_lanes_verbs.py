"""Verbs beside a launch, for a batch with lanes: each run is asked for, and acted on, in its own lane."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Shell, Simulated
from tests.cli.test_lanes_now import script

LANES = """\
east: {region: us-east-1, profile: lab, account: "111111111111"}
west: {region: us-west-2, profile: lab, role: "arn:aws:iam::222222222222:role/launcher", external_id: lab-7}
"""
FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s", "--listing-lag", "0s")
MANIFEST = ("rows.csv", "--defaults", "defaults.yaml", "--lanes", "lanes.yaml")


def with_rows(shell: Shell, served: Simulated) -> Shell:
    """Write six rows, of which each lane has three."""
    shell.environment["AWS_ENDPOINT_URL"] = served.url
    rows = "".join(f"{lane}{n},x{n},{lane}\n" for lane in ("east", "west") for n in range(3))
    shell.write("rows.csv", "id,parameters.sample,lane\n" + rows)
    shell.cohort(0)  # for its defaults
    return shell


@pytest.fixture
def served(simulate_lanes) -> Simulated:
    made: Simulated = simulate_lanes(LANES, "--limits", "*=unlimited")
    return made


@pytest.fixture
def lanes(shell: Shell, served: Simulated) -> Shell:
    """A batch whose runs end soon."""
    return with_rows(shell, served)


@pytest.fixture
def going(shell: Shell, simulate_lanes) -> Shell:
    """One whose runs go on for longer than the test."""
    with_rows(shell, simulate_lanes(LANES, "--limits", "*=unlimited", "--time-scale", "1"))
    done = shell.run("run", *MANIFEST, *FAST, "--detach")
    assert done.returncode == 3, done.stderr
    return shell


def statuses(shell: Shell) -> dict[str, str]:
    shell.run("results", "rows", "-o", "now.csv", "--force")
    return {row["id"]: row["status"] for row in shell.results("now.csv")}


def test_nothing_is_asked_for_where_nobody_says_how_lanes_are_reached(going: Shell):
    done = going.run("cancel", "rows", "--yes")
    assert done.returncode == 2
    assert "batch 'rows' has runs in lanes east, west" in done.stderr
    assert "give --lanes FILE that does" in done.stderr
    again = going.run("cancel", "rows", "--yes", "--where", "lane=west", "--lanes", "lanes.yaml")
    assert again.returncode == 0, again.stderr
    found = statuses(going)
    assert {id for id, status in found.items() if status == "CANCELLED"} == {"west0", "west1", "west2"}


def test_a_lane_that_was_left_out_is_named(going: Shell):
    going.write("some.yaml", LANES.splitlines()[0])
    done = going.run("cancel", "rows", "--yes", "--lanes", "some.yaml")
    assert done.returncode == 2
    assert "has runs in lane west, and some.yaml does not say how to reach them" in done.stderr


@pytest.mark.long
def test_a_lane_that_nothing_was_sent_to_may_be_left_out(going: Shell):
    north = LANES + 'north: {region: eu-north-1, profile: lab, account: "111111111111"}\n'
    going.write("lanes.yaml", north)
    going.write("rows.csv", (going.folder / "rows.csv").read_text() + "east3,x3,east|north\n")
    done = going.run("run", *MANIFEST, *FAST, "--once")
    assert done.returncode == 3, done.stderr
    going.write("lanes.yaml", LANES)
    done = going.run("cancel", "rows", "--yes", "--where", "lane=west", "--lanes", "lanes.yaml")
    assert done.returncode == 0, done.stderr


def test_rows_that_wait_for_a_lane_that_is_left_out_do_not_make_a_cancellation_fail(going: Shell):
    role = "arn:aws:iam::333333333333:role/of-nobody"
    going.write("lanes.yaml", LANES + f'north: {{region: eu-north-1, profile: lab, role: "{role}"}}\n')
    going.write("rows.csv", (going.folder / "rows.csv").read_text() + "north0,x3,north\n")
    done = going.run("run", *MANIFEST, *FAST, "--once")
    assert done.returncode == 3, done.stderr
    assert statuses(going)["north0"] == "PLANNED"
    going.write("lanes.yaml", LANES)
    done = going.run("cancel", "rows", "--yes", "--where", "lane=[ew]*", "--lanes", "lanes.yaml")
    assert (done.returncode, done.stderr) == (0, "")


def test_only_lanes_with_rows_that_are_meant_are_logged_in_to(going: Shell):
    """Seen: a cancellation that waited for another lane's login, and ended with 5 though all was done."""
    going.write("lanes.yaml", LANES.replace("lab-7", "lab-8"))
    done = going.run("cancel", "rows", "--yes", "--where", "lane=east", "--lanes", "lanes.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert {id for id, status in statuses(going).items() if status == "CANCELLED"} == {
        "east0",
        "east1",
        "east2",
    }
    gone = going.run("delete", "rows", "--yes", "--lanes", "lanes.yaml", "--listing-lag", "0s")
    assert (gone.returncode, gone.stderr) == (0, "")
    other = going.run("cancel", "rows", "--yes", "--where", "lane=west", "--lanes", "lanes.yaml")
    assert other.returncode == 5
    assert "lane west: role" in other.stderr


def in_regions_of_profiles(shell: Shell) -> None:
    """Write a table of the same lanes that leaves their regions to profiles."""
    keys = "aws_access_key_id = LABKEY\naws_secret_access_key = LABSECRET\n"
    shell.write(
        "config", f"[profile east]\nregion = us-east-1\n{keys}[profile west]\nregion = us-west-2\n{keys}"
    )
    role = 'role: "arn:aws:iam::222222222222:role/launcher", external_id: lab-7'
    shell.write("profiles.yaml", f"east: {{profile: east}}\nwest: {{profile: west, {role}}}\n")
    shell.environment["AWS_REGION"] = ""


@pytest.mark.long
@pytest.mark.parametrize("table", ["lanes.yaml", "profiles.yaml"])
def test_a_ledger_is_compared_with_every_lane(going: Shell, table: str):
    if table == "profiles.yaml":
        in_regions_of_profiles(going)
    done = going.run("ledger", "verify", "rows", "--online", "--json", "--lanes", table)
    online = json.loads(done.stdout.splitlines()[-1])
    assert (online["going"] + sum(online["ended"].values()), online["missing"]) == (6, [])


def test_a_lost_ledger_is_made_again_from_every_lane(going: Shell):
    done = going.run("ledger", "rebuild", *MANIFEST, "--ledger", "new.db", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["found"] == 6
    assert going.run("ledger", "verify", "--ledger", "new.db").returncode == 0
    told = going.run("show", "west1", "--ledger", "new.db")
    assert "west" in told.stdout, told.stderr
    going.write("lanes.yaml", LANES.replace("lab-7", "lab-8"))
    refused = going.run("ledger", "rebuild", *MANIFEST, "--ledger", "third.db")
    assert refused.returncode == 5
    assert "lane west: role" in refused.stderr
    assert "nothing was written" in refused.stderr


@pytest.mark.long
def test_ended_runs_are_deleted_in_their_lanes_and_what_they_used_is_asked_there(lanes: Shell):
    done = lanes.run("run", *MANIFEST, *FAST)
    assert done.returncode == 0, done.stderr
    prices = lanes.write("prices.json", "{}")
    asked = lanes.run("costs", "rows", "--prices", str(prices), "--lanes", "lanes.yaml")
    assert "price" in asked.stderr, asked.stderr
    gone = lanes.run("delete", "rows", "--yes", "--lanes", "lanes.yaml", "--json", "--listing-lag", "0s")
    assert gone.returncode == 0, gone.stderr
    assert len(json.loads(gone.stdout.splitlines()[-1])["run_ids"]) == 6


@pytest.mark.long
def test_rows_of_a_lane_that_lacks_a_permission_are_left_and_the_others_are_done(lanes: Shell, served):
    done = lanes.run("run", *MANIFEST, *FAST)
    assert done.returncode == 0, done.stderr
    script(served, "west", "GetRun:AccessDeniedException")
    gone = lanes.run("delete", "rows", "--yes", "--lanes", "lanes.yaml", "--listing-lag", "0s")
    assert gone.returncode == 3, gone.stderr
    assert "not deleted: west0, west1, west2: GetRun" in gone.stderr


@pytest.mark.long
def test_rows_of_a_lane_that_cannot_be_used_are_left_and_the_others_are_done(lanes: Shell):
    done = lanes.run("run", *MANIFEST, *FAST)
    assert done.returncode == 0, done.stderr
    lanes.write("lanes.yaml", LANES.replace("lab-7", "lab-8"))
    gone = lanes.run("delete", "rows", "--yes", "--lanes", "lanes.yaml", "--listing-lag", "0s")
    assert gone.returncode == 3
    assert "not deleted: west0, west1, west2: lane west: role" in gone.stderr
