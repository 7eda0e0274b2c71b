"""Lanes on the command line: what goes with them, and what does not."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import DEFAULTS, Shell

MANIFEST = """\
lanes:
  east: {region: us-east-1, profile: nobody}
  west: {region: us-west-2, set: {workflowId: "7654321"}}
runs: [{id: A, lane: [east, west]}, {id: B}]
"""
LANES = "east: {region: us-east-1}\nwest: {region: us-west-2, endpoint_url: 'https://omics.example.org'}\n"
VERBS = {
    "run": ("run",),
    "check": ("check",),
    "check --online": ("check", "--online"),
    "plan": ("plan",),
    "rebuild": ("ledger", "rebuild"),
}


@pytest.fixture
def m(shell: Shell) -> list[str]:
    """A manifest with lanes, and what it is given with."""
    shell.write("defaults.yaml", DEFAULTS)
    shell.write("lanes.yaml", LANES)
    shell.write("rows.csv", "id,lane\nA,east|west\nB,\n")
    shell.write("m.yaml", MANIFEST)
    return ["m.yaml", "--defaults", "defaults.yaml"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("option", "value"),
    [("--region", "us-east-1"), ("--profile", "lab"), ("--endpoint-url", "http://127.0.0.1:9")],
)
def test_what_each_lane_says_is_not_said_for_all(shell: Shell, m, verb, option, value):
    done = shell.run(*VERBS[verb], *m, option, value)
    assert done.returncode == 2
    assert f"{option} cannot be given: m has lanes" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (shell.folder / "batchrun.db").exists()


@pytest.mark.parametrize("how", ["variable", "file", "folder"])
def test_nor_is_it_by_a_variable_a_file_or_for_a_folder(shell: Shell, m, how):
    given = {"BATCHRUN_PROFILE": "lab"} if how == "variable" else {}
    if how == "file":
        shell.write("batchrun.toml", 'profile = "lab"\n')
    if how == "folder":
        (shell.folder / "all").mkdir()
        shell.write("all/one.yaml", MANIFEST)
        shell.write("all/two.csv", "id\nA\n")
        m = ["all", *m[1:], "--profile", "lab"]
    done = shell.run("check", *m, **given)
    assert done.returncode == 2
    assert "--profile cannot be given" in done.stderr


def test_the_environment_of_every_aws_tool_goes_with_lanes(shell: Shell, m):
    done = shell.run("check", *m, AWS_REGION="eu-west-1", AWS_PROFILE="nobody")
    assert done.returncode == 0, done.stderr


def test_a_file_gives_lanes_to_every_verb_that_takes_a_manifest(shell: Shell, m):
    rows = ["rows.csv", *m[1:], "--lanes", "lanes.yaml"]
    for verb in ("check", "plan"):
        done = shell.run(verb, *rows)
        assert done.returncode == 0, done.stderr
        done = shell.run(verb, *rows, "--region", "us-east-1")
        assert done.returncode == 2
    assert shell.run("check", *rows[:-2]).returncode == 2


def test_check_tells_the_lane_of_a_problem_also_as_json(shell: Shell, m):
    shell.write("m.yaml", MANIFEST.replace('"7654321"', '"{parameters.workflow}"'))
    done = shell.run("check", *m, "--json")
    assert done.returncode == 2
    (problem,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert problem["row"] == "A"
    assert problem["message"].startswith("in lane west: {parameters.workflow} has no value")


def test_two_tables_are_refused(shell: Shell, m):
    done = shell.run("check", *m, "--lanes", "lanes.yaml")
    assert done.returncode == 2
    assert "m.yaml:2:3" in done.stderr or "m.yaml:1" in done.stderr
    assert "the manifest has lanes, and --lanes lanes.yaml gives others" in done.stderr
