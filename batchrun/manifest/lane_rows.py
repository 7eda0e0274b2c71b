"""The rows of a manifest as sent to one of its lanes, and their problems there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from batchrun.model.lanes import request_in
from batchrun.model.spec import Spec

if TYPE_CHECKING:
    from batchrun.manifest.load import Manifest
    from batchrun.manifest.problems import Place, Problems
    from batchrun.ports.objects import OwnSheet


class LaneRows:
    """The rows that may be sent to a lane, also those that only a retry rule leads there."""

    def __init__(self, manifest: Manifest, lane: str) -> None:
        self._manifest = manifest
        self.lane = lane
        self.has_own_sheets = manifest.has_own_sheets

    def specs(self) -> Iterator[Spec]:
        """Return each with its request in this lane; may be called again."""
        for spec in self._manifest.specs():
            request = request_in(spec.content, self.lane)
            if request is not None:
                yield replace(spec, request=request)

    @cached_property
    def count(self) -> int:
        """The number of these rows."""
        return sum(1 for _ in self.specs())

    def own_sheet(self, entry_id: str) -> OwnSheet | None:
        """Return the sheet to write before the row's run is started."""
        return self._manifest.own_sheet(entry_id)


class FoundInLane:
    """Collects problems of rows in one lane, and adds its name."""

    def __init__(self, problems: Problems, lane: str) -> None:
        self._problems = problems
        self._lane = lane
        self.total = problems.total  #: in all lanes

    def add(
        self, place: Place, message: str, cure: str, *, row: str | None = None, field: str | None = None
    ) -> None:
        """Record a problem."""
        self._problems.add(place, f"in lane {self._lane}: {message}", cure, row=row, field=field)
        self.total = self._problems.total
