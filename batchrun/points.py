"""
The places at which a launch may die, by name, so that tests can kill it there.

Belongs here: the names, in the order in which a launch passes them. :func:`reached` does nothing; the crash
harness (``tests/crash``) puts a killer in its place, in a process of its own. Nothing else may hang on it.
"""

from __future__ import annotations

import enum


class Point(enum.Enum):
    """A place between reading the manifest and the end."""

    MANIFEST_READ = "manifest read"
    MIGRATING = "migrating the ledger"
    LEDGER_OPENED = "ledger opened"
    CLAIMED = "lease claimed"
    SYNCING = "taking the manifest in"  #: in the middle of the transaction
    SYNCED = "manifest taken in"
    TURN_TAKEN = "turn taken"
    COMMITTING = "in a group commit"  #: after the first step, before the commit
    INTENDED = "intent durable, not sent"
    ANSWERED = "answered, not recorded"
    RECORDED = "answer recorded"
    TAKING_APART = "batch done, rows without a run not settled"
    SEEN = "run looked at, not recorded"
    RENEWING = "renewing the lease"
    WRITING_RESULTS = "results half written"
    RESULTS_WRITTEN = "results written, not in place"
    RELEASING = "releasing the lease"


def reached(point: Point) -> None:
    """Say that *point* is reached."""
