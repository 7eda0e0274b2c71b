"""Rows that are DELETED although their runs are there, as people meet them: retry, delete, verify."""

from __future__ import annotations

import contextlib
import json
from datetime import timedelta
from typing import Any

import anyio
import apsw
import pytest

from batchrun.clock import SystemClock
from batchrun.ledger import open_ledger
from batchrun.model.entries.events import Removed
from tests.cli.conftest import Shell, Simulated, assert_agreement, until
from tests.ledger.samples import move

PACE = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")
#: Whoever may not list takes three answers for the truth; here they follow on each other.
BLIND = "ListRuns:AccessDeniedException,GetRun:ResourceNotFoundException@*-s000=3x"


def begun(shell: Shell, simulate: Any, *options: str, rows: int = 2) -> tuple[Simulated, tuple[str, ...]]:
    """Start runs without watching them, and return the command that did."""
    simulated = simulate(*options)
    command = ("run", *shell.cohort(rows), "--endpoint-url", simulated.url, *PACE, "--listing-lag", "0s")
    assert shell.run(*command, "--detach").returncode == 3
    return simulated, command


def mistake(shell: Shell) -> None:
    """Have the ledger say of the first run, which is there, that it was deleted."""

    async def record() -> None:
        async with await open_ledger(shell.folder / "batchrun.db") as ledger:
            at = SystemClock().utcnow()
            held = await ledger.hold("cohort", holder="test:1", ttl=timedelta(seconds=30), at=at)
            await move(held, "s000", Removed(at=at, message="404"))
            await held.release()

    anyio.run(record)


@pytest.mark.long
def test_retry_refuses_while_the_run_goes_on_and_gives_it_its_row_back(shell, simulate):
    simulated, command = begun(shell, simulate, "--time-scale", "0.01")
    simulated.script(BLIND)
    assert shell.run(*command, "--once").returncode == 3
    assert "not found  2" in shell.run("show", "s000").stdout
    for _ in range(2):
        assert shell.run(*command, "--once").returncode in {1, 3}
    assert shell.results()[0]["status"] == "DELETED"
    retry = ("retry", "--endpoint-url", simulated.url)
    looked = shell.run(*retry, "--dry-run")
    assert "s000; would be given back to its row" in looked.stderr
    assert shell.run("results").returncode == 0
    assert shell.results()[0]["status"] == "DELETED"
    done = shell.run(*retry, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["ids"], said["reappeared"], said["unknown"]) == ([], ["s000"], {})
    assert "found again" in done.stderr
    assert shell.run(*command).returncode == 0
    assert_agreement(shell.results(), simulated)
    story = shell.run("show", "s000").stdout
    assert (
        story.index("missed") < story.index("removed") < story.index("reappeared") < story.index("completed")
    )
    assert shell.run("ledger", "verify").returncode == 0


def test_retry_leaves_alone_what_has_succeeded_after_all(shell, simulate):
    simulated, command = begun(shell, simulate, "--time-scale", "0.0002", rows=3)
    mistake(shell)
    ended = next(run["id"] for run in simulated.state()["runs"] if run["tags"]["batchrun:id"] == "s000")
    until(lambda: {run["status"] for run in simulated.state()["runs"]} == {"COMPLETED"})
    done = shell.run("retry", "--yes", "--json", "--endpoint-url", simulated.url)
    assert (json.loads(done.stdout)["ids"], json.loads(done.stdout)["reappeared"]) == ([], ["s000"])
    assert shell.run(*command).returncode == 0
    assert shell.results()[0]["runId"] == ended
    assert_agreement(shell.results(), simulated)


def test_retry_starts_what_is_gone_and_what_failed_after_all(shell, simulate):
    failures = ("--failures", "WORKFLOW_RUN_FAILED=1")
    simulated, _ = begun(shell, simulate, "--time-scale", "0.0002", *failures)
    mistake(shell)
    until(lambda: {run["status"] for run in simulated.state()["runs"]} == {"FAILED"})
    done = shell.run("retry", "--yes", "--json", "--endpoint-url", simulated.url)
    assert (json.loads(done.stdout)["ids"], json.loads(done.stdout)["reappeared"]) == (["s000"], ["s000"])
    again = shell.run("retry", "--yes", "--json", "--endpoint-url", simulated.url)
    assert json.loads(again.stdout)["ids"] == []


def test_retry_leaves_out_what_nobody_can_tell(shell, simulate):
    simulated, _ = begun(shell, simulate, "--time-scale", "0.004")
    mistake(shell)
    done = shell.run("retry", "--yes", "--json", "--endpoint-url", simulated.url, "--region", "eu-west-1")
    assert done.returncode == 2
    assert "has its runs in us-east-1" in done.stderr
    simulated.script("GetRun:ValidationException@*-s000")
    done = shell.run("retry", "--yes", "--json", "--endpoint-url", simulated.url)
    assert done.returncode == 3
    assert json.loads(done.stdout)["ids"] == []
    assert list(json.loads(done.stdout)["unknown"]) == ["s000"]
    assert "left out: s000: ValidationException" in done.stderr


def test_delete_looks_first_and_deletes_what_has_ended_after_all(shell, simulate):
    simulated, _ = begun(shell, simulate, "--time-scale", "0.0002")
    mistake(shell)
    until(lambda: {run["status"] for run in simulated.state()["runs"]} == {"COMPLETED"})
    done = shell.run("delete", "--yes", "--json", "--endpoint-url", simulated.url)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["runIds"]) == 1  # nobody has seen the other one end
    assert sorted(run["status"] for run in simulated.state()["runs"]) == ["COMPLETED", "DELETED"]
    shell.run("results")
    assert shell.results()[0]["status"] == "COMPLETED"


def test_delete_looks_once_more_for_what_is_not_there(shell, simulate):
    simulated = simulate("--time-scale", "0.0002")
    assert shell.run("run", *shell.cohort(2), "--endpoint-url", simulated.url, *PACE).returncode == 0
    simulated.script("GetRun:ResourceNotFoundException@*-s000=1x")
    delete = ("delete", "--yes", "--endpoint-url", simulated.url, "--listing-lag", "1s")
    done = shell.run(*delete)
    assert done.returncode == 0, done.stderr
    assert "1 run is not there: checking again in 1 s" in done.stderr
    assert "2 runs deleted" in done.stdout
    assert {run["status"] for run in simulated.state()["runs"]} == {"DELETED"}


def test_an_old_copy_of_the_ledger_is_held_against_the_service(shell, simulate):
    simulated, command = begun(shell, simulate, "--time-scale", "0.0002", rows=4)
    mistake(shell)
    until(lambda: {run["status"] for run in simulated.state()["runs"]} == {"COMPLETED"})
    verify = ("ledger", "verify", "--online", "--endpoint-url", simulated.url)
    simulated.script("GetRun:ResourceNotFoundException@*-s003=1x,ListRuns:AccessDeniedException=1x")
    done = shell.run(*verify)
    assert done.returncode == 3
    assert "4 entries in 1 batch" in done.stdout
    assert "cohort: 2 ended since, 1 not there, 1 found again" in done.stdout
    assert "ended since: 2 COMPLETED; 'batchrun run' records it" in done.stdout
    assert "not there: s003; 'batchrun run' looks again" in done.stdout
    assert "found again, COMPLETED: the run of s000; given back to its row" in done.stderr
    again = shell.run(*verify, "--json", "cohort")
    told = [json.loads(line) for line in again.stdout.splitlines()]
    assert [one["message_type"] for one in told] == ["verify", "online"]
    assert (told[1]["ended"], told[1]["missing"], told[1]["reappeared"]) == ({"COMPLETED": 3}, [], [])
    assert shell.run(*command).returncode == 0
    assert_agreement(shell.results(), simulated)
    settled = shell.run(*verify)
    assert (settled.returncode, settled.stderr) == (0, "")
    assert "nothing to compare" in settled.stdout


def test_only_what_is_sound_is_held_against_the_service(shell, simulate):
    simulated, _ = begun(shell, simulate, "--time-scale", "1")
    verify = ("ledger", "verify", "--online", "--endpoint-url", simulated.url)
    assert "cohort: 2 active" in shell.run(*verify).stdout
    elsewhere = shell.run(*verify, "--region", "eu-west-1")
    assert elsewhere.returncode == 2
    assert "has its runs in us-east-1" in elsewhere.stderr
    alone = shell.run("ledger", "verify", "cohort")
    assert alone.returncode == 2
    assert "give --online" in alone.stderr
    with contextlib.closing(apsw.Connection(str(shell.folder / "batchrun.db"))) as connection:
        connection.execute("UPDATE entries SET run_uuid = 'x' WHERE id = 's001'")
    calls = simulated.calls("GetRun")
    assert shell.run(*verify).returncode == 5
    assert simulated.calls("GetRun") == calls
