"""Rates that are asked for, and as people write them: ``auto``, ``unlimited``, or calls per second."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

#: Calls per second that are supposed where nothing is known (healthomics.md, 1.1 and 1.2).
USUAL_RATES: Final = {"StartRun": 5.0}
USUAL_RATE: Final = 10.0
#: No pace is ever slower, so that it can find out that things got better: one call in 30 s.
SLOWEST: Final = 1 / 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What the user asked for: a bound, or to find out."""

    most: float = math.inf  #: calls per second that are never exceeded
    is_paced: bool = True  #: False: as fast as answers come, up to the first refusal

    @property
    def is_auto(self) -> bool:
        """Whether the limit is for us to find."""
        return self.is_paced and math.isinf(self.most)


AUTO: Final = Rate()
UNLIMITED: Final = Rate(is_paced=False)
#: Bounds that are the same whatever was asked for: one such call starts up to 100,000 runs.
FIXED_RATES: Final = {"StartRunBatch": Rate(most=1.0)}

_NAMED: Final = {"auto": AUTO, "unlimited": UNLIMITED}


def parsed(text: str) -> Rate:
    """
    Return the rate that *text* stands for.

    Raises:
        ValueError: It is none, or slower than any pace is.
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
