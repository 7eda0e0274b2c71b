"""The other verbs, help, and how the command ends."""

from __future__ import annotations

import json
import subprocess

import click
import pytest

from batchrun.cli import main
from batchrun.cli.exits import Exit
from batchrun.cli.main import cli
from batchrun.errors import (
    AccessDeniedError,
    CredentialsError,
    OutcomeUnknownError,
    RefusedError,
    ThrottledError,
)
from batchrun.version import __version__
from tests.cli.conftest import ROOT, Shell
from tests.nursery import Born, run

SAMPLES = [
    ["manifests/samples.csv", "--defaults", "manifests/samples.defaults.yaml"],
    ["manifests/cohort.yaml"],
    ["manifests/panel.jsonl"],
    ["manifests/native-batch.json"],
]
VERBS = cli.list_commands(None)  # type: ignore[arg-type]


def in_checkout(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run(arguments, cwd=ROOT)


@pytest.mark.long
def test_the_demo_ends_with_a_table_of_results():
    done = in_checkout("demo")
    assert done.returncode == 0, done.stderr
    assert "cohort: 50 succeeded (of 50" in done.stdout
    assert done.stdout.count("COMPLETED") == 10
    assert "... and 40 more rows" in done.stdout


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample[0])
def test_the_samples_are_good(sample):
    done = in_checkout("check", *sample)
    assert done.returncode == 0, done.stderr
    assert "no problems found" in done.stdout


def test_the_bad_sample_shows_a_dozen_problems():
    done = in_checkout("check", "manifests/bad.yaml")
    assert done.returncode == 2
    assert "batchrun: 12 problems; nothing was submitted" in done.stderr


def test_check_in_json():
    done = in_checkout("check", "manifests/cohort.yaml", "--json")
    assert json.loads(done.stdout) == {"message_type": "check", "batch": "cohort", "rows": 50, "problems": 0}


@pytest.mark.parametrize(
    ("kind", "cure"),
    [
        (AccessDeniedError, "allow GetWorkflow ("),
        (CredentialsError, "log in again"),
        (RefusedError, "correct what it names"),
        (OutcomeUnknownError, "run the same command again later"),
        (ThrottledError, "run the same command again later"),
    ],
)
def test_a_call_that_ends_a_verb_is_told_with_a_cure(capsys, kind, cure):
    """Seen: "batchrun: ListRuns: InternalServerException: oops", and nothing else."""
    assert main._end(kind("oops", operation="GetWorkflow", code="OopsException")) == Exit.UNUSABLE
    assert f"batchrun: GetWorkflow: OopsException: oops; {cure}" in capsys.readouterr().err


def test_a_wrong_clock_that_ends_a_verb_is_no_reason_to_log_in(capsys):
    error = CredentialsError("the clock is wrong; set it", operation="GetRun", code="RequestTimeTooSkewed")
    assert main._end(error) == Exit.UNUSABLE
    assert capsys.readouterr().err.endswith("set it; then run the same command again\n")


def test_plan_needs_no_ledger_and_makes_none(shell: Shell):
    done = shell.run("plan", *shell.cohort(20))
    assert done.returncode == 0
    assert "20 new" in done.stdout
    assert "StartRun calls: 20, 4 s at the usual 5 per second" in done.stdout
    assert not (shell.folder / "batchrun.db").exists()


@pytest.mark.parametrize("verb", ["status", "results"])
def test_without_a_ledger_the_reading_verbs_say_so(shell: Shell, verb):
    done = shell.run(verb)
    assert done.returncode == 2
    assert "no ledger at batchrun.db" in done.stderr


def test_status_and_results_of_a_batch_that_is_not_there(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    shell.run("run", *shell.cohort(1), "--endpoint-url", simulated.url, "--detach")
    for verb in ("status", "results"):
        done = shell.run(verb, "nope")
        assert done.returncode == 2
        assert "it has: cohort" in done.stderr
    assert json.loads(shell.run("status", "--json").stdout)["queued"] == 1
    assert shell.run("results", "-o", "-").stdout.startswith("id,status,runId,uuid,runOutputUri,")


def test_version_and_help():
    assert in_checkout("--version").stdout.strip() == f"batchrun {__version__}"
    assert in_checkout("--help").returncode == 0


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_that_teaches(verb):
    done = in_checkout(verb, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 8


@pytest.mark.parametrize("arguments", [["nope"], ["run"], ["run", "--nope"], ["status", "--ledger"]])
def test_wrong_usage_exits_with_two_and_without_a_traceback(arguments):
    done = in_checkout(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_a_closed_pipe_is_met_calmly(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    shell.run("run", *shell.cohort(200), "--endpoint-url", simulated.url, "--detach", "--rate", "unlimited")
    piped = shell.type("batchrun results -o - | head -1")
    assert piped.stdout.count("\n") == 1
    assert piped.stderr == ""


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_shell_completion_is_there(shell: Shell, shell_name):
    done = shell.run(_BATCHRUN_COMPLETE=f"{shell_name}_source")
    assert done.returncode == 0
    assert "_BATCHRUN_COMPLETE" in done.stdout


def test_on_a_terminal_there_is_a_live_display(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005")
    command = ["run", *shell.cohort(5), "--endpoint-url", simulated.url, "--poll-interval", "0.2s"]
    text = shell.on_terminal(*command, COLUMNS="100")
    assert "queued" in text
    assert "succeeded 5" in text
    assert "cohort: 5 succeeded (of 5" in text
    assert "run_accepted" not in text


@pytest.mark.long
def test_a_reader_that_goes_away_does_not_end_the_launch(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005")
    command = ["run", *shell.cohort(30), "--endpoint-url", simulated.url, "--json", "--rate", "30"]
    piped = shell.type(f"{{ batchrun {' '.join(command)}; echo $? > code; }} | head -1")
    assert piped.stdout.count("\n") == 1
    assert (shell.folder / "code").read_text(encoding="utf-8") == "0\n"
    assert len(simulated.state()["runs"]) == 30


def test_problems_of_a_manifest_in_json():
    done = in_checkout("check", "manifests/bad.yaml", "--json")
    problems = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, len(problems)) == (2, 12)
    names = {"message_type", "source", "line", "lines", "column", "row", "field", "message", "cure"}
    assert names | {"count", "also"} == set(problems[0])


def test_a_verb_that_is_nearly_right_is_suggested():
    assert "did you mean 'run'?" in in_checkout("runn").stderr


def test_every_option_that_may_be_repeated_is_one_a_line_in_the_environment():
    context = click.Context(cli)
    found = [
        option
        for verb in VERBS
        if (command := cli.get_command(context, verb)) is not None
        for option in command.params
        if isinstance(option, click.Option) and option.multiple
    ]
    assert len(found) > 10
    assert {option.type.envvar_list_splitter for option in found} == {"\n"}


def test_several_values_in_the_environment_are_one_a_line(shell: Shell):
    role = "arn:aws:iam::123456789012:role/omics"
    sets = f"workflowId=1\nroleArn={role}\noutputUri=s3://b/\nparameters.note=hello world"
    shell.write("plain.csv", "id\na\n")
    assert shell.run("check", "plain.csv", BATCHRUN_SET=sets).returncode == 0


def test_quiet_says_nothing_where_nothing_is_wrong(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    done = shell.run("run", *shell.cohort(2), "--endpoint-url", simulated.url, "--once", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")


@pytest.mark.long
@pytest.mark.parametrize("full", [("stdout",), ("stderr",), ("stdout", "stderr")])
def test_output_that_is_full_changes_neither_the_launch_nor_its_exit_code(shell: Shell, simulate, full):
    simulated = simulate("--time-scale", "0.0005")
    command = ["run", *shell.cohort(5), "--endpoint-url", simulated.url, "--json", "--poll-interval", "0.2s"]
    with open("/dev/full", "w") as device, open("/dev/null", "w") as nothing:  # noqa: PTH123
        out, err = (device if name in full else nothing for name in ("stdout", "stderr"))
        process = Born(command, cwd=shell.folder, env=shell.environment, stdout=out, stderr=err)
    assert process.wait(60) == 0
    assert len(simulated.state()["runs"]) == 5


@pytest.mark.long
@pytest.mark.parametrize("redirect", [">&-", "2>&-"])
def test_output_that_cannot_be_written_changes_neither_the_launch_nor_its_exit_code(
    shell: Shell, simulate, redirect
):
    simulated = simulate("--time-scale", "0.0005")
    command = ["run", *shell.cohort(5), "--endpoint-url", simulated.url, "--json", "--poll-interval", "0.2s"]
    done = shell.type(f"batchrun {' '.join(command)} {redirect}")
    assert done.returncode == 0, done.stderr
    assert len(simulated.state()["runs"]) == 5


@pytest.mark.long
def test_results_that_cannot_be_written_to_stdout_are_an_error(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    shell.run("run", *shell.cohort(200), "--endpoint-url", simulated.url, "--detach", "--rate", "unlimited")
    assert shell.type("batchrun results -o - > /dev/full").returncode == 5
