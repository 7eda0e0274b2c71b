"""What a shell offers when somebody presses Tab, as bash asks for it."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell
from tests.cli.ledgers import IDS, make


@pytest.fixture
def cohort(shell: Shell) -> Shell:
    make(shell.folder, "cohort", "other")
    return shell


def offered(shell: Shell, line: str) -> list[str]:
    """Press Tab at the end of *line*."""
    number = str(len(line.split(" ")) - 1)
    done = shell.run(_BATCHRUN_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=number)
    assert (done.returncode, done.stderr) == (0, "")
    return [word.removeprefix("plain,") for word in done.stdout.split()]


@pytest.mark.parametrize(
    "verb",
    ["status", "results", "retry", "cancel", "delete", "costs", "report", "show x --batch", "run --batch"],
)
def test_batches_are_offered_where_one_is_asked_for(cohort: Shell, verb):
    assert offered(cohort, f"batchrun {verb} co") == ["cohort"]


def test_rows_are_offered_after_commas_too_and_of_the_batch_that_was_named(cohort: Shell):
    assert sorted(offered(cohort, "batchrun show ")) == sorted(IDS)
    assert offered(cohort, "batchrun retry cohort --ids planned,ta") == ["planned,task", "planned,task2"]
    assert offered(cohort, "batchrun show --batch nothing ta") == []


def test_the_ledger_may_be_named_on_the_line_in_the_environment_or_in_a_file(cohort: Shell):
    (cohort.folder / "batchrun.db").rename(cohort.folder / "lab.db")
    assert offered(cohort, "batchrun status ") == []
    assert offered(cohort, "batchrun status --ledger lab.db ") == ["other", "cohort"]
    cohort.write("batchrun.toml", 'ledger = "lab.db"\n')
    assert offered(cohort, "batchrun status co") == ["cohort"]
    cohort.write("batchrun.toml", "ledger = ")
    assert offered(cohort, "batchrun status co") == []
    assert not (cohort.folder / "batchrun.db").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("batchrun results --columns id,taskR", ["id,taskReason"]),
        ("batchrun results --where failureR", ["failureReason="]),
        ("batchrun run coh", ["file,coh"]),
        ("batchrun results -o ", ["file,"]),
        ("batchrun status --ledger ", ["file,"]),
        ("batchrun help exit", ["exit-codes"]),
    ],
)
def test_columns_and_files_are_offered(cohort: Shell, line, words):
    assert offered(cohort, line) == words


def test_a_ledger_that_cannot_be_read_offers_nothing_and_says_nothing(shell: Shell):
    shell.write("batchrun.db", "this is no ledger\n" * 99)
    assert offered(shell, "batchrun status ") == []
