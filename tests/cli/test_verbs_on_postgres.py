"""What people type says and does the same on a ledger in PostgreSQL as on the file it was copied from."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.cli.conftest import Shell
from tests.postgres.fixtures import database, in_postgres, postgres

pytestmark = pytest.mark.long

__all__ = ["database", "in_postgres", "postgres"]

READING = (
    "status",
    "status cohort --json",
    "status --failed",
    "show s000",
    "show s003 --json",
    "results -o -",
    "results -o - --format jsonl --where status=FAILED",
    "logs s000",
    "outputs",
    "ledger verify",
)
#: Each on what the one before it left.
CHANGING = (
    "retry cohort --yes",
    "status",
    "cancel cohort --yes",
    "results -o - --columns id,status,attempt,runId,statusMessage",
    "retry cohort --yes",
    "status --failed",
)


def stable(said: str) -> str:
    """Leave out what goes by the moment of asking."""
    return re.sub(r'"starts_per_second": [^,]+', "", said)


def test_people_read_and_change_a_batch_in_postgresql_as_one_in_a_file(shell: Shell, simulate, in_postgres):
    simulated = simulate("--time-scale", "0.0002", "--failures", "OUT_OF_MEMORY_ERROR=0.5")
    shell.environment |= {"AWS_ENDPOINT_URL_OMICS": simulated.url, "AWS_ENDPOINT_URL": simulated.url}
    run = ("run", *shell.cohort(6), "--rate", "unlimited", "--poll-interval", "0.2s", "-q")
    assert shell.run(*run).returncode == 1
    shutil.copy(shell.folder / "batchrun.db", shell.folder / "team.db")
    moved = shell.run("ledger", "copy", "team.db", in_postgres)
    assert moved.stdout.startswith("cohort: moved, 6 entries and "), moved.stderr
    for words in (*READING, *CHANGING):
        of_file, of_server = (
            shell.run(*words.split(), BATCHRUN_LEDGER=ledger) for ledger in ("batchrun.db", in_postgres)
        )
        said = stable(of_server.stdout.replace(in_postgres, "batchrun.db"))
        assert said == stable(of_file.stdout), (words, of_server.stderr)
        assert of_server.returncode == of_file.returncode, words
        assert said, words
    shell.environment["BATCHRUN_LEDGER"] = in_postgres
    assert shell.run("report", "cohort", "-o", "cohort.html").returncode == 0
    assert "s005" in (shell.folder / "cohort.html").read_text(encoding="utf-8")
    done = shell.run("delete", "cohort", "--yes", "--where", "status=COMPLETED")
    assert done.returncode == 0, done.stderr
    left = {one["tags"]["batchrun:id"] for one in simulated.state()["runs"] if one["status"] == "DELETED"}
    assert left, simulated.state()["runs"]
    assert shell.run(*run).returncode in {0, 1}
    assert simulated.calls("StartRun") > 6
