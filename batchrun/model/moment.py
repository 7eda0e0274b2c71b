"""One reading of the time, for decisions that take it as an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the clocks show at once."""

    now: float  #: loop time, in seconds
    at: datetime  #: wall time
    latest: datetime  #: the latest that it can be: by it, what was proven ends
