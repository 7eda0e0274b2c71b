"""Durations as people write them: ``90s``, ``50m``, ``1h30m``, ``2d``; a bare number is seconds."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_DURATION: Final = re.compile(
    r"(?:([0-9]{1,15})d)?(?:([0-9]{1,15})h)?(?:([0-9]{1,15})m)?(?:([0-9]{1,15}(?:\.[0-9]{1,15})?)s)?"
)
_UNITS: Final = (86400, 3600, 60, 1)


def parsed(text: str) -> float:
    """Return *text* in seconds. Raises ValueError if it is not a duration."""
    if _NUMBER.fullmatch(text):
        return float(text)
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(text)
    return sum(float(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part)


def written(seconds: float) -> str:
    """Return *seconds*, not negative, as text for :func:`parsed`."""
    if not seconds.is_integer():
        return f"{Decimal(repr(seconds)):f}s"
    rest, parts = int(seconds), []
    for unit, letter in zip(_UNITS, "dhms", strict=True):
        count, rest = divmod(rest, unit)
        parts += [f"{count}{letter}"] if count else []
    return "".join(parts) or "0s"
