"""Which runs a sweep lists: all, or those of run batches of the service alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.model.planning.actions import Look, Sweep
from batchrun.model.planning.stimuli import RatesLearned, SweepFailed, Swept
from batchrun.model.planning.watch import Watch
from tests.builders import at
from tests.model.test_watch import entry, looks, shown, sweep_of, watch

#: Calls that list an account where others have some 6,000 runs.
CROWDED = 64


def in_batches(count: int, *batches: str) -> Watch:
    """Watch runs that are known to be in these batches, in turn."""
    made = watch(count)
    for number in range(count):
        made.in_run_batch([entry(number)], batches[number % len(batches)])
    return made


def listed(made: Watch, now: float, *numbers: int, calls: int = 5, batch: str | None = None) -> Sweep:
    """Let the sweep that is due at *now* show these runs, in the batch; return it."""
    sweep = sweep_of(made.plan(now=now, room=0))
    found = {id: replace(one, batch_id=batch) for id, one in shown(*numbers).items()}
    made.swept(Swept(sweep=sweep, listed=found, calls=calls), now=now + 1, at=at(now + 1))
    return sweep


def test_the_run_batch_that_all_runs_are_in_is_listed_alone():
    assert listed(in_batches(100, "7"), 0, *range(100)).run_batches == ("7",)


def test_several_are_listed_alone_once_it_is_known_how_many_runs_others_have():
    made = in_batches(100, "7", "8")
    assert listed(made, 0, *range(100), calls=CROWDED).run_batches == ()
    assert set(listed(made, 100, *range(100)).run_batches) == {"7", "8"}
    alone = in_batches(100, "7", "8")
    assert listed(alone, 0, *range(100), calls=5).run_batches == ()
    assert listed(alone, 100, *range(100)).run_batches == ()


def test_what_listing_all_takes_is_looked_at_again_after_a_while():
    made = in_batches(100, "7", "8")
    assert listed(made, 0, *range(100), calls=CROWDED).run_batches == ()
    assert listed(made, 100, *range(100)).run_batches
    assert listed(made, 700, *range(100)).run_batches == ()


def test_few_runs_among_many_of_others_are_listed_where_they_are_in_one_batch():
    by_themselves, together = watch(60), in_batches(60, "7")
    for made in (by_themselves, together):
        made.rates_learned(RatesLearned(get=10, list=10))
        listed(made, 0, *range(60), calls=CROWDED)
    assert looks(by_themselves.plan(now=300, room=100))
    assert sweep_of(together.plan(now=300, room=0)).run_batches == ("7",)


def test_a_listing_of_all_says_which_batches_runs_are_in():
    made = watch(100)
    assert listed(made, 0, *range(100), calls=CROWDED, batch="7").run_batches == ()
    assert listed(made, 100, *range(100), batch="7").run_batches == ("7",)
    assert listed(made, 200, *range(100), batch="8").run_batches == ("7",)  # whatever that means
    assert listed(made, 300, *range(100), batch="8").run_batches == ("8",)


def test_a_run_that_is_in_none_has_all_of_them_listed():
    made = in_batches(100, "7")
    made.add(entry(100), since=-100, due=0.0)
    assert listed(made, 0, *range(101)).run_batches == ()
    made.in_run_batch([entry(100), entry(999)], "7")  # one that is not watched
    assert listed(made, 100, *range(101)).run_batches == ("7",)


def test_a_run_that_comes_while_others_are_listed_is_not_missed():
    made = in_batches(100, "7")
    sweep = sweep_of(made.plan(now=0, room=0))
    made.add(entry(100), since=-100, due=50.0)
    made.swept(Swept(sweep=sweep, listed=shown(*range(100)), calls=5), now=1, at=at(1))
    assert looks(made.plan(now=2, room=200)) == []


def test_a_batch_whose_last_run_has_ended_is_not_listed_any_more():
    made = in_batches(100, "7", "8")
    for number in range(1, 100, 2):
        made.hasten(f"row-{number}")
    for action in made.plan(now=0, room=200):
        if isinstance(action, Look):
            made.looked(action.entry, now=1, failed=False, is_going=int(action.entry.id[4:]) % 2 == 0)
        else:
            made.sweep_failed(SweepFailed(sweep=action), now=0)
    assert sweep_of(made.plan(now=100, room=0)).run_batches == ("7",)


@pytest.mark.parametrize("is_denied", [False, True])
def test_where_listing_a_batch_fails_all_runs_are_listed_again_or_none(is_denied):
    made = in_batches(100, "7")
    made.sweep_failed(SweepFailed(sweep=sweep_of(made.plan(now=0, room=0)), is_denied=is_denied), now=1)
    sweeps = [one for one in made.plan(now=100, room=0) if isinstance(one, Sweep)]
    assert [one.run_batches for one in sweeps] == ([] if is_denied else [()])
