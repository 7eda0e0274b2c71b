"""
The few figures that the README shows, chosen from all.

Belongs here: which, and in which words. Does not: figures (the groups), and where they go (``__main__``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tests.bench.table import Section

#: A section, what its row is called there, and in the README, where no note explains it.
_CHOSEN: Final = (
    (
        "submission-limited",
        "8/s, burst 8: time over the least",
        "an unannounced limit of 8 StartRun per second: time taken, over the least possible",
    ),
    ("submission-limited", "8/s, burst 8: calls throttled", "the same: calls throttled"),
    (
        "watching",
        "seconds from the last end to exit",
        "1,500 runs watched: time from the last end to the exit",
    ),
    ("watching", "GetRun calls per run", "the same: GetRun calls per run"),
    (
        "watching many",
        "end seen after, 95th percentile",
        "10,000 runs watched: end seen after, 95th percentile",
    ),
    ("submission-unlimited", "runs per second", "no limit: runs per second; batchrun's are durable first"),
)


def in_short(sections: Iterable[Section]) -> str:
    """Return those of the figures that were measured as a table."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for section in sections:
        for row in section.rows:
            found.setdefault((section.title, row[0]), row)
    rows = [(words, *found[title, what][1:3]) for title, what, words in _CHOSEN if (title, what) in found]
    lines = [("", "batchrun", "beside it"), ("---",) * 3, *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
