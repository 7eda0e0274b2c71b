"""
What batches need of the account that they are in: its paces, its faults, its runs, its S3, and an agenda.

The agenda differs from the ``timetable``, which knows runs alone and skips those that left the state for
which they were put down.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from batchrun.simulator.faults import Fault, RowFault
from batchrun.simulator.refusal import RefusalError

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
    #: Does something that is due at a time.
    Deed = Callable[[float], None]


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

    def struck(self, step: str, batch: Batch, row: Row) -> RowFault | None:
        """
        Return what strikes *row* in a step such as SubmitRow; None for nothing.

        Raises:
            RefusalError: a service error strikes it.
        """
        name = str(row.setting.get("name") or batch.default.get("name") or "")
        fault = self.faults.choose(step, f"{batch.uuid}/{row.setting_id}", name)
        if isinstance(fault, RowFault):
            return fault
        if fault != Fault.PASS:
            raise RefusalError(str(fault), f"{fault}, by the simulator's settings")
        return None


class Agenda:
    """Deeds by their times; those of one time in the order in which they were put down."""

    def __init__(self) -> None:
        self._deeds: list[tuple[float, int, Deed]] = []
        self._ticks = count()

    @property
    def due(self) -> float:
        """When the next one is to be done; infinity where there is none."""
        return self._deeds[0][0] if self._deeds else math.inf

    def add(self, at: float, deed: Deed) -> None:
        """Put *deed* down for the time *at*."""
        heapq.heappush(self._deeds, (at, next(self._ticks), deed))

    def do_next(self) -> None:
        """Do the next one, at its own time."""
        at, _, deed = heapq.heappop(self._deeds)
        deed(at)
