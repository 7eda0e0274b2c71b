"""The table: total, what it says, and how the entry changes with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import (
    KINDS,
    Accepted,
    Deferred,
    Doubted,
    Event,
    Intended,
    Missed,
    Moved,
    Progressed,
    Reappeared,
    Recalled,
    Refused,
    Removed,
    Retried,
    Revised,
    Withdrawn,
    kind,
    seen,
)
from batchrun.model.entries.states import ENDED, HOLDS_SLOT, OPEN, State
from batchrun.model.entries.transitions import FORBIDDEN, TABLE, Ignored, apply
from batchrun.model.lanes import Offer, offers_text
from batchrun.model.spec import request_id
from tests.builders import active, at, ended, planned, request, run, submitting

EVENTS: dict[str, Event] = {
    kind(event): event
    for event in (
        Intended(at=at(5)),
        Accepted(at=at(5), run=run()),
        Deferred(at=at(5), due=at(65), code="ServiceQuotaExceededException", message="full"),
        Refused(at=at(5), code="ValidationException", message="no"),
        Doubted(at=at(5), code="ReadTimeoutError", message="silence"),
        seen(run("RUNNING"), at(5)),
        seen(run("COMPLETED"), at(5)),
        seen(run("FAILED"), at(5)),
        seen(run("CANCELLED"), at(5)),
        Missed(at=at(5), message="404"),
        Removed(at=at(5), message="404"),
        Reappeared(at=at(5), run=run("RUNNING")),
        Withdrawn(at=at(5), message="cancelled on request"),
        Recalled(at=at(5)),
        Moved(at=at(5)),
        Revised(at=at(5), request=request(name="other")),
        Retried(at=at(5), due=at(65), why="SERVICE_ERROR, retry 1 of 2"),
    )
}
ENTRIES: dict[State, Entry] = {
    State.PLANNED: planned(),
    State.SUBMITTING: submitting(),
    State.BACKOFF: apply(submitting(), EVENTS["deferred"]),
    State.ACTIVE: active(),
    State.SUCCEEDED: ended(),
    State.FAILED: ended("FAILED"),
    State.CANCELLED: ended("CANCELLED"),
    State.DELETED: ended("DELETED"),
    State.REFUSED: apply(submitting(), EVENTS["refused"]),
}
CELLS = [(state, name) for state in State for name in EVENTS]


def test_the_table_is_total():
    assert set(TABLE) == set(State)
    assert all(tuple(cells) == KINDS for cells in TABLE.values())
    assert set(EVENTS) == {one.__name__.lower() for one in KINDS}


def test_every_ignored_cell_says_why():
    reasons = [
        cell.reason for cells in TABLE.values() for cell in cells.values() if isinstance(cell, Ignored)
    ]
    assert reasons
    assert all(reasons)


@pytest.mark.parametrize(("state", "name"), CELLS)
def test_apply_does_what_the_cell_says(state: State, name: str):
    entry, event = ENTRIES[state], EVENTS[name]
    cell = TABLE[state][type(event)]
    if cell is FORBIDDEN:
        with pytest.raises(InvariantError, match=f"entry 'a' of batch 'cohort'.*{state.value}.*'{name}'"):
            apply(entry, event)
    elif isinstance(cell, Ignored):
        assert apply(entry, event) is entry
    else:
        assert apply(entry, event).state is cell


@pytest.mark.parametrize("state", [state for state in State if state in ENDED])
def test_an_end_is_left_only_by_new_content_or_a_retry_or_a_run_that_is_there_after_all(state: State):
    ways_out = [event for event, cell in TABLE[state].items() if isinstance(cell, State)]
    reappears = [Reappeared] if state is State.DELETED else []
    assert ways_out == [*reappears, Revised, *([] if state is State.SUCCEEDED else [Retried])]


def test_a_retry_is_a_new_attempt_of_the_same_content_with_a_requestid_of_its_own():
    failed = ended("FAILED")
    again = apply(failed, EVENTS["retried"])
    assert (again.state, again.attempt, again.due, again.run) == (State.PLANNED, 2, at(65), None)
    assert again.request == failed.request
    assert again.request_id != failed.request_id
    assert apply(again, Intended(at=at(70))).due is None


def test_what_is_withdrawn_before_it_was_sent_leaves_its_attempt_free():
    withdrawn = apply(planned(), EVENTS["withdrawn"])
    assert (withdrawn.state, withdrawn.run, withdrawn.message) == (
        State.CANCELLED,
        None,
        "cancelled on request",
    )
    again = apply(withdrawn, EVENTS["retried"])
    assert (again.state, again.attempt, again.request_id) == (State.PLANNED, 1, planned().request_id)


def test_what_is_withdrawn_after_it_was_sent_has_used_up_its_attempt():
    withdrawn = apply(ENTRIES[State.BACKOFF], EVENTS["withdrawn"])
    assert (withdrawn.state, withdrawn.due) == (State.CANCELLED, None)
    assert apply(withdrawn, EVENTS["retried"]).attempt == 2


def test_a_recalled_run_goes_on_until_its_end_is_seen():
    recalled = apply(active(), EVENTS["recalled"])
    assert recalled == active()
    assert apply(recalled, EVENTS["completed"]).state is State.SUCCEEDED


def test_an_attempt_that_departs_from_the_manifest_is_retried_as_it_is_and_revised_to_what_is_asked_for():
    departing = replace(
        ended("FAILED"), request=request(name="larger"), manifest_request=request(name="asked")
    )
    assert departing.content == request(name="asked")
    again = apply(departing, EVENTS["retried"])
    assert (again.request, again.content) == (request(name="larger"), request(name="asked"))
    revised = apply(again, EVENTS["revised"])
    assert (revised.request, revised.content, revised.attempt) == (*[request(name="other")] * 2, 2)


def test_content_that_comes_back_while_a_departing_attempt_is_in_flight_waits_for_nothing():
    departing = replace(submitting(), request=request(name="larger"), manifest_request=request(name="asked"))
    waiting = apply(departing, Revised(at=at(1), request=request(name="new")))
    assert waiting.content == request(name="new")
    assert apply(waiting, Revised(at=at(2), request=request(name="asked"))) == departing


def test_open_and_ended_share_nothing_and_slots_are_open():
    assert set(State) == OPEN | ENDED
    assert not OPEN & ENDED
    assert HOLDS_SLOT < OPEN


def test_the_request_id_stays_through_an_attempt_and_changes_with_the_next():
    entry = planned()
    ids = [entry.request_id]
    for event in (
        EVENTS["intended"],
        EVENTS["doubted"],
        EVENTS["deferred"],
        EVENTS["intended"],
        EVENTS["accepted"],
    ):
        entry = apply(entry, event)
        ids.append(entry.request_id)
    assert len(set(ids)) == 1
    again = apply(entry, EVENTS["revised"])
    assert (again.attempt, again.state) == (2, State.PLANNED)
    assert again.request_id not in ids


def test_sending_the_same_attempt_again_keeps_its_age_and_its_tags():
    first = apply(planned(), Intended(at=at(1), tagged=False))
    again = apply(apply(first, EVENTS["deferred"]), Intended(at=at(100), tagged=True))
    assert (again.intended_at, again.tagged, again.due) == (at(1), False, None)


def test_a_definite_answer_settles_a_doubt():
    doubtful = apply(submitting(), EVENTS["doubted"])
    assert doubtful.is_doubtful
    assert [apply(doubtful, EVENTS[name]).is_doubtful for name in ("accepted", "deferred", "refused")] == [
        False
    ] * 3


def test_deferrals_are_counted():
    once = apply(submitting(), EVENTS["deferred"])
    twice = apply(apply(once, EVENTS["intended"]), EVENTS["deferred"])
    assert (once.deferrals, twice.deferrals) == (1, 2)


def test_the_output_uri_that_start_run_gave_is_kept():
    sighting = Progressed(at=at(9), run=run("RUNNING", output_uri=None))
    after = apply(active(output_uri="s3://kept/1"), sighting)
    assert after.run is not None
    assert (after.run.status, after.run.output_uri) == ("RUNNING", "s3://kept/1")


def test_a_removed_run_keeps_what_was_last_known():
    after = apply(active(status="RUNNING"), EVENTS["removed"])
    assert after.run is not None
    assert (after.state, after.run.status, after.message) == (State.DELETED, "RUNNING", "404")


def test_answers_by_which_a_run_is_gone_are_counted_until_it_is_seen():
    once = apply(active(), EVENTS["missed"])
    twice = apply(once, Missed(at=at(70), message="404"))
    assert [(one.state, one.missed_at, one.misses) for one in (once, twice)] == [
        (State.ACTIVE, at(5), 1),
        (State.ACTIVE, at(70), 2),
    ]
    assert apply(once, EVENTS["recalled"]) == once
    for name in ("progressed", "completed", "failed", "cancelled", "removed"):
        after = apply(twice, EVENTS[name])
        assert (after.missed_at, after.misses) == (None, 0)


def test_an_answer_from_a_time_still_to_come_counts_for_none():
    ahead = apply(apply(active(), Missed(at=at(9000), message="404")), Missed(at=at(9900), message="404"))
    assert ahead.misses == 2
    after = apply(ahead, Missed(at=at(5), message="404"))
    assert (after.missed_at, after.misses) == (at(5), 1)


def test_a_run_that_is_there_after_all_has_its_entry_again_and_can_end():
    back = apply(ended("DELETED"), EVENTS["reappeared"])
    assert back.run is not None
    assert (back.state, back.attempt, back.message, back.run.status) == (State.ACTIVE, 1, None, "RUNNING")
    assert apply(back, EVENTS["completed"]).state is State.SUCCEEDED


def test_new_content_waits_until_the_attempt_in_flight_is_settled():
    new = request(name="other")
    waiting = apply(submitting(), Revised(at=at(1), request=new))
    assert (waiting.state, waiting.attempt, waiting.next_request, waiting.content) == (
        State.SUBMITTING,
        1,
        new,
        new,
    )
    assert waiting.request_id == submitting().request_id
    back = apply(waiting, Revised(at=at(2), request=waiting.request))
    assert back.next_request is None


def test_new_content_of_a_row_that_was_never_sent_costs_no_attempt():
    after = apply(planned(), EVENTS["revised"])
    assert (after.state, after.attempt, after.request) == (State.PLANNED, 1, request(name="other"))


def test_a_new_attempt_starts_with_a_clean_slate():
    again = apply(replace(ended("FAILED"), code="old", message="old"), EVENTS["revised"])
    assert again == replace(planned(), request=request(name="other"), attempt=2)


def test_a_retry_may_ask_for_something_else_and_remembers_what_the_manifest_asks_for():
    larger = request(storageCapacity=4800)
    retried = Retried(at=at(9), due=at(60), why="rule", request=larger)
    departing = apply(ended("FAILED"), retried)
    assert (departing.request, departing.manifest_request) == (larger, ended("FAILED").request)
    assert (departing.attempt, departing.due, departing.state) == (2, at(60), State.PLANNED)
    assert departing.request_id == request_id("cohort", "a", 2, larger)


def test_a_retry_with_the_manifests_content_departs_from_nothing():
    departing = replace(ended("FAILED"), request=request(priority=1), manifest_request=request())
    back = apply(departing, Retried(at=at(9), due=at(9), why="asked for", request=request()))
    assert (back.request, back.manifest_request) == (request(), None)


def offered(*lanes: str, closed: str = "") -> str:
    """Return what a row offers; each lane has a run name of its own."""
    return offers_text(
        [Offer(lane=lane, request=request(name=lane), is_open=lane != closed) for lane in lanes]
    )


@pytest.mark.parametrize(
    ("content", "is_proven"),
    [
        (offered("east", "west"), True),
        (offered("west"), True),
        (offered("west", "north", closed="north"), True),
        (offered("north", "west"), False),
        (request(name="east"), False),
    ],
)
def test_a_proof_holds_for_the_lanes_that_were_looked_at(content, is_proven):
    row = replace(
        planned(), offers=offered("east", "west", "north", closed="north"), request=request(name="east")
    )
    after = apply(replace(row, proven_at=at(1)), Revised(at=at(2), request=content))
    assert after.proven_at == (at(1) if is_proven else None)


@pytest.mark.parametrize(("again", "is_proven"), [(offered("west"), True), (None, False)])
def test_a_retry_is_proven_only_in_the_lane_that_was_chosen(again, is_proven):
    row = replace(planned(), offers=offered("east", "west"), request=request(name="east"), proven_at=at(1))
    sent = apply(row, Intended(at=at(2), lane="west", request=request(name="west")))
    failed = replace(sent, state=State.FAILED, run=run("FAILED"))
    after = apply(failed, Retried(at=at(3), due=at(3), why="x", request=again))
    assert after.proven_at == (at(1) if is_proven else None)
    assert after.lane is None
