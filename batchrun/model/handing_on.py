"""
A pace as one launcher leaves it to the next, as JSON text.

Belongs here: its facts, in times that mean the same to everybody. Does not: what they mean (``pace``).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from batchrun.model.noise import NoiseFacts

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
    hasty: int
    credit: int
    empty: float | None
    was_cut: float | None
    times: tuple[float, ...]
    in_air: tuple[float, ...]  #: turns of calls that nobody has seen answered; they are taken to pass
    noise: NoiseFacts
    last: float | None  #: the last turn
    rests: float | None  #: until then nobody calls; below 0

    def text(self) -> str:
        """Return it as JSON text."""
        return json.dumps(asdict(self), separators=(",", ":"))


def handed_on(text: str) -> HandedOn | None:
    """Return what *text* says; None where another version of batchrun wrote it."""
    try:
        facts = json.loads(text)
        spans = {name: tuple(facts[name]) for name in ("times", "in_air")}
        noise = NoiseFacts(**{**facts["noise"], "recent": tuple(facts["noise"]["recent"])})
        return HandedOn(**{**facts, **spans, "noise": noise})
    except (TypeError, KeyError, ValueError):
        return None
