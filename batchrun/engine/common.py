"""
What the lanes of one launch share.

Belongs here: that one value. Does not: what each lane has of its own (``link``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.engine.link import Prepare
    from batchrun.engine.observer import Observer
    from batchrun.engine.outcomes import Outcomes
    from batchrun.engine.prover import Prover
    from batchrun.engine.recorder import Recorder
    from batchrun.model.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the lanes of one launch share."""

    recorder: Recorder
    outcomes: Outcomes
    prover: Prover
    observer: Observer
    limits: Limits
    clock: Clock
    prepare: Prepare | None = None
