"""What the lanes of one launch share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.engine.parts import LaunchParts, Observer, Prepare
    from batchrun.engine.proof.prover import Prover
    from batchrun.engine.recorder import Outcomes, Recorder
    from batchrun.model.planning.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the lanes of one launch share."""

    parts: LaunchParts
    recorder: Recorder
    outcomes: Outcomes
    prover: Prover
    observer: Observer

    @property
    def limits(self) -> Limits:
        """How far and how hard to go."""
        return self.parts.limits

    @property
    def clock(self) -> Clock:
        """The time."""
        return self.parts.clock

    @property
    def prepare(self) -> Prepare | None:
        """What a row needs before its run is started."""
        return self.parts.prepare
