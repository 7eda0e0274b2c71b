"""How a launch reaches one lane, and a queue of wake-ups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchrun.engine.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from batchrun.engine.recognition import Recognition
    from batchrun.ports.run_batches import SettingsStore
    from batchrun.ports.service import HealthOmics
    from batchrun.ports.wakes import WakeQueue

    #: Awaited with a row's id and the lane that it goes to before its intent is recorded.
    Prepare = Callable[[str, str | None], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLink:
    """One account and region: a batch without lanes has one, which has no name."""

    service: HealthOmics
    recognition: Recognition  #: what that service has shown of the batch
    name: str | None = None
    max_active: int | None = None  #: runs of the batch in it that have not ended; None is no cap
    account_max_active: int | None = (
        None  #: runs that all launchers of the ledger have active there; None likewise
    )
    settings: SettingsStore | None = None  #: where the rows of large submissions are kept; None: nowhere
    settings_prefix: str = ""  #: of its files: ``s3://BUCKET/PREFIX/``
    waits: Waits = field(default_factory=Waits)


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeLink:
    """One queue of messages that say which runs have ended."""

    queues: Sequence[WakeQueue]  #: that queue by each login that may reach it, the one to try first first
    lanes: frozenset[str] | None = None  #: those whose messages it has; None: of whichever lane
    is_given: bool = True  #: whether the user said that it is for this, and not a manifest of whoever's
