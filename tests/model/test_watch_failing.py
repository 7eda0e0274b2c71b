"""Watching runs where listing is denied, fails, or takes long, and where looks fail."""

from __future__ import annotations

from itertools import pairwise

from batchrun.model.planning.actions import Look, Sweep
from batchrun.model.planning.stimuli import SweepFailed, Swept
from batchrun.model.planning.sweeps import Way
from tests.builders import at
from tests.model.test_watch import looks, shown, sweep_of, swept, watch


def test_where_listing_is_denied_each_run_is_looked_at():
    made = watch(100)
    made.sweep_failed(SweepFailed(sweep=sweep_of(made.plan(now=0, room=32)), is_denied=True), now=1)
    assert made.in_air == 0
    now, seen = 1.0, 0
    while now < 200:
        actions = made.plan(now=now, room=200)
        assert not any(isinstance(action, Sweep) for action in actions)
        for action in actions:
            seen += 1
            assert isinstance(action, Look)
            made.looked(action.entry, now=now, failed=False, is_going=True)
        now = max(now + 0.01, made.wake_at(200) or now)
    assert seen >= 300


def test_a_sweep_that_fails_is_tried_again_ever_later_and_runs_are_looked_at_meanwhile():
    made, now, sweeps = watch(100), 0.0, []
    while now < 400:
        for action in made.plan(now=now, room=200):
            if isinstance(action, Sweep):
                sweeps.append(now)
                made.sweep_failed(SweepFailed(sweep=action, is_denied=False), now=now)
            else:
                made.looked(action.entry, now=now, failed=False, is_going=True)
        now = max(now + 0.01, made.wake_at(200) or now)
    gaps = [later - earlier for earlier, later in pairwise(sweeps)]
    assert len(gaps) >= 3
    assert gaps == sorted(gaps)
    assert gaps[0] >= 30


def test_one_pass_looks_at_each_run_where_listing_fails():
    made = watch(100, is_once=True)
    made.sweep_failed(SweepFailed(sweep=sweep_of(made.plan(now=0, room=32)), is_denied=False), now=1)
    assert len(looks(made.plan(now=1, room=200))) == 100


def test_a_look_under_way_is_not_planned_again_when_listing_stops():
    made = watch(100)
    swept(made, shown(*range(1, 100)), 0)
    assert looks(made.plan(now=1, room=1)) == ["row-0"]
    sweep = sweep_of(made.plan(now=30, room=1))
    made.swept(Swept(sweep=sweep, listed=shown(*range(1, 100)), calls=500), now=31, at=at(31))
    made.plan(now=32, room=1)
    assert "row-0" not in looks(made.plan(now=200, room=1000))


def test_a_sweep_that_takes_too_long_covers_nothing_any_more():
    made = watch(100)
    sweep = sweep_of(made.plan(now=0, room=32))
    assert 15 <= sweep.seconds <= 30
    assert looks(made.plan(now=5, room=200)) == []
    assert len(looks(made.plan(now=11, room=200))) == 100
    assert made.wake_at(0) is None


def test_after_a_sweep_that_failed_each_run_has_the_time_that_it_would_have_had():
    made = watch(100)
    sweep = sweep_of(made.plan(now=0, room=0))
    made.plan(now=1, room=32)
    made.sweep_failed(SweepFailed(sweep=sweep, is_denied=False), now=60)
    assert len(looks(made.plan(now=62, room=200))) > 50


def test_a_sweep_on_trial_after_a_failure_covers_nothing():
    made = watch(100, since=-3600)
    made.sweep_failed(SweepFailed(sweep=sweep_of(made.plan(now=0, room=0)), is_denied=False), now=1)
    actions = made.plan(now=70, room=200)
    assert isinstance(actions[0], Sweep)
    assert looks(actions)


def test_a_listing_that_proved_slow_is_not_worth_it():
    made = watch(100)
    swept(made, shown(*range(100)), 0, took=14)
    assert not any(isinstance(action, Sweep) for action in made.plan(now=30, room=0))
    assert any(isinstance(action, Sweep) for action in made.plan(now=700, room=0))


def test_failed_looks_come_ever_later():
    made, now, gaps = watch(1, Way.GET, since=-20), 0.0, []
    for _ in range(6):
        (action,) = made.plan(now=now, room=1)
        assert isinstance(action, Look)
        made.looked(action.entry, now=now, failed=True, is_going=True)
        wake = made.wake_at(1)
        assert wake is not None
        gaps.append(wake - now)
        now = wake
    assert gaps[:5] == sorted(gaps[:5])
    assert gaps[-1] > 5 * gaps[0]
