"""Lists of prices, which are somebody else's file."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.model.costs import checked_prices, is_instance_type, price_of, written_prices

GOOD: dict[str, Any] = {
    "currency": "USD",
    "region": "us-east-1",
    "instances": {"omics.m.xlarge": 0.2592, "omics.g4dn.xlarge": "0.9"},
    "storage": {"STATIC": 1.918e-4},
}


def problems_of(value: Any) -> list[str]:
    problems: list[str] = []
    assert (checked_prices(value, problems) is None) == bool(problems)
    return problems


def test_a_good_list_and_back():
    found = checked_prices(GOOD, [])
    assert found is not None
    assert found.instances == {"omics.m.xlarge": Decimal("0.2592"), "omics.g4dn.xlarge": Decimal("0.9")}
    assert found.storage == {"STATIC": Decimal("0.0001918")}
    assert checked_prices(written_prices(found), []) == found


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"currency": "usd"}, "currency: cannot be 'usd'; write its three letters"),
        ({"currency": 7}, "currency: cannot be 7; write its three letters"),
        (
            {"region": "x" * 99},
            "region: cannot be 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...; write the region",
        ),
        ({"instances": []}, "instances: cannot be []; write an object of prices per hour"),
        ({"instances": {"m5.large": 1}}, "instances.'m5.large': unknown name; write omics.m.xlarge"),
        (
            {"instances": {"omics.m.large": 0}},
            "instances.omics.m.large: 0 is not a price; write a number above 0",
        ),
        ({"instances": {"omics.m.large": None}}, "instances.omics.m.large: None is not a price"),
        ({"storage": {"STATIC": True}}, "storage.STATIC: True is not a price"),
        ({"storage": {"static": 1}}, "storage.'static': unknown name; write STATIC or DYNAMIC"),
        ({"hourly": True}, "'hourly': there is no such key; leave it out"),
    ],
)
def test_what_is_wrong_is_told_with_place_and_cure(change, problem):
    (found,) = problems_of(GOOD | change)
    assert found.startswith(problem)


def test_all_that_is_missing_is_told_at_once():
    found = problems_of({})
    assert [one.split(":")[0] for one in found] == ["currency", "region", "instances", "storage"]
    assert all("is missing" in one for one in found)


@pytest.mark.parametrize("value", [None, [], 7, "text", True])
def test_a_list_of_prices_is_an_object(value):
    assert "is an object" in problems_of(value)[0]


@pytest.mark.parametrize(
    "value", [0, -1, "", "x", "nan", "inf", "1e7", "1e999999999", "1" * 41, True, None, [], "1_0_x", "-0"]
)
def test_no_price(value):
    assert price_of(value) is None


@pytest.mark.parametrize("value", ["0.1080000000", 0.108, "1e-9", 1_000_000])
def test_a_price(value):
    assert price_of(value) == Decimal(str(value))


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("omics.m.xlarge", True),
        ("omics.g4dn.12xlarge", True),
        ("omics.", False),
        ("m.xlarge", False),
        ("", False),
    ],
)
def test_instance_types(name, is_one):
    assert is_instance_type(name) is is_one


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([*GOOD, "omics.m.large", "STATIC"]), inner)
        ),
        max_leaves=8,
    )
)
def test_whatever_comes_is_a_list_or_has_problems(value):
    problems_of(value)
