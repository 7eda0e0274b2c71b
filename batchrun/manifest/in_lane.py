"""The rows of a manifest as one of its lanes gets them, and what is wrong with them there."""

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


class InLane:
    """A manifest's rows that may go to a lane, also those that only a retry rule can lead there."""

    def __init__(self, manifest: Manifest, lane: str) -> None:
        self._manifest = manifest
        self.lane = lane
        self.has_own_sheets = manifest.has_own_sheets

    def specs(self) -> Iterator[Spec]:
        """Return each, with what it asks for in the lane; may be called again."""
        for spec in self._manifest.specs():
            request = request_in(spec.content, self.lane)
            if request is not None:
                yield replace(spec, request=request)

    @cached_property
    def count(self) -> int:
        """How many there are."""
        return sum(1 for _ in self.specs())

    def own_sheet(self, entry_id: str) -> OwnSheet | None:
        """Return the sheet that is to be written before a row's run is started."""
        return self._manifest.own_sheet(entry_id)


class FoundInLane:
    """Takes down what is wrong with rows in one lane, with its name."""

    def __init__(self, problems: Problems, lane: str) -> None:
        self._problems = problems
        self._lane = lane
        self.total = problems.total  #: of all lanes

    def add(
        self, place: Place, message: str, cure: str, *, row: str | None = None, field: str | None = None
    ) -> None:
        """Take one down."""
        self._problems.add(place, f"in lane {self._lane}: {message}", cure, row=row, field=field)
        self.total = self._problems.total
