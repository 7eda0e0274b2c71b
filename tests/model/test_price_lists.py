"""Prices of several regions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from batchrun.model.costs import PriceLists, Prices, checked_lists, written_lists


def prices(region: str, currency: str = "USD") -> Prices:
    return Prices(currency=currency, region=region, instances={"omics.m.xlarge": Decimal("0.5")}, storage={})


EAST, WEST = prices("us-east-1"), prices("us-west-2")


def test_each_region_has_its_own_list():
    both = PriceLists(lists=(EAST, WEST))
    assert (both.of("us-west-2"), both.of("us-east-1"), both.of("eu-west-1"), both.of(None)) == (
        WEST,
        EAST,
        None,
        None,
    )
    assert (both.currency, both.regions) == ("USD", "us-east-1, us-west-2")
    assert both.lacking(["us-west-2", "eu-west-1"]) == ["eu-west-1"]


def test_a_list_alone_is_taken_for_every_run():
    assert PriceLists(lists=(EAST,)).of("us-west-2") == PriceLists(lists=(EAST,)).of(None) == EAST


@pytest.mark.parametrize("lists", [(EAST,), (EAST, WEST)])
def test_what_was_written_is_read_again(lists):
    problems: list[str] = []
    assert checked_lists(written_lists(PriceLists(lists=lists)), problems) == PriceLists(lists=lists)
    assert problems == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "there is no list of prices in it; write one for each region"),
        ("x", "a list of prices is an object with currency, region, instances, storage, not 'x'"),
        ([*written_lists(PriceLists(lists=(EAST, WEST))), 7], "list 3: a list of prices is an object"),  # type: ignore[misc]
        (
            written_lists(PriceLists(lists=(EAST, EAST))),
            "list 2: region: there is a list of us-east-1 before",
        ),
        (
            written_lists(PriceLists(lists=(EAST, prices("cn-north-1", "CNY")))),
            "list 2: currency: CNY beside USD; give all in one currency",
        ),
    ],
)
def test_what_is_wrong_is_told(value: Any, problem: str):
    problems: list[str] = []
    assert checked_lists(value, problems) is None
    assert problems[0].startswith(problem)
