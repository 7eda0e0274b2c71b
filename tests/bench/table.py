"""
Figures as markdown: rows with a ratio against a peer, and whether what was wanted is reached.

Belongs here: how figures look. Does not: where they come from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

HEADS = ("what", "batchrun", "peer", "ratio", "whole process, s", "wanted")
NOTHING = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table with a title, and what one must know to read it."""

    title: str
    note: str
    rows: tuple[tuple[str, ...], ...]
    heads: tuple[str, ...] = HEADS

    def markdown(self) -> str:
        lines = [self.heads, ("---",) * len(self.heads), *self.rows] if self.rows else []
        shown = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return f"**{self.title}**\n\n{self.note}\n\n{shown}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A figure to reach, and a better one to aim for."""

    least: float
    aim: float
    unit: str = ""
    is_ratio: bool = False  #: it is the ratio to the peer that is judged
    is_more_better: bool = False

    def judge(self, value: float) -> str:
        sign = "≥" if self.is_more_better else "≤"
        limits = f"{sign} {self.least:g}{self.unit}, aim {self.aim:g}{self.unit}"
        if self._holds(value, self.aim):
            return f"{limits}: aim reached"
        return f"{limits}: {'reached' if self._holds(value, self.least) else '**missed**'}"

    def _holds(self, value: float, limit: float) -> bool:
        return value >= limit if self.is_more_better else value <= limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """What a peer came to."""

    name: str
    value: float
    whole: float | None = None  #: seconds of its whole process


def figure(value: float) -> str:
    """Write a number with as many digits as mean something."""
    size = abs(value)
    digits = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2 if size >= 0.1 else 3
    return f"{value:,.{digits}f}"


def compared(
    what: str,
    value: float,
    peer: Peer | None = None,
    *,
    unit: str = "",
    whole: float | None = None,
    wanted: Wanted | None = None,
) -> tuple[str, ...]:
    """Make a row: the ratio is batchrun's figure over the peer's."""
    ratio = value / peer.value if peer is not None and peer.value else None
    judged = ratio if wanted is not None and wanted.is_ratio else value
    return (
        what,
        figure(value) + unit,
        f"{figure(peer.value)}{unit} ({peer.name})" if peer else NOTHING,
        NOTHING if ratio is None else f"{ratio:.2f}",
        " / ".join(figure(one) for one in (whole, peer.whole if peer else None) if one is not None)
        or NOTHING,
        wanted.judge(judged) if wanted is not None and judged is not None else NOTHING,
    )


def document(head: str, sections: Iterable[Section]) -> str:
    return "\n\n".join([head, *(section.markdown() for section in sections)]) + "\n"
