"""The learning pace, against buckets of many sizes, shared and changing, in made-up time."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.model.paces.handing_on import Learned, Phase
from batchrun.model.paces.pace import Pace
from batchrun.model.paces.rates import AUTO, SLOWEST, UNLIMITED, Rate
from batchrun.model.paces.search import JITTER
from tests.model.bucket import played

#: Tokens per second and of a full bucket: today's and yesterday's defaults, raised ones, strict and generous.
BUCKETS = [
    (0.1, 1),
    (1, 1),
    (1, 5),
    (3, 3),
    (5, 1),
    (5, 5),
    (5, 10),
    (8, 1),
    (8, 8),
    (8, 16),
    (10, 10),
    (20, 20),
]


@pytest.mark.parametrize(("rate", "burst"), BUCKETS)
@pytest.mark.no_cover
def test_a_limit_that_nobody_told_is_found_and_used(rate, burst):
    story = played(rate, burst)
    least = (400 - burst) / rate
    assert story.seconds <= least * (1.06 if burst == 1 else 1.02)
    assert story.refused <= (0.045 if rate <= 1 else 0.02)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.no_cover
def test_the_quota_of_healthomics_is_used_to_the_last_percent(seed):
    story = played(5, 5, seed=seed)
    assert story.seconds <= 395 / 5 * 1.015
    assert len(story.refused_at) <= 6


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.no_cover
def test_answers_that_take_their_time_change_little(seed):
    story = played(8, 8, answer=0.12, jitter=0.03, seed=seed)
    assert story.seconds <= 392 / 8 * 1.05
    assert story.refused <= 0.04


def test_a_rate_is_a_bound_and_no_burst():
    story = played(1000, 1000, asked=Rate(most=5), calls=50)
    assert story.seconds >= 49 / 5 - 0.02
    gaps = [later - earlier for earlier, later in pairwise(story.passed_at)]
    assert min(gaps) > 0.17


def test_below_a_rate_that_is_too_much_to_ask_the_limit_is_found():
    story = played(8, 8, asked=Rate(most=20))
    assert story.seconds <= 392 / 8 * 1.02
    assert story.refused <= 0.02


def test_where_nothing_limits_nothing_waits():
    assert played(1e6, 10**6, calls=3000).seconds < 3


def test_the_burst_is_used_once():
    story = played(8, 8, calls=60)
    assert sum(1 for at in story.passed_at if at < 0.2) >= 8
    again = played(8, 8, calls=60, learned=story.pace.learned)
    assert sum(1 for at in again.passed_at if at < 0.2) <= 2


@pytest.mark.parametrize("burst", [2, 4, 8, 16])
def test_a_bucket_that_was_empty_at_the_beginning_is_not_taken_for_a_small_one(burst):
    """Each limit that was measured was too high: a tenth of the calls was throttled, for good."""
    story = played(8, burst, calls=600, filled=0)
    assert story.refused < 0.03
    assert story.seconds < 1.02 * 600 / 8


def test_a_later_launch_goes_on_where_the_last_one_stood():
    story = played(8, 8)
    again = played(8, 8, calls=100, learned=story.pace.learned)
    assert 7.5 <= again.rate(0, 10) <= 8.5
    assert len(again.refused_at) <= 1


def test_a_raised_limit_is_followed():
    story = played(8, 8, calls=2500, changes=[(60, 16)])
    assert story.rate(40, 60) >= 7.9
    assert story.rate(120, 160) >= 15.5
    assert story.refused <= 0.01


def test_a_lowered_limit_is_followed_at_once_and_back():
    story = played(8, 8, calls=2000, changes=[(60, 2), (200, 8)])
    assert story.rate(70, 180) >= 1.9
    assert len([at for at in story.refused_at if 60 <= at < 180]) <= 12
    assert story.rate(300, 340) >= 7.8


@pytest.mark.parametrize("seconds", [2, 10, 40])
def test_after_a_drought_the_lane_is_back_within_seconds(seconds):
    story = played(8, 8, calls=1500, changes=[(60, 1e-9), (60 + seconds, 8)])
    back = 60 + seconds
    assert story.rate(back + 15, back + 45) >= 7
    assert story.refused <= 0.05


@pytest.mark.parametrize("burst", [1, 5])
@pytest.mark.parametrize(("since", "seconds"), [(0, 10), (0, 60), (0, 600), (60, 60), (60, 600)])
def test_an_account_that_lets_go_is_found_out_within_seconds_and_hardly_asked_until_then(
    since, seconds, burst
):
    """A minute of refusals from the start on took a launch of 60 runs 90 s more than it could have taken."""
    story = played(5, burst, calls=1000, changes=[(since, 1e-9), (since + seconds, 5)], filled=None)
    back = since + seconds
    assert len([at for at in story.refused_at if since + 10 <= at < back]) <= seconds / 8
    assert min(at for at in story.passed_at if at > back) <= back + 8
    assert story.rate(back + 15, back + 35) >= 0.9 * 5
    assert story.rate(back, back + 60) >= 0.8 * 5


def test_a_lane_is_starved_while_hardly_anything_passes_and_is_not_kept_as_such():
    pace = played(8, 8).pace
    now = 1e3
    for _ in range(8):
        pace.refused(now, now)
        now += 10
    assert pace.is_starved
    assert pace.learned.base > 8 * pace.rate
    assert not played(8, 8).pace.is_starved


@pytest.mark.no_cover
def test_another_user_of_the_account_gets_a_share_and_what_it_leaves_is_taken_back():
    others = [60 + number / 4 for number in range(400)]  # four a second, for a hundred seconds
    story = played(8, 8, calls=2300, others=others)
    assert 3.5 <= story.rate(90, 150) <= 4.5
    assert story.rate(280, 300) >= 7.5
    assert story.refused <= 0.01


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2])
@pytest.mark.no_cover
def test_refusals_that_have_nothing_to_do_with_the_rate_do_not_stop_us(share):
    story = played(1e6, 10**6, calls=2000, noise=share, asked=Rate(most=90))
    assert story.seconds <= 2000 / 90 * 3


def test_noise_is_not_taken_for_noise_where_it_is_a_limit():
    story = played(8, 8, calls=1500, noise=0.05)
    assert story.seconds <= 1500 / 8 * 2
    assert story.refused <= 0.3


def test_a_told_quota_is_begun_with():
    story = played(2, 2, calls=100, quota=2)
    assert story.seconds <= 98 / 2 * 1.03
    assert len(story.refused_at) <= 3
    assert Pace(quota=2).known_rate == 2


def test_what_is_known_before_the_first_call_is_what_is_supposed():
    assert Pace(supposed=5).known_rate == 5
    assert Pace(supposed=5).rate == math.inf
    assert Pace(Rate(most=3)).known_rate == 3


def test_one_burst_of_refusals_is_one_cut():
    pace = Pace(Rate(most=40))
    for number in range(100):
        pace.passed(number / 40)
    for number in range(30):
        pace.refused(2.5 + number / 1000, now=2.6)
    assert pace.rate > 39
    pace.refused(2.7, now=2.8)
    assert pace.rate < 25


def test_a_refusal_right_after_another_halves():
    pace = Pace(AUTO)
    pace.refused(0.0, now=0.1)
    before = pace.rate
    pace.refused(0.2, now=0.3)
    assert pace.rate == pytest.approx(before / 2 * (1 - JITTER))


def test_growth_is_counted_in_calls_and_not_in_time():
    pace = played(8, 8).pace
    before = pace.rate
    pace.passed(1e6)
    assert pace.rate == pytest.approx(before, rel=0.1)


def test_calls_that_nothing_held_back_prove_no_higher_rate():
    story = played(8, 8)
    before = story.pace.rate
    for number in range(2000):
        story.pace.passed(story.seconds + number, pressed=False)
    assert story.pace.rate == before
    fresh = Pace(AUTO)
    for number in range(100):
        fresh.passed(float(number), pressed=False)
    assert fresh.window == 1


def test_answers_to_what_left_before_a_cut_are_no_news():
    pace = Pace(AUTO)
    pace.refused(1.0, now=2.0)
    before = pace.rate
    pace.passed(1.5)
    pace.refused(1.9, now=3.0)
    assert pace.rate == before


def test_nothing_is_kept_of_a_pace_that_was_never_refused():
    pace = Pace()
    pace.passed(1.0)
    assert not pace.has_learned
    pace.refused(2.0, now=2.0)
    assert pace.has_learned


def test_what_was_caught_up_on_after_a_delay_stays_within_the_burst():
    assert Pace().lateness == 0.02
    assert played(8, 8).pace.lateness * 8 == pytest.approx(4, abs=1)
    assert played(8, 1).pace.lateness == 0
    assert Pace(Rate(most=8), learned=played(8, 8).pace.learned).lateness == 0.02


LEARNED = st.builds(
    Learned,
    phase=st.sampled_from([Phase.SEARCHING, Phase.HOLDING]),
    base=st.floats(1e-3, 1e4),
    cut=st.floats(0, 0.5),
    span=st.integers(1, 240),
    passed=st.integers(0, 10_000),
    burst=st.integers(0, 1000),
)
ANSWERS = st.lists(st.tuples(st.booleans(), st.floats(1e-6, 100)), max_size=80)


@given(ANSWERS, st.none() | LEARNED, st.sampled_from([AUTO, Rate(most=3), Rate(most=500)]))
def test_whatever_comes_the_rate_stays_within_its_bounds(answers, learned, asked):
    pace, now = Pace(asked, learned=learned), 0.0
    for is_refused, wait in answers:
        now += wait
        if is_refused:
            pace.refused(now - wait / 2, now)
        else:
            pace.passed(now - wait / 2)
        assert SLOWEST <= pace.rate <= asked.most
        assert pace.window >= 1
        assert pace.known_rate > 0
        kept = pace.learned
        assert kept.base >= SLOWEST
        assert kept.span >= 1
        assert 0 <= kept.cut <= 1


@pytest.mark.parametrize(("rate", "burst"), BUCKETS)
@pytest.mark.no_cover
def test_without_a_pace_it_is_found_from_the_first_refusal_on(rate, burst):
    paced, free = played(rate, burst), played(rate, burst, asked=UNLIMITED)
    assert free.seconds <= paced.seconds * 1.05 + 0.5
    assert free.pace.has_learned


def test_without_a_pace_nothing_slows_it_until_it_is_refused():
    story = played(10_000, 10_000, asked=UNLIMITED, calls=2000, answer=1.0)
    assert story.seconds <= 2000 / 32 * 1.1
    assert (story.pace.rate, story.pace.known_rate, story.pace.window) == (math.inf, math.inf, math.inf)
    learned = Learned(phase=Phase.HOLDING, base=8, cut=0.01, span=240, passed=240, burst=8)
    for known in ({"learned": learned}, {"learned": learned, "quota": 8.0}, {"quota": 8.0}):
        story = played(8, 8, asked=UNLIMITED, **known)
        assert story.pace.known_rate == pytest.approx(8, rel=0.1)
        assert story.refused <= 0.12


def test_only_what_is_to_be_found_out_is_auto():
    assert [one.is_auto for one in (AUTO, UNLIMITED, Rate(most=5))] == [True, False, False]


def test_two_refusals_one_after_the_other_do_not_bring_a_rare_call_to_a_halt():
    learned = Learned(phase=Phase.HOLDING, base=0.1, cut=0.01, span=60, passed=60, burst=1)
    pace = Pace(supposed=5.0, learned=learned)
    pace.passed(0.0)
    for sent in (10.0, 20.0, 30.0):  # somebody else's calls take the tokens
        pace.refused(sent, sent + 0.1)
    assert pace.rate > 0.08
