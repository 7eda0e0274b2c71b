"""
How a launch reaches one lane.

Belongs here: the value that whoever calls a service is made of. Does not: calling (``submitter``, ``looker``,
``sweeper``, ``prover``), when a lane is given up (``runner``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchrun.engine.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchrun.engine.recognition import Recognition
    from batchrun.ports.service import HealthOmics

    #: Awaited with a row's id and the lane that it goes to before its intent is recorded.
    Prepare = Callable[[str, str | None], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLink:
    """One account and region: a batch without lanes has one, which has no name."""

    service: HealthOmics
    recognition: Recognition  #: what that service has shown of the batch
    name: str | None = None
    max_active: int | None = None  #: runs of the batch in it that have not ended; None is no cap
    waits: Waits = field(default_factory=Waits)
