"""``check --online --inputs``: the real command, against a simulated HealthOmics and S3."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import urllib.request
from contextlib import ExitStack
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from batchrun.simulator import Simulator, StoredBucket, StoredObject, parse_faults
from tests.cli.conftest import DEFAULTS, Shell, Simulated
from tests.cli.elsewhere import healthomics
from tests.cli.test_json import held
from tests.nursery import Born

PLAIN = StoredObject()
COLD = StoredObject(storage_class="INTELLIGENT_TIERING", archive_status="ARCHIVE_ACCESS")
MANY = {f"many/{number:04}.fq": PLAIN for number in range(2000)}
BUCKETS = (
    StoredBucket(name="lab", objects={"a": PLAIN, "cold": COLD, "d/x.fq": PLAIN, **MANY}),
    StoredBucket(name="far", objects={"a": PLAIN}, region="eu-west-1"),
    StoredBucket(name="blind", objects={"a": PLAIN}, may_list=False),
)


class Lab:
    """A folder, and what its commands call."""

    def __init__(self, shell: Shell, simulator: Simulator | Simulated) -> None:
        self.shell = shell
        self.simulator = simulator
        self.to = {
            "AWS_ENDPOINT_URL": simulator.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        shell.write("d.yaml", DEFAULTS)

    def check(self, rows: str, *options: str, speed: float = 1.0) -> subprocess.CompletedProcess[str]:
        self.shell.write("m.csv", rows)
        given = ("check", "m.csv", "--defaults", "d.yaml", "--online", "--inputs", *options)
        return self.shell.hastened(speed, *given, **self.to)

    def calls(self, operation: str) -> int:
        with urllib.request.urlopen(f"{self.simulator.url}/_simulator/state", timeout=10) as answer:
            return int(json.load(answer)["calls"][operation]["calls"])


def told_in(stdout: str) -> list[dict[str, Any]]:
    """Return the JSON messages but those that are told of a manifest without anybody's looking."""
    return [one for one in held(stdout) if one["message_type"] != "warning"]


@pytest.fixture
def lab(shell: Shell):
    with ExitStack() as stack:
        portal = stack.enter_context(start_blocking_portal())

        def make(faults: str = "") -> Lab:
            settings = {"storage": BUCKETS, "any_workflow": True, "faults": parse_faults(faults)}
            return Lab(shell, stack.enter_context(healthomics(portal, workflows=(), **settings)))

        yield make


def test_what_was_looked_at_and_what_was_passed_over_is_said(lab):
    done = lab().check(
        "id,parameters.x,parameters.y:json\n"
        'r1,s3://lab/a,"[""s3://lab/d/"", {""z"": ""s3://lab/d/*.fq""}]"\n'
        "r2,s3://lab/a,\n"
        "r3,s3://lab/a s3://lab/d/x.fq,\n"
        "r4,/mnt/workflow/pubdir,\n"
        "r5,S3://lab/a,\n"
        "r6,gs://x/y,\n"
        "r7,https://x.org/y?X-Amz-Signature=sesame,\n"
    )
    assert done.returncode == 0, done.stderr
    first, second, third, _ = done.stdout.splitlines()
    assert first == "m: inputs: 4 places in S3: 4 there"
    assert second == (
        "m: skipped: 2 not in S3, such as gs://x/y; 1 a path within the run: /mnt/workflow/pubdir; "
        "1 a malformed s3:// URI: S3://lab/a"
    )
    assert third == "m: 7 rows, no problems found"
    assert "sesame" not in done.stdout + done.stderr


def test_all_is_told_as_json_with_problems_and_without(lab):
    at = lab()
    done = at.check("id,parameters.x\nr1,s3://lab/a\nr2,https://x.org/y?X-Amz-Signature=sesame\n", "--json")
    told, checked = told_in(done.stdout)
    assert (told["places"], told["looked_at"], told["is_whole"]) == (1, 1, True)
    assert told["passed_over"]["other_scheme"] == 1
    assert told["examples"] == {"other_scheme": "https://x.org/y?***"}
    assert told["calls"] == {"HeadObject": 1, "ListObjectsV2": 1}
    assert checked["inputs"] == 1
    done = at.check("id,parameters.x\nr1,s3://lab/gone\nr2,s3://blind/y\n", "--json")
    assert done.returncode == 2
    told, problem = told_in(done.stdout)
    assert (told["seen"]["missing"], told["seen"]["hidden"], told["seen"]["there"]) == (1, 1, 0)
    assert problem["row"] == "r1"
    assert "s3://blind/y: cannot be checked" in told["warnings"][0]


@pytest.mark.long
def test_a_file_that_many_rows_share_is_looked_at_once_and_told_once(lab):
    at = lab()
    rows = "".join(f"r{number},s3://lab/gone,s3://lab/many/{number:04}.fq\n" for number in range(300))
    done = at.check(f"id,parameters.ref,parameters.reads\n{rows}")
    assert done.returncode == 2
    (problem, total) = done.stderr.splitlines()
    assert problem.startswith(
        "m.csv:2 (id r0): parameters.ref: s3://lab/gone is not there (and 299 more of the same"
    )
    assert "lines 3-101" in problem
    assert total == "batchrun: 1 problem; nothing was submitted"
    assert at.calls("HeadObject") == 301


def test_what_cannot_be_read_is_told_for_what_it_is(lab):
    done = lab().check(
        "id,parameters.x\nr1,s3://lab/cold\nr2,s3://lab/e/\nr3,s3://lab/*.bam\nr4,s3://none/x\n"
        "r5,s3://far/a\nr6,s3://blind/a\nr7,s3://blind/b\nr8,s3://lab/a\u00a0\n"
    )
    assert done.returncode == 2
    for told in (
        "(id r1): parameters.x: s3://lab/cold is archived",
        "(id r2): parameters.x: s3://lab/e/ has nothing under it",
        "(id r3): parameters.x: s3://lab/*.bam matches nothing that is there",
        "(id r4): parameters.x: s3://none/x is in a bucket that does not exist",
        "(id r8): parameters.x: 's3://lab/a\\xa0' ends in white space or a quote, and is not there",
        "warning: buckets in other regions: far (eu-west-1); the runs would be in us-east-1",
        "warning: s3://blind/b: cannot be checked",
        "batchrun: 5 problems",
    ):
        assert told in done.stderr
    assert "8 places in S3: 2 there, 1 not there" in done.stdout


@pytest.mark.long
@pytest.mark.parametrize(
    ("faults", "why"),
    [
        ("HeadObject:ExpiredToken,ListObjectsV2:pass=1x,ListObjectsV2:ExpiredToken", "ExpiredToken"),
        ("HeadObject:InvalidAccessKeyId,ListObjectsV2:InvalidAccessKeyId", "InvalidAccessKeyId"),
    ],
)
def test_a_lost_login_ends_it_with_what_was_seen(lab, faults, why):
    before = "HeadObject:pass=100x," if "pass" in faults else ""
    at = lab(f"{before}{faults}")
    gone = "r,s3://lab/gone\n" if before else ""
    rows = gone + "".join(f"r{number},s3://lab/many/{number:04}.fq\n" for number in range(1000))
    done = at.check(f"id,parameters.x\n{rows}", "--json")
    assert done.returncode == 5
    assert f"S3 does not answer any more: ListObjectsV2: {why}" in done.stderr
    told, *problems = told_in(done.stdout)
    assert told["is_whole"] is False
    assert (told["looked_at"] >= 100) is (before != "")
    assert [one["row"] for one in problems] == (["r"] if before else [])
    done = at.check(f"id,parameters.x\n{rows}")
    assert done.returncode == 5
    assert "places in S3" in done.stdout


def test_an_s3_that_nobody_reaches_ends_it_with_5(lab):
    at = lab()
    at.to["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:9"
    done = at.check("id,parameters.x\nr1,s3://lab/a\n", speed=10)
    assert done.returncode == 5
    assert "S3 does not answer any more" in done.stderr
    assert "0 of 1 places were looked at" in done.stderr
    assert "m: inputs: 1 place in S3, 0 looked at\n" in done.stdout


@pytest.mark.long
def test_a_terminal_is_shown_how_far_it_has_come(lab):
    at = lab("HeadObject:throttle=2x")
    rows = "".join(f"r{number},s3://lab/many/{number:04}.fq\n" for number in range(400))
    at.shell.write("m.csv", f"id,parameters.x\n{rows}")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = ["check", "m.csv", "--defaults", "d.yaml", "--online", "--inputs"]
    environment = {**at.shell.environment, **at.to, "TERM": "xterm"}
    process = Born(command, cwd=at.shell.folder, env=environment, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    drawn = read_all(ours)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "400 places in S3: 400 there" in said
    assert "/400" in drawn


def test_the_shipped_simulator_knows_what_a_file_lists(shell: Shell, simulate):
    objects = shell.write("objects.txt", "s3://lab/a\ns3://lab/cold\tDEEP_ARCHIVE\n")
    at = Lab(shell, simulate("--objects", str(objects)))
    done = at.check("id,parameters.x\nr1,s3://lab/a\nr2,s3://lab/cold\nr3,s3://lab/b\n")
    assert done.returncode == 2
    assert "3 places in S3: 1 there, 1 not there, 1 archived" in done.stdout
    refused = shell.run("simulate", "--objects", "nowhere.txt")
    assert refused.returncode == 2
    assert "--objects nowhere.txt: " in refused.stderr


def read_all(terminal: int) -> str:
    drawn = b""
    with open(terminal, "rb", buffering=0) as file:
        while True:
            try:
                piece = file.read(65536)
            except OSError:  # the other side has closed it
                break
            if not piece:
                break
            drawn += piece
    return drawn.decode(errors="replace")


def test_a_sheet_that_batchrun_writes_itself_is_not_looked_for(lab):
    at = lab()
    at.shell.write("s.csv", "sample,r1\nA,s3://lab/a\nA,s3://lab/d/x.fq\n")
    at.shell.write(
        "m.yaml",
        "batch: own\nsheet: s.csv\ngroup_by: sample\nsheet_out: s3://lab/out/{id}.csv\n"
        "each:\n  parameters: {input: '{sheet}', reads: ['{r1}']}\n",
    )
    done = at.shell.run("check", "m.yaml", "--defaults", "d.yaml", "--online", "--inputs", **at.to)
    assert done.returncode == 0, done.stderr
    assert "own: inputs: 2 places in S3: 2 there\n" in done.stdout
    assert "own: skipped: 1 a sheet that batchrun itself writes: s3://lab/out/A-" in done.stdout


def test_texts_unlike_uris_are_told_apart(lab):
    at = lab()
    done = at.check(
        "id,parameters.r1\nS1,s3://lab/a\nS2, s3://lab/nothere\nS3,s3://lab/a \nS4,“s3://lab/nothere”\n"
        "S5,s3://lab/a\u00a0\nS6,S3://lab/nothere\nS7,s3:/lab/nothere\nS8,/mnt/data/nothere.gz\n"
        "S9,gs://lab/nothere\nS10,https://lab.s3.amazonaws.com/nothere\nS11,arn:aws:s3:::lab/nothere\n",
        "--json",
    )
    assert done.returncode == 2
    told, *problems = told_in(done.stdout)
    assert (told["places"], told["seen"]["there"], told["seen"]["missing"]) == (3, 1, 2)
    counts = {why: count for why, count in told["passed_over"].items() if count}
    assert counts == {"other_scheme": 2, "arn": 1, "local_path": 1, "misspelt": 4}
    assert [one["row"] for one in problems] == ["S3", "S5"]
