"""What was learned of a limit, as it outlives a launch."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Phase(enum.Enum):
    """What is known of the limit. Values are stored text."""

    OPENING = "opening"  #: nothing
    SEARCHING = "searching"  #: that it is not far below the rate
    HOLDING = "holding"  #: it was measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What outlives a launch; only of what was refused at least once, so never of the opening."""

    phase: Phase
    base: float  #: calls per second: where the search began, or the measured limit
    cut: float  #: HOLDING: share of the limit by which the rate began below it
    span: int  #: HOLDING: calls until the rate is back at the limit
    passed: int  #: calls since the last refusal that count as growth
    burst: int  #: calls that passed one upon the other before the first refusal
