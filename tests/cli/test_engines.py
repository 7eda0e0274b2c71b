"""``batchrun run --engine``: what is refused before anything is sent."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell


def mixed(shell: Shell) -> list[str]:
    """Write a manifest with two rows that StartRunBatch cannot start; return the arguments that name it."""
    arguments = shell.cohort(3)
    shell.write("cohort.csv", "id,workflowType,runId\na,,\nb,READY2RUN,\nc,,7654321\n")
    return arguments


def test_rows_that_cannot_go_together_are_told_with_their_lines(shell):
    done = shell.run("run", *mixed(shell), "--engine", "batch")
    assert done.returncode == 2
    why = "StartRunBatch cannot start this row"
    assert f"cohort.csv:3 (id b): {why}: its workflow is a Ready2Run one; give --engine auto" in done.stderr
    assert f"cohort.csv:4 (id c): {why}: it copies a run (runId); give --engine auto" in done.stderr
    assert "2 problems; nothing was submitted" in done.stderr
    assert not (shell.folder / "batchrun.db").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--batch-rows", "101"], "give --batch-settings s3://BUCKET/PREFIX/"),
        (["--no-tags"], "--engine batch and --no-tags cannot be combined"),
        (["--batch-settings", "lab"], "'lab' is not a folder in S3: this is not how"),
    ],
)
def test_options_that_cannot_be_meant(shell, options, said):
    done = shell.run("run", *shell.cohort(3), "--engine", "batch", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (shell.folder / "batchrun.db").exists()
