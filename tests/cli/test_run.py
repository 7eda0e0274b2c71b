"""``batchrun run`` as its users run it: in a subprocess, with signals, files and exit codes."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests.cli.conftest import DEFAULTS, Shell, assert_agreement, end, kill, pause, recorded, until

FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")


def test_from_manifest_to_results_and_again(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002")
    command = ("run", *shell.cohort(40), "--endpoint-url", simulated.url, *FAST)
    first = shell.run(*command)
    assert first.returncode == 0, first.stderr
    assert "cohort: 40 succeeded (of 40" in first.stdout
    assert_agreement(shell.results(), simulated)
    calls = simulated.state()["calls"]
    again = shell.run(*command)
    assert again.returncode == 0
    assert simulated.state()["calls"] == calls


def test_runs_that_fail_are_told_and_exit_with_one(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002", "--failures", "RUN_TASK_FAILED=1")
    done = shell.run("run", *shell.cohort(3), "--endpoint-url", simulated.url, *FAST)
    assert done.returncode == 1
    assert "3 failed" in done.stdout
    (told,) = [line for line in done.stdout.splitlines() if line.startswith("  FAILED s000 (run ")]
    assert ") RUN_TASK_FAILED: task step_2 OUT_OF_MEMORY_ERROR: The task's container exited" in told
    assert {row["failureReason"] for row in shell.results()} == {"RUN_TASK_FAILED"}
    status = shell.run("status", "--failed")
    assert "FAILED RUN_TASK_FAILED: 3 rows" in status.stdout
    assert "s002 (run " in status.stdout


def test_the_first_signal_ends_in_good_order_and_the_same_command_goes_on(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.01")
    command = ("run", *shell.cohort(60), "--endpoint-url", simulated.url, "--rate", "20")
    launcher = shell.start(*command)
    simulated.wait_for_runs(10)
    code, said = end(launcher, signal.SIGINT)
    assert code == 3
    assert "Run the same command again to continue" in said
    assert "Traceback" not in said
    assert simulated.calls("CancelRun") == 0
    assert {row["status"] for row in shell.results()} <= {"PLANNED", "PENDING", "STARTING", "RUNNING"}
    simulated.stop()


def test_the_second_signal_leaves_at_once(shell: Shell, simulate):
    simulated = simulate("--faults", "StartRun:hang_after")
    launcher = shell.start("run", *shell.cohort(1), "--endpoint-url", simulated.url)
    simulated.wait_for_runs(1)
    launcher.send_signal(signal.SIGTERM)
    assert launcher.stdout is not None
    while "stopping" not in launcher.stdout.readline():
        pass
    begun = time.monotonic()
    code, said = end(launcher, signal.SIGTERM)
    assert code == 3
    assert time.monotonic() - begun < 5
    assert "Traceback" not in said
    assert {row["status"] for row in shell.results()} == {"SUBMITTING"}


@pytest.mark.long
@pytest.mark.parametrize("runs", [1, 7, 20])
def test_killed_in_the_middle_and_started_again_there_is_one_run_per_row(shell: Shell, simulate, runs):
    simulated = simulate(
        "--time-scale", "0.0005", "--faults", "StartRun:drop_after=0.2,StartRun:error_after=0.2"
    )
    command = ("run", *shell.cohort(25), "--endpoint-url", simulated.url, *FAST[2:], "--rate", "30")
    launcher = shell.start(*command)
    simulated.wait_for_runs(runs)
    kill(launcher)
    done = shell.run(*command)
    assert done.returncode == 0, done.stderr
    assert_agreement(shell.results(), simulated)


def test_a_second_launcher_is_kept_off_and_makes_no_call(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    command = ("run", *shell.cohort(3), "--endpoint-url", simulated.url)
    first = shell.start(*command)
    simulated.wait_for_runs(3)
    second = shell.run(*command)
    assert second.returncode == 4
    assert "is held by" in second.stderr
    assert simulated.calls("StartRun") == 3
    assert end(first, signal.SIGTERM)[0] == 3


def test_a_second_launcher_is_kept_off_by_whichever_name_of_the_ledger(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    command = ("run", *shell.cohort(3), "--endpoint-url", simulated.url)
    first = shell.start(*command)
    simulated.wait_for_runs(3)
    (shell.folder / "elsewhere").mkdir()
    (shell.folder / "elsewhere" / "other.db").hardlink_to(shell.folder / "batchrun.db")
    again = (*command, "--ledger", "elsewhere/other.db")
    second = shell.run(*again)
    assert second.returncode == 4
    assert f"is in use by its other name {shell.folder / 'batchrun.db'}" in second.stderr
    kill(first)
    third = shell.run(*again)
    assert (third.returncode, f"give --ledger {shell.folder / 'batchrun.db'}" in third.stderr) == (2, True)
    assert simulated.calls("StartRun") == 3
    assert shell.run(*command, "--once").returncode == 3
    assert shell.run(*again, "--once").returncode == 3
    assert simulated.calls("StartRun") == 3


@pytest.mark.long
@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_a_launcher_that_was_paused_past_its_lease_stops_and_changes_nothing(shell: Shell, simulate, quiet):
    simulated = simulate("--time-scale", "1")
    command = ("run", *shell.cohort(6), "--endpoint-url", simulated.url, "--lease", "1s", "--rate", "2")
    paused = shell.start(*command, *quiet)
    simulated.wait_for_runs(2)
    # An answer that is not recorded when it is paused would be asked for again, by the same requestId.
    until(lambda: recorded(shell.folder / "batchrun.db", "accepted") >= 2)
    pause(paused, shell.folder / "batchrun.db")
    until(lambda: shell.run(*command, "--once", "--rate", "unlimited").returncode == 3)
    assert simulated.calls("StartRun") == 6
    looks = simulated.calls("GetRun")
    written = (shell.folder / "cohort.results.csv").stat()
    paused.send_signal(signal.SIGCONT)
    code, said = end(paused)
    assert code == 4
    assert "Traceback" not in said
    assert said == "" if quiet else "was taken over by" in said
    assert len(simulated.state()["runs"]) == 6
    assert simulated.calls("StartRun") == 6
    assert simulated.calls("GetRun") <= looks + 1  # one may have been on its way when it was paused
    assert (shell.folder / "cohort.results.csv").stat() == written


def test_cells_that_look_like_formulas_are_defused_on_request(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    shell.write("defaults.yaml", DEFAULTS)
    shell.write("evil.csv", "id,name\n=1+1,@SUM(A1)\n")
    command = ("run", "evil.csv", "--defaults", "defaults.yaml", "--endpoint-url", simulated.url, "--detach")
    assert shell.run(*command, "--safe-csv").returncode == 3
    (row,) = shell.results("evil.results.csv")
    assert (row["id"], row["name"]) == ("'=1+1", "'@SUM(A1)")
    assert shell.run("results").returncode == 0
    assert shell.results("evil.results.csv")[0]["id"] == "=1+1"


def test_too_many_failures_stop_the_submission(shell: Shell, simulate):
    simulated = simulate("--faults", "StartRun:ValidationException")
    done = shell.run(
        "run", *shell.cohort(30), "--endpoint-url", simulated.url, "--stop-after", "10%", "--rate", "5"
    )
    assert done.returncode == 6
    assert "Too many have failed (--stop-after), so no more are submitted" in done.stdout
    assert "to go on" not in done.stdout, "nothing goes on by itself"
    assert simulated.calls("StartRun") < 10
    assert "unless those that failed are too many" in shell.run("status", "cohort").stdout
    shell.run("cancel", "cohort", "--pending", "--yes")
    assert "nothing is left to do" in shell.run("status", "cohort").stdout


@pytest.mark.long
@pytest.mark.parametrize("how", [("--once",), ("--detach",), ("--deadline", "0.5s"), ("--once", "-q")])
def test_a_launch_that_is_held_back_says_so_whatever_else_ends_it(shell: Shell, simulate, how):
    """One row is refused, one runs on, and the others wait: cron must not take that for "go on"."""
    simulated = simulate("--faults", "StartRun:ValidationException@cohort-s000", "--time-scale", "1")
    command = ("run", *shell.cohort(5), "--endpoint-url", simulated.url, *FAST)
    assert shell.run(*command, "--once", "--max-active", "1").returncode == 3
    held = shell.run(*command, *how, "--stop-after", "1")
    assert held.returncode == 6
    assert "submission_stopped" in held.stderr
    assert "-q" in how or "The same command only watches active runs" in held.stdout
    assert simulated.calls("StartRun") == 2
    assert shell.run(*command, "--once").returncode == 3
    assert simulated.calls("StartRun") == 5


def test_once_says_how_things_stand(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005")
    command = ("run", *shell.cohort(5), "--endpoint-url", simulated.url, "--once", *FAST)
    assert shell.run(*command).returncode == 3
    until(lambda: all(run["status"] == "COMPLETED" for run in simulated.state()["runs"]))
    assert shell.run(*command).returncode == 0
    assert simulated.calls("StartRun") == 5
    assert_agreement(shell.results(), simulated)


def test_detach_and_deadline_leave_work(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    manifest = shell.cohort(4)
    detached = shell.run("run", *manifest, "--endpoint-url", simulated.url, "--detach", *FAST)
    assert (detached.returncode, simulated.calls("GetRun")) == (3, 0)
    limited = shell.run("run", *manifest, "--endpoint-url", simulated.url, "--deadline", "0.5s", *FAST)
    assert limited.returncode == 3
    assert simulated.calls("StartRun") == 4


def test_changed_rows_are_refused_unless_the_user_says_what_to_do(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0001")
    command = ("run", *shell.cohort(3), "--endpoint-url", simulated.url, *FAST)
    assert shell.run(*command).returncode == 0
    path = shell.folder / "cohort.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("x1", "y1"), encoding="utf-8")
    refused = shell.run(*command)
    assert refused.returncode == 2
    assert "s001" in refused.stderr
    assert "--changed keep" in refused.stderr
    assert shell.run(*command, "--changed", "keep").returncode == 0
    assert simulated.calls("StartRun") == 3
    assert shell.run(*command, "--changed", "resubmit").returncode == 0
    assert simulated.calls("StartRun") == 4
    assert [row["attempt"] for row in shell.results()] == ["1", "2", "1"]
    assert shell.run("results", "--format", "jsonl").returncode == 0
    lines = (shell.folder / "cohort.results.jsonl").read_text(encoding="utf-8").splitlines()
    assert [len(json.loads(line)["attempts"]) for line in lines] == [0, 1, 0]


def test_json_lines_are_one_object_each_and_nothing_else_is_on_stdout(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0001")
    done = shell.run("run", *shell.cohort(3), "--endpoint-url", simulated.url, "--json", *FAST)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert messages[-1]["message_type"] == "summary"
    assert (messages[-1]["succeeded"], messages[-1]["total"]) == (3, 3)
    events = [message["event"] for message in messages if message["message_type"] == "step"]
    assert events.count("intended") == events.count("accepted") == events.count("completed") == 3


def test_a_manifest_may_come_from_stdin(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0001")
    shell.write("defaults.yaml", DEFAULTS)
    done = shell.run(
        "run",
        "-",
        "--format",
        "csv",
        "--batch",
        "piped",
        "--defaults",
        "defaults.yaml",
        "--endpoint-url",
        simulated.url,
        *FAST,
        stdin="id\na\nb\n",
    )
    assert done.returncode == 0, done.stderr
    assert len(shell.results("piped.results.csv")) == 2


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("id,priority\na,high\n", "priority"),
        ("id\na\na\n", "on line 2 already"),
        ("id,outputUri\na,/mnt/x\n", "outputUri"),
        ("id,tag.x\na,1\n", "tag.x"),
        ("id,priority\na,1,2\n", "bad.csv:2: 3 cells"),
        ("", "empty"),
    ],
)
def test_a_bad_manifest_calls_nothing_and_touches_no_ledger(shell: Shell, simulate, manifest, words):
    simulated = simulate()
    shell.write("defaults.yaml", DEFAULTS)
    shell.write("bad.csv", manifest)
    done = shell.run("run", "bad.csv", "--defaults", "defaults.yaml", "--endpoint-url", simulated.url)
    assert done.returncode == 2
    assert words in done.stderr
    assert "nothing was submitted" in done.stderr
    assert "Traceback" not in done.stderr
    assert simulated.state()["calls"] == {}
    assert not (shell.folder / "batchrun.db").exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--once", "--detach"), 2, "cannot be combined"),
        (("--rate", "fast"), 2, "is not a rate"),
        (("--rate", "0"), 2, "is not a rate"),
        (("--deadline", "soon"), 2, "is not a duration"),
        (("--results", "x.pdf"), 2, "must end in .csv, .json or .jsonl"),
        (("--results", "no/such/x.csv"), 2, "--results"),
        (("--ledger", "."), 2, "ledger"),
        (("--ledger", "cohort.csv"), 2, "cohort.csv"),
        (("--max-active", "0"), 2, "--max-active"),
        (("--profile", "nobody"), 2, "nobody"),
        (("--endpoint-url", "http://127.0.0.1:9"), 5, "no usable answer from http://127.0.0.1:9"),
    ],
)
def test_what_cannot_work_is_told_with_a_cure(shell: Shell, options, code, words):
    done = shell.hastened(20, "run", *shell.cohort(2), "--endpoint-url", "http://127.0.0.1:9", *options)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_batch_stays_in_its_region(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    command = ("run", *shell.cohort(1), "--endpoint-url", simulated.url, "--detach")
    assert shell.run(*command).returncode == 3
    elsewhere = shell.run(*command, "--region", "eu-west-1")
    assert elsewhere.returncode == 2
    assert "--region us-east-1" in elsewhere.stderr


def test_options_can_be_set_in_the_environment(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    done = shell.run(
        "run", *shell.cohort(1), "--endpoint-url", simulated.url, BATCHRUN_DETACH="1", BATCHRUN_BATCH="named"
    )
    assert done.returncode == 3
    assert len(shell.results("named.results.csv")) == 1


def test_no_credential_is_ever_shown_or_stored(shell: Shell, simulate):
    simulated = simulate(
        "--time-scale", "0.0001", "--faults", "StartRun:SignatureDoesNotMatch=1x,*:error_before=0.3"
    )
    secret = "a-secret-that-must-not-be-seen"
    done = shell.run(
        "run",
        *shell.cohort(5),
        "--endpoint-url",
        simulated.url,
        "-vv",
        *FAST,
        AWS_SECRET_ACCESS_KEY=secret,
        AWS_SESSION_TOKEN=f"token-{secret}",
    )
    everything = done.stdout + done.stderr
    everything += "".join(
        path.read_bytes().decode(errors="replace") for path in shell.folder.iterdir() if path.is_file()
    )
    assert secret not in everything
    assert "call_failed" in everything


def test_results_do_not_replace_what_is_read(shell: Shell, simulate):
    simulated = simulate()
    cohort = shell.cohort(1, "cohort.results.csv")
    done = shell.run("run", *cohort, "--batch", "cohort", "--endpoint-url", simulated.url)
    assert done.returncode == 2
    assert "give another --results" in done.stderr
    assert simulated.state()["calls"] == {}
    assert "s000" in (shell.folder / "cohort.results.csv").read_text(encoding="utf-8")


def _said(stderr: str) -> list[tuple[str, str, str]]:
    """The words for people on stderr, of which each line is an object."""
    lines = [json.loads(line) for line in stderr.splitlines()]
    assert all(line["timestamp"] and line["level"] for line in lines)
    return [(line["level"], line["event"], line["message"]) for line in lines if line["event"] == "said"]


def test_each_line_of_stderr_is_json_where_the_log_is_whatever_happens(shell: Shell, simulate):
    json_too = {"BATCHRUN_LOG_FORMAT": "json"}
    simulated = simulate("--time-scale", "0.0002")
    command = ("run", *shell.cohort(2), "--endpoint-url", simulated.url, *FAST)
    assert _said(shell.run(*command, **json_too).stderr) == []
    (taken_over,) = _said(shell.run(*command, "--ledger", "new.db", **json_too).stderr)
    assert taken_over[0] == "info"
    assert "2 rows already had their runs" in taken_over[2]
    refused = shell.run("run", "no.yaml", **json_too)
    assert refused.returncode == 2
    assert _said(refused.stderr)[0][:2] == ("error", "said")
    assert "no.yaml" in _said(refused.stderr)[0][2]
    nothing = shell.run("status", "--ledger", "nowhere.db", **json_too)
    assert [level for level, _, _ in _said(nothing.stderr)] == ["error"]
    planned = shell.run(
        "plan", *shell.cohort(3), "--online", *command[-2 - len(FAST) : -len(FAST)], **json_too
    )
    assert planned.returncode == 0
    assert [level for level, _, _ in _said(planned.stderr)] == ["warning"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--log-format", "json", "--nosuch"], "No such option '--nosuch'"),
        (["--nosuch", "--log-format=json", "m.csv"], "No such option '--nosuch'"),
        (["--log-format", "json", "m.csv", "--rate", "abc"], "'abc' is not a rate"),
        (["--log-format", "json", "m.csv", "--rate"], "'--rate' requires an argument"),
    ],
)
def test_a_wrong_call_is_told_in_json_too(shell: Shell, words: list[str], told: str):
    variable = {"BATCHRUN_LOG_FORMAT": "json"}
    without = [word for word in words if word not in {"--log-format", "json", "--log-format=json"}]
    for done in (shell.run("run", *words), shell.run("run", *without, **variable)):
        ((level, _, message),) = _said(done.stderr)
        assert (done.returncode, level) == (2, "error")
        assert told in message
