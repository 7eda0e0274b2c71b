"""``check --online`` of rows that may go to several lanes: each is held against what that lane has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchrun.simulator import Parameter, StoredBucket, StoredObject, Workflow
from tests.cli.conftest import Shell
from tests.cli.test_json import hold

READS = Workflow(id="1234567", parameters={"reads": Parameter()})
OTHER = Workflow(id="7654321", parameters={"reads": Parameter(), "panel": Parameter()})
BUCKETS = (
    StoredBucket(name="lab-east", region="us-east-1", objects={"in/a": StoredObject()}),
    StoredBucket(name="lab-west", region="us-west-2"),
    StoredBucket(name="lab-closed", region="us-east-1", may_list=False),
)
MANIFEST = """\
lanes:
  east: {{region: us-east-1, endpoint_url: "{east}", account: "111111111111"}}
  west:
    {{region: us-west-2, endpoint_url: "{west}", set: {{workflowId: "{workflow}", outputUri: "{output}"}}}}
defaults:
  workflowId: "1234567"
  roleArn: arn:aws:iam::111111111111:role/omics
  outputUri: s3://lab-east/{{batch}}/
  parameters: {{reads: s3://lab-east/in/a}}
runs:
  - {{id: A, lane: east}}
  - {{id: B, lane: [east, west]}}
  - {{id: C, lane: west}}
"""


@pytest.fixture
def places(shell: Shell, elsewhere):
    """Two accounts with workflows of their own, and one S3."""
    lanes = {
        "east": {"region": "us-east-1", "account": "111111111111", "workflows": (READS,), "storage": BUCKETS},
        "west": {"region": "us-west-2", "account": "222222222222", "workflows": (OTHER,)},
    }
    urls = {name: elsewhere.healthomics(**how).url for name, how in lanes.items()}
    shell.environment["AWS_ENDPOINT_URL_S3"] = urls["east"]
    return urls


def write(
    shell: Shell, places: dict[str, str], *, workflow="7654321", output="s3://lab-west/{batch}/"
) -> str:
    shell.write("m.yaml", MANIFEST.format(**places, workflow=workflow, output=output))
    return "m.yaml"


def checked(shell: Shell, *options: str, code: int) -> list[dict[str, Any]]:
    done = shell.run("check", "m.yaml", "--online", "--json", *options)
    assert done.returncode == code, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    for one in told:
        hold(one["message_type"], one)
    return told


def test_each_row_is_held_against_the_workflow_of_each_lane_that_it_may_take(shell: Shell, places):
    write(shell, places)
    problems = checked(shell, code=2)
    assert [(one["row"], one["field"], one["message"]) for one in problems] == [
        ("B", "parameters.panel", "in lane west: the workflow requires it"),
        ("C", "parameters.panel", "in lane west: the workflow requires it"),
    ]
    write(shell, places, workflow="9999999")
    problems = checked(shell, code=2)
    assert [(one["row"], one["message"]) for one in problems] == [
        ("B", "in lane west: there is no PRIVATE workflow 9999999"),
        ("C", "in lane west: there is no PRIVATE workflow 9999999"),
    ]


def test_the_bucket_of_the_outputs_is_in_the_region_of_the_lane(shell: Shell, places):
    write(shell, places, output="s3://lab-east/{batch}/")
    found = {(one["field"], one["message"]) for one in checked(shell, code=2)}
    wrong = "in lane west: the bucket lab-east is in us-east-1, and the lane is in us-west-2"
    assert ("outputUri", wrong) in found
    write(shell, places, output="s3://lab-closed/{batch}/")  # who may not list it is told its region too
    assert any("lab-closed is in us-east-1" in one["message"] for one in checked(shell, code=2))
    write(shell, places, output="s3://lab-nowhere/{batch}/")  # a rehearsal need not have it
    assert not any("lab-nowhere" in one["message"] for one in checked(shell, code=2))


@pytest.mark.long
def test_what_each_account_allows_is_told_by_lane(shell: Shell, places):
    path = write(shell, places)
    shell.write(path, (shell.folder / path).read_text().replace("reads: s3", "panel: 1, reads: s3"))
    # East has no such parameter: its rows are wrong there, and nowhere else.
    assert {one["message"][:13] for one in checked(shell, code=2)} == {"in lane east:"}
    text = MANIFEST.format(**places, workflow="7654321", output="s3://lab-west/{batch}/")
    text = text.replace('outputUri: "s3://lab-west', 'parameters: {panel: 1}, outputUri: "s3://lab-west')
    shell.write("m.yaml", text)
    (found,) = checked(shell, code=0)
    assert {name: (one["workflows"], one["active_runs"]) for name, one in found["lanes"].items()} == {
        "east": (1, 0),
        "west": (1, 0),
    }
    done = shell.run("check", "m.yaml", "--online")
    assert "  lane east: 1 workflow checked; 0 runs active in the account" in done.stdout
    assert done.stderr == ""
    inputs = checked(shell, "--inputs", code=0)
    assert [(one["lane"], one["seen"]["there"]) for one in inputs[:2]] == [("east", 1), ("west", 1)]


@pytest.mark.long
def test_where_s3_does_not_say_its_region_that_is_told_and_nothing_fails(shell: Shell, places, elsewhere):
    text = MANIFEST.format(**places, workflow="7654321", output="s3://lab-west/{batch}/")
    text = text.replace('outputUri: "s3://lab-west', 'parameters: {panel: 1}, outputUri: "s3://lab-west')
    shell.write("m.yaml", text)
    shell.environment["AWS_ENDPOINT_URL_S3"] = elsewhere.s3().url  # it knows no such buckets, and no regions
    assert shell.run("check", "m.yaml", "--online").returncode == 0
    shell.environment["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:9"
    done = shell.hastened(8, "check", "m.yaml", "--online")
    assert done.returncode == 0, done.stderr
    assert "warning: lane west: S3 does not say in which region lab-west is: not checked" in done.stderr
    del shell.environment["AWS_ENDPOINT_URL_S3"]  # nobody asks AWS about a local service's buckets
    done = shell.run("check", "m.yaml", "--online")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_lane_that_cannot_be_asked_is_named_and_the_others_are_held(shell: Shell, places):
    path = write(shell, places)
    shell.write(path, (shell.folder / path).read_text().replace('111111111111"}', '333333333333"}'))
    done = shell.run("check", path, "--online", "--json")
    assert done.returncode == 5
    assert "lane east: " in done.stderr
    assert "is of account 111111111111, and the lane is of account 333333333333" in done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    problems = {one["message"] for one in told if one["message_type"] == "problem"}
    assert problems == {"in lane west: the workflow requires it"}
