"""What a launch is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrun.clock import Clock
    from batchrun.engine.link import LaneLink, Prepare, WakeLink
    from batchrun.errors import ServiceUnusableError
    from batchrun.model.limits import Limits
    from batchrun.ports.held import HeldBatch
    from batchrun.ports.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchParts:
    """One batch that is held, and everything that its launch acts with."""

    ledger: Ledger  #: it has the batch
    held: HeldBatch
    links: Sequence[LaneLink]  #: its lanes; one without a name in a batch that has none
    limits: Limits
    clock: Clock
    home: str | None = None  #: the lane of what was sent before the batch had lanes
    stopped: Mapping[str, ServiceUnusableError] = field(default_factory=dict)  #: lanes that cannot be used
    prepare: Prepare | None = None  #: what a row needs before its run is started
    wakes: Sequence[WakeLink] = ()  #: where messages come from that say which runs have ended
