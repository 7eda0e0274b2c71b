"""Whose run is it, and what does it stand for?"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from batchrun.model.entries.duplicating import duplicate
from batchrun.model.entries.entry import Entry, Sighting
from batchrun.model.entries.events import (
    Accepted,
    Completed,
    Doubted,
    Event,
    Failed,
    Intended,
    Progressed,
    Refused,
    Removed,
    Retried,
    Revised,
)
from batchrun.model.entries.recovery import (
    LOST,
    Attempt,
    Evidence,
    Judgement,
    Match,
    later_attempts,
    story,
)
from batchrun.model.entries.retrying import changed
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.spec import IN_A_FILE, Spec, canonical, request_id
from tests.builders import at, planned, run, spec

A = spec("a", 0, parameters={"sample": "x", "n": [1, 2.5, True]})
B = spec("b", 1)


def evidence(*specs: Spec, changes: tuple[str, ...] = ()) -> Evidence:
    gathered = Evidence("cohort", changes, counts_namesakes=True)
    for one in specs or (A, B):
        gathered.expect(one.id, one.request)
    return gathered


def row_of(one: Spec) -> Entry:
    return Entry(batch="cohort", id=one.id, position=one.position, request=one.request)


def sighting(
    row: Spec = A,
    *,
    run_id: str = "1",
    status: str = "PENDING",
    tags: dict[str, str] | None = None,
    **asked: Any,
) -> Sighting:
    wanted = json.loads(row.request) | asked
    return Sighting(
        run=run(status, id=run_id, uuid=f"u-{run_id}", creation_time=at(float(run_id))),
        name=wanted["name"],
        tags=tags or {},
        workflow_id=wanted["workflowId"],
        output_uri=wanted["outputUri"],
        parameters=wanted.get("parameters", {}),
    )


def tags(row: Spec = A, attempt: object = 1, content: str | None = None, **changes: str) -> dict[str, str]:
    number = attempt if isinstance(attempt, int) else 1
    return {
        "batchrun:batch": "cohort",
        "batchrun:id": row.id,
        "batchrun:attempt": str(attempt),
        "batchrun:request-id": request_id("cohort", row.id, number, content or row.request),
    } | changes


def judged(
    *sightings: Sighting, row: Spec = A, tagged: bool = True, rows: tuple[Spec, ...] = ()
) -> Judgement:
    gathered = evidence(*rows)
    for one in sightings:
        gathered.add(one)
    return gathered.judge(row_of(row), tagged=tagged)


def numbers(judgement: Judgement) -> list[tuple[int, str, bool]]:
    return [(one.number, one.run.id, one.doubt is None) for one in judgement.attempts]


def test_a_tagged_run_is_the_row_s_whatever_it_is_called():
    judgement = judged(sighting(name="renamed", tags=tags()))
    assert judgement.match is Match.FOUND
    assert numbers(judgement) == [(1, "1", True)]
    assert judged(sighting(tags=tags(B))).match is Match.MISSING


def test_what_the_ledger_knows_of_a_row_says_nothing_and_later_attempts_do():
    gathered = evidence()
    gathered.add(sighting(run_id="1", status="FAILED", tags=tags(attempt=1)))
    gathered.add(sighting(run_id="2", tags=tags(attempt=2)))
    failed = replace(row_of(A), state=State.FAILED, run=run("FAILED", id="1", uuid="u-1"), intended_at=at())
    judgement = gathered.judge(failed, tagged=True)
    assert numbers(judgement) == [(2, "2", True)]
    (first, *_), entry = told_by(failed, judgement)
    assert isinstance(first, Revised)
    assert (entry.attempt, entry.state) == (2, State.ACTIVE)
    assert gathered.judge(replace(failed, attempt=2), tagged=True).match is Match.MISSING
    assert evidence().judge(failed, tagged=False).match is Match.MISSING


def told_by(entry: Entry, judgement: Judgement) -> tuple[list[Event], Entry]:
    events = list(story(entry, judgement.attempts, at(), again=False))
    for event in events:
        entry = apply(entry, event)
    return events, entry


def test_a_row_in_doubt_whose_later_attempt_ran_counts_as_lost_in_its_own():
    first = sighting(run_id="1", tags=tags(attempt=1))
    second = sighting(run_id="2", tags=tags(attempt=2))
    others = [sighting(tags=tags(B, attempt=2)), sighting(tags=tags(attempt="x")), sighting()]
    sent = replace(row_of(A), state=State.SUBMITTING, intended_at=at())
    assert later_attempts(sent, [first, second, *others]) == [second]
    gathered = evidence()
    gathered.add(second)
    (lost, *_), entry = told_by(sent, gathered.judge(sent, tagged=True))
    assert isinstance(lost, Refused)
    assert (entry.attempt, entry.state, entry.run) == (2, State.ACTIVE, second.run)


def test_what_was_sent_from_here_is_told_by_its_intent_or_its_number():
    assert [one.was_sent for one in (row_of(A), replace(row_of(A), attempt=2), planned())] == [
        False,
        True,
        False,
    ]
    assert replace(row_of(A), intended_at=at()).was_sent


def test_a_namesake_without_tags_is_the_row_s_only_where_that_is_asked_for():
    gathered = Evidence("cohort")
    gathered.expect(A.id, A.request)
    gathered.add(sighting(parameters={"sample": "y"}))
    assert gathered.judge(row_of(A), tagged=False).match is Match.MISSING


def test_the_last_attempt_decides_and_earlier_ones_are_kept():
    judgement = judged(
        sighting(run_id="2", tags=tags(attempt=2)), sighting(run_id="1", tags=tags(attempt=1, content="old"))
    )
    assert judgement.match is Match.FOUND
    assert numbers(judgement) == [(1, "1", False), (2, "2", True)]


def test_a_last_attempt_with_other_content_is_a_changed_row():
    judgement = judged(sighting(tags=tags()), sighting(run_id="2", tags=tags(attempt=2, content="other")))
    assert judgement.match is Match.CHANGED
    assert numbers(judgement) == [(1, "1", True), (2, "2", False)]
    assert "requestId" in str(judgement.attempts[-1].doubt)


def test_of_two_runs_of_one_attempt_the_one_with_the_requestid_is_taken():
    judgement = judged(sighting(run_id="1", tags=tags(content="older")), sighting(run_id="2", tags=tags()))
    assert numbers(judgement) == [(1, "2", True)]


@pytest.mark.parametrize("content", [None, "other"])
def test_copies_that_bear_the_same_tags_are_not_told_apart(content):
    judgement = judged(*(sighting(run_id=id, tags=tags(content=content)) for id in ("1", "2")))
    assert judgement.match is Match.AMBIGUOUS
    assert judgement.rivals == ("1", "2")


@pytest.mark.parametrize("attempt", ["", "0", "x", "-1", "1001", "9" * 5000, "\u0662", "\u00b2"])
def test_a_tag_that_is_no_attempt_is_told(attempt):
    judgement = judged(sighting(tags=tags(attempt=attempt)))
    assert judgement.match is Match.AMBIGUOUS
    assert "batchrun:attempt" in judgement.why


def test_runs_of_other_batches_and_of_rows_that_are_gone_are_counted():
    gathered = evidence()
    gathered.add(sighting(tags={"batchrun:batch": "other"}))
    gathered.add(sighting(tags=tags(replace(A, id="gone"))))
    gathered.add(sighting(name="a stranger"))
    assert (gathered.gone, gathered.elsewhere) == (1, {"other": 1})
    assert gathered.judge(row_of(A), tagged=False).match is Match.MISSING


def test_an_untagged_run_is_the_row_s_where_it_is_what_the_row_asks_for():
    judgement = judged(sighting(), tagged=False)
    assert judgement.match is Match.FOUND
    assert [(one.number, one.tagged) for one in judgement.attempts] == [(1, False)]


@pytest.mark.parametrize(
    "parameters", [{"sample": "x", "n": [1.0, 2.5, True]}, {"n": [1, 2.5, True], "sample": "x"}]
)
def test_numbers_and_order_on_the_wire_make_no_difference(parameters):
    assert judged(sighting(parameters=parameters), tagged=False).match is Match.FOUND


def test_parameters_in_a_file_are_known_by_that():
    row = spec("c", 2, parametersUri="s3://lab/p.json")
    assert (
        judged(sighting(row, parameters=IN_A_FILE), row=row, rows=(row,), tagged=False).match is Match.FOUND
    )
    assert (
        judged(sighting(row, parameters={"x": 1}), row=row, rows=(row,), tagged=False).match
        is not Match.FOUND
    )


def test_no_parameters_are_the_same_as_empty_ones():
    assert judged(sighting(B, parameters={}), row=B, tagged=False).match is Match.FOUND


def test_an_untagged_run_in_a_tagged_batch_is_told():
    judgement = judged(sighting())
    assert judgement.match is Match.AMBIGUOUS
    assert "--no-tags" in judgement.why


def test_an_untagged_run_that_asks_for_something_else_is_nobody_s_in_a_tagged_batch():
    assert judged(sighting(outputUri="s3://elsewhere/")).match is Match.MISSING


def test_two_untagged_runs_that_fit_are_not_told_apart():
    judgement = judged(sighting(run_id="1"), sighting(run_id="2"), tagged=False)
    assert (judgement.match, judgement.rivals) == (Match.AMBIGUOUS, ("1", "2"))


def test_rows_that_ask_for_the_same_are_not_told_apart():
    twin = replace(A, id="twin", position=2)
    judgement = judged(sighting(), tagged=False, rows=(A, twin))
    assert judgement.match is Match.AMBIGUOUS
    assert "other rows" in judgement.why


def test_rows_that_share_a_name_are_told_apart_by_what_they_ask_for():
    one, two = (spec(id, n, name="shared", outputUri=f"s3://lab/{id}/") for n, id in enumerate("ab"))
    judgement = judged(sighting(two, run_id="7"), row=two, tagged=False, rows=(one, two))
    assert numbers(judgement) == [(1, "7", True)]


@pytest.mark.parametrize("field", ["outputUri", "workflowId", "parameters"])
def test_an_untagged_run_of_the_name_with_other_content_is_a_changed_row(field):
    other: Any = {"outputUri": "s3://o/", "workflowId": "7", "parameters": {"sample": "y"}}[field]
    judgement = judged(sighting(**{field: other}), tagged=False)
    assert judgement.match is Match.CHANGED
    assert numbers(judgement) == [(1, "1", False)]


def test_several_of_those_or_a_shared_name_are_not_told_apart():
    strangers = [sighting(run_id=id, outputUri="s3://o/") for id in ("1", "2")]
    assert judged(*strangers, tagged=False).match is Match.AMBIGUOUS
    rows = tuple(spec(id, n, name="cohort-a", outputUri=f"s3://lab/{id}/") for n, id in enumerate("ab"))
    assert judged(strangers[0], row=rows[0], tagged=False, rows=rows).match is Match.AMBIGUOUS


def told(*attempts: Attempt, again: bool = False):
    entry = planned()
    events = list(story(entry, attempts, at(1000), again=again))
    for event in events:
        entry = apply(entry, event)
    return events, entry


def test_a_found_run_is_told_as_if_it_had_been_watched():
    going = run(creation_time=at(7))
    events, entry = told(Attempt(number=1, run=going, tagged=False))
    assert [type(event) for event in events] == [Intended, Accepted, Progressed]
    assert (entry.state, entry.intended_at, entry.accepted_at) == (State.ACTIVE, at(7), at(1000))
    assert (entry.tagged, entry.run) == (False, going)
    events, entry = told(Attempt(number=1, run=run("COMPLETED")))
    assert [type(event) for event in events] == [Intended, Accepted, Completed]
    assert (entry.state, entry.intended_at) == (State.SUCCEEDED, at(1000))


def test_an_attempt_of_which_nothing_is_left_is_told_as_lost():
    events, entry = told(Attempt(number=3, run=run("FAILED", creation_time=at(7))))
    kinds = [type(event) for event in events]
    assert kinds[:6] == [Intended, Refused, Revised, Intended, Refused, Revised]
    assert isinstance(events[1], Refused)
    assert events[1].code == LOST
    assert (entry.state, entry.attempt, entry.intended_at) == (State.FAILED, 3, at(7))


def test_earlier_attempts_are_told_and_what_is_not_the_row_s_content_is_noted():
    first = Attempt(number=1, run=run("FAILED", id="1", uuid="u-1"), doubt="other content")
    events, entry = told(first, Attempt(number=2, run=run(id="2", uuid="u-2")))
    kinds = [type(event) for event in events]
    assert kinds[:2] == [Intended, Doubted]
    assert kinds.count(Revised) == 1
    assert (entry.attempt, entry.state, entry.code) == (2, State.ACTIVE, None)


def test_a_run_that_is_shown_as_deleted_is_looked_at_once_more_unless_another_came_after_it():
    first = Attempt(number=1, run=run("DELETED", id="1", uuid="u-1"))
    events, entry = told(first)
    assert (entry.state, entry.misses, entry.missed_at) == (State.ACTIVE, 1, at(1000))
    changed = Attempt(number=2, run=run(id="2", uuid="u-2"), request=LARGER)
    events, entry = told(first, changed)
    assert [type(event) for event in events][2:4] == [Removed, Retried]
    assert (entry.state, entry.attempt, entry.misses) == (State.ACTIVE, 2, 0)


def test_a_row_to_be_run_again_is_planned_after_its_last_run():
    _, entry = told(Attempt(number=2, run=run("COMPLETED"), doubt="other content"), again=True)
    assert (entry.attempt, entry.state, entry.run) == (3, State.PLANNED, None)


LARGER = canonical({"storageCapacity": 4800})
CACHED = canonical({"cacheBehavior": "CACHE_ON_FAILURE"})


def departed(*attempts: tuple[int, str, str], changes: tuple[str, ...] = (LARGER, CACHED)) -> Judgement:
    """Judge runs of A, each given as its attempt, what it asked for and its status; its id is the attempt."""
    gathered = evidence(changes=changes)
    for number, content, status in attempts:
        gathered.add(sighting(run_id=str(number), status=status, tags=tags(attempt=number, content=content)))
    return gathered.judge(row_of(A), tagged=True)


def test_an_attempt_that_a_rule_changed_is_known_by_its_request_id():
    first, larger = A.request, changed(A.request, LARGER)
    cached = changed(larger, CACHED)
    judgement = departed((1, first, "FAILED"), (2, larger, "FAILED"), (3, cached, "RUNNING"))
    assert judgement.match is Match.FOUND
    assert [one.request for one in judgement.attempts] == [None, larger, cached]
    events, entry = told_of(A, judgement)
    assert [event.request for event in events if isinstance(event, Retried)] == [larger, cached]
    assert (entry.attempt, entry.request, entry.content) == (3, cached, A.request)
    assert entry.request_id == request_id("cohort", "a", 3, cached)


def test_a_copy_of_the_run_before_is_known_too_and_the_content_after_it():
    copy = duplicate(A.request, "1")
    judgement = departed((1, A.request, "CANCELLED"), (2, copy, "FAILED"), (3, A.request, "COMPLETED"))
    assert [one.request for one in judgement.attempts] == [None, copy, None]
    events, entry = told_of(A, judgement)
    assert [type(one) for one in events if isinstance(one, Retried | Revised)] == [Retried, Revised]
    assert (entry.state, entry.request, entry.manifest_request) == (State.SUCCEEDED, A.request, None)


def test_an_attempt_whose_forerunner_is_gone_is_known_all_the_same():
    larger = changed(changed(A.request, LARGER), CACHED)
    judgement = departed((3, larger, "FAILED"))
    assert judgement.match is Match.FOUND
    events, entry = told_of(A, judgement)
    assert [type(event) for event in events] == [
        Intended, Refused, Revised, Intended, Refused, Retried, Intended, Accepted, Failed,
    ]  # fmt: skip
    assert (entry.request, entry.content) == (larger, A.request)


@pytest.mark.parametrize("status", ["COMPLETED", "RUNNING"])
def test_what_follows_a_run_that_did_not_fail_was_no_retry(status):
    judgement = departed((1, A.request, status), (2, changed(A.request, LARGER), "RUNNING"))
    assert judgement.match is Match.CHANGED


def test_a_change_that_no_rule_makes_is_other_content():
    judgement = departed((1, A.request, "FAILED"), (2, changed(A.request, LARGER), "RUNNING"), changes=())
    assert judgement.match is Match.CHANGED
    assert [one.doubt is None for one in judgement.attempts] == [True, False]


def told_of(row: Spec, judgement: Judgement):
    entry = replace(planned(), request=row.request)
    events = list(story(entry, judgement.attempts, at(1000), again=False))
    for event in events:
        entry = apply(entry, event)
    return events, entry
