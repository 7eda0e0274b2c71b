"""
What batches need of the account that they are in: its paces, its faults, its runs, its S3.

What does not belong here: anything about batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchrun.simulator.answers import View
    from batchrun.simulator.batches import Batch, Row
    from batchrun.simulator.buckets import Buckets
    from batchrun.simulator.faults import FaultBook
    from batchrun.simulator.runs import Run
    from batchrun.simulator.settings import Settings, Workflow
    from batchrun.simulator.storage import Storage
    from batchrun.simulator.timetable import Timetable

    Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account in one Region. What it does may raise RefusalError, as a call's answer."""

    view: View
    timetable: Timetable
    buckets: Buckets
    faults: FaultBook
    storage: Storage
    start: Callable[[Params, Batch, Row, float], Run]  #: make a run for a row, at a time
    cancel: Callable[[Run, float], None]
    delete: Callable[[Run, float], None]
    workflow_of: Callable[[Params], Workflow]  #: find the workflow that a StartRun names

    @property
    def settings(self) -> Settings:
        """How it behaves."""
        return self.view.settings
