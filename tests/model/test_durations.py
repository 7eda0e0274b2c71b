"""Durations as people write them."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from batchrun.model.texts.durations import parsed, written


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("50m", 3000), ("1h30m", 5400), ("2d", 172800), ("1.5s", 1.5), ("45", 45), ("0.5", 0.5)],
)
def test_what_people_write(text, seconds):
    assert parsed(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "5 m", "-1s", "1m1h", "1e9", "inf", "٣s", "9" * 99 + "d"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match=r"^"):
        parsed(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0s"), (5400.0, "1h30m"), (86401.0, "1d1s"), (0.25, "0.25s")]
)
def test_how_they_are_written(seconds, text):
    assert written(seconds) == text


@given(st.decimals(min_value=0, max_value=10**9, places=6, allow_nan=False).map(float))
def test_what_is_written_is_read_as_it_was(seconds):
    assert parsed(written(seconds)) == seconds
