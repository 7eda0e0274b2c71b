"""A pace that one launcher leaves to the next."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from batchrun.model.paces.handing_on import HandedOn, ago, all_ago, handed_on
from batchrun.model.paces.pace import Pace
from batchrun.model.paces.rates import AUTO, UNLIMITED, Rate


def opened() -> Pace:
    """Return a pace that used a burst of 8."""
    pace = Pace(AUTO)
    for number in range(8):
        pace.passed(number / 1000)
    pace.refused(0.01, 0.02)
    return pace


def learned() -> Pace:
    """Return a pace that found a limit."""
    pace = opened()
    for number in range(1, 100):
        pace.passed(number / 8)
    pace.refused(100 / 8, 100 / 8)
    pace.passed(101 / 8)
    return pace


def handed(pace: Pace, *, now: float = 13.0, last: float = 12.625) -> HandedOn:
    return passed_on(replace(pace.hand_on(now), last=ago(last, now)))


def passed_on(known: HandedOn) -> HandedOn:
    """Return it as the next launcher reads it."""
    read = handed_on(known.text())
    assert read is not None
    return read


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


def test_what_nobody_has_seen_answered_is_taken_to_pass_until_it_is_throttled():
    one, other = learned(), Pace(AUTO)
    known = passed_on(replace(one.hand_on(13.0), in_air=all_ago([12.75, 12.875], 13.0)))
    other.take_over(known, 13.0)
    for sent in (12.75, 12.875):
        one.passed(sent)
    assert (other.rate, other.learned) == (one.rate, one.learned)
    for number in range(104, 120):
        one.passed(number / 8)
        other.passed(number / 8)
    surer = Pace(AUTO)
    surer.take_over(handed(other, now=15.0, last=14.9), 15.0)
    other.refused(15.0, 15.0)
    surer.refused(15.0, 15.0, was_counted=True)
    assert surer.rate < other.rate  # with one call less in the same time


def test_of_calls_that_left_after_one_that_was_throttled_none_speaks_of_the_time_before_it():
    in_order, late = opened(), opened()
    for number in [*range(1, 24), *range(25, 32)]:
        late.passed(number / 8, pressed=number < 14)
        if number < 24:
            in_order.passed(number / 8, pressed=number < 14)
    in_order.refused(3.0, 3.0)
    late.refused(3.0, 4.0)
    assert late.learned.base == in_order.learned.base == pytest.approx(8, rel=0.05)


def test_refusals_that_were_found_to_be_noise_are_so_to_the_next_too():
    one, other = Pace(AUTO), Pace(AUTO)
    now = 0.0
    while not one.hand_on(now).noise.is_on:
        for _ in range(6):
            now += 1 / min(one.rate, 100)
            one.passed(now)
        now += 1 / min(one.rate, 100)
        one.refused(now, now)
        assert now < 1000
    other.take_over(handed(one, now=now + 0.1, last=now), now + 0.1)
    for pace in (one, other):
        pace.refused(now + 0.2, now + 0.2)
    assert other.rate == one.rate


def test_times_are_told_as_spans_and_what_never_was_as_nothing():
    known = handed(learned())
    assert known.last == pytest.approx(0.375)
    assert known.rests is None
    fresh = handed(Pace(AUTO), last=-math.inf)
    assert (fresh.last, fresh.empty, fresh.was_cut, fresh.times) == (None, None, None, ())


@pytest.mark.parametrize("refusals", [1, 2, 3])
def test_a_search_at_a_bucket_of_one_goes_on_between_what_passed_and_what_was_refused(refusals):
    one, other = Pace(AUTO, supposed=5.0), Pace(AUTO)
    now = sent = 0.0
    one.passed(sent)
    for _ in range(refusals):
        sent = one.refused(now + 0.001, now + 0.002)
        while one.rate < 8:
            now = sent = sent + 1 / one.rate
            one.passed(sent)
    json.loads(one.hand_on(now).text(), parse_constant=pytest.fail)  # Infinity is no JSON
    other.take_over(handed(one, now=now, last=now), now)
    assert other.hand_on(now).search == one.hand_on(now).search
    assert (other.rate, other.learned) == (one.rate, one.learned)


def test_an_opening_is_handed_on_as_one():
    other = Pace(AUTO)
    other.take_over(handed(Pace(AUTO), last=-math.inf), 5.0)
    assert (other.rate, other.has_learned) == (math.inf, False)


def test_whoever_has_learned_takes_nothing_from_one_that_has_not():
    """Seen: one that took its turn early left its opening to one that was to store what it had learned."""
    one, other = learned(), Pace(AUTO)
    before = one.learned
    other.passed(12.9)
    one.take_over(passed_on(replace(other.hand_on(13.0), in_air=(0.05,))), 13.0)
    assert (one.learned, one.is_kept) == (replace(before, passed=before.passed + 1), True)


def test_what_the_user_asked_for_holds_for_whoever_takes_over():
    other = Pace(Rate(most=4.0))
    other.take_over(handed(learned()), 13.0)
    assert other.rate == 4.0


def test_no_pace_is_kept_where_none_is_asked_for_until_the_first_refusal():
    pace = Pace(UNLIMITED)
    assert not pace.is_kept
    pace.refused(1.0, 1.0)
    assert pace.is_kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"times":[],"in_air":[],"under_way":[],"noise":{"recent":3}}',
        '{"times":[],"in_air":[],"under_way":[],"search":[],"noise":{"recent":3}}',
        '{"times":[],"in_air":[],"under_way":[],"search":[],"noise":null}',
        '{"times":[],"phase":"other"}',
        '{"times":3}',
    ],
)
def test_what_another_version_wrote_is_passed_over(text):
    assert handed_on(text) is None


def test_a_contest_that_lacks_something_is_passed_over():
    text = Pace().hand_on(1.0).text()
    assert handed_on(text) is not None
    assert handed_on(text.replace('"share":1.0,', "")) is None
    assert handed_on(text.replace('"was_wrong":false,', "")) is None
