"""
What a launch may do, and how: the options that decisions depend on.

Belongs here: values that the planner reads. Does not: how calls are made (``service``), where options come
from (``cli``).
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from batchrun.model.entries.policies import DeferPolicy, WatchPolicy
from batchrun.model.entries.retrying import RetryPolicy
from batchrun.model.planning.proofs import Trust
from batchrun.model.planning.sweeps import Way
from batchrun.model.submissions.grouping import INLINE, Engine

#: Seconds that a proof holds at most where rows go by StartRunBatch: no requestId of a run stands behind it.
_UNREMEMBERED: Final = 900.0


class Mode(enum.Enum):
    """How far a launch goes."""

    WATCH = "watch"  #: submit what is due, watch to the end
    ONCE = "once"  #: settle, submit what is due, look at each run once
    DETACH = "detach"  #: submit what is due, look at nothing
    CANCEL = "cancel"  #: submit nothing; carry out what was asked to be cancelled, and watch that to its end


class Changed(enum.Enum):
    """What to do about rows whose content changed after submission."""

    REFUSE = "refuse"
    KEEP = "keep"
    RESUBMIT = "resubmit"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAfter:
    """When to stop submitting: after so many failed entries, or so large a share of the batch."""

    count: int | None = None
    percent: float | None = None  #: of all entries

    @property
    def is_set(self) -> bool:
        """Whether there are so many at all."""
        return self.count is not None or self.percent is not None

    def is_reached(self, failed: int, total: int) -> bool:
        """Report whether *failed* of *total* entries are too many."""
        if self.count is not None and failed >= self.count:
            return True
        return self.percent is not None and failed > 0 and failed * 100 >= self.percent * total


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """What bounds one lane beside the others."""

    name: str | None = None  #: None: the one of a batch without lanes
    max_active: int | None = None  #: runs of the batch in it that have not ended; None is no cap
    account_max_active: int | None = None  #: the same of all batches of the ledger in its account and region


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds within which the planner plans."""

    mode: Mode = Mode.WATCH
    concurrency: int = 32  #: calls of one kind in the air, in each lane
    max_active: int | None = None  #: runs of this batch that have not ended; None is no cap
    #: The same of all batches of the ledger, in each account and region.
    account_max_active: int | None = None
    stop_after: StopAfter = field(default_factory=StopAfter)
    tag: bool = True  #: whether new runs carry our tags
    changed: Changed = Changed.REFUSE  #: what to do where the service has a row's run with other content
    trusts_ledger: bool = False  #: send without looking whether another ledger has started the row already
    replay_window: float = 3600.0  #: seconds for which the service is trusted to remember a requestId
    listing_lag: float = 60.0  #: seconds by which ListRuns may lag behind StartRun, and GetRun behind itself
    #: Seconds without a usable answer after which a launch does not wait any longer for one that it needs.
    patience: float = 900.0
    engine: Engine = Engine.STARTRUN
    batch_rows: int | None = None  #: rows of one StartRunBatch at most; None: as many as it carries itself
    #: Seconds for which the service is trusted to remember the requestId of a StartRunBatch: undocumented.
    batch_replay_window: float = 0.0
    way: Way = Way.AUTO  #: how runs are watched
    watch: WatchPolicy = field(default_factory=WatchPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    defer: DeferPolicy = field(default_factory=DeferPolicy)

    @property
    def longest_silence(self) -> float:
        """Seconds of that patience: what a listing shows late has come to be shown by then."""
        return max(self.patience, 2 * self.listing_lag)

    @property
    def longest_wait(self) -> timedelta:
        """The longest that an attempt waits; a time further away was set by a clock that was ahead."""
        return timedelta(seconds=max(self.retry.longest_wait, self.defer.longest_wait))

    @property
    def trust(self) -> Trust:
        """How long a look and the service's memory keep a row from being run twice."""
        most = math.inf if self.engine is Engine.STARTRUN else _UNREMEMBERED
        return Trust(replay_window=self.replay_window, listing_lag=self.listing_lag, most=most)

    @property
    def wave(self) -> int:
        """How many rows are sent together at most."""
        rows = self.batch_rows or INLINE
        return rows if self.max_active is None else min(rows, self.max_active)
