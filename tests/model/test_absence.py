"""When a run is gone: never by one answer, and by which others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Completed, Missed, Progressed, Reappeared, Removed
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.listing import Listed, Sought, shows
from batchrun.model.planning.verdicts import Weight, after_reappearing, decided, is_there, weigh
from tests.builders import active, at, run

LAG = 60.0
FIRST, EARLY, ENOUGH = Weight


def missed(seconds: float, message: str = "404") -> Missed:
    return Missed(at=at(seconds), message=message)


def since(*times: float) -> Entry:
    entry = active()
    for time in times:
        entry = apply(entry, missed(time))
    return entry


@pytest.mark.parametrize(
    ("entry", "now", "known_for", "weight"),
    [
        (since(), 0, None, FIRST),
        (since(0), 59, None, EARLY),
        (since(0), 60, None, ENOUGH),
        (since(0), 60, 60, ENOUGH),
        (since(0), 86_400, 5, EARLY),  # the clock was set: no more than five seconds have gone by
        (since(0), 5, 86_400, EARLY),
        (since(9000), 5, None, FIRST),  # kept by a clock that was ahead
        (since(0, 60), 61, None, EARLY),
    ],
)
def test_an_answer_counts_a_lag_after_the_one_before(entry, now, known_for, weight):
    assert weigh(entry, missed(now), known_for=known_for, lag=LAG) is weight


@pytest.mark.parametrize(
    ("entry", "is_listed", "kind"),
    [
        (since(0), False, Removed),
        (since(0), True, None),
        (since(0), None, Missed),
        (since(0, 60), None, Removed),
        (since(0, 60), True, None),
    ],
)
def test_it_decides_with_the_listing_or_as_the_third_without(entry, is_listed, kind):
    event = decided(missed(120, "why"), kept=entry.misses, is_listed=is_listed)
    assert event is None if kind is None else isinstance(event, kind)
    assert event is None or (event.at, event.message) == (at(120), "why")


CREATED = at(0)


def of(creation_time: datetime | None, **fields: datetime | None) -> Sought:
    times = {"intended_at": at(0), "accepted_at": at(0)} | fields
    return Sought(run=run("PENDING", creation_time=creation_time), name="cohort-a", **times)


@pytest.mark.parametrize(
    ("fields", "is_there"),
    [
        ({}, True),
        ({"status": "COMPLETED"}, True),
        ({"status": "DELETED"}, False),
        ({"id": "1000002"}, False),
        ({"creation_time": at(600)}, False),
        ({"creation_time": None}, True),
        ({"name": "theirs"}, False),
    ],
)
def test_a_listing_shows_a_run_by_its_id_and_its_creation(fields, is_there):
    item = Listed(id="1000001", status="RUNNING", name="cohort-a", creation_time=CREATED)
    assert shows(of(CREATED), replace(item, **fields)) is is_there


def test_what_a_look_shows_as_another_run_under_the_id_may_be_what_is_listed():
    item = Listed(id="1000001", status="RUNNING", name="cohort-a", creation_time=at(300))
    theirs = run("RUNNING", uuid="theirs", creation_time=at(300))
    assert shows(of(None), item, theirs) is None
    assert shows(of(CREATED), item, theirs) is False
    assert shows(of(None), item, replace(theirs, creation_time=None))
    assert shows(of(None), replace(item, creation_time=None), theirs)
    assert shows(of(None), item, replace(theirs, uuid="u-1"))
    # One that was there before ours was accepted is ours, whatever uuid the answer had.
    before = replace(theirs, creation_time=at(-5))
    assert shows(of(None), replace(item, creation_time=at(-5)), before) is True
    assert shows(of(None, accepted_at=None), item, theirs) is True


@pytest.mark.parametrize("away", [-86_400, -1200, 1200, 86_400])
def test_a_clock_that_was_wrong_at_the_start_does_not_make_a_listed_run_anothers(away: float):
    item = Listed(id="1000001", status="RUNNING", name="cohort-a", creation_time=at(away))
    assert shows(of(None), item) is True


@pytest.mark.parametrize(
    ("found", "is_ours"),
    [
        (run("RUNNING"), True),
        (run("FAILED", uuid=""), True),
        (run("DELETED"), False),
        (run("RUNNING", uuid="theirs"), False),
    ],
)
def test_a_run_is_there_by_its_uuid_unless_it_is_shown_as_deleted(found, is_ours):
    assert is_there(run("RUNNING"), found) is is_ours


def test_a_run_that_is_there_after_all_has_its_entry_and_its_end():
    assert after_reappearing(run("RUNNING"), at(9)) == (Reappeared(at=at(9), run=run("RUNNING")),)
    ended_run = run("COMPLETED")
    assert after_reappearing(ended_run, at(9)) == (
        Reappeared(at=at(9), run=ended_run),
        Completed(at=at(9), run=ended_run),
    )


@dataclass(frozen=True)
class Answer:
    """One look: how long after the one before, what it says, and what a listing would say."""

    wait: float
    is_gone: bool
    is_listed: bool | None
    begins_anew: bool  # in another process, which knows of the one before by the wall clock alone


ANSWERS = st.lists(
    st.builds(
        Answer,
        wait=st.sampled_from([0.0, 1.0, 30.0, 60.0, 61.0, 3600.0]),
        is_gone=st.booleans() | st.just(True),  # noqa: FBT003
        is_listed=st.sampled_from([True, False, None]),
        begins_anew=st.booleans(),
    ),
    max_size=12,
)


@given(ANSWERS, st.sampled_from([0.0, 60.0]))
def test_whatever_is_answered_a_run_is_gone_only_when_it_was_said_again_a_lag_later(answers, lag):
    entry, now, kept_at = active(), 0.0, None
    gone: list[float] = []  # when it was said without a word to the contrary since
    for answer in answers:
        now += answer.wait
        kept_at = None if answer.begins_anew else kept_at
        if not answer.is_gone:
            assert entry.run is not None
            entry, gone = apply(entry, Progressed(at=at(now), run=entry.run)), []
            continue
        event: Missed | Removed | None = missed(now)
        known_for = None if kept_at is None else now - kept_at
        weight = weigh(entry, missed(now), known_for=known_for, lag=lag)
        if weight is EARLY:
            continue
        if weight is ENOUGH:
            event = decided(missed(now), kept=entry.misses, is_listed=answer.is_listed)
        gone.append(now)
        if event is None:
            continue
        entry = apply(entry, event)
        if isinstance(event, Removed):
            break
        kept_at = now
    if entry.state is State.DELETED:
        assert gone[-1] - gone[0] >= lag
        assert len(gone) >= (2 if answer.is_listed is False else 3)
        assert answer.is_listed is not True
    else:
        assert entry.state is State.ACTIVE
