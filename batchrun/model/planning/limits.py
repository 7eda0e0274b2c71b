"""The options of a launch that the planner's decisions depend on.

Does not belong here: how calls are made (``service``), where options come from (``cli``).
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from batchrun.model.entries.policies import DeferPolicy, WatchPolicy
from batchrun.model.entries.retrying import RetryPolicy
from batchrun.model.planning.proofs import Trust
from batchrun.model.planning.sweeps import Way
from batchrun.model.submissions.grouping import INLINE, Engine

#: Seconds that a proof is valid at most with StartRunBatch, where no requestId of the run protects the row.
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
        """Whether there is a limit."""
        return self.count is not None or self.percent is not None

    def is_reached(self, failed: int, total: int) -> bool:
        """Report whether *failed* of *total* entries are too many."""
        if self.count is not None and failed >= self.count:
            return True
        return self.percent is not None and failed > 0 and failed * 100 >= self.percent * total


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """The caps of one lane."""

    name: str | None = None  #: None: the one of a batch without lanes
    max_active: int | None = None  #: active runs of the batch in it; None is no cap
    account_max_active: int | None = None  #: the same for all batches of the ledger in its account and region

    def capped(self, most: int | None) -> LaneLimits:
        """Return these limits, with *most* as the cap on the account's active runs where they have none."""
        return replace(self, account_max_active=self.account_max_active or most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits and options of a launch."""

    mode: Mode = Mode.WATCH
    concurrency: int = 32  #: calls of one kind in the air, in each lane
    max_active: int | None = None  #: active runs of this batch; None is no cap
    #: The same for all batches of the ledger, in each account and region.
    account_max_active: int | None = None
    stop_after: StopAfter = field(default_factory=StopAfter)
    tag: bool = True  #: whether new runs carry our tags
    changed: Changed = Changed.REFUSE  #: for a row whose run the service has with other content
    trusts_ledger: bool = False  #: send without looking for runs that other ledgers started
    replay_window: float = 3600.0  #: seconds for which the service is trusted to remember a requestId
    listing_lag: float = 60.0  #: seconds by which ListRuns may lag behind StartRun, and GetRun behind itself
    #: Seconds without a usable answer after which a launch stops waiting for it.
    patience: float = 900.0
    engine: Engine = Engine.STARTRUN
    batch_rows: int | None = None  #: most rows of one StartRunBatch; None: as many as fit into the call
    #: Seconds for which the service is trusted to remember the requestId of a StartRunBatch; undocumented.
    batch_replay_window: float = 0.0
    way: Way = Way.AUTO  #: how runs are watched
    watch: WatchPolicy = field(default_factory=WatchPolicy)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    defer: DeferPolicy = field(default_factory=DeferPolicy)

    @property
    def is_pass(self) -> bool:
        """Whether the launch makes one pass, and waits for no run to end."""
        return self.mode in {Mode.ONCE, Mode.DETACH}

    @property
    def longest_silence(self) -> float:
        """The patience in seconds, long enough for a lagging listing to catch up."""
        return max(self.patience, 2 * self.listing_lag)

    @property
    def longest_wait(self) -> timedelta:
        """The longest that an attempt waits; a due time further away was set by a wrong clock."""
        return timedelta(seconds=max(self.retry.longest_wait, self.defer.longest_wait))

    @property
    def trust(self) -> Trust:
        """What is assumed of the service's memory and listing, for proofs."""
        most = math.inf if self.engine is Engine.STARTRUN else _UNREMEMBERED
        return Trust(replay_window=self.replay_window, listing_lag=self.listing_lag, most=most)

    @property
    def wave(self) -> int:
        """Most rows that are sent together."""
        rows = self.batch_rows or INLINE
        return rows if self.max_active is None else min(rows, self.max_active)
