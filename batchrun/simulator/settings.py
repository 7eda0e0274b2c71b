"""Everything that can be set about the simulated service; what is not set is as the service has it."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from batchrun.simulator.buckets import Limit
from batchrun.simulator.faults import FaultRule
from batchrun.simulator.lifecycle import BatchDurations, Durations, FailFirst, Span
from batchrun.simulator.s3 import StoredBucket

_ACCOUNT = re.compile("[0-9]{12}")
_NOT_NEGATIVE = (
    "time_scale",
    "hang",
    "listing_lag",
    "idempotency_window",
    "batch_idempotency_window",
    "row_retries",
    "event_loss",
)


class IdReuse(enum.StrEnum):
    """Which id of a deleted run a new run gets."""

    NEVER = "never"  #: ids are never given twice
    LOWEST = "lowest"  #: the lowest free one
    LATEST = "latest"  #: the one that was freed last: the hardest on a caller that trusts ids


class NameFilter(enum.StrEnum):
    """What the filter ``name`` of ListRuns and ListBatch matches; the service does not say."""

    EXACT = "exact"
    PREFIX = "prefix"

    def fits(self, name: str, wanted: str) -> bool:
        """Report whether *name* is one of those that *wanted* asks for."""
        return name.startswith(wanted) if self is NameFilter.PREFIX else name == wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One entry of a workflow's parameter template."""

    description: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a workflow."""

    status: str = "ACTIVE"
    parameters: Mapping[str, Parameter] | None = None  #: as a workflow's


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A workflow that exists."""

    id: str
    name: str = ""  #: defaults to ``workflow-<id>``
    type: str = "PRIVATE"  #: or READY2RUN
    status: str = "ACTIVE"
    engine: str = "NEXTFLOW"
    #: What runs may and must be given; None for a workflow without a template, which takes anything.
    parameters: Mapping[str, Parameter] | None = None
    profiles: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)  #: Nextflow's, by name
    versions: Mapping[str, Version] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role, of any account, and whom it trusts."""

    arn: str
    trusts: frozenset[str] | None = None  #: accounts; None for everybody
    external_id: str | None = None  #: what a caller must say
    mfa_serial: str | None = None  #: the device of which a caller must say a code; any six digits will do


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One simulated account in one Region."""

    seed: int | str = 0  #: the same seed and the same requests make the same story
    account: str = "123456789012"
    region: str = "us-east-1"

    keys: Mapping[str, str] = field(default_factory=dict)  #: account by access key; others are of ``account``
    roles: tuple[Role, ...] = ()  #: that may be assumed on conditions
    any_role: bool = True  #: whether any caller may assume the roles not listed
    role_seconds: float | None = None  #: how long a role's keys last, whatever was asked for; not scaled

    #: Pace by operation; ``"*"`` is every operation not named, None is no limit at all.
    #: Without ``"*"`` the service's defaults hold for the rest: StartRun and tags 5 per second, others 10.
    limits: Mapping[str, Limit | None] = field(default_factory=dict)
    retry_after: bool = False  #: whether a 429 says when to come back

    max_active: int | None = 50  #: runs outside PENDING at once, DYNAMIC storage; None for no limit
    max_active_static: int | None = 10  #: the same for STATIC storage
    max_stored: int = 100_000  #: runs kept, finished ones too

    durations: Durations = field(default_factory=Durations)
    time_scale: float = 1.0  #: every duration is multiplied by it: 0.001 makes an hour 3.6 seconds
    batch_durations: BatchDurations = field(default_factory=BatchDurations)
    row_retries: int = 5  #: how often the service itself tries a row of a batch again
    failures: Mapping[str, float] = field(default_factory=dict)  #: chance by failureReason
    fail_first: tuple[FailFirst, ...] = ()  #: runs that fail some times and then pass
    tasks_per_run: int = 2
    failed_tasks: int = 1  #: of a run that fails, its last ones

    faults: tuple[FaultRule, ...] = ()  #: what goes wrong with calls
    hang: float = 120.0  #: seconds of silence of the faults that hang; not scaled
    latency: Span = field(default=Span(mean=0))  #: time between a call's arrival and its effect; not scaled

    event_loss: float = 0.0  #: chance of an event to be lost
    listing_lag: float = 0.0  #: seconds until lists show a new run, batch, or row of a batch
    #: Seconds for which a requestId is remembered from its first use. Not documented by the service.
    idempotency_window: float = math.inf
    batch_idempotency_window: float = math.inf  #: the same for StartRunBatch
    failed_batch_again: bool = True  #: whether its requestId gives a FAILED batch again; else a new one
    #: Whether ListRunsInBatch has rows that wait for their turn, without a status, and whether those that a
    #: cancel kept from starting are CANCEL_SUCCESS there. Neither is documented.
    waiting_rows_listed: bool = False
    cancelled_rows_listed: bool = False
    id_reuse: IdReuse = IdReuse.LOWEST
    name_filter: NameFilter = NameFilter.EXACT

    workflows: tuple[Workflow, ...] = ()
    storage: tuple[StoredBucket, ...] = ()  #: buckets of S3
    any_workflow: bool = True  #: whether workflows not listed exist too, ACTIVE and without a template

    def __post_init__(self) -> None:
        for name in _NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        for name in ("max_active", "max_active_static", "max_stored", "tasks_per_run", "failed_tasks"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        for account in (self.account, *self.keys.values()):
            if not _ACCOUNT.fullmatch(account):
                raise ValueError(f"an account has twelve digits, and {account!r} has not")
        if math.fsum(self.failures.values()) > 1 or any(c < 0 for c in self.failures.values()):
            raise ValueError("the chances of failures must be 0 or more and add up to 1 at most")
