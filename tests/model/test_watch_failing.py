"""Watching runs where listing is denied, fails, or takes long, and where looks fail."""

from __future__ import annotations

from itertools import pairwise

from batchrun.model.planning.actions import Look, Sweep
from batchrun.model.planning.stimuli import SweepFailed, Swept
from batchrun.model.planning.sweeps import Way
from batchrun.model.planning.watch import Watch
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


def asked_in_vain(made: Watch, *, until: float) -> list[float]:
    """Let all looks fail until then; return when they were made."""
    now, asked = 0.0, []
    while now < until:
        for action in made.plan(now=now, room=32):
            if isinstance(action, Look):
                asked.append(now)
                made.looked(action.entry, now=now, failed=True, is_going=True)
        now = max(now + 0.01, made.wake_at(32) or now)
    return asked


def test_a_run_of_which_nothing_is_told_is_looked_at_on_and_not_waited_for():
    made = watch(1)
    asked_in_vain(made, until=890)
    assert made.is_waited_for
    assert asked_in_vain(made, until=1_100)
    assert not made.is_waited_for
    (look,) = made.plan(now=2_000, room=32)
    assert isinstance(look, Look)
    assert made.is_waited_for, "what is in the air may tell"
    made.looked(look.entry, now=2_000, failed=False, is_going=True)
    assert made.is_waited_for
    assert len(made) == 1


def test_a_listing_that_shows_it_tells_of_a_run_too():
    made = watch(1, Way.LIST)
    sweep = sweep_of(made.plan(now=0, room=0))
    made.sweep_failed(SweepFailed(sweep=sweep, is_denied=False), now=1)
    asked_in_vain(made, until=1_500)
    assert not any(isinstance(action, Look) for action in made.plan(now=1_500, room=0))
    made.swept(Swept(sweep=sweep, listed=shown(0), calls=1), now=1_500, at=at(1_500))
    assert made.is_waited_for


def test_a_run_that_looks_tell_of_and_that_cannot_be_cancelled_is_waited_for():
    made, now = watch(1), 0.0
    while now < 2_000:
        for action in made.plan(now=now, room=32):
            if isinstance(action, Look):
                made.looked(action.entry, now=now, failed=True, is_going=True, was_seen=True)
        now = max(now + 0.01, made.wake_at(32) or now)
    assert made.is_waited_for
