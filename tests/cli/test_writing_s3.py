"""Results, reports and manifests of failed rows to ``s3://BUCKET/KEY``: the command, against such an S3."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import DEFAULTS, Shell
from tests.cli.elsewhere import S3
from tests.cli.test_manifest import rows_of
from tests.cli.test_sheets import FAST

ROWS = "id\nA\nB\n"
MARK = "x-amz-meta-batchrun"


@pytest.fixture
def s3(shell: Shell, elsewhere) -> S3:
    made: S3 = elsewhere.s3()
    shell.environment["AWS_ENDPOINT_URL_S3"] = made.url
    shell.write("lab.yaml", DEFAULTS)
    shell.write("cohort.csv", ROWS)
    return made


@pytest.fixture
def ran(shell: Shell, s3: S3, simulate) -> Shell:
    """Return a folder with a batch that has ended: A succeeded, B failed."""
    failing = ("--fail-first", "cohort-B=9:RUN_TASK_FAILED")
    url = simulate("--time-scale", "0.0002", *failing).url
    done = shell.run("run", "cohort.csv", "--defaults", "lab.yaml", "--endpoint-url", url, *FAST)
    assert done.returncode == 1, done.stderr
    assert s3.calls == 0
    return shell


@pytest.mark.long
@pytest.mark.parametrize(
    ("ending", "content_type"),
    [
        ("csv", "text/csv"),
        ("json", "application/json"),
        ("jsonl", "application/x-ndjson"),
        ("parquet", "application/vnd.apache.parquet"),
    ],
)
def test_results_are_the_same_as_in_a_file_and_are_replaced(
    ran: Shell, s3: S3, ending: str, content_type: str
):
    key, local = f"out/r.{ending}", ran.folder / f"r.{ending}"
    for _ in range(2):
        done = ran.run("results", "-o", f"s3://lab/{key}")
        assert (done.returncode, done.stdout) == (0, f"s3://lab/{key}: 2 rows\n"), done.stderr
    assert ran.run("results", "-o", local.name).returncode == 0
    assert s3.written[key] == local.read_bytes()
    assert s3.headers[key]["Content-Type"] == content_type
    assert s3.calls == 4
    # Results in one format are not those in another, and are no report.
    done = ran.run("results", "-o", f"s3://lab/{key}", "--format", "csv" if ending != "csv" else "json")
    assert done.returncode == 2
    assert s3.written[key] == local.read_bytes()


def test_a_report(ran: Shell, s3: S3):
    done = ran.run("report", "-o", "s3://lab/r.html")
    assert (done.returncode, done.stdout) == (0, "s3://lab/r.html: 2 rows\n"), done.stderr
    assert s3.written["r.html"].startswith(b"<!DOCTYPE html>")
    assert s3.headers["r.html"]["Content-Type"] == "text/html"


def test_a_manifest_of_what_failed_is_replaced_by_force_alone(ran: Shell, s3: S3):
    command = ("results", "--failed-manifest", "s3://lab/again.yaml")
    assert ran.run(*command).returncode == 0
    s3.contents["again.yaml"] = s3.written["again.yaml"]
    checked = ran.run("check", "s3://lab/again.yaml")
    assert checked.stdout == "again: 1 row, no problems found\n", checked.stderr
    done = ran.run(*command)
    assert done.returncode == 2
    assert "s3://lab/again.yaml exists already; give --force to replace it" in done.stderr
    assert ran.run(*command, "--force").returncode == 0
    none = ran.run("results", "--failed-manifest", "s3://lab/none.csv", "--where", "id=C")
    assert (none.returncode, "none.csv" in s3.written) == (0, False)
    assert "s3://lab/none.csv was not written" in none.stderr


def test_a_launch_leaves_its_results_there_and_says_so(shell: Shell, s3: S3, simulate):
    url = simulate("--time-scale", "0.0002").url
    command = (
        "run",
        "cohort.csv",
        "--defaults",
        "lab.yaml",
        "--results",
        "s3://lab/r.csv",
        "--endpoint-url",
        url,
    )
    done = shell.run(*command, *FAST)
    assert done.returncode == 0, done.stderr
    assert "results: s3://lab/r.csv" in done.stdout
    assert s3.written["r.csv"].count(b"COMPLETED") == 2
    assert not list(shell.folder.glob("*results*"))
    again = shell.run(*command, *FAST, "--json")
    assert json.loads(again.stdout.splitlines()[-1])["results"] == "s3://lab/r.csv"


def test_a_failure_after_a_launch_ends_with_5_and_the_ledger_has_everything(shell: Shell, s3: S3, simulate):
    url = simulate("--time-scale", "0.0002").url
    place = ("--results", "s3://secret/r.csv", "--endpoint-url", url, "--on-end", "cat > told.json")
    done = shell.run("run", "cohort.csv", "--defaults", "lab.yaml", *place, *FAST)
    assert done.returncode == 5
    assert done.stdout.startswith("cohort: 2 succeeded (of 2")
    assert "results:" not in done.stdout
    assert "s3://secret/r.csv cannot be written: PutObject: AccessDenied" in done.stderr
    assert "allow s3:PutObject there; nothing is lost" in done.stderr
    assert "'batchrun results cohort -o s3://secret/r.csv' writes it" in done.stderr
    assert json.loads((shell.folder / "told.json").read_text())["exit_code"] == 5
    assert [row["status"] for row in rows_of(shell.run("results", "-o", "-").stdout)] == ["COMPLETED"] * 2
    assert shell.run("results", "cohort", "-o", "s3://lab/r.csv").returncode == 0
    assert s3.written["r.csv"].count(b"COMPLETED") == 2


def test_what_ended_a_launch_is_told_before_that_its_results_were_not_written(shell: Shell, s3: S3, simulate):
    simulated = simulate("--faults", "StartRun:AccessDeniedException")
    s3.failures = 1000
    place = ("--results", "s3://lab/r.csv", "--endpoint-url", simulated.url)
    done = shell.hastened(10, "run", "cohort.csv", "--defaults", "lab.yaml", *place, *FAST)
    assert done.returncode == 5
    assert "results_not_written" in done.stderr
    assert "AccessDenied" in done.stderr.splitlines()[-1]


@pytest.mark.long
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("s3://lab", "s3://lab: the name must end in .csv"),
        ("s3://lab/", "s3://lab/: the name must end in .csv"),
        ("s3://lab/r.txt", "s3://lab/r.txt: the name must end in .csv, .json or .jsonl"),
        (
            "s3://La_b/r.csv",
            "s3://La_b/r.csv cannot be written: no bucket has such a name; write s3://BUCKET/KEY",
        ),
        ("s3:/lab/r.csv", "s3:/lab/r.csv cannot be written: this is not how a place in S3 is written"),
        ("s3://lab/../r.csv", "s3://lab/../r.csv cannot be written: no file in S3 should have such a key"),
        (
            "s3://lab/in/cohort.csv",
            "s3://lab/in/cohort.csv is not replaced: it is read by this command",
        ),
        ("s3://lab/in/d.json", "s3://lab/in/d.json is not replaced: it is read by this command"),
        ("s3://lab/data.csv", "s3://lab/data.csv is not replaced: what is there is not results in CSV"),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_anything_is_submitted(
    shell: Shell, s3: S3, simulate, place: str, said: str
):
    simulated = simulate()
    s3.contents |= {"in/cohort.csv": ROWS.encode(), "data.csv": b"theirs"}
    s3.contents["in/d.json"] = json.dumps({"workflowId": "1234567"}).encode()
    batch = ("s3://lab/in/cohort.csv", "--defaults", "lab.yaml", "--defaults", "s3://lab/in/d.json")
    done = shell.run("run", *batch, "--results", place, "--endpoint-url", simulated.url, *FAST)
    assert done.returncode == 2
    assert said in done.stderr
    assert not simulated.state()["runs"]
    assert not (shell.folder / "batchrun.db").exists()
    assert not s3.written


def test_a_manifest_that_a_ledger_knows_is_never_replaced(shell: Shell, s3: S3, simulate):
    url = simulate("--time-scale", "0.0002").url
    s3.contents["in/cohort.csv"] = ROWS.encode()
    batch = ("s3://lab/in/cohort.csv", "--defaults", "lab.yaml")
    assert shell.run("run", *batch, "--endpoint-url", url, *FAST).returncode == 0
    for options in (["-o"], ["--force", "--failed-manifest"]):
        done = shell.run("results", *options, "s3://lab/in/cohort.csv")
        assert done.returncode == 2
        assert "it is the manifest of a batch" in done.stderr
    assert not s3.written


def test_what_may_not_be_looked_at_is_written_but_not_replaced(ran: Shell, s3: S3):
    assert ran.run("results", "-o", "s3://unseen/r.csv").returncode == 0
    first = s3.written["r.csv"]
    done = ran.run("results", "-o", "s3://unseen/r.csv", "--columns", "id")
    assert done.returncode == 2
    assert "exists already, and cannot be read to see what it is: allow s3:GetObject" in done.stderr
    assert s3.written["r.csv"] == first


def test_a_lost_answer_is_no_failure(ran: Shell, s3: S3):
    s3.lost_answers = 1
    done = ran.run("results", "-o", "s3://lab/r.csv")
    assert done.returncode == 0, done.stderr
    assert s3.written["r.csv"].startswith(b"id,status")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("s3://nowhere/r.csv", "PutObject: NoSuchBucket"),
        (
            "s3://lost/r.csv",
            "PutObject: PermanentRedirect: S3 was asked elsewhere (the bucket is in eu-central-1)",
        ),
    ],
)
def test_what_s3_does_not_take_is_one_line_and_5(ran: Shell, place: str, said: str):
    done = ran.run("results", "-o", place)
    assert done.returncode == 5
    assert f"batchrun: {place} cannot be written: {said}" in done.stderr
    assert done.stderr.endswith("once that is fixed, the same command writes it\n")
    assert len(done.stderr.splitlines()) == 1


def test_cancel_leaves_results_there(shell: Shell, s3: S3, simulate):
    url = simulate("--time-scale", "1").url
    batch = ("cohort.csv", "--defaults", "lab.yaml", "--endpoint-url", url)
    assert shell.run("run", *batch, "--detach", *FAST).returncode == 3
    s3.contents["data.csv"] = b"theirs"
    refused = shell.run("cancel", "--yes", "--results", "s3://lab/data.csv", "--endpoint-url", url)
    assert (refused.returncode, "is not replaced" in refused.stderr) == (2, True)
    done = shell.run("cancel", "--yes", "--results", "s3://lab/r.csv", "--endpoint-url", url)
    assert done.returncode == 0, done.stderr
    assert "results: s3://lab/r.csv" in done.stdout
    assert s3.written["r.csv"].count(b"CANCELLED") == 2


def test_a_settings_file_that_merely_lies_there_writes_nothing_to_s3(ran: Shell, s3: S3):
    ran.write("batchrun.toml", '[run]\nresults = "s3://lab/r.csv"\n')
    batch = ("run", "cohort.csv", "--defaults", "lab.yaml")
    done = ran.run(*batch)
    assert done.returncode == 2
    assert "writes outside this folder, to s3://lab/r.csv" in done.stderr
    assert not s3.written
    assert ran.run("--config", "batchrun.toml", *batch).returncode == 1
    assert list(s3.written) == ["r.csv"]


@pytest.mark.parametrize(
    "command",
    [
        ("manifest", "convert", "cohort.csv", "--defaults", "lab.yaml", "-o", "s3://lab/m.yaml"),
        ("costs", "-o", "s3://lab/costs.csv"),
        ("run", "cohort.csv", "--defaults", "lab.yaml", "--metrics-file", "s3://lab/m.prom"),
    ],
)
def test_what_goes_to_files_alone_says_so(ran: Shell, s3: S3, command: tuple[str, ...]):
    done = ran.run(*command)
    assert done.returncode == 2
    assert "is a place in S3, where this is not written; give another" in done.stderr
    assert not s3.written
