"""
A pace as one launcher leaves it to the next, as JSON text.

Belongs here: its facts, in times that mean the same to everybody. Does not: what they mean (``pace``).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

#: The last calls of which the times are handed on.
TIMES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOn:
    """All that is known of a limit. Times are in seconds before the moment at which it is handed on."""

    phase: str
    base: float
    cut: float
    span: int
    passed: int
    pressed: int
    limit: float
    burst: int
    burst_in: float
    credit: int
    empty: float | None
    was_cut: float | None
    times: tuple[float, ...]
    last: float | None  #: the last turn
    rests: float | None  #: until then nobody calls; below 0

    def text(self) -> str:
        """Return it as JSON text."""
        return json.dumps(asdict(self), separators=(",", ":"))


def handed_on(text: str) -> HandedOn | None:
    """Return what *text* says; None where another version of batchrun wrote it."""
    try:
        facts = json.loads(text)
        return HandedOn(**{**facts, "times": tuple(facts["times"])})
    except (TypeError, KeyError, ValueError):
        return None
