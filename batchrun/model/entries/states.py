"""The states of an entry, and what the service's own status words mean to us."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """Where an entry stands. Values are stored text."""

    PLANNED = "planned"  #: known to the ledger; this attempt was never sent
    SUBMITTING = "submitting"  #: the intent is durable; the service may or may not have the run
    BACKOFF = "backoff"  #: the service said "not now" and has no run; the same attempt is sent again when due
    ACTIVE = "active"  #: the run is known and was not seen to end
    SUCCEEDED = "succeeded"  #: the run was seen as COMPLETED
    FAILED = "failed"  #: the run was seen as FAILED
    CANCELLED = "cancelled"  #: the run was seen as CANCELLED
    DELETED = "deleted"  #: the run was removed from the service before its end was seen
    REFUSED = "refused"  #: the service will not start this request; there is no run

    #: Members are unique objects, and Enum's own hash is slow for what every step needs.
    __hash__ = object.__hash__


#: States in which the attempt is still to be submitted.
UNSENT = (State.PLANNED, State.BACKOFF)
#: States of entries that ended without success; a user may give them another attempt.
UNSUCCESSFUL = (State.FAILED, State.CANCELLED, State.DELETED, State.REFUSED)
#: States in which nothing more happens by itself.
ENDED = frozenset({State.SUCCEEDED, *UNSUCCESSFUL})
#: States in which there is work to do.
OPEN = frozenset(State) - ENDED
#: States that hold a slot: the service has, or may have, a run that has not ended.
HOLDS_SLOT = frozenset({State.SUBMITTING, State.ACTIVE})
#: States of an attempt whose run is known.
HAS_RUN = frozenset({State.ACTIVE, State.SUCCEEDED, State.FAILED, State.CANCELLED, State.DELETED})


class Outlook(enum.Enum):
    """What a run's status says about its end."""

    GOING = "going"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REMOVED = "removed"


#: Statuses that are not ends, in the order of a run's life (UG/monitoring-runs). STOPPING precedes every end.
GOING_STATUSES = ("PENDING", "STARTING", "RUNNING", "STOPPING")
#: The statuses in which a run waits in the service's queue; queued is not running.
QUEUED_STATUSES = frozenset({"PENDING"})

#: Invariant: ends are listed positively; a status that is in neither list is not an end.
_ENDS = {
    "COMPLETED": Outlook.COMPLETED,
    "FAILED": Outlook.FAILED,
    "CANCELLED": Outlook.CANCELLED,
    "DELETED": Outlook.REMOVED,
}
#: The statuses that the API documents, in the order of a run's life.
STATUSES = (*GOING_STATUSES, *_ENDS)


def outlook(status: str) -> Outlook:
    """Return what *status* means; an unknown one is not an end."""
    return _ENDS.get(status, Outlook.GOING)


def is_known_status(status: str) -> bool:
    """Report whether *status* is one of the eight that the API documents."""
    return status in STATUSES
