"""Run batches, as the service tells of them: what StartRunBatch makes, and the rows in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from batchrun.model.entries.entry import Run

#: In the order of life: those in which a batch may still start runs, or may just have started its last.
UNFINISHED_STATUSES: Final = ("CREATING", "PENDING", "SUBMITTING", "STOPPING", "INPROGRESS")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSeen:
    """
    One answer to StartRunBatch or GetBatch; the first tells no name and no counts.

    Counts lag behind until the batch is PROCESSED. None is what the answer does not tell.
    """

    id: str
    uuid: str | None
    arn: str
    name: str | None
    status: str
    tags: Mapping[str, str]  #: the batch's own; its runs have theirs
    total_runs: int | None = None
    pending: int | None = None  #: rows that are still to be submitted
    started: int | None = None  #: rows that were submitted
    failed: int | None = None  #: rows that could not be
    by_status: Mapping[str, int] = field(default_factory=dict)  #: its runs, by names of the answer's own
    failure_reason: str | None = None
    done_at: datetime | None = None  #: when the last of its rows was submitted, or it failed


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchListed:
    """One item of ListBatch; it lacks uuid and tags."""

    id: str
    name: str
    status: str
    total_runs: int | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """
    One item of ListRunsInBatch.

    The status is that of the last operation on the row, a cancel or delete too: whether the row was ever
    started is told by its run alone.
    """

    setting_id: str  #: as it was given in the request
    run: Run | None  #: PENDING, since its status is not told here
    status: str | None = None  #: such as SUCCESS, FAILED or CANCEL_FAILED; None before it was submitted
    code: str | None = None  #: why the submission failed: the name of an error of StartRun
    message: str | None = None


def told_twice(rows: Iterable[BatchRow]) -> set[str]:
    """Return the uuids that a listing tells of more than one run: they cannot be right."""
    runs = {(row.run.uuid, row.run.id) for row in rows if row.run is not None}
    return {uuid for uuid, count in Counter(uuid for uuid, _ in runs).items() if count > 1}
