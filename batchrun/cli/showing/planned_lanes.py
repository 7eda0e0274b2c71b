"""
What ``batchrun plan`` says of lanes: which rows may go where, and how long sending them takes.

Belongs here: the words, and the numbers for them. Does not: what a row may take (``manifest``).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from batchrun.cli.wording import counted
from batchrun.model.lane_time import least_seconds
from batchrun.model.lanes import lanes_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from batchrun.model.lanes import Lane
    from batchrun.model.spec import Spec

#: Different choices that are told.
_TOLD: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLanes:
    """Rows that are to be sent, by the lanes that they may take."""

    rows: Mapping[tuple[str, ...], int]
    rates: Mapping[str, float]  #: StartRun calls per second, by lane

    @classmethod
    def of(cls, lanes: Sequence[Lane], specs: Iterable[Spec], sent: Collection[str], rate: float) -> Self:
        """Count the rows that are not *sent*; *rate* is that of lanes that name no other."""
        own = {lane.name: rate if lane.rate is None else lane.rate.most for lane in lanes}
        return cls(
            rows=Counter(lanes_of(spec.content) for spec in specs if spec.id not in sent),
            rates={name: rate if math.isinf(most) else most for name, most in own.items()},
        )

    @property
    def seconds(self) -> float:
        """How long it takes at least to send them."""
        return least_seconds(self.rows, self.rates)

    @property
    def facts(self) -> dict[str, int]:
        """The numbers of rows, by lanes as a table has them: ``east|west``."""
        return {"|".join(lanes): count for lanes, count in self._sorted}

    @property
    def line(self) -> str:
        """The same for people."""
        told = [f"{counted(count, 'row')} in {' or '.join(lanes)}" for lanes, count in self._sorted[:_TOLD]]
        more = len(self._sorted) - len(told)
        return ", ".join([*told, *([f"and {more} other choices"] if more else [])]) or "no rows"

    @property
    def _sorted(self) -> Sequence[tuple[tuple[str, ...], int]]:
        return sorted(self.rows.items(), key=lambda one: -one[1])
