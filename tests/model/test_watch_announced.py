"""Watching runs whose ends are announced by messages."""

from __future__ import annotations

import pytest

from batchrun.model.entries.policies import WatchPolicy
from batchrun.model.planning.actions import Look, Sweep
from batchrun.model.planning.announcing import RARER
from batchrun.model.planning.stimuli import RunsAnnounced, Swept
from batchrun.model.planning.sweeps import Way
from batchrun.model.planning.watch import Watch
from tests.builders import at
from tests.model.test_watch import looks, shown, swept, watch


def said(*numbers: int, is_alive: bool = True) -> RunsAnnounced:
    return RunsAnnounced(uuids=tuple(f"u-{number}" for number in numbers), is_alive=is_alive)


def relied_on(count: int, way: Way = Way.AUTO) -> Watch:
    """Return runs that were looked at, or listed, when one more ended, as a message had said."""
    made = watch(count + 1, way)
    made.announced(said(count), now=0)
    last = f"row-{count}"
    actions = made.plan(now=0, room=1000)
    for action in sorted(actions, key=lambda one: isinstance(one, Sweep) or one.entry.id != last):
        if isinstance(action, Sweep):
            made.swept(Swept(sweep=action, listed=shown(*range(count)), calls=4), now=1, at=at(1))
        else:
            made.looked(action.entry, now=1, failed=False, is_going=action.entry.id != last)
    return made


def test_a_run_that_is_said_to_have_ended_is_looked_at_at_once_though_listings_show_it():
    made = watch(100)
    swept(made, shown(*range(100)), 0)
    assert looks(made.plan(now=5, room=100)) == []
    made.announced(said(7, 500), now=5)
    (look,) = [one for one in made.plan(now=5, room=100) if isinstance(one, Look)]
    assert look.entry.id == "row-7"
    made.looked(look.entry, now=6, failed=False, is_going=True)
    # The same again is looked at again, but not in one breath.
    made.announced(said(7), now=6)
    assert looks(made.plan(now=7, room=100)) == []
    assert looks(made.plan(now=8.1, room=100)) == ["row-7"]


def test_a_look_that_may_have_been_too_early_is_taken_once_more():
    made = watch(1)
    (look,) = made.plan(now=0, room=1)
    assert isinstance(look, Look)
    made.announced(said(0), now=0.5)
    made.looked(look.entry, now=1, failed=False, is_going=True)
    assert made.wake_at(1) == 1 + WatchPolicy().shortest


def test_looks_are_rarer_while_messages_announce_ends_and_come_back_at_once_when_they_do_not():
    made = relied_on(3)
    due = made.wake_at(1)
    assert due is not None
    assert due > 10 * WatchPolicy().shortest
    made.announced(said(is_alive=False), now=2)
    again = made.wake_at(1)
    assert again is not None
    assert again < due
    made = relied_on(3)
    (look,) = [one for one in made.plan(now=due, room=1) if isinstance(one, Look)]
    made.looked(look.entry, now=due, failed=False, is_going=False)  # nobody had said so
    before = made.wake_at(1)
    assert before is not None
    made.plan(now=due + 31, room=0)
    after = made.wake_at(1)
    assert after is not None
    assert after <= due + 31


def test_sweeps_are_rarer_too_and_one_comes_at_once_when_messages_stop():
    made, usual = relied_on(200, Way.LIST), watch(200, Way.LIST)
    swept(usual, shown(*range(200)), 0)
    for one in (made, usual):
        swept(one, shown(*range(200)), 100)
    rare, often = made.wake_at(0), usual.wake_at(0)
    assert rare is not None
    assert often is not None
    assert rare - 100 == pytest.approx(RARER * (often - 100), rel=0.2)
    made.announced(said(is_alive=False), now=110)
    assert made.wake_at(0) == 110
