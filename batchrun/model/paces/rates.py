"""The rates that users ask for: ``auto``, ``unlimited``, or calls per second."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

#: Calls per second to suppose while nothing is known (healthomics.md, 1.1 and 1.2).
USUAL_RATES: Final = {"StartRun": 5.0}
USUAL_RATE: Final = 10.0
#: The lowest rate of any pace, one call in 30 s, so that an improvement is noticed.
SLOWEST: Final = 1 / 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The rate that the user asked for."""

    most: float = math.inf  #: calls per second, never exceeded
    is_paced: bool = True  #: False: as fast as answers come, until the first refusal

    @property
    def is_auto(self) -> bool:
        """Whether the limit is to be learned."""
        return self.is_paced and math.isinf(self.most)


AUTO: Final = Rate()
UNLIMITED: Final = Rate(is_paced=False)
#: Rates that the user cannot change: one such call starts up to 100,000 runs.
FIXED_RATES: Final = {"StartRunBatch": Rate(most=1.0)}

_NAMED: Final = {"auto": AUTO, "unlimited": UNLIMITED}
#: The cure for what is no rate.
CURE: Final = "write auto, or calls per second, for instance 5, or unlimited"


def parsed(text: str) -> Rate:
    """Return the rate that *text* stands for.

    Raises:
        ValueError: It is no rate, or lower than :data:`SLOWEST`.
    """
    text = text.strip().lower()
    if text in _NAMED:
        return _NAMED[text]
    rate = float(text)
    if not SLOWEST <= rate < math.inf:
        raise ValueError(text)
    return Rate(most=rate)


def written(rate: Rate) -> str:
    """Return the text that :func:`parsed` takes for *rate*."""
    return next((name for name, known in _NAMED.items() if known == rate), f"{rate.most!r}")
