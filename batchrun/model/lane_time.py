"""How long it takes to send rows to the lanes that they may take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


def least_seconds(choices: Mapping[tuple[str, ...], int], rates: Mapping[str, float]) -> float:
    """
    Return the seconds that nothing can be quicker than, however rows are spread.

    For two lanes, and wherever choices lie within each other, that is what it takes.

    Args:
        choices: Rows by the lanes that they may take.
        rates: Calls per second, above zero, by lane.
    """
    sets = {frozenset(lanes) for lanes in choices}
    sets |= {frozenset[str]().union(*sets)} if sets else set()
    return max((_seconds(within, choices, rates) for within in sets), default=0.0)


def _seconds(
    within: Collection[str], choices: Mapping[tuple[str, ...], int], rates: Mapping[str, float]
) -> float:
    """Return how long the rows take that may go nowhere else."""
    rows = sum(count for lanes, count in choices.items() if frozenset(lanes) <= frozenset(within))
    return rows / sum(rates[lane] for lane in within)
