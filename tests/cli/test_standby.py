"""Launchers that stand by: the real command, in processes of their own."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from batchrun.ledger.place import open_ledger
from tests.cli.conftest import Shell, end, pause, recorded, until


def heard(process, words: str) -> None:
    """Read on to the line that has these words."""
    while words not in (line := process.stdout.readline()):
        assert line, f"it ended without saying '{words}'"


@pytest.mark.long
def test_one_of_two_takes_over_with_the_manifest_of_then_and_the_other_waits(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    at = ("--endpoint-url", simulated.url, "--rate", "unlimited", "--poll-interval", "0.2s", "--standby")
    first = shell.start("run", *shell.cohort(3), *at, "--lease", "1s")
    simulated.wait_for_runs(3)
    # An answer that is not recorded when it is paused would be asked for again, by the same requestId.
    until(lambda: recorded(shell.folder / "batchrun.db", "accepted") >= 3)
    second = shell.start("run", *shell.cohort(3), *at)
    heard(second, "standing by")
    shell.cohort(4)
    pause(first, shell.folder / "batchrun.db")
    simulated.wait_for_runs(4)
    first.send_signal(signal.SIGCONT)
    heard(first, "standing by")
    assert shell.run("cancel", "cohort", "--yes", *at[:2]).returncode == 0
    assert (end(first)[0], end(second)[0]) == (1, 1)
    assert simulated.calls("StartRun") == 4


def test_the_wait_ends_with_a_signal_or_the_deadline(shell: Shell, simulate):
    simulated = simulate()
    command = ("run", *shell.cohort(1), "--endpoint-url", simulated.url, "--standby", "--json")

    async def held():
        async with await open_ledger(shell.folder / "batchrun.db") as ledger:
            now = datetime.now(UTC)
            await ledger.open_batch("cohort", region="us-east-1", at=now)
            batch = await ledger.hold("cohort", holder="other:1", ttl=timedelta(days=1), at=now)
            await anyio.to_thread.run_sync(_wait_in_vain)
            await batch.release()

    def _wait_in_vain():
        waiting = shell.start(*command)
        heard(waiting, '"standby"')
        code, said = end(waiting, signal.SIGINT)
        assert (code, "stopped waiting on SIGINT; nothing was submitted" in said) == (3, True)
        late = shell.run(*command, "--deadline", "0.001s")
        assert (late.returncode, json.loads(late.stdout)["holder"]) == (3, "other:1")
        assert late.stderr.count("standing by; other:1 holds the batch") == 1
        assert (quiet := shell.run(*command[:-1], "-q", "--deadline", "0.001s")).stderr == quiet.stdout == ""

    anyio.run(held)
    assert simulated.calls("StartRun") == 0


@pytest.mark.parametrize("other", ["--once", "--detach"])
def test_who_stands_by_stays(shell: Shell, other):
    done = shell.run("run", *shell.cohort(1), "--standby", other)
    assert (done.returncode, "cannot be combined" in done.stderr) == (2, True)


def test_the_manifest_must_be_readable_again_and_be_one(shell: Shell):
    done = shell.run("run", "-", "--format", "csv", "--standby", stdin="id\na\n")
    assert (done.returncode, "standard input cannot be" in done.stderr) == (2, True)
    shell.cohort(1)
    done = shell.run("run", ".", "--standby")
    assert (done.returncode, "--standby is for one manifest" in done.stderr) == (2, True)
