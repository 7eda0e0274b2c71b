"""A batch that has ended is told again from the ledger: no client, no credentials, no network, no call."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Shell, Simulated

FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")
#: An environment in which no call could be made.
NOBODY = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_REGION": ""}


def launch(shell: Shell, simulated: Simulated, arguments: list[str], *options: str):
    return shell.run("run", *arguments, "--endpoint-url", simulated.url, *FAST, *options)


@pytest.fixture
def simulated(simulate) -> Simulated:
    made: Simulated = simulate("--time-scale", "0.0002")
    return made


def test_it_needs_neither_credentials_nor_region_nor_network(shell: Shell, simulated: Simulated):
    cohort = shell.cohort(3)
    assert launch(shell, simulated, cohort).returncode == 0
    first = (shell.folder / "cohort.results.csv").read_bytes()
    (shell.folder / "cohort.results.csv").unlink()
    simulated.stop()
    again = shell.run("run", *cohort, **NOBODY)
    assert again.returncode == 0, again.stderr
    assert "cohort: 3 succeeded (of 3" in again.stdout
    assert (shell.folder / "cohort.results.csv").read_bytes() == first


def test_it_is_told_to_programs_as_ever(shell: Shell, simulated: Simulated):
    cohort = shell.cohort(2)
    told = [
        launch(shell, simulated, cohort, "--json").stdout.splitlines()[-1],
        shell.run("run", *cohort, "--json", **NOBODY).stdout,
    ]
    first, again = (json.loads(line) for line in told)
    assert first.keys() - {"left", "throttled"} == again.keys() - {"left", "throttled"}
    assert (again["message_type"], again["stop"], again["succeeded"]) == ("summary", "finished", 2)


@pytest.mark.long
@pytest.mark.parametrize("folder", [False, True])
def test_warnings_of_its_manifest_are_told_again(shell: Shell, simulated: Simulated, folder):
    _, *defaults = shell.cohort(2)
    (shell.folder / "sheets").mkdir()
    shell.write("sheets/cohort.csv", "id,parameters.threads\na,16\n")
    arguments = ["sheets" if folder else "sheets/cohort.csv", *defaults]
    told = [launch(shell, simulated, arguments, "--json") for _ in range(2)]
    for lines in (told[0].stderr, told[0].stdout), (told[1].stderr, told[1].stdout):
        assert "'16' looks like a number" in lines[0]
        assert '"message_type": "warning"' in lines[1]


def test_it_makes_no_call(shell: Shell, simulated: Simulated):
    cohort = shell.cohort(3)
    launch(shell, simulated, cohort)
    calls = simulated.state()["calls"]
    for options in ((), ("--once",), ("--detach",), ("--changed", "resubmit")):
        assert launch(shell, simulated, cohort, *options).returncode == 0
    assert simulated.state()["calls"] == calls


def test_failures_are_told_and_exit_with_one(shell: Shell, simulate):
    cohort = shell.cohort(2)
    launch(shell, simulate("--time-scale", "0.0002", "--failures", "RUN_TASK_FAILED=1"), cohort)
    again = shell.run("run", *cohort, **NOBODY)
    assert again.returncode == 1
    assert "2 failed" in again.stdout
    assert "RUN_TASK_FAILED" in (shell.folder / "cohort.results.csv").read_text(encoding="utf-8")


def test_the_results_follow_the_manifest_when_its_rows_move_or_leave(shell: Shell, simulated: Simulated):
    cohort = shell.cohort(3)
    launch(shell, simulated, cohort)
    shell.write("cohort.csv", "id,parameters.sample\ns002,x2\ns000,x0\n")
    again = shell.run("run", *cohort, **NOBODY)
    assert again.returncode == 0
    assert "rows_gone" in again.stderr
    assert [row["id"] for row in shell.results()] == ["s002", "s000", "s001"]


def test_a_new_row_is_run(shell: Shell, simulated: Simulated):
    launch(shell, simulated, shell.cohort(2))
    cohort = shell.cohort(3)
    assert shell.run("run", *cohort, **NOBODY).returncode == 5
    assert "2 succeeded (of 2)" in shell.run("status").stdout, "rows were taken in that nobody can run"
    assert launch(shell, simulated, cohort).returncode == 0
    assert simulated.calls("StartRun") == 3


def test_a_row_that_comes_back_unsent_is_run(shell: Shell, simulated: Simulated):
    both = shell.cohort(2)
    assert launch(shell, simulated, both, "--detach", "--max-active", "1").returncode == 3
    assert launch(shell, simulated, shell.cohort(1)).returncode == 0
    assert simulated.calls("StartRun") == 1
    assert launch(shell, simulated, shell.cohort(2)).returncode == 0
    assert simulated.calls("StartRun") == 2


def test_changed_rows_are_refused_as_ever(shell: Shell, simulated: Simulated):
    cohort = shell.cohort(1)
    launch(shell, simulated, cohort)
    shell.write("cohort.csv", "id,parameters.sample\ns000,other\n")
    again = launch(shell, simulated, cohort)
    assert again.returncode == 2
    assert "--changed keep" in again.stderr


def test_it_is_not_taken_for_one_of_another_region(shell: Shell, simulated: Simulated):
    cohort = shell.cohort(1)
    launch(shell, simulated, cohort)
    config = shell.write("config", "[profile lab]\nregion = eu-west-1\n")
    for options, environment in (
        (("--region", "eu-west-1"), {}),
        ((), {"AWS_REGION": "eu-west-1"}),
        (("--profile", "lab"), {"AWS_REGION": "", "AWS_CONFIG_FILE": str(config)}),
    ):
        elsewhere = shell.run("run", *cohort, "--endpoint-url", simulated.url, *options, **environment)
        assert elsewhere.returncode == 2, elsewhere.stderr
        assert "--region us-east-1" in elsewhere.stderr


def test_a_profile_that_does_not_exist_is_told(shell: Shell, simulated: Simulated):
    cohort = shell.cohort(1)
    launch(shell, simulated, cohort)
    again = shell.run("run", *cohort, "--profile", "nobody", AWS_REGION="")
    assert again.returncode == 2
    assert "nobody" in again.stderr
    assert "Traceback" not in again.stderr
