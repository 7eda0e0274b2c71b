"""What runs made and logged, by the real command: from the simulator's S3 and CloudWatch."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import pty
import re
import subprocess
from typing import Any

import pytest

from batchrun.simulator import FailFirst, Span, StoredBucket, StoredObject
from batchrun.simulator.faults import FaultRule
from batchrun.simulator.lifecycle import Durations
from tests.cli.conftest import Shell
from tests.cli.elsewhere import GERMLINE
from tests.cli.test_json import held
from tests.cli.test_lanes_verbs import LANES
from tests.cli.test_questions import _read
from tests.nursery import PATIENCE, Born

DEFAULTS = """\
workflowId: "1234567"
roleArn: arn:aws:iam::123456789012:role/omics
outputUri: "s3://lab-results/{batch}/{id}/"
"""
SHORT = Durations(pending=Span(mean=0), starting=Span(mean=0), running=Span(mean=0.2), stopping=Span(mean=0))
FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.1s", "--no-retry")
FAILS = FailFirst(times=9, match="cohort-c", reason="RUN_TASK_FAILED")
SECRET = StoredBucket(name="secret", may_read=False, may_list=False)
#: A key that does something to terminals.
RED = StoredBucket(
    name="lab-results",
    objects={"cohort/a/1000001/pubdir/\x1b[31m.txt": StoredObject()},
)


class Ran:
    """A folder with a batch that has ended, and where it ran."""

    def __init__(self, shell: Shell, service: Any) -> None:
        self.shell, self.service = shell, service
        self.at = ("--endpoint-url", service.url)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.shell.run(*arguments, *self.at)


@pytest.fixture
def ran(shell: Shell, elsewhere):
    """Run rows of a workflow in this engine: a and b succeed, c fails."""

    def run(engine: str, *buckets: StoredBucket, place_of_b: str = "") -> Ran:
        workflow = dataclasses.replace(GERMLINE, parameters=None, engine=engine)
        service = elsewhere.healthomics(
            workflows=(workflow,), durations=SHORT, fail_first=(FAILS,), storage=buckets
        )
        shell.write("defaults.yaml", DEFAULTS)
        shell.write("cohort.csv", f"id,name,outputUri\na,,\nb,,{place_of_b}\nc,cohort-c,\n")
        made = Ran(shell, service)
        done = made.run("run", "cohort.csv", "--defaults", "defaults.yaml", *FAST)
        assert done.returncode == 1, done.stderr
        return made

    return run


def run_of(ran: Ran, entry_id: str) -> Any:
    history = ran.service.service.shelf.history
    return next(run for run in history if run.tags["batchrun:id"] == entry_id)


@pytest.mark.long
def test_outputs_feed_the_next_batch(ran):
    it = ran("WDL")
    done = it.run("outputs")
    assert done.returncode == 0, done.stderr
    listed = list(csv.DictReader(done.stdout.splitlines()))
    assert {row["id"] for row in listed} == {"a", "b"}
    steps = [row["value"] for row in listed if row["output"] == "workflow_1234567.steps"]
    assert steps == ["2", "2"]
    first = f"{run_of(it, 'a').output}/out/step_1/cohort-a.step_1.txt"
    assert first in {row["uri"] for row in listed if row["output"] == "workflow_1234567.step_1"}
    assert it.run("outputs", "--sheet", "-o", "next.csv").stdout == "next.csv: 2 rows\n"
    done = it.run("outputs", "--where", "id=nobody", "--sheet", "-o", "none.csv")
    assert (done.returncode, done.stdout) == (0, "none.csv: no rows, only a header\n")
    assert done.stderr == "no row that was asked for has succeeded yet\n"
    parameters = (
        "--parameter", "one={workflow_1234567.step_1}", "--parameter", "all={workflow_1234567.all:json}"
    )  # fmt: skip
    done = it.run("run", "next.csv", "--id", "id", "--defaults", "defaults.yaml", *parameters, *FAST)
    assert done.returncode == 0, done.stderr
    shown = held(it.shell.run("show", "a", "--batch", "next", "--json").stdout)[0]
    assert shown["request"]["parameters"]["one"] == first
    assert len(shown["request"]["parameters"]["all"]) == 2


@pytest.mark.long
def test_files_without_names_are_listed_and_named_and_a_denial_says_what_is_missing(ran):
    it = ran("NEXTFLOW", SECRET, RED, place_of_b="s3://secret/b/")
    done = it.run("outputs", "--json")
    assert done.returncode == 3
    a, b = held(done.stdout)
    assert (a["outputs"], a["is_listed"]) == ({}, True)
    assert sorted(uri.rpartition("/")[2] for uri in a["files"]) == [
        "\x1b[31m.txt",
        "cohort-a.step_1.txt",
        "cohort-a.step_2.txt",
    ]
    assert b["outputs"] is None
    assert "allow s3:GetObject on arn:aws:s3:::secret/* and s3:ListBucket" in b["problem"]
    assert "not known of 1 row: bucket secret" in done.stderr
    # A sheet needs names, each of one file.
    done = it.run("outputs", "--sheet", "--ids", "a")
    assert (done.returncode, done.stdout) == (3, "id\n")
    assert "give --files NAME=PATTERN" in done.stderr
    done = it.run("outputs", "--sheet", "--ids", "a", "--files", "step=pubdir/*/*.txt")
    assert "several files are 'step'" in done.stderr
    done = it.run("outputs", "--sheet", "--ids", "a", "--files", "step[]=pubdir/*/*.txt")
    (row,) = csv.DictReader(done.stdout.splitlines())
    assert len(json.loads(row["step"])) == 2
    # Where nothing can be read at all, nobody goes on asking.
    assert it.run("outputs", "--ids", "b").returncode == 5
    assert it.run("outputs", "--ids", "a", "--most-files", "1").returncode == 3
    assert b"\x1b" not in on_a_terminal(it, "outputs", "--ids", "a")


def test_a_login_or_a_clock_that_is_refused_is_told_with_its_own_place_and_cure(ran):
    it = ran("WDL")
    told = {
        "ExpiredToken": r"the AWS credentials of [^;]+ \(ExpiredToken\); log in again, or give another",
        "RequestTimeTooSkewed": r"by this machine's clock, which is wrong; set it \(timedatectl [^;]*$",
    }
    for fault, words in told.items():
        for operation, verb in (("GetLogEvents", ["logs", "a"]), ("GetObject", ["outputs", "--ids", "a"])):
            it.service.script(FaultRule(operation=operation, fault=fault, times=1))
            done = it.run(*verb)
            assert done.returncode == 5
            assert re.search(words, done.stderr.strip()), done.stderr


def on_a_terminal(it: Ran, *arguments: str) -> bytes:
    ours, theirs = pty.openpty()
    process = Born(
        [*arguments, *it.at],
        cwd=it.shell.folder,
        env={**it.shell.environment, "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    said = b""
    while piece := _read(ours):
        said += piece
    os.close(ours)
    assert process.wait(PATIENCE) == 0
    assert b"\\x1b[31m.txt" in said
    return said


@pytest.mark.long
def test_logs_are_the_failed_tasks_first(ran):
    it = ran("WDL")
    done = it.run("logs", "c")
    assert done.returncode == 0, done.stderr
    heads = [line for line in done.stdout.splitlines() if line.startswith("==>")]
    assert [head.split(" (")[0] for head in heads] == [
        "==> task step_2: OUT_OF_MEMORY_ERROR",
        "==> engine",
        "==> run",
    ]
    assert "step_2: exit code 1" in done.stdout
    # Of one task there is no heading, and following ends with the run.
    lines = held(it.run("logs", run_of(it, "a").id, "--task", "step_1", "--follow", "--json").stdout)
    assert [line["message"] for line in lines] == ["step_1: working", "step_1: exit code 0"]
    last = it.run("logs", "a", "--task", "step_1", "--tail", "1").stdout
    (only,) = last.splitlines()
    assert only.endswith("Z step_1: exit code 0")
    done = it.run("logs", "a", "--task", "nothing")
    assert (done.returncode, "it has: step_1, step_2" in done.stderr) == (2, True)
    assert "attempt 2 of row 'a' has no run" in it.run("logs", "a", "--attempt", "2").stderr
    it.service.script(FaultRule(operation="GetLogEvents", fault="AccessDeniedException", times=1))
    done = it.run("logs", "a")
    assert done.returncode == 5
    assert (
        "allow logs:GetLogEvents on arn:aws:logs:us-east-1:*:log-group:/aws/omics/WorkflowLog" in done.stderr
    )


@pytest.mark.long
def test_each_lane_is_asked_with_its_own_login(shell: Shell, simulate_lanes):
    served = simulate_lanes(LANES, "--limits", "*=unlimited", "--time-scale", "0.0005")
    shell.environment["AWS_ENDPOINT_URL"] = served.url
    shell.write("defaults.yaml", DEFAULTS.replace("lab-results", "lab-{lane}"))
    shell.write("rows.csv", "id,lane\ne,east\nw,west\n")
    manifest = ("rows.csv", "--defaults", "defaults.yaml", "--lanes", "lanes.yaml")
    done = shell.run("run", *manifest, *FAST)
    assert done.returncode == 0, done.stderr
    told = held(shell.run("outputs", "--json", "--lanes", "lanes.yaml").stdout)
    assert [(one["id"], one["lane"], len(one["files"])) for one in told] == [
        ("e", "east", 2),
        ("w", "west", 2),
    ]
    for row in ("e", "w"):
        done = shell.run("logs", row, "--task", "step_2", "--lanes", "lanes.yaml")
        assert "step_2: exit code 0" in done.stdout, done.stderr
    assert shell.run("logs", "w").returncode == 2  # nobody says how the lane is reached
