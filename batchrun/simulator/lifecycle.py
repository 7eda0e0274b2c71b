"""The states of runs, of batches and of their rows: how long each lasts, and how it ends; pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


class Status(enum.StrEnum):
    """The eight states of a run in the API."""

    PENDING = "PENDING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    DELETED = "DELETED"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.DELETED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A length of time in seconds, evenly spread around its mean."""

    mean: float  #: seconds
    spread: float = 0.0  #: part of the mean, 0 to 1: 0.5 gives 0.5 to 1.5 times the mean

    def __post_init__(self) -> None:
        if not self.mean >= 0:
            raise ValueError(f"a length of time must be 0 or more seconds, not {self.mean}")
        if not 0 <= self.spread <= 1:
            raise ValueError(f"a spread must be from 0 to 1, not {self.spread}")

    def at(self, lot: float) -> float:
        """Return the length for *lot* from [0, 1), in seconds."""
        return self.mean * (1 + self.spread * (2 * lot - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long runs stay in each state, before scaling."""

    pending: Span = field(default=Span(mean=20, spread=0.5))  #: at least; longer while no slot is free
    starting: Span = field(default=Span(mean=10, spread=0.5))
    running: Span = field(default=Span(mean=1800, spread=0.5))  #: shorter for runs that fail
    stopping: Span = field(default=Span(mean=120, spread=0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailFirst:
    """Runs that fail some times and then complete, as in a temporary outage."""

    times: int  #: how many runs of the same name fail before one completes
    match: str = "*"  #: glob over the run's name or its outputUri
    reason: str = "SERVICE_ERROR"  #: GetRun.failureReason

    def strikes(self, name: str, output: str, attempt: int) -> bool:
        """Return whether the *attempt*-th run (from 1) of this name fails by this rule."""
        matched = fnmatchcase(name, self.match) or fnmatchcase(output, self.match)
        return matched and attempt <= self.times


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The course of a run unless it is cancelled; in seconds, scaled."""

    pending: float
    starting: float
    running: float
    stopping: float
    failure: str | None  #: failureReason; None for a run that completes

    @property
    def outcome(self) -> Status:
        """The terminal state that it will reach."""
        return Status.COMPLETED if self.failure is None else Status.FAILED


class BatchStatus(enum.StrEnum):
    """The eleven states of a batch in the API."""

    CREATING = "CREATING"  #: accepted; it cannot be changed yet
    PENDING = "PENDING"  #: its rows are read and checked
    SUBMITTING = "SUBMITTING"  #: runs are started for its rows, one after the other
    INPROGRESS = "INPROGRESS"  #: every row was tried; runs continue
    STOPPING = "STOPPING"  #: no more rows are tried, and its runs are being cancelled
    PROCESSED = "PROCESSED"  #: all runs ended, in any state
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"  #: the batch itself; runs that it started continue
    RUNS_DELETING = "RUNS_DELETING"
    RUNS_DELETE_FAILED = "RUNS_DELETE_FAILED"  #: some runs were not deleted
    RUNS_DELETED = "RUNS_DELETED"


#: States that a batch leaves only on request.
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
    """The outcome of the last step for a row; a row that waits for its turn has none."""

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
    counts_lag: float = 10.0  #: seconds by which GetBatch's counts lag behind until a batch is at rest
