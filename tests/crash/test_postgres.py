"""
Killed at a point, on a ledger in PostgreSQL: one run per row, and results that agree.

Here the points that a transaction or the lease is about. Nobody on the host tells that a launcher died, so
the next one stands by until the lease is over. ``python -m tests.crash.team`` has launchers on several hosts.
"""

from __future__ import annotations

import pytest

from batchrun.points import Point
from tests.crash.harness import FAULTS, ROWS, ServedApart, Victim, killed_twice
from tests.postgres.fixtures import database, in_postgres, postgres

__all__ = ["database", "in_postgres", "postgres"]


@pytest.mark.parametrize(
    ("point", "fault"),
    [
        (Point.SYNCING, "nothing"),
        (Point.COMMITTING, "lost answers"),
        (Point.ANSWERED, "500 after the commit"),
    ],
    ids=lambda one: one.name.lower() if isinstance(one, Point) else one,
)
def test_killed_on_a_ledger_in_postgres(tmp_path, in_postgres, monkeypatch, point, fault):
    monkeypatch.setenv("BATCHRUN_LEDGER", in_postgres)
    served = ServedApart(tmp_path, FAULTS[fault])
    try:
        victim = Victim(tmp_path, served, ROWS, "--standby")
        aftermath = killed_twice(victim, served, point, is_old=False)
    finally:
        served.stop()
    assert aftermath.runs == ROWS
    assert aftermath.kills >= 1
