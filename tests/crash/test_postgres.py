"""
Killed at a point, on a ledger in PostgreSQL: one run per row, and results that agree.

Here the points that a transaction or the lease is about. Nobody on the host tells that a launcher died, so
the next one stands by until the lease is over. ``scripts/crashes postgres`` has all points and both engines,
``python -m tests.crash.team`` launchers on several hosts.
"""

from __future__ import annotations

import pytest

from batchrun.points import Point
from tests.crash.harness import ROWS, attack_alone
from tests.postgres.fixtures import database, in_postgres, postgres

pytestmark = pytest.mark.long

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
def test_killed_on_a_ledger_in_postgres(tmp_path, in_postgres, point, fault):
    aftermath = attack_alone(tmp_path, point, fault, "--standby", "--ledger", in_postgres)
    assert aftermath.runs == ROWS
    assert aftermath.kills >= 1
