"""
What ``batchrun plan`` says of lanes: which rows may go where, how long that takes, and what each lane bears.

Belongs here: the words, and the numbers for them. Does not: what a row may take (``manifest``).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from batchrun.cli.launching.policy import limits
from batchrun.cli.wording import counted
from batchrun.model.lane_time import least_seconds
from batchrun.model.lanes import lanes_of
from batchrun.model.pace import USUAL_RATES
from batchrun.model.quotas import USUAL, Quotas, storage_types

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from batchrun.manifest import Manifest
    from batchrun.model.lanes import Lane

#: Different choices, and lanes, that are told.
_TOLD: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearing:
    """What one lane bears."""

    rate: float  #: StartRun calls per second
    at_once: Mapping[str, int]  #: runs that may be active, by storage
    most: int | None  #: runs of the batch that may be active, as its user says
    is_own: bool  #: whether the account itself says so

    def __str__(self) -> str:
        whose = "the account's quotas" if self.is_own else "the usual quotas"
        own = "" if self.most is None else f", {self.most} of the batch"
        return f"{self.rate:g} StartRun per second, active at once {limits(self.at_once)}{own} (by {whose})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLanes:
    """Rows that are to be sent, by the lanes that they may take, and these lanes."""

    rows: Mapping[tuple[str, ...], int]
    lanes: Mapping[str, Bearing]

    @classmethod
    def of(cls, manifest: Manifest, sent: Collection[str], most: float, quotas: Mapping[str, Quotas]) -> Self:
        """
        Count the rows that are not *sent*.

        Args:
            manifest: A manifest with lanes.
            sent: The ids of rows that are not to be sent.
            most: StartRun calls per second of lanes that do not say; infinite where nobody does.
            quotas: Of lanes that were asked for them.
        """
        kinds = storage_types(manifest.specs())
        return cls(
            rows=Counter(lanes_of(spec.content) for spec in manifest.specs() if spec.id not in sent),
            lanes={lane.name: _bearing(lane, kinds, most, quotas.get(lane.name)) for lane in manifest.lanes},
        )

    @property
    def seconds(self) -> float:
        """How long it takes at least to send them."""
        return least_seconds(self.rows, {name: lane.rate for name, lane in self.lanes.items()})

    @property
    def facts(self) -> dict[str, int]:
        """The numbers of rows, by lanes as a table has them: ``east|west``."""
        return {"|".join(lanes): count for lanes, count in self._sorted}

    @property
    def lines(self) -> Iterator[str]:
        """What people are told."""
        told = [f"{counted(count, 'row')} in {' or '.join(lanes)}" for lanes, count in self._sorted[:_TOLD]]
        more = len(self._sorted) - len(told)
        yield f"lanes: {', '.join([*told, *([f'and {more} other choices'] if more else [])]) or 'no rows'}"
        for name, lane in [*self.lanes.items()][:_TOLD]:
            yield f"  {name}: {lane}"
        if len(self.lanes) > _TOLD:
            yield f"  ... and {len(self.lanes) - _TOLD} more"

    @property
    def _sorted(self) -> Sequence[tuple[tuple[str, ...], int]]:
        return sorted(self.rows.items(), key=lambda one: -one[1])


def _bearing(lane: Lane, kinds: Collection[str | None], most: float, own: Quotas | None) -> Bearing:
    most = most if lane.rate is None else lane.rate.most
    rate = None if own is None else own.start_runs_per_second
    at_once = {} if own is None else own.active_runs(kinds)
    return Bearing(
        rate=(rate or USUAL_RATES["StartRun"]) if math.isinf(most) else most,
        at_once=at_once or USUAL.active_runs(kinds),
        most=lane.max_active,
        is_own=bool(at_once),
    )
