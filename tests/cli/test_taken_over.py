"""Runs that another ledger started: what a launch says of those that it took over, however it ends."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shell

pytestmark = pytest.mark.long

FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s", "--listing-lag", "0.2s")
TAKEN_OVER = "cohort: 9 rows already had their runs at the service, created "


@pytest.mark.parametrize("way", ["-q", "--json"])
def test_rows_that_were_taken_over_are_told_also_where_another_row_ends_the_launch(
    shell: Shell, simulate, way
):
    simulated = simulate("--time-scale", "0.0002")
    first = ("run", *shell.cohort(10), "--endpoint-url", simulated.url, *FAST)
    assert shell.run(*first, "-q").returncode == 0
    manifest = shell.folder / "cohort.csv"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("x5", "x5-mended"), encoding="utf-8")
    theirs = (*first, "--ledger", "theirs.db", way)

    refused = shell.run(*theirs)
    assert refused.returncode == 2
    assert refused.stderr.count("taken over, not started again") == 1
    taken, error = (
        refused.stderr.index(TAKEN_OVER),
        refused.stderr.index("batchrun: the service has runs of 1 row "),
    )
    assert taken < error
    assert simulated.calls("StartRun") == 10

    assert shell.run(*theirs, "--changed", "resubmit").returncode == 0
    assert simulated.calls("StartRun") == 11
