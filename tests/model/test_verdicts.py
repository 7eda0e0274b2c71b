"""What answers mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchrun.errors import (
    AccessDeniedError,
    CallError,
    ConflictError,
    CredentialsError,
    NotFoundError,
    OutcomeUnknownError,
    QuotaExceededError,
    RefusedError,
    ThrottledError,
)
from batchrun.model.entries.duplicating import duplicate
from batchrun.model.entries.entry import Entry, Sighting
from batchrun.model.entries.events import (
    Accepted,
    Cancelled,
    Completed,
    Deferred,
    Doubted,
    Failed,
    Missed,
    Progressed,
    Refused,
)
from batchrun.model.entries.states import is_known_status
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.denials import Denial, Extent
from batchrun.model.planning.limits import Limits
from batchrun.model.planning.verdicts import (
    HELD,
    SearchResult,
    Silences,
    after_failure,
    after_last_word,
    after_look,
    after_missing,
    held_for_its_deleted_run,
    held_for_permission,
    held_for_rivals,
    held_with_its_batch,
    mistold,
    nameless,
    search,
)
from batchrun.model.spec import IN_A_FILE, TAG_REQUEST_ID
from tests.builders import active, at, planned, request, run, submitting

LIMITS = Limits()


def error(kind: type[CallError], code: str = "Code") -> CallError:
    return kind("words", operation="StartRun", code=code, status=400)


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (ThrottledError, Deferred),
        (QuotaExceededError, Deferred),
        (AccessDeniedError, Deferred),
        (RefusedError, Refused),
        (NotFoundError, Refused),
        (ConflictError, Doubted),
        (OutcomeUnknownError, Doubted),
        (CredentialsError, Doubted),
    ],
)
def test_each_kind_of_failure_has_its_event(kind, event):
    verdict = after_failure(submitting(), error(kind), at(9), LIMITS)
    assert isinstance(verdict, event)
    assert (verdict.at, verdict.code, verdict.message) == (at(9), "Code", "words")


@pytest.mark.parametrize("kind", [ThrottledError, QuotaExceededError, AccessDeniedError, RefusedError])
def test_an_answer_that_turns_a_call_away_settles_no_earlier_doubt(kind):
    doubtful = error(kind)
    doubtful.is_doubtful = True
    assert isinstance(after_failure(submitting(), doubtful, at(9), LIMITS), Doubted)


def test_a_call_error_of_no_kind_is_a_defect():
    with pytest.raises(TypeError, match="is not one of the kinds"):
        after_failure(submitting(), error(CallError), at(9), LIMITS)


def test_a_full_quota_is_waited_for_longer_each_time_up_to_a_bound():
    waits = []
    for deferrals in (0, 1, 2, 50):
        entry = replace(submitting(), deferrals=deferrals)
        verdict = after_failure(entry, error(QuotaExceededError), at(0), LIMITS)
        assert isinstance(verdict, Deferred)
        waits.append((verdict.due - at(0)).total_seconds())
    assert 54 <= waits[0] <= 66 < waits[1] < waits[2] < waits[3] <= 990


def test_an_entry_that_is_denied_while_others_pass_is_refused_in_the_end():
    entry = replace(submitting(), code="AccessDeniedException", deferrals=2)
    denied = error(AccessDeniedError, "AccessDeniedException")
    assert isinstance(after_failure(entry, denied, at(0), LIMITS), Refused)
    assert isinstance(after_failure(entry, denied, at(0), LIMITS, Denial(extent=Extent.LANE)), Deferred)
    assert isinstance(after_failure(entry, denied, at(0), LIMITS, Denial(counts=False)), Deferred)
    assert isinstance(after_failure(replace(entry, code="402"), denied, at(0), LIMITS), Deferred)


def test_a_conflict_is_the_last_word_unless_an_answer_was_lost_just_before():
    refused = after_last_word(error(ConflictError), at(9))
    assert isinstance(refused, Refused)
    assert (refused.at, refused.code) == (at(9), "Code")
    assert refused.message.endswith("'batchrun retry' sends the row with another requestId (words)")
    doubtful = error(ConflictError)
    doubtful.is_doubtful = True
    assert after_last_word(doubtful, at(9)) is None
    assert after_last_word(error(OutcomeUnknownError), at(9)) is None


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("PENDING", None),
        ("STARTING", Progressed),
        ("RUNNING", Progressed),
        ("STOPPING", Progressed),
        ("COMPLETED", Completed),
        ("FAILED", Failed),
        ("CANCELLED", Cancelled),
        ("DELETED", Missed),
        ("HIBERNATING", Progressed),
    ],
)
def test_a_look_says_what_the_run_is_up_to(status, event):
    verdict = after_look(active(status="PENDING"), run(status), at(9))
    assert verdict is None if event is None else isinstance(verdict, event)


def test_an_end_is_told_even_where_the_answer_to_start_run_had_it_already():
    assert isinstance(after_look(active(status="COMPLETED"), run("COMPLETED"), at(9)), Completed)


def test_an_unknown_status_is_not_an_end_and_can_be_told():
    assert not is_known_status("HIBERNATING")
    assert is_known_status("STOPPING")
    assert is_known_status("DELETED")


def test_another_uuid_under_our_run_id_is_an_answer_by_which_ours_is_gone():
    verdict = after_look(active(uuid="ours"), run("COMPLETED", uuid="theirs"), at(9))
    assert isinstance(verdict, Missed)
    assert "theirs" in verdict.message


@pytest.mark.parametrize(
    ("found", "again", "tag", "is_ours"),
    [
        ("true", "true", "", True),
        ("true", "true", "another's", False),
        ("true", "third", "", False),
        ("true", "", "", False),
        (None, "true", "", False),
    ],
)
def test_another_uuid_that_is_told_twice_with_our_requestid_is_our_runs(found, again, tag, is_ours):
    entry = active(uuid="ours")
    first = None if found is None else run(uuid=found)
    second = Sighting(run=run(uuid=again), tags={TAG_REQUEST_ID: tag or entry.request_id})
    accepted = mistold(entry, first, second, at(9))
    assert accepted == (Accepted(at=at(9), run=second.run, was_found=True) if is_ours else None)


def test_an_answer_without_a_uuid_contradicts_none():
    verdict = after_look(active(uuid="ours"), replace(run("COMPLETED"), uuid="", arn=""), at(9))
    assert isinstance(verdict, Completed)
    assert (verdict.run.uuid, verdict.run.arn) == ("ours", run().arn)


def test_what_an_answer_lacks_stays_known():
    known = active(creation_time=at(1), start_time=at(2))
    lacking = replace(run("COMPLETED"), output_uri=None, creation_time=None, start_time=None)
    verdict = after_look(known, lacking, at(9))
    assert isinstance(verdict, Completed)
    assert known.run is not None
    assert verdict.run == replace(known.run, status="COMPLETED")


def test_a_404_is_an_answer_by_which_the_run_is_gone():
    gone = NotFoundError("no such run", operation="GetRun", code="ResourceNotFoundException")
    verdict = after_missing(gone, at(60))
    assert (verdict.at, "ResourceNotFoundException" in verdict.message) == (at(60), True)


def test_a_look_that_shows_the_run_is_news_where_the_one_before_did_not():
    entry = active()
    assert entry.run is not None
    assert after_look(entry, entry.run, at(9)) is None
    missed = apply(entry, Missed(at=at(5), message="404"))
    assert after_look(missed, entry.run, at(9)) == Progressed(at=at(9), run=entry.run)


def seen_as(run_, **asked) -> Sighting:
    wanted = {"workflow_id": "1234567", "output_uri": "s3://lab-results/x/"}
    return Sighting(run=run_, **(wanted | asked))


def test_our_run_is_known_by_its_tag():
    entry = submitting()
    ours = seen_as(run(uuid="ours"), tags={TAG_REQUEST_ID: entry.request_id})
    others = [seen_as(run(uuid="theirs"), tags={TAG_REQUEST_ID: "other"}), seen_as(run())]
    assert search(entry, [*others, ours]) == SearchResult(run=ours.run)
    assert search(entry, others) == SearchResult()


def untagged(**fields) -> Entry:
    wanted = replace(planned(), request=request(**fields))
    return replace(submitting(wanted, seconds=3600), tagged=False)


NEW = run(id="7", creation_time=at(3601))


def test_an_untagged_run_is_adopted_where_it_is_the_only_one_that_fits():
    old, undated = seen_as(run(creation_time=at(0))), seen_as(run())
    assert search(untagged(), [old, undated, seen_as(NEW)]) == SearchResult(run=NEW)
    assert search(untagged(), [old, undated]) == SearchResult()
    assert search(replace(planned(), tagged=False), [seen_as(NEW)]) == SearchResult()


@pytest.mark.parametrize(
    "asked", [{"output_uri": "s3://elsewhere/"}, {"workflow_id": "9"}, {"parameters": {"x": "other"}}]
)
def test_an_untagged_run_that_was_asked_for_otherwise_is_not_ours(asked):
    entry = untagged(parameters={"x": "y"})
    assert search(entry, [seen_as(NEW, parameters={"x": "y"})]).run is NEW
    assert search(entry, [seen_as(NEW, **({"parameters": {"x": "y"}} | asked))]) == SearchResult()


def test_an_untagged_run_with_its_parameters_in_a_file_is_known_by_that():
    entry = untagged(parametersUri="s3://lab/p.json")
    assert search(entry, [seen_as(NEW, parameters=IN_A_FILE)]).run is NEW
    assert search(entry, [seen_as(NEW, parameters={"x": "y"})]) == SearchResult()
    assert search(untagged(), [seen_as(NEW, parameters=IN_A_FILE)]) == SearchResult()


def test_an_untagged_copy_of_a_run_is_known_by_what_it_says():
    entry = replace(untagged(), request=duplicate(request(parameters={"x": "y"}), "5"))
    assert search(entry, [seen_as(NEW, parameters={"x": "y"})]).run is NEW
    assert search(entry, [seen_as(NEW, output_uri="s3://elsewhere/")]) == SearchResult()


def test_several_untagged_runs_that_fit_are_held_for_a_person():
    assert search(untagged(), [seen_as(NEW), seen_as(replace(NEW, id="8"))]).rivals == ("7", "8")
    held = held_for_rivals(("7", "8"), at(0))
    assert held.code in HELD
    assert "runs 7, 8" in held.message


def test_an_outcome_that_may_not_be_looked_for_names_the_missing_action():
    held = held_for_permission(error(AccessDeniedError), at(0))
    assert held.code in HELD
    assert "omics:ListRuns" in held.message


def test_what_became_of_a_row_that_went_with_others_is_told_with_the_cure():
    denied = AccessDeniedError("no", operation="ListBatch", code="AccessDeniedException", status=403)
    held = [held_with_its_batch(denied, at(0)), held_for_its_deleted_run("17", "5", at(0))]
    assert all(one.code in HELD for one in held)
    assert "allow omics:ListBatch" in held[0].message
    assert "run 17" in held[1].message
    assert "delete-batch --batch-id 5" in held[1].message
    untold = nameless("17", at(0))
    assert "run 17" in untold.message
    assert untold.code not in HELD, "the next answer may tell it"


def test_a_question_is_borne_for_so_long_from_its_first_silence_and_anew_after_an_answer():
    silences = Silences(900.0)
    assert [silences.has_lasted("a", now) for now in (10, 909, 910)] == [False, False, True]
    assert not silences.has_lasted("b", 910)
    silences.answered("a")
    assert not silences.has_lasted("a", 911)


def test_failures_with_a_long_time_between_them_are_not_one_silence():
    silences = Silences(900.0)
    assert [silences.has_lasted("it", now) for now in (0.0, 899.0)] == [False, False]
    assert [silences.has_lasted("it", now) for now in (10_000.0, 10_899.0, 10_900.0)] == [False, False, True]


def test_a_launch_bears_silence_for_longer_where_listings_are_late():
    assert Limits().longest_silence == 900.0
    assert Limits(listing_lag=1200.0).longest_silence == 2400.0
