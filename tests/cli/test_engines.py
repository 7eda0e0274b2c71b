"""``--engine``: what is refused before anything is sent, what is planned, and how rows stand meanwhile."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell
from tests.cli.test_json import held

WHY_STOPPED = "StartRunBatch cannot start 2 rows; give --engine auto, which sends such rows by StartRun"
ITS_PACE = "which the service then submits at its own pace"


def mixed(shell: Shell) -> list[str]:
    """Write a manifest with two rows that StartRunBatch cannot start; return the arguments that name it."""
    arguments = shell.cohort(3)
    shell.write("cohort.csv", "id,workflowType,runId,priority\na,,,1\nb,READY2RUN,,1\nc,,7654321,1\n")
    return arguments


@pytest.mark.parametrize("verb", ["run", "check"])
def test_rows_that_cannot_go_together_are_told_with_their_lines(shell, verb):
    done = shell.run(verb, *mixed(shell), "--engine", "batch")
    assert done.returncode == 2
    why = "StartRunBatch cannot start this row"
    assert f"cohort.csv:3 (id b): {why}: its workflow is a Ready2Run one; give --engine auto" in done.stderr
    assert f"cohort.csv:4 (id c): {why}: it copies a run (runId); give --engine auto" in done.stderr
    assert "2 problems; nothing was submitted" in done.stderr
    assert not (shell.folder / "batchrun.db").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--batch-rows", "101"], "give --batch-settings s3://BUCKET/PREFIX/"),
        (["--no-tags"], "--engine batch and --no-tags cannot be combined"),
        (["--batch-settings", "lab"], "'lab' is not a folder in S3: this is not how"),
    ],
)
def test_options_that_cannot_be_meant(shell, options, said):
    done = shell.run("run", *shell.cohort(3), "--engine", "batch", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (shell.folder / "batchrun.db").exists()


def test_check_says_of_a_good_manifest_which_way_its_rows_may_go(shell):
    arguments = mixed(shell)
    done = shell.run("check", *arguments, "--engine", "auto")
    assert done.returncode == 0
    assert "cohort: 3 rows, no problems found\n" in done.stdout
    assert "  1 row: its workflow is a Ready2Run one (b)\n" in done.stdout
    shell.write("cohort.csv", "id\na\nb\n")
    (told,) = held(shell.run("check", *arguments, "--engine", "batch", "--json").stdout)
    assert (told["engine"], told["rows_together"], told["rows_alone"]) == ("batch", 2, [])
    assert shell.run("check", *arguments, "--engine", "batch", "--batch-rows", "101").returncode == 2


def test_check_looks_at_the_rows_of_a_folder_for_the_engine_too(shell):
    arguments = mixed(shell)
    folder = shell.folder / "night"
    folder.mkdir()
    (shell.folder / "cohort.csv").rename(folder / "cohort.csv")
    done = shell.run("check", "night", *arguments[1:], "--engine", "batch")
    assert done.returncode == 2
    assert "night/cohort.csv:3 (id b): StartRunBatch cannot start this row" in done.stderr


def test_plan_says_which_way_each_row_would_go(shell):
    arguments = mixed(shell)
    done = shell.run("plan", *arguments, "--engine", "batch")
    assert done.stdout.splitlines()[1:7] == [
        f"  run stops: {WHY_STOPPED}",
        "to submit: 3, to settle: 0, to watch: 0",
        "StartRun calls: 0, 0 s at the usual 5 per second",
        f"StartRunBatch calls: 1, 1 s at 1 per second, for 1 row, {ITS_PACE}",
        "not by StartRunBatch: 2 rows",
        "  1 row: its workflow is a Ready2Run one (b)",
    ]
    (told,) = held(shell.run("plan", *arguments, "--engine", "auto", "--json").stdout)
    assert (told["engine"], told["stop"], told["start_run_calls"]) == ("auto", None, 3)
    assert (told["start_run_batch_calls"], told["rows_together"]) == (0, 0)
    assert [(one["why"], one["ids"]) for one in told["rows_alone"]] == [
        ("its workflow is a Ready2Run one", ["b"]),
        ("it copies a run (runId)", ["c"]),
        ("fewer than 100 are alike", ["a"]),
    ]
    assert shell.run("plan", *arguments, "--engine", "auto", "--batch-rows", "101").returncode == 2


@pytest.mark.long
def test_rows_that_are_with_the_service_are_said_to_be(shell, simulate):
    simulated = simulate("--limits", "*=unlimited,StartRun=0.001", "--time-scale", "0.001")
    shell.environment["AWS_ENDPOINT_URL_OMICS"] = simulated.url
    arguments = [*shell.cohort(3), "--engine", "batch"]
    done = shell.run("run", *arguments, "--detach")
    assert done.returncode == 3
    assert (
        "3 left. 3 rows are with the service, in 1 run batch: it continues to start them. Run the"
        in done.stdout
    )
    assert (simulated.calls("StartRunBatch"), simulated.calls("GetBatch")) == (1, 0)
    assert "  together  3 rows are with the service, in 1 run batch\n" in shell.run("status", "cohort").stdout
    (told,) = held(shell.run("status", "cohort", "--json").stdout)
    assert (told["with_service"], told["run_batches"]) == (3, 1)
    (told,) = held(shell.run("plan", *arguments, "--json").stdout)
    assert (told["start_run_calls"], told["with_service"], told["run_batches"]) == (0, 3, 1)
    *_, summary = held(shell.run("run", *arguments, "--detach", "--json").stdout)
    assert summary["submitting"] == summary["with_service"] >= 2  # it has asked: one may have its run


def test_the_usual_engine_says_what_it_always_said(shell):
    arguments = mixed(shell)
    assert (
        shell.run("plan", *arguments).stdout == shell.run("plan", *arguments, "--engine", "startrun").stdout
    )
    (told,) = held(shell.run("plan", *arguments, "--json").stdout)
    assert not {"engine", "rows_alone", "with_service"} & told.keys()


def test_a_row_that_changed_keeps_its_run_where_that_is_asked_for(shell, simulate):
    simulated = simulate("--time-scale", "0.0005")
    shell.environment["AWS_ENDPOINT_URL_OMICS"] = simulated.url
    arguments = [*shell.cohort(3), "--engine", "batch", "--poll-interval", "0.2s"]
    assert shell.run("run", *arguments, "--detach").returncode == 3
    manifest = shell.folder / "cohort.csv"
    manifest.write_text(manifest.read_text().replace("x1", "y1"))
    assert shell.run("run", *arguments).returncode == 2
    done = shell.hastened(10, "run", *arguments, "--changed", "keep")
    assert done.returncode == 0
    assert [row["changed"] for row in shell.results()] == ["", "true", ""]
    assert (simulated.calls("StartRunBatch"), len(simulated.state()["runs"])) == (1, 3)


@pytest.mark.long
def test_a_batch_that_cannot_be_cancelled_yet_is_cancelled_as_soon_as_it_can(shell, simulate):
    simulated = simulate("--limits", "*=unlimited,StartRun=0.001", "--time-scale", "2")
    shell.environment["AWS_ENDPOINT_URL_OMICS"] = simulated.url
    arguments = [*shell.cohort(3), "--engine", "batch"]
    assert shell.run("run", *arguments, "--detach").returncode == 3
    assert simulated.state()["batches"][0]["status"] == "CREATING"
    simulated.script("CancelRunBatch:ConflictException=1x")
    done = shell.hastened(20, "cancel", "cohort", "--yes", "--listing-lag", "0s")
    assert (done.returncode, done.stdout.splitlines()[-2]) == (0, "cohort: 3 cancelled")
    assert simulated.calls("CancelRunBatch") == 2
    assert not simulated.state()["runs"]
    assert "put off" not in shell.run("status", "cohort").stdout


def test_rows_whose_batch_may_not_be_looked_for_are_held_and_told(shell, simulate):
    simulated = simulate("--faults", "StartRunBatch:drop_after=1x,ListBatch:AccessDeniedException")
    shell.environment["AWS_ENDPOINT_URL_OMICS"] = simulated.url
    arguments = [*shell.cohort(3), "--engine", "batch"]
    done = shell.run("run", *arguments)
    assert done.returncode == 5
    assert "allow omics:ListBatch" in done.stderr
    done = shell.hastened(10, "run", *arguments, "--trust-ledger")
    assert done.returncode == 3
    assert "of 3 rows it is not known yet whether the service has them" in done.stdout.lower()
    assert "allow omics:ListBatch and run the same command again" in done.stderr
    (row, *_) = shell.results()
    assert (row["status"], row["runId"]) == ("SUBMITTING", "")
    assert "looking for the batch is denied" in row["statusMessage"]
    assert simulated.calls("StartRunBatch") == 1
