"""A pace that one launcher leaves to the next."""

from __future__ import annotations

import math

import pytest

from batchrun.model.handing_on import handed_on
from batchrun.model.pace import AUTO, UNLIMITED, Pace, Rate


def learned(rate: Rate = AUTO) -> Pace:
    """Return a pace that found a limit of 8."""
    pace = Pace(rate)
    for number in range(8):
        pace.passed(number / 1000)
    pace.refused(0.01, 0.02)
    for number in range(1, 100):
        pace.passed(number / 8)
    pace.refused(100 / 8, 100 / 8)
    pace.passed(101 / 8)
    return pace


def handed(pace: Pace, *, now: float = 13.0, last: float = 12.625):
    return handed_on(pace.hand_on(now, last=last, rests_until=-math.inf).text())


def test_whoever_takes_over_goes_on_as_if_it_had_learned_all_by_itself():
    one, other = learned(), Pace(AUTO)
    other.take_over(handed(one), 1013.0)
    assert (other.rate, other.window, other.learned) == (one.rate, one.window, one.learned)
    assert (other.has_learned, other.is_kept) == (True, True)
    for number in range(102, 130):
        one.passed(number / 8)
        other.passed(1000 + number / 8)
    one.refused(130 / 8, 130 / 8)
    other.refused(1000 + 130 / 8, 1000 + 130 / 8)
    assert other.rate == pytest.approx(one.rate, rel=1e-4)


def test_calls_that_left_before_the_cut_are_no_news_to_the_next_either():
    one, other = learned(), Pace(AUTO)
    other.take_over(handed(one), 1013.0)
    before = other.rate
    other.refused(1012.4, 1013.1)
    assert other.rate == before


def test_times_are_told_as_spans_and_what_never_was_as_nothing():
    known = handed(learned())
    assert known is not None
    assert (known.last, known.rests) == (pytest.approx(0.375), None)
    fresh = handed(Pace(AUTO), last=-math.inf)
    assert fresh is not None
    assert (fresh.last, fresh.empty, fresh.was_cut, fresh.times) == (None, None, None, ())


def test_an_opening_is_handed_on_as_one():
    other = Pace(AUTO)
    other.take_over(handed(Pace(AUTO), last=-math.inf), 5.0)
    assert (other.rate, other.has_learned) == (math.inf, False)


def test_what_the_user_asked_for_holds_for_whoever_takes_over():
    other = Pace(Rate(most=4.0))
    other.take_over(handed(learned()), 13.0)
    assert other.rate == 4.0


def test_no_pace_is_kept_where_none_is_asked_for_until_the_first_refusal():
    pace = Pace(UNLIMITED)
    assert not pace.is_kept
    pace.refused(1.0, 1.0)
    assert pace.is_kept


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"times":[],"phase":"other"}', '{"times":3}'])
def test_what_another_version_wrote_is_passed_over(text):
    assert handed_on(text) is None
