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
@pytest.mark.parametrize(("answer", "jitter"), [(0.005, 0.002), (0.3, 0.1), (1.0, 0.1)])
@pytest.mark.parametrize("lowered", [0.1, 0.2, 0.5])
def test_a_limit_that_is_much_lower_is_not_taken_for_others_for_long(lowered, burst, answer, jitter):
    """Answers of 0.3 s made it 3,600 refusals in 90 minutes: the time of a refusal was not counted."""
    story = played(8, burst, calls=MANY, changes=[(60, lowered)], answer=answer, jitter=jitter, seconds=1800)
    assert story.rate(120, 1800) >= (0.6 if answer < 1 else 0.55) * lowered
    assert len([at for at in story.refused_at if at >= 60]) <= 120
    assert len([at for at in story.refused_at if at >= 600]) <= 20


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


class Played:
    """A contest, and the time at which calls are sent."""

    def __init__(self, *, known: float = 8.0, supposed: float = 5.0, answer: float = 0.0) -> None:
        self.contest = Contest()
        self.now = 0.0
        self.begun = 0.0  #: when the contest began
        self._limit = {"known": known, "supposed": supposed}
        self._answer = answer  #: seconds that a refusal takes, from which on the next turn is counted

    def passes(self, rate: float | None = None, *, pressed: bool = True) -> Ending | None:
        self.now += 1 / (rate or self.contest.asked)
        return self.contest.passed(self.now, rate or self.contest.asked, pressed=pressed)

    def is_refused(self, rate: float) -> bool:
        self.now += 1 / rate
        return self.contest.suspects(self.now, rate, **self._limit)

    def loses(self) -> Ending | None:
        sent = self.now = self.now + 1 / self.contest.asked
        self.now += self._answer
        return self.contest.lost(sent, self.now)


def contested(answer: float = 0.0) -> Played:
    """A limit of 8 that others take of, as it was just concluded."""
    made = Played(answer=answer)
    assert not made.is_refused(8.0)
    made.passes(0.9)
    assert [made.is_refused(0.4) for _ in range(3)] == [False, False, True]
    made.begun = made.now
    return made


def test_others_are_concluded_from_refusals_at_half_a_rate_that_passed():
    assert contested().contest.asked == 8
    made = Played()
    made.passes(100.0)  # what was saved says nothing of a rate
    assert not any(made.is_refused(0.4) for _ in range(100))


def test_a_limit_that_is_only_supposed_may_be_much_lower():
    made = Played(known=0.0)
    made.is_refused(5.0)
    made.passes(0.9)
    assert not any(made.is_refused(0.35) for _ in range(100))
    assert [made.is_refused(0.3) for _ in range(3)][-1]


def test_under_the_verdict_passing_wins_and_refusals_lose_down_to_a_call_a_second():
    made = contested()
    made.loses()
    assert made.contest.asked == pytest.approx(6.4)
    made.passes()
    assert made.contest.asked == pytest.approx(7.2)
    for _ in range(12):
        made.loses()
    assert made.contest.asked == 1


def test_it_ends_where_all_passes_again_and_where_nothing_does():
    made = contested()
    assert [made.passes() for _ in range(32)] == [None] * 31 + [Ending.CALM]
    made = contested()
    made.passes()
    assert [made.loses() for _ in range(64)] == [None] * 63 + [Ending.HOPELESS]
    assert not made.contest.is_on


@pytest.mark.parametrize("pressed", [True, False])
def test_where_few_calls_are_to_be_made_and_most_pass_it_is_not_hopeless(pressed):
    """Those that had no wait did not count, and refusals did: hopeless while nine in ten passed."""
    made, endings = contested(), []
    for number in range(600):
        endings.append(made.loses() if number % 10 == 0 else made.passes(pressed=pressed))  # noqa: PERF401
    assert set(endings) == {None}
    assert made.contest.share >= 0.8


@pytest.mark.parametrize("answer", [0.0, 0.3, 2.0])
def test_who_asks_less_than_passes_and_is_not_refused_is_alone(answer):
    made = contested(answer)
    for number in range(32):
        made.passes() if number % 2 else made.loses()
    assert made.contest.asked == made.contest.sure < made.contest.rate
    assert made.contest.sure <= 16 / (made.now - made.begun)
    assert [made.passes() for _ in range(16)] == [None] * 15 + [Ending.ALONE]


@pytest.mark.parametrize("answer", [0.0, 0.3])
@pytest.mark.parametrize("after", [0, 7, 8])
def test_a_pause_says_nothing_of_the_limit(answer, after):
    """An hour without calls was counted: for ten minutes and more a call was made in 30 s."""
    plain, paused = contested(answer), contested(answer)
    for number in range(32):
        if number == after:
            paused.now += 3_600
        for made in (plain, paused):
            made.passes() if number % 2 else made.loses()
    assert plain.contest.asking
    assert 0.95 * plain.contest.sure <= paused.contest.sure <= 1.01 * plain.contest.sure


def test_it_is_asked_ever_more_rarely_whether_others_are_there():
    made, asked = contested(), []
    for number in range(4000):
        if made.contest.asking:
            asked.append(number)
            made.loses()
        else:
            made.passes() if number % 2 else made.loses()
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert gaps[:5] == [65, 129, 257, 513, 1025]
    assert gaps[-1] == 1025


def test_a_lane_beside_others_that_leave_hardly_anything_is_starved():
    pace = Pace(quota=8.0)
    pace.refused(1.0, 1.0)
    pace._contest = contested().contest
    assert not pace.is_starved
    for number in range(40):
        pace.refused(2.0 + number, 2.0 + number)
    assert pace.is_starved
    assert pace.rate == 1
    assert pace.learned.base >= 4  # not what is left of it today
