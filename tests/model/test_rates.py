"""Rates as people write them."""

from __future__ import annotations

import pytest

from batchrun.model.paces import rates
from batchrun.model.paces.rates import AUTO, SLOWEST, UNLIMITED, Rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("auto", AUTO),
        (" Unlimited ", UNLIMITED),
        ("5", Rate(most=5.0)),
        ("0.5", Rate(most=0.5)),
        (repr(SLOWEST), Rate(most=SLOWEST)),
        ("1e3", Rate(most=1000.0)),
    ],
)
def test_what_is_written_is_read_as_the_same_rate(text, rate):
    assert rates.parsed(text) == rate
    assert rates.parsed(rates.written(rate)) == rate


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "0.001", "inf", "nan", "1e999", "5/s"])
def test_anything_else_is_none(text):
    with pytest.raises(ValueError):  # noqa: PT011 (its words are nobody's)
        rates.parsed(text)
