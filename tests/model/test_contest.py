"""A limit that others take of too: a launch gets its share of it, and asks alone for what is its own."""

from __future__ import annotations

from itertools import pairwise
from statistics import mean

import pytest

from batchrun.model.paces.contest import Contest, Ending
from batchrun.model.paces.pace import Pace
from batchrun.model.paces.rates import Rate
from tests.model.bucket import Story, played

#: Seconds of a story that are counted, so that how it begins weighs little.
SETTLED, END = 120.0, 480.0
MANY = 10_000


def beside(scripts: int, rate: float, burst: int) -> list[Story]:
    """Play a launch beside people's scripts."""
    return [played(rate, burst, calls=MANY, scripts=scripts, seconds=END, seed=seed) for seed in range(4)]


def share(story: Story, rate: float) -> float:
    return story.rate(SETTLED, END) / rate


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("rate", "burst", "scripts", "least"),
    [
        (1, 1, 1, 0.35),
        (1, 1, 4, 0.15),
        (1, 5, 1, 0.35),
        (5, 1, 1, 0.2),
        (5, 1, 4, 0.12),
        (5, 5, 1, 0.25),
        (5, 5, 4, 0.2),
        (5, 10, 4, 0.2),
        (8, 1, 1, 0.2),
        (8, 1, 4, 0.12),
        (8, 8, 1, 0.25),
        (8, 8, 4, 0.2),
    ],
)
def test_a_launch_beside_scripts_gets_a_share_of_the_limit(rate, burst, scripts, least):
    """It came to a call in thirty seconds: 0.00 to 0.02 of the limit beside four, and beside one at 1/s."""
    found = [share(story, rate) for story in beside(scripts, rate, burst)]
    assert mean(found) >= least
    assert min(found) >= least / 2


@pytest.mark.parametrize(("rate", "burst", "share"), [(1, 1, 0.4), (5, 1, 0.55), (5, 5, 0.9), (8, 8, 0.9)])
def test_what_scripts_leave_is_taken_back(rate, burst, share):
    story = played(rate, burst, calls=MANY, scripts=4, scripted_until=200, seconds=END)
    assert story.rate(260, 320) >= share * rate
    assert len([at for at in story.refused_at if at > 260]) <= 0.02 * rate * END


@pytest.mark.no_cover
@pytest.mark.parametrize("burst", [1, 8])
@pytest.mark.parametrize("lowered", [0.1, 0.2, 0.5])
def test_a_limit_that_is_much_lower_is_not_taken_for_others_for_long(lowered, burst):
    story = played(8, burst, calls=int(8 * 60 + lowered * 540), changes=[(60, lowered)])
    assert story.rate(120, 560) >= 0.6 * lowered
    assert len([at for at in story.refused_at if at >= 60]) <= 120
    assert len([at for at in story.refused_at if at >= 360]) <= 20


def test_where_nothing_passes_any_more_it_is_hardly_asked():
    story = played(5, 5, calls=1500, scripts=4, changes=[(200, 1e-9), (500, 5)])
    assert len([at for at in story.refused_at if 300 <= at < 500]) <= 200 / 8 + 1
    assert story.seconds <= 2500  # it stayed at a call in 30 s, what was measured beside others being little


@pytest.mark.no_cover
@pytest.mark.parametrize(("noise", "seconds"), [(0.1, 55), (0.2, 60), (0.3, 80)])
def test_refusals_of_a_fifth_of_all_calls_do_not_bring_a_launch_to_a_halt(noise, seconds):
    """22 s are the least; it took 173 s with a fifth, and 20,000 s with three in ten."""
    stories = [played(1e6, 10**6, calls=2000, noise=noise, asked=Rate(most=90), seed=n) for n in range(1, 9)]
    assert mean(story.seconds for story in stories) <= seconds


def suspicious() -> Contest:
    """A limit of 8 that others take of, as it was just concluded."""
    made = Contest()
    assert not made.suspects(8.0, usual=8.0, is_known=True)
    made.passed(0.9)
    for _ in range(3):
        assert not made.is_on
        made.suspects(0.4, usual=8.0, is_known=True)
    assert made.is_on
    return made


def test_others_are_concluded_from_refusals_at_half_a_rate_that_passed():
    assert suspicious().asked == 8
    made = Contest()
    made.passed(100.0)  # what was saved says nothing of a rate
    for _ in range(100):
        assert not made.suspects(0.4, usual=8.0, is_known=True)


def test_a_limit_that_is_only_supposed_may_be_much_lower():
    made = Contest()
    made.suspects(5.0, usual=5.0, is_known=False)
    made.passed(0.9)
    for _ in range(100):
        assert not made.suspects(0.35, usual=5.0, is_known=False)
    assert [made.suspects(0.3, usual=5.0, is_known=False) for _ in range(3)][-1]


def test_under_the_verdict_passing_wins_and_refusals_lose_down_to_a_call_a_second():
    made = suspicious()
    made.lost()
    assert made.asked == pytest.approx(6.4)
    made.passed(6.4)
    assert made.asked == pytest.approx(7.2)
    for _ in range(12):
        made.lost()
    assert made.asked == 1


def test_it_ends_where_all_passes_again_and_where_nothing_does():
    made = suspicious()
    endings = [made.passed(8.0) for _ in range(31)]
    assert set(endings) == {None}
    assert made.passed(8.0) is Ending.CALM
    made = suspicious()
    made.passed(8.0)
    assert [made.lost() for _ in range(64)] == [None] * 63 + [Ending.HOPELESS]
    assert not made.is_on


def test_who_asks_less_than_passes_and_is_not_refused_is_alone():
    made = suspicious()
    for number in range(32):
        made.passed(made.asked) if number % 2 else made.lost()
    assert made.asked == made.sure < made.rate
    assert [made.passed(made.sure) for _ in range(16)] == [None] * 15 + [Ending.ALONE]


def test_it_is_asked_ever_more_rarely_whether_others_are_there():
    made, asked = suspicious(), []
    for number in range(4000):
        if made.asking:
            asked.append(number)
            made.lost()
        else:
            made.passed(made.asked) if number % 2 else made.lost()
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert gaps[:5] == [65, 129, 257, 513, 1025]
    assert gaps[-1] == 1025


def test_a_lane_beside_others_that_leave_hardly_anything_is_starved():
    pace = Pace(quota=8.0)
    pace.refused(1.0, 1.0)
    pace._contest = suspicious()
    assert not pace.is_starved
    for number in range(40):
        pace.refused(2.0 + number, 2.0 + number)
    assert pace.is_starved
    assert pace.rate == 1
    assert pace.learned.base >= 4  # not what is left of it today
