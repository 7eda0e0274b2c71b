"""Whom to look at, and what it costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Missed
from batchrun.model.entries.policies import WatchPolicy
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.actions import Look, Sweep
from batchrun.model.planning.limits import Limits, Mode
from batchrun.model.planning.listing import Listed
from batchrun.model.planning.stimuli import RatesLearned, Swept
from batchrun.model.planning.sweeps import Way
from batchrun.model.planning.watch import Watch
from tests.builders import active, at, planned, request

LAG = 60.0


def entry(number: int, **fields) -> Entry:
    id = f"row-{number}"
    content = request(name=f"cohort-{id}", **fields)
    return active(replace(planned(id, number), request=content), id=f"{1000 + number}", uuid=f"u-{number}")


def watch(
    count: int, way: Way = Way.AUTO, *, is_once: bool = False, since: float = -100.0, **fields
) -> Watch:
    made = Watch(Limits(mode=Mode.ONCE if is_once else Mode.WATCH, way=way, listing_lag=LAG))
    for number in range(count):
        made.add(entry(number, **fields), since=since, due=0.0)
    return made


def shown(*numbers: int, status: str = "RUNNING", **fields) -> dict[str, Listed]:
    return {
        f"{1000 + number}": Listed(
            id=f"{1000 + number}",
            status=status,
            name=fields.get("name", f"cohort-row-{number}"),
            creation_time=fields.get("creation_time", at(0)),
        )
        for number in numbers
    }


def looks(actions: list[Look | Sweep]) -> list[str]:
    return [action.entry.id for action in actions if isinstance(action, Look)]


def sweep_of(actions: list[Look | Sweep]) -> Sweep:
    (sweep,) = [action for action in actions if isinstance(action, Sweep)]
    return sweep


def swept(made: Watch, found: dict[str, Listed], now: float, *, took: float = 1.0):
    """Let a sweep that is due at *now*, or was planned before, show *found*."""
    sweep = sweep_of(made.plan(now=now, room=0))
    return made.swept(Swept(sweep=sweep, listed=found, calls=4), now=now + took, at=at(now + took))


def test_few_runs_are_looked_at_one_by_one():
    made = watch(5)
    assert looks(made.plan(now=0, room=32)) == [f"row-{number}" for number in range(5)]
    assert made.in_air == 5


def test_many_runs_are_listed():
    made = watch(500)
    (sweep,) = made.plan(now=0, room=32)
    assert (sweep.begun, sweep.run_group) == (0, None) if isinstance(sweep, Sweep) else False
    assert made.plan(now=1, room=32) == []


def test_runs_of_others_make_listing_dear():
    made = watch(50)
    sweep = sweep_of(made.plan(now=0, room=32))
    made.swept(
        Swept(sweep=sweep, listed=shown(*range(50)), calls=60), now=6, at=at(6)
    )  # 5,900 runs that are not ours
    made.plan(now=6, room=100)
    assert looks(made.plan(now=200, room=100))


def test_the_choice_goes_by_the_rates():
    made = watch(50)
    made.rates_learned(RatesLearned(get=1000, list=1))
    assert len(looks(made.plan(now=0, room=100))) == 50


@pytest.mark.parametrize(("way", "is_swept"), [(Way.GET, False), (Way.LIST, True)])
@pytest.mark.no_cover
def test_the_user_may_choose(way, is_swept):
    made = watch(2000 if way is Way.GET else 2, way)
    assert any(isinstance(action, Sweep) for action in made.plan(now=0, room=32)) is is_swept


def test_what_is_listed_costs_no_look_and_what_left_the_list_costs_one():
    made = watch(100)
    assert swept(made, shown(*range(100)), 0) != []
    assert looks(made.plan(now=2, room=32)) == []
    swept(made, shown(*range(1, 100)), 9)
    assert looks(made.plan(now=10, room=32)) == ["row-0"]


def test_a_listing_moves_a_run_on_and_never_ends_it():
    made = watch(100)
    news = swept(made, shown(*range(100)), 0)
    assert {event.run.status for _, event in news} == {"RUNNING"}
    assert swept(made, shown(*range(100), status="COMPLETED"), 9) == []
    assert len(made) == 100
    assert len(looks(made.plan(now=10, room=200))) == 100  # whatever that listing is, it is no filtered one


def test_what_a_listing_showed_is_what_the_next_look_begins_with():
    made = watch(100)
    swept(made, shown(*range(100)), 0)
    swept(made, shown(*range(1, 100)), 9)
    (look,) = [action for action in made.plan(now=10, room=32) if isinstance(action, Look)]
    assert look.entry.run is not None
    assert look.entry.run.status == "RUNNING"


def test_a_run_that_was_missed_is_looked_at_once_and_then_by_its_own_pace():
    made = watch(100)
    swept(made, shown(*range(100)), 0)
    missing = shown(*range(1, 100))
    swept(made, missing, 9)
    (look,) = [action for action in made.plan(now=10, room=32) if isinstance(action, Look)]
    made.looked(look.entry, now=11, failed=False, is_going=True)
    swept(made, missing, 18)
    assert looks(made.plan(now=20, room=32)) == []
    assert "row-0" in looks(made.plan(now=80, room=200))


def missed(entry: Entry, seconds: float) -> Entry:
    return apply(entry, Missed(at=at(seconds), message="404"))


def test_a_run_that_an_answer_called_gone_is_looked_at_soon_after_the_lag_whatever_sweeps_show():
    made = watch(100)
    swept(made, shown(*range(100)), 0)
    swept(made, shown(*range(1, 100)), 9)
    (look,) = [action for action in made.plan(now=10, room=32) if isinstance(action, Look)]
    made.looked(missed(look.entry, 10), now=10, failed=False, is_going=True)
    for now in (18, 40, 60):
        swept(made, shown(*range(100), status="PENDING"), now)
        assert looks(made.plan(now=now + 1, room=32)) == []
    assert looks(made.plan(now=71, room=32)) == ["row-0"]


def test_a_look_that_fails_in_between_comes_again_by_the_usual_pace():
    made = watch(1)
    (look,) = made.plan(now=0, room=1)
    gone = missed(entry(0), 0)
    made.looked(gone, now=0, failed=False, is_going=True)
    (look,) = made.plan(now=61, room=1)
    assert isinstance(look, Look)
    made.looked(gone, now=61, failed=True, is_going=True)
    assert looks(made.plan(now=82, room=1)) == ["row-0"]


def test_one_pass_looks_at_what_an_answer_called_gone_although_it_is_listed():
    made = Watch(Limits(mode=Mode.ONCE, way=Way.LIST, listing_lag=LAG))
    made.add(missed(entry(0), 0), since=-100, due=0)
    made.add(entry(1), since=-100, due=0)
    assert looks(made.plan(now=0, room=0)) == []
    listed = shown(0, 1, status="PENDING")  # nothing new, and no answer about this run alone
    made.swept(Swept(sweep=Sweep(begun=0, seconds=15, run_ids=()), listed=listed, calls=4), now=1, at=at(1))
    assert looks(made.plan(now=1, room=32)) == ["row-0"]
    assert len(made) == 1


@pytest.mark.no_cover
def test_a_run_that_never_shows_up_is_still_watched():
    made, seen, now = watch(100, since=-1), 0, 0.0
    while now < 600:
        for action in made.plan(now=now, room=32):
            if isinstance(action, Sweep):
                made.swept(Swept(sweep=action, listed=shown(*range(1, 100)), calls=4), now=now, at=at(now))
            else:
                assert action.entry.id == "row-0"
                seen += 1
                made.looked(action.entry, now=now, failed=False, is_going=True)
        wake = made.wake_at(32)
        assert wake is not None
        now = max(now + 0.001, wake)
    assert 10 < seen < 40


def test_a_young_run_that_is_not_listed_yet_is_not_taken_for_gone():
    made = watch(100)
    made.add(entry(100), since=-1)
    swept(made, shown(*range(100)), 0, took=0.5)
    assert looks(made.plan(now=0.7, room=32)) == []
    assert looks(made.plan(now=1.3, room=32)) == ["row-100"]  # by its age, not because it is missing


def test_what_is_listed_for_ever_is_asked_for_itself_now_and_then():
    made, now, asked = watch(100), 0.0, []
    while now < 2 * 900:
        for action in made.plan(now=now, room=200):
            if isinstance(action, Sweep):
                made.swept(Swept(sweep=action, listed=shown(*range(100)), calls=4), now=now, at=at(now))
            else:
                asked.append(now)
                made.looked(action.entry, now=now, failed=False, is_going=True)
        now = max(now + 0.01, made.wake_at(200) or now)
    assert len(asked) == 100
    assert min(asked) >= 900


def test_what_was_accepted_during_a_sweep_waits_for_the_next():
    made = watch(100)
    sweep = sweep_of(made.plan(now=0, room=32))
    made.add(entry(100), since=0.5)
    made.swept(Swept(sweep=sweep, listed=shown(*range(100)), calls=4), now=1, at=at(1))
    assert looks(made.plan(now=2, room=32)) == []


@pytest.mark.parametrize("fields", [{"name": "other"}, {"creation_time": at(36_000)}])
def test_an_id_that_is_another_runs_by_now_costs_a_look(fields):
    made = watch(100)
    found = shown(*range(1, 100)) | shown(0, **fields)
    swept(made, found, 0)
    assert looks(made.plan(now=1, room=32)) == ["row-0"]


def test_two_rows_whose_runs_bear_one_id_are_both_watched():
    made = watch(2, Way.LIST)
    made.add(replace(entry(0), id="again"), since=-100, due=0.0)
    for now, gone, ids in (
        (0, "row-0", {"1000", "1001"}),
        (60, "again", {"1000", "1001"}),
        (120, "", {"1001"}),
    ):
        sweep = sweep_of(made.plan(now=now, room=0))
        assert sweep.run_ids == ids
        made.swept(Swept(sweep=sweep, listed=shown(1), calls=4), now=now, at=at(now))
        made.hasten(gone)
        for look in made.plan(now=now, room=1):
            assert isinstance(look, Look)
            made.looked(look.entry, now=now, failed=False, is_going=look.entry.id != gone)
    assert made.ids == {"row-1"}


def test_a_group_that_all_runs_share_narrows_the_sweep():
    made = watch(100, runGroupId="7")
    assert sweep_of(made.plan(now=0, room=32)).run_group == "7"
    mixed = watch(100, runGroupId="7")
    mixed.add(entry(100), since=0.0)
    assert sweep_of(mixed.plan(now=0, room=32)).run_group is None


def test_sweeps_come_as_often_as_age_and_quota_allow():
    policy = WatchPolicy()
    assert policy.sweep_wait(5, 4, 10) == 2
    assert policy.sweep_wait(200, 4, 10) == 8
    assert policy.sweep_wait(36_000, 4, 10) == 30
    assert policy.sweep_wait(36_000, 400, 10) == 50  # 40,000 runs: four fifths of the lane


def test_the_fewer_runs_are_left_the_sooner_an_end_is_seen():
    policy = WatchPolicy()
    waits = [policy.wait(100, "k", runs=runs) for runs in (1, 50, 100, 5000)]
    assert waits == sorted(waits)
    assert waits[0] < 6
    assert waits[-1] == policy.wait(100, "k")


def test_one_pass_lists_all_and_looks_only_at_what_is_not_listed():
    made = watch(100, is_once=True)
    assert swept(made, shown(*range(90)), 0) != []
    assert len(made) == 10
    actions = made.plan(now=1, room=32)
    assert looks(actions) == [f"row-{number}" for number in range(90, 100)]
    for action in actions:
        assert isinstance(action, Look)
        made.looked(action.entry, now=2, failed=False, is_going=True)
    assert len(made) == 0
    assert made.plan(now=100, room=32) == []


def test_what_has_no_run_cannot_be_watched():
    with pytest.raises(InvariantError, match="no run to watch"):
        watch(0).add(planned(), since=0.0)


def test_a_sweep_with_nothing_left_to_show_is_not_waited_for():
    made = watch(10, Way.LIST)
    sweep_of(made.plan(now=0, room=0))
    assert made.in_air == 1
    for action in made.plan(now=70, room=32):
        assert isinstance(action, Look)
        made.looked(action.entry, now=71, failed=False, is_going=False)
    assert made.in_air == 0


def test_one_pass_does_not_wake_for_a_second_sweep():
    made = watch(100, is_once=True)
    swept(made, shown(*range(1, 100)), 0)
    assert looks(made.plan(now=1, room=32)) == ["row-0"]
    assert made.wake_at(32) is None


def test_looks_never_exceed_the_room_and_fill_it_again():
    made = watch(50, Way.GET)
    first = made.plan(now=0, room=10)
    assert len(first) == 10
    assert made.plan(now=0, room=10) == []
    assert made.wake_at(10) is None
    assert isinstance(first[0], Look)
    made.looked(first[0].entry, now=1, failed=False, is_going=False)
    assert len(made.plan(now=1, room=10)) == 1


def test_the_order_of_states_lets_none_slip_by():
    going = entry(0)
    assert going.run is not None
    made = watch(100)
    for now, status in ((0, "STARTING"), (9, "RUNNING"), (18, "STOPPING")):
        news = swept(made, shown(*range(100), status=status), now)
        assert {event.run.status for _, event in news} == {status}
        assert all(apply(before, event).run is not None for before, event in news)
