"""
The batches of StartRunBatch with their rows, and the ways to find them.

What does not belong here: when a batch changes (``batch_course``) and what callers see of it (``answers``).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchrun.simulator.lifecycle import BatchStatus, SubmissionStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrun.simulator.batch_rules import SettingsFile
    from batchrun.simulator.runs import Run

_FIRST_ID = 2_000_001


@dataclass(slots=True, kw_only=True, eq=False)
class Row:
    """One run that a batch is to make. Times are loop time."""

    place: int  #: in its batch, from 0
    setting: Mapping[str, Any]  #: as it was given
    tries: int = 0  #: how often it was tried
    status: SubmissionStatus | None = None
    reason: str = ""  #: the code of the refusal
    message: str = ""
    run: Run | None = None
    settled: float = math.inf  #: when it was known whether it becomes a run
    shown: float = math.inf  #: from when it is listed

    @property
    def setting_id(self) -> str:
        """What its user calls it."""
        return str(self.setting["runSettingId"])


@dataclass(slots=True, kw_only=True, eq=False)
class Batch:
    """One batch. Times are loop time."""

    serial: int  #: place in the order of creation, from 0
    id: str
    uuid: str
    request: Mapping[str, Any]  #: the StartRunBatch that made it
    created: float
    tags: dict[str, str]
    file: SettingsFile | None = None  #: where its rows are, if they are not in the request
    rows: Sequence[Row] = ()  #: none before they were read
    status: BatchStatus = BatchStatus.CREATING
    waiting: int = 0  #: rows that are not settled
    going: int = 0  #: runs that have not ended
    is_swept: bool = True  #: whether every run was tried that was to be cancelled
    done: Counter[SubmissionStatus] = field(default_factory=Counter)  #: how often each was reached
    submitted: float | None = None  #: when every row was settled
    processed: float | None = None  #: when every run had ended
    failed: float | None = None
    failure: str | None = None  #: why it failed
    deleted: float | None = None
    by_setting: dict[str, Row] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name; empty where it was given none."""
        return str(self.request.get("batchName", ""))

    @property
    def default(self) -> Mapping[str, Any]:
        """What its runs have in common."""
        common: Mapping[str, Any] = self.request["defaultRunSetting"]
        return common

    def fill(self, settings: Sequence[Mapping[str, Any]]) -> None:
        """Take the rows in."""
        self.rows = [Row(place=place, setting=setting) for place, setting in enumerate(settings)]
        self.by_setting = {row.setting_id: row for row in self.rows}
        self.waiting = len(self.rows)

    @property
    def total(self) -> int | None:
        """How many rows it has; None where nobody has read them yet."""
        inline = self.request["batchRunSettings"].get("inlineSettings")
        return len(self.rows) or (None if inline is None else len(inline))

    def note(self, row: Row, status: SubmissionStatus, reason: str = "", message: str = "") -> None:
        """Keep what became of the last thing that was done to *row*."""
        self.done[status] += 1
        row.status, row.reason, row.message = status, reason, message


class BatchShelf:
    """Every batch that ever was, and those that are stored by their ids."""

    def __init__(self) -> None:
        self.history: list[Batch] = []
        self.by_id: dict[str, Batch] = {}

    def add(self, batch: Batch) -> None:
        """Store a new batch; its serial number is the length of the history."""
        self.history.append(batch)
        self.by_id[batch.id] = batch

    def remove(self, batch: Batch) -> None:
        """Forget a batch; the history keeps it."""
        del self.by_id[batch.id]

    def next_id(self) -> str:
        """Return the id of the next one; none is given twice."""
        return str(_FIRST_ID + len(self.history))
