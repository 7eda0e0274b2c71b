"""What a launch keeps of a limit, and what one launcher hands over to another, as JSON text."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Final

from batchrun.model.paces.contest import Contest
from batchrun.model.paces.noise import Noise

#: Calls whose times are handed on.
TIMES: Final = 64


class Phase(enum.Enum):
    """What is known of the limit. Values are stored text."""

    OPENING = "opening"  #: nothing
    SEARCHING = "searching"  #: that it is not far below the rate
    HOLDING = "holding"  #: it was measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What a launch keeps for the next one; only after a refusal, so never of the opening."""

    phase: Phase
    base: float  #: calls per second: where the search began, or the measured limit
    cut: float  #: HOLDING: share of the limit by which the rate began below it
    span: int  #: HOLDING: calls until the rate is back at the limit
    passed: int  #: calls since the last refusal that count as growth
    burst: int  #: calls that a full bucket lets pass


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOn:
    """All that is known of a limit. Times are seconds before the moment of handing on."""

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
    noise: Noise
    contest: Contest
    search: tuple[float, float, float | None]  #: ``Search.facts``
    fastest: float
    last_passed: float | None
    in_air: tuple[float, ...] = ()  #: turns of unanswered calls, which are assumed to pass
    under_way: tuple[float, ...] = ()  #: turns of any launcher's calls that the ledger may not know yet
    last: float | None = None  #: the last turn
    rests: float | None = None  #: negative: no calls until then

    def text(self) -> str:
        """Return it as JSON text."""
        return json.dumps(asdict(self), separators=(",", ":"))


def handed_on(text: str) -> HandedOn | None:
    """Parse *text*; None if another version of batchrun wrote it."""
    try:
        facts = json.loads(text)
        spans = {name: tuple(facts[name]) for name in ("times", "in_air", "under_way", "search")}
        if set(facts["noise"]) != {field.name for field in fields(Noise)}:
            return None
        noise = Noise(**{**facts["noise"], "recent": tuple(facts["noise"]["recent"])})
        contest = Contest(**{field.name: facts["contest"][field.name] for field in fields(Contest)})
        return HandedOn(**{**facts, **spans, "noise": noise, "contest": contest})
    except (TypeError, KeyError, ValueError):
        return None


def ago(time: float | None, now: float) -> float | None:
    """Return how long before *now* that was; None if never."""
    return None if time is None or math.isinf(time) else round(now - time, 6)


def all_ago(times: Iterable[float], now: float) -> tuple[float, ...]:
    """Return how long before *now* each of *times* was."""
    return tuple(round(now - time, 6) for time in times)
