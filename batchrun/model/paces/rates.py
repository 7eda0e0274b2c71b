"""Rates as people write them: ``auto``, ``unlimited``, or calls per second."""

from __future__ import annotations

import math
from typing import Final

from batchrun.model.paces.pace import AUTO, SLOWEST, UNLIMITED, Rate

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
