"""
The states of a batch and of its rows, and how long the service takes over those that do not depend on runs.

What does not belong here: what moves a batch from one to the next (``batch_course``).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from batchrun.simulator.lifecycle import Span


class BatchStatus(enum.StrEnum):
    """The eleven states of the API."""

    CREATING = "CREATING"  #: accepted, and not to be touched yet
    PENDING = "PENDING"  #: its rows are read and looked through
    SUBMITTING = "SUBMITTING"  #: its rows become runs, one after the other
    INPROGRESS = "INPROGRESS"  #: every row was tried; runs go on
    STOPPING = "STOPPING"  #: no more rows are tried, and runs are being cancelled
    PROCESSED = "PROCESSED"  #: all runs ended, however they did
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"  #: the batch itself; runs that it had made go on
    RUNS_DELETING = "RUNS_DELETING"
    RUNS_DELETE_FAILED = "RUNS_DELETE_FAILED"  #: some runs are still there
    RUNS_DELETED = "RUNS_DELETED"


#: Where nothing happens to a batch any more unless somebody asks for it.
AT_REST = frozenset(
    {
        BatchStatus.PROCESSED,
        BatchStatus.CANCELLED,
        BatchStatus.FAILED,
        BatchStatus.RUNS_DELETE_FAILED,
        BatchStatus.RUNS_DELETED,
    }
)


class SubmissionStatus(enum.StrEnum):
    """What became of the last thing that was done to a row; one that waits for its turn has none."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCEL_SUCCESS = "CANCEL_SUCCESS"
    CANCEL_FAILED = "CANCEL_FAILED"
    DELETE_SUCCESS = "DELETE_SUCCESS"
    DELETE_FAILED = "DELETE_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDurations:
    """How long the service takes, before scaling."""

    creating: Span = field(default=Span(mean=2, spread=0.5))
    pending: Span = field(default=Span(mean=10, spread=0.5))
    counts_lag: float = 10.0  #: seconds by which GetBatch's counts are behind, until a batch is at rest
