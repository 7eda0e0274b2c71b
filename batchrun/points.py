"""Crash points: named places of a launch at which tests kill it.

Belongs here: the names, in the order in which a launch passes them. :func:`reached` does nothing; the crash
harness (``tests/crash``) replaces it in a process of its own. Nothing else may depend on it.
"""

from __future__ import annotations

import enum


class Point(enum.Enum):
    """A crash point, from reading the manifest to the end."""

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
    """Mark that *point* is reached."""
