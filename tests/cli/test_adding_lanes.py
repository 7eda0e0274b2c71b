"""A batch that was run without lanes, and whose manifest names lanes from then on."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Shell, Simulated

pytestmark = pytest.mark.long

ROLE = "arn:aws:iam::222222222222:role/launcher"
LANES = f"""\
east: {{region: us-east-1, profile: lab, account: "111111111111"}}
west: {{region: us-west-2, profile: lab, role: "{ROLE}", set: {{workflowId: "7654321"}}}}
"""
ROWS = "id,parameters.sample\n" + "".join(f"s{number},x\n" for number in range(4))
FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s", "--listing-lag", "0s")
RUN = ("run", "rows.csv", "--defaults", "defaults.yaml", *FAST)


@pytest.fixture
def old(shell: Shell, simulate_lanes) -> Simulated:
    """Four rows have run in one account, without lanes."""
    made: Simulated = simulate_lanes(LANES, "--limits", "*=unlimited", "--account", "111111111111")
    shell.environment["AWS_ENDPOINT_URL"] = made.url
    shell.write("rows.csv", ROWS)
    shell.cohort(0)  # for its defaults
    done = shell.run(*RUN, "--profile", "lab", "--region", "us-east-1")
    assert done.returncode == 0, done.stderr
    return made


def request_ids(shell: Shell) -> dict[str, tuple[str, str]]:
    return {row["id"]: (row["requestId"], row["lane"]) for row in shell.results("rows.results.csv")}


@pytest.mark.usefixtures("old")
def test_rows_that_ran_stay_where_they_are_and_a_new_one_has_the_choice(shell: Shell):
    before = request_ids(shell)
    rows = [
        f"{row},{lane}"
        for row, lane in zip([*ROWS.split(), "new,x"], ["lane", *["west|east"] * 5], strict=True)
    ]
    shell.write("rows.csv", "\n".join(rows) + "\n")
    told = shell.run("plan", *RUN[1:4], "--lanes", "lanes.yaml", "--json").stdout.splitlines()
    plan = json.loads(told[-1])
    assert (plan["new"], plan["unchanged"], plan["changed"], plan["to_submit"]) == (1, 4, 0, 1)
    done = shell.run(*RUN, "--lanes", "lanes.yaml")
    assert done.returncode == 0, done.stderr
    after = request_ids(shell)
    assert {id_: after[id_] for id_ in before} == before
    assert after["new"][1] in {"east", "west"}
    status = shell.run("status", "rows").stdout
    assert "from before there were lanes: 4 succeeded" in status
    assert "no problems found" in shell.run("ledger", "verify").stdout


@pytest.mark.usefixtures("old")
def test_what_changed_in_a_row_is_told_in_the_lane_that_has_its_run(shell: Shell):
    shell.write("rows.csv", ROWS.replace("s2,x", "s2,y"))
    done = shell.run(*RUN, "--lanes", "lanes.yaml")
    assert done.returncode == 2
    assert 's2 (parameters.sample is "y", was "x")' in done.stderr
