"""``batchrun run DIR``: every manifest of a folder, checked together and launched side by side."""

from __future__ import annotations

import contextlib
import json
import signal

import apsw
import pytest

from batchrun.cli.exits import Exit, worst
from tests.cli.conftest import DEFAULTS, Shell, Simulated, end, until

FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")


def folder(shell: Shell, **rows: int) -> list[str]:
    """Make a folder with a manifest for each name, and return the arguments that name it."""
    (shell.folder / "manifests").mkdir(exist_ok=True)
    shell.write("manifests/defaults.yaml", DEFAULTS)
    for name, count in rows.items():
        lines = "".join(f"{name}-{number}\n" for number in range(count))
        shell.write(f"manifests/{name}.csv", f"id\n{lines}")
    return ["manifests", "--defaults", "manifests/defaults.yaml"]


def launch(shell: Shell, simulated: Simulated, arguments: list[str], *options: str, **environment: str):
    command = ("run", *arguments, "--endpoint-url", simulated.url, *FAST, *options)
    return shell.run(*command, **environment)


def test_each_manifest_becomes_a_batch_with_results_of_its_own(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002")
    done = launch(shell, simulated, folder(shell, b=3, a=2))
    assert done.returncode == 0, done.stderr
    assert "a: 2 succeeded (of 2" in done.stdout
    assert "b: 3 succeeded (of 3" in done.stdout
    assert [row["id"] for row in shell.results("a.results.csv")] == ["a-0", "a-1"]
    assert {row["status"] for row in shell.results("b.results.csv")} == {"COMPLETED"}
    assert len(simulated.state()["runs"]) == 5
    calls = simulated.state()["calls"]
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_REGION": "us-east-1"}
    again = shell.run("run", *folder(shell), **nobody)
    assert again.returncode == 0, again.stderr
    assert "b: 3 succeeded (of 3" in again.stdout
    assert simulated.state()["calls"] == calls


@pytest.mark.long
def test_cron_runs_it_pass_by_pass_and_hears_nothing_while_all_is_well(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005")
    arguments = folder(shell, a=2, b=2)
    first = launch(shell, simulated, arguments, "--once", "-q")
    assert (first.returncode, first.stdout, first.stderr) == (3, "", "")
    until(lambda: all(run["status"] == "COMPLETED" for run in simulated.state()["runs"]))
    folder(shell, c=1)  # a file that somebody has put there meanwhile
    assert launch(shell, simulated, arguments, "--once", "-q").returncode == 3
    until(lambda: all(run["status"] == "COMPLETED" for run in simulated.state()["runs"]))
    assert launch(shell, simulated, arguments, "--once", "-q").returncode == 0
    assert simulated.calls("StartRun") == 5


def test_a_batch_that_takes_long_does_not_keep_the_next_from_being_submitted(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    done = launch(shell, simulated, folder(shell, a=3, b=2), "--deadline", "2s", "--max-active", "1")
    assert done.returncode == 3
    started = sorted(run["tags"]["batchrun:id"] for run in simulated.state()["runs"])
    assert started == ["a-0", "b-0"], "--max-active is each batch's own"
    assert "a: 2 planned" in done.stdout
    assert "b: 1 planned" in done.stdout


def test_all_problems_of_all_come_at_once_and_nothing_is_submitted(shell: Shell, simulate):
    simulated = simulate()
    arguments = folder(shell, good=2)
    shell.write("manifests/x.csv", "id\ntwice\ntwice\n")
    shell.write("manifests/y.yaml", "runs: [{id: z, nonsense: 1}]\n")
    shell.write("manifests/z.yaml", "batch: good\nruns: [{id: z}]\n")
    done = launch(shell, simulated, arguments, "--json")
    assert done.returncode == 2
    for name in ("x.csv", "y.yaml", "z.yaml"):
        assert f"manifests/{name}" in done.stderr
    assert "3 problems; nothing was submitted" in done.stderr
    assert [json.loads(line)["message_type"] for line in done.stdout.splitlines()] == ["problem"] * 3
    assert not simulated.state()["runs"]
    assert not (shell.folder / "batchrun.db").exists()


def test_a_folder_is_checked_as_a_whole(shell: Shell):
    arguments = folder(shell, one=2, two=3)
    done = shell.run("check", *arguments)
    assert (done.returncode, done.stdout) == (
        0,
        "one: 2 rows, no problems found\ntwo: 3 rows, no problems found\n",
    ), done.stderr
    planned = shell.run("plan", *arguments, "--json")
    assert [json.loads(line)["batch"] for line in planned.stdout.splitlines()] == ["one", "two"]
    shell.write("manifests/bad.csv", "id,retentionMode\nx,MAYBE\n")
    done = shell.run("check", *arguments, "--json")
    assert done.returncode == 2
    assert [json.loads(line)["source"] for line in done.stdout.splitlines()] == ["manifests/bad.csv"]
    refused = shell.run("check", *arguments, "--online")
    assert (refused.returncode, "--online is for one manifest" in refused.stderr) == (2, True)


@pytest.mark.long
def test_changed_rows_of_one_batch_keep_all_from_being_submitted(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    assert launch(shell, simulated, folder(shell, a=1), "--detach").returncode == 3
    shell.write("manifests/a.csv", "id,parameters.x\na-0,other\n")
    arguments = folder(shell, b=1)
    refused = launch(shell, simulated, arguments, "--detach")
    assert refused.returncode == 2
    assert "nothing was submitted" in refused.stderr
    assert "a: 1 row has changed" in refused.stderr
    assert simulated.calls("StartRun") == 1
    assert launch(shell, simulated, arguments, "--detach", "--changed", "keep").returncode == 3
    assert simulated.calls("StartRun") == 2


def test_a_batch_that_another_launcher_holds_is_told_and_passed_over(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005")
    arguments = folder(shell, a=1, b=1)
    slow = simulate("--time-scale", "1")
    defaults = ("--defaults", "manifests/defaults.yaml")
    other = shell.start("run", "manifests/a.csv", *defaults, "--endpoint-url", slow.url)
    slow.wait_for_runs(1)
    done = launch(shell, simulated, arguments, "--json")
    assert done.returncode == 4
    assert "batch 'a' is held by" in done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["batch"] for one in told if one["message_type"] == "held"] == ["a"]
    assert [one["batch"] for one in told if one["message_type"] == "summary"] == ["b"]
    assert [run["tags"]["batchrun:batch"] for run in simulated.state()["runs"]] == ["b"]
    assert launch(shell, simulated, arguments, "-q").stderr == ""
    assert end(other, signal.SIGTERM)[0] == 3


def test_the_first_signal_drains_all_batches(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    launcher = shell.start("run", *folder(shell, a=2, b=2), "--endpoint-url", simulated.url)
    simulated.wait_for_runs(4)
    code, said = end(launcher, signal.SIGINT)
    assert code == 3
    assert "Traceback" not in said
    assert said.count("stopping on SIGINT") == 1
    for name in ("a", "b"):
        assert {row["status"] for row in shell.results(f"{name}.results.csv")} <= {"PENDING", "STARTING"}


def test_the_second_signal_leaves_all_at_once(shell: Shell, simulate):
    simulated = simulate("--faults", "StartRun:hang_after")
    launcher = shell.start("run", *folder(shell, a=1, b=1), "--endpoint-url", simulated.url)
    simulated.wait_for_runs(2)
    launcher.send_signal(signal.SIGTERM)
    assert launcher.stdout is not None
    while "stopping" not in launcher.stdout.readline():
        pass
    code, said = end(launcher, signal.SIGTERM)
    assert code == 3
    assert "Traceback" not in said
    assert {row["status"] for row in shell.results("b.results.csv")} == {"SUBMITTING"}


def test_a_service_that_cannot_be_used_is_told_once(shell: Shell, simulate):
    simulated = simulate("--faults", "*:UnrecognizedClientException")
    done = launch(shell, simulated, folder(shell, a=1, b=1))
    assert done.returncode == 5
    assert done.stderr.count("does not accept the AWS credentials") == 1
    assert "Traceback" not in done.stderr


def test_what_ends_one_batch_early_does_not_end_the_others(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.001")
    launcher = shell.start("run", *folder(shell, a=1, b=1), "--endpoint-url", simulated.url, *FAST)
    simulated.wait_for_runs(2)
    (shell.folder / "a.results.csv").mkdir()
    code, said = end(launcher)
    assert code == 5
    assert said.count("the results cannot be written: a.results.csv cannot be written: it is not a file") == 1
    assert "b: 1 succeeded (of 1" in said
    assert "Traceback" not in said


@pytest.mark.long
def test_a_batch_that_is_taken_over_is_let_go_of_and_the_others_go_on(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.005")
    command = ("run", *folder(shell, a=1, b=1), "--endpoint-url", simulated.url, *FAST, "--lease", "1s")
    launcher = shell.start(*command)
    simulated.wait_for_runs(2)
    with contextlib.closing(apsw.Connection(str(shell.folder / "batchrun.db"))) as connection:
        connection.set_busy_timeout(10_000)
        connection.execute(
            "UPDATE leases SET fence = fence + 1, holder = 'elsewhere:1'"
            " WHERE batch = (SELECT key FROM batches WHERE name = 'a')"
        )
    code, said = end(launcher)
    assert code == 4
    assert "elsewhere:1" in said
    assert "Traceback" not in said
    assert "b: 1 succeeded (of 1" in said
    assert not (shell.folder / "a.results.csv").exists(), "they are the other launcher's now"


@pytest.mark.parametrize(
    ("options", "environment", "told"),
    [
        (("--batch", "x"), {}, "--batch is for one manifest"),
        (("--results", "x.csv"), {}, "--results is for one manifest"),
        (("--format", "csv"), {}, "--format is for one manifest"),
        ((), {"AWS_REGION": "", "AWS_CONFIG_FILE": "nothing"}, "a, b: no AWS region is set"),
    ],
)
def test_what_makes_no_sense_for_a_folder_is_refused(shell: Shell, options, environment, told):
    done = shell.run("run", *folder(shell, a=1, b=1), *options, **environment)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_folder_is_told(shell: Shell):
    (shell.folder / "empty").mkdir()
    done = shell.run("run", "empty")
    assert done.returncode == 2
    assert "there is no manifest in this folder" in done.stderr


def test_work_that_is_left_outweighs_failures_that_can_be_told_later():
    assert worst([Exit.OK, Exit.SOME_FAILED, Exit.WORK_LEFT]) is Exit.WORK_LEFT
    assert worst([Exit.HELD, Exit.SOME_FAILED]) is Exit.HELD
    assert worst([Exit.WORK_LEFT, Exit.UNUSABLE, Exit.HELD]) is Exit.UNUSABLE
    assert [worst([code]) for code in Exit] == list(Exit)
    assert worst(list(Exit)) is Exit.DEFECT
    assert worst([Exit.HELD_BACK, Exit.WORK_LEFT, Exit.HELD, Exit.SOME_FAILED]) is Exit.HELD_BACK
    assert worst([Exit.HELD_BACK, Exit.INPUT]) is Exit.INPUT


def test_the_batch_that_is_held_back_decides_the_folders_exit_code(shell: Shell, simulate):
    simulated = simulate("--faults", "StartRun:ValidationException@a-a-*", "--time-scale", "1")
    arguments = folder(shell, a=3, b=2)
    done = launch(shell, simulated, arguments, "--once", "--stop-after", "1", "--concurrency", "1")
    assert done.returncode == 6
    assert "a: 2 planned, 1 refused (of 3" in done.stdout
