"""``batchrun ledger``: a lost ledger is made again, a damaged one is told, from the command line."""

from __future__ import annotations

import json

import apsw

from tests.cli.conftest import Shell, assert_agreement


def lose(shell: Shell) -> None:
    for file in shell.folder.glob("batchrun.db*"):
        file.unlink()


def test_a_deleted_ledger_is_made_again_and_run_starts_nothing_twice(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005")
    manifest, there = shell.cohort(30), ["--endpoint-url", simulated.url, "--rate", "unlimited"]
    assert shell.run("run", *manifest, *there, "--poll-interval", "0.2s").returncode == 0
    before, calls = shell.results(), simulated.calls("StartRun")
    lose(shell)
    rebuilding = ["ledger", "rebuild", *manifest, "--endpoint-url", simulated.url, "--read-rate", "unlimited"]
    done = shell.run(*rebuilding)
    assert done.returncode == 0, done.stderr
    assert "cohort: 30 rows: 30 found" in done.stdout
    assert "COMPLETED       30" in done.stdout
    verified = shell.run("ledger", "verify")
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout == "batchrun.db: 30 entries in 1 batch, 90 events: no problems found\n"
    assert shell.run("run", *manifest, *there).returncode == 0
    assert simulated.calls("StartRun") == calls
    assert shell.results() == before
    assert_agreement(before, simulated)
    again = shell.run(*rebuilding)
    assert again.returncode == 0, again.stderr
    assert "cohort: 30 rows: 30 known" in again.stdout
    assert shell.results() == before


def test_rows_without_a_run_are_told(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1000")
    shell.run("run", *shell.cohort(2), "--endpoint-url", simulated.url, "--detach")
    lose(shell)
    rebuilding = ["ledger", "rebuild", *shell.cohort(3), "--endpoint-url", simulated.url]
    told = shell.run(*rebuilding)
    assert told.returncode == 0
    assert "2 found, 1 missing" in told.stdout
    assert "without a run: s002\nSuch rows are planned, and 'batchrun run' will start them." in told.stdout
    lose(shell)
    facts = json.loads(shell.run(*rebuilding, "--json").stdout)
    assert (facts["rows"], facts["found"], facts["missing"], facts["written"]) == (3, 2, 1, True)
    assert facts["byStatus"] == {"PENDING": 2}
    assert facts["missingIds"] == ["s002"]


def test_changed_rows_stop_it(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1000")
    manifest = shell.cohort(2)
    shell.run("run", *manifest, "--endpoint-url", simulated.url, "--detach")
    lose(shell)
    changed = ["ledger", "rebuild", *manifest, "--set", "priority=5", "--endpoint-url", simulated.url]
    done = shell.run(*changed)
    assert done.returncode == 2
    assert "changed: s000 (run " in done.stdout
    assert "--changed keep" in done.stderr
    assert shell.run("status").stdout == "cohort: no rows (of 0)\n"
    assert shell.run(*changed, "--changed", "keep").returncode == 0
    assert "2 queued" in shell.run("status").stdout


def test_damage_is_told_with_entry_and_cure(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1000")
    shell.run("run", *shell.cohort(3), "--endpoint-url", simulated.url, "--detach")
    connection = apsw.Connection(str(shell.folder / "batchrun.db"))
    connection.execute("UPDATE entries SET run_uuid = 'x\x1b' WHERE id = 's001'")
    connection.close()
    done = shell.run("ledger", "verify")
    assert done.returncode == 5
    (line,) = done.stdout.splitlines()
    assert line.startswith("cohort s001: run has uuid x\\x1b, but its history makes it ")
    assert "the ledger is damaged: 1 problem" in done.stderr
    assert "batchrun ledger rebuild" in done.stderr
    problem, summary = map(json.loads, shell.run("ledger", "verify", "--json").stdout.splitlines())
    assert (problem["message_type"], problem["batch"], problem["id"]) == ("problem", "cohort", "s001")
    assert (summary["message_type"], summary["entries"], summary["problems"]) == ("verify", 3, 1)


def test_without_a_ledger_verify_says_so_and_makes_none(shell: Shell):
    done = shell.run("ledger", "verify")
    assert done.returncode == 2
    assert "no ledger at batchrun.db" in done.stderr
    assert list(shell.folder.iterdir()) == []


def test_a_missing_permission_is_named(shell: Shell, simulate):
    simulated = simulate("--faults", "ListRuns:AccessDeniedException")
    done = shell.run("ledger", "rebuild", *shell.cohort(1), "--endpoint-url", simulated.url)
    assert done.returncode == 5
    assert "allow omics:ListRuns" in done.stderr
    assert "Traceback" not in done.stderr
