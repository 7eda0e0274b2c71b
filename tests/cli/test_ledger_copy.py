"""``batchrun ledger copy``, typed by a user."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Shell, end


@pytest.mark.long
def test_a_batch_goes_on_in_the_other_ledger_where_it_stood(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005")
    at = ("--endpoint-url", simulated.url)
    command = ("run", *shell.cohort(4), *at, "--poll-interval", "0.2s")
    running = shell.start(*command, "--rate", "1")
    simulated.wait_for_runs(1)
    held = shell.run("ledger", "copy", "batchrun.db", "team.db")
    assert (held.returncode, "stop that launcher" in held.stderr) == (4, True)
    assert end(running, 15)[0] == 3
    read = shell.run("ledger", "copy", "batchrun.db", "read.db", "--export", "--json")
    told = json.loads(read.stdout)
    assert (read.returncode, told["batch"], told["entries"], told["is_export"]) == (0, "cohort", 4, True)
    moved = shell.run("ledger", "copy", "batchrun.db", "team.db", "--batch", "cohort")
    assert moved.stdout.startswith("cohort: moved, 4 entries and ")
    team = str((shell.folder / "team.db").resolve())
    rebuilding = ("ledger", "rebuild", *shell.cohort(4), *at)
    asked = (("retry", "cohort", "--yes"), ("cancel", "cohort", "--yes"), ("delete", "cohort"))
    for verb in (command, *asked, rebuilding):
        done = shell.run(*verb)
        assert (done.returncode, f"another ledger: give --ledger {team}" in done.stderr) == (
            2,
            True,
        )
    note = f"note: batch 'cohort' went on in another ledger: give --ledger {team}\n"
    for words in ("status cohort", "status", "status --json", "results", "show s000", "outputs", "logs s000"):
        called = at if words.startswith(("outputs", "logs")) else ()
        assert shell.run(*words.split(), *called).stderr.count(note) == 1, words
    assert shell.run(*command, "--ledger", "read.db").returncode == 2
    assert shell.run(*command, "--ledger", "team.db").returncode == 0
    assert simulated.calls("StartRun") == 4
    assert "4 rows: 4 known" in shell.run(*rebuilding, "--ledger", "team.db").stdout
    read = shell.run(*rebuilding, "--ledger", "read.db")
    assert (read.returncode, "to be read alone" in read.stderr) == (2, True)
    assert shell.run("ledger", "verify", "--ledger", "team.db").returncode == 0
    again = shell.run("ledger", "copy", "batchrun.db", "team.db")
    assert (again.returncode, "there is nothing to copy" in again.stderr) == (0, True)


def test_what_cannot_be_copied_is_said(shell: Shell):
    done = shell.run("ledger", "copy", "nowhere.db", "team.db")
    assert (done.returncode, "there is no ledger nowhere.db" in done.stderr) == (2, True)
    assert not (shell.folder / "team.db").exists()
