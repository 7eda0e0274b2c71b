"""
Prices of several regions, one list for each: the runs of a batch with lanes are in several.

A file of them is one list, or a JSON array of lists, each of another region, in one currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.model.costs import checked_prices, written_prices

if TYPE_CHECKING:
    from collections.abc import Collection

    from batchrun.model.costs import Prices
    from batchrun.model.spec import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLists:
    """Lists of prices in one currency, each of another region; one at least."""

    lists: tuple[Prices, ...]

    @property
    def currency(self) -> str:
        """The one that all of them are in."""
        return self.lists[0].currency

    @property
    def regions(self) -> str:
        """Their regions, in words."""
        return ", ".join(one.region for one in self.lists)

    def of(self, region: str | None) -> Prices | None:
        """Return the list of *region*, None where there is none; a single list is taken for every run's."""
        if len(self.lists) == 1:
            return self.lists[0]
        return next((one for one in self.lists if one.region == region), None)

    def lacking(self, regions: Collection[str]) -> list[str]:
        """Return those of *regions* that have no list, in order."""
        return sorted({*regions} - {one.region for one in self.lists})


def checked_lists(value: Json, problems: list[str]) -> PriceLists | None:
    """
    Make lists of prices of a JSON value: one list, or several in an array.

    Args:
        value: What the file holds.
        problems: Takes all that is wrong: place, value and cure.

    Returns:
        None where something is wrong.
    """
    if not isinstance(value, list):
        found = checked_prices(value, problems)
        return None if found is None else PriceLists(lists=(found,))
    if not value:
        problems.append("there is no list of prices in it; write one for each region")
    lists: list[Prices] = []
    for number, one in enumerate(value, start=1):
        wrong: list[str] = []
        made = checked_prices(one, wrong)
        problems.extend(f"list {number}: {problem}" for problem in wrong)
        if made is not None:
            problems.extend(f"list {number}: {problem}" for problem in _beside(made, lists))
            lists.append(made)
    return None if problems else PriceLists(lists=tuple(lists))


def _beside(prices: Prices, others: list[Prices]) -> list[str]:
    """Say why a list cannot stand beside the *others*."""
    found = []
    if any(one.region == prices.region for one in others):
        found.append(f"region: there is a list of {prices.region} before; give each region one")
    if others and others[0].currency != prices.currency:
        found.append(f"currency: {prices.currency} beside {others[0].currency}; give all in one currency")
    return found


def written_lists(prices: PriceLists) -> Json:
    """Return *prices* in the form that :func:`checked_lists` takes."""
    written: list[Json] = [written_prices(one) for one in prices.lists]
    return written[0] if len(written) == 1 else written
