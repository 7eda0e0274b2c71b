"""Following submissions: when they are asked about, what that proves, and how far a launch goes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from batchrun.model.entries.events import Deferred, Refused
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.actions import (
    Cancel,
    Follow,
    SubmitTogether,
    Survey,
    Sweep,
)
from batchrun.model.planning.limits import Mode
from batchrun.model.planning.stimuli import (
    Followed,
    LedgerChanged,
    RatesLearned,
    SubmittedTogether,
)
from batchrun.model.submissions.grouping import Engine
from batchrun.model.submissions.submission import (
    UNFINISHED_STATUSES,
    BatchRow,
    OpenSubmission,
    Stage,
    Standing,
    stage,
    told_twice,
)
from tests.builders import at, planned, run, submission, submitting
from tests.model.driving import Driven
from tests.model.test_batching import LAG, batched, follows, many, proven, started, submit, together, went


def inherited(
    *ids: str, standing: Standing = Standing.TAKEN, status: str | None = "SUBMITTING"
) -> OpenSubmission:
    batch_id = None if standing is Standing.INTENDED else "77"
    return OpenSubmission(submission=submission(standing=standing, status=status, batch_id=batch_id), ids=ids)


def test_a_submission_is_asked_about_soon_and_then_ever_more_rarely():
    made = batched(*many(3))
    submit(made)
    times, now = [], 0.0
    for _ in range(9):
        assert made.wake_at is not None
        now = made.wake_at
        (follow,) = follows(made, now)
        assert not follow.is_proof
        times.append(now)
        made.tell(Followed(action=follow, stage=Stage.GOING), now=now)
    waits = [after - before for before, after in pairwise(times)]
    assert times[0] == 5
    assert waits == sorted(waits)
    assert waits[-1] == 60


def test_a_large_one_is_asked_about_as_its_listing_costs():
    made = batched(*many(400), batch_rows=400)
    made.tell(RatesLearned(get=10, list=1))
    submit(made)
    (follow,) = follows(made, 5)
    made.tell(Followed(action=follow, stage=Stage.GOING), now=5)
    assert made.wake_at == pytest.approx(5 + 40)  # four pages, at a tenth of one a second


def test_settled_rows_are_watched_or_sent_again():
    made = batched(*proven("a", "b", "c"))
    a, b, c = submit(made)
    (follow,) = follows(made, 5)
    assert follow.ids == {"a", "b", "c"}
    again = apply(b, Deferred(at=at(5), due=at(6), code="BatchFailed", message=""))
    made.keep(replace(again, proven_at=at(5)))
    made.tell(Followed(action=follow, stage=Stage.GOING, settled=[started(a), again]), now=5)
    assert made.slots == 2
    assert [one.id for one in together(made, 6).entries] == ["b"]
    (follow,) = follows(made, 10)
    assert follow.ids == {"c"}
    made.tell(Followed(action=follow, stage=Stage.DONE, settled=[started(c)]), now=10)
    assert not follows(made, 1000)


def test_runs_that_a_submission_came_to_are_watched_by_their_run_batch():
    made = batched(*many(100))
    sent = submit(made)
    (follow,) = follows(made, 5)
    runs = [started(entry) for entry in sent]
    made.tell(Followed(action=follow, stage=Stage.DONE, settled=runs, run_batch="77"), now=5)
    (sweep,) = [one for one in made.actions(20) if isinstance(one, Sweep)]
    assert sweep.run_batches == ("77",)


def test_only_what_was_seen_done_for_a_listings_lag_proves_that_the_rest_is_not_there():
    made = batched(*many(2))
    submit(made)
    (follow,) = follows(made, 5)
    made.tell(Followed(action=follow, stage=Stage.DONE), now=5)
    (follow,) = follows(made, 64)
    assert not follow.is_proof
    made.tell(Followed(action=follow, stage=Stage.DONE), now=64)
    (follow,) = follows(made, 69)
    assert follow.is_proof


def test_the_proof_that_a_lost_one_is_not_there_counts_from_when_it_was_sent_last():
    made = batched(*many(2))
    submit(made, is_known=False)
    (follow,) = follows(made, 59)
    assert not follow.is_proof
    made.tell(Followed(action=follow, stage=Stage.UNKNOWN), now=59)
    (follow,) = follows(made, 64)
    assert follow.is_proof
    made.tell(Followed(action=follow, stage=Stage.UNKNOWN, was_sent=True), now=64)
    (follow,) = follows(made, 123)
    assert not follow.is_proof


def test_no_answer_changes_nothing_but_the_time():
    made = batched(*many(2))
    submit(made)
    (follow,) = follows(made, 5)
    made.tell(Followed(action=follow, is_answered=False), now=5)
    (follow,) = follows(made, made.wake_at or 0)
    assert len(follow.ids) == 2


def test_one_that_may_not_be_asked_about_is_left_in_this_launch():
    made = batched(*many(2))
    submit(made, is_known=False)
    (follow,) = follows(made, 5)
    made.tell(Followed(action=follow, stage=Stage.UNKNOWN, is_held=True), now=5)
    assert made.wake_at is None
    made.cancel(*went(proven("row-000")), now=6)
    assert not follows(made, 6)
    assert made.is_over


def test_a_batch_that_may_still_start_runs_is_not_done():
    assert {stage(status) for status in UNFINISHED_STATUSES[:-1]} == {Stage.GOING}
    assert stage(UNFINISHED_STATUSES[-1]) is Stage.DONE  # it may just have started its last
    assert stage("A_NEW_WORD") is Stage.GOING


# -- what an earlier launch sent


@pytest.mark.parametrize(
    ("standing", "status", "is_proof"),
    [
        (Standing.INTENDED, None, True),
        (Standing.TAKEN, "SUBMITTING", False),
        (Standing.TAKEN, "PROCESSED", True),
    ],
)
def test_an_inherited_one_is_asked_about_at_once_and_proves_nothing_yet(standing, status, is_proof):
    made = Driven(engine=Engine.BATCH)
    made.open = [inherited("a", standing=standing, status=status)]
    made.keep(submitting(planned("a")))
    made.tell()
    (follow,) = follows(made, 0)
    assert follow.ids == {"a"}
    assert not follow.is_proof
    made.tell(Followed(action=follow), now=1)
    (follow,) = follows(made, LAG)
    assert follow.is_proof is is_proof
    assert made.slots == 1


def test_one_whose_rows_are_all_settled_is_closed():
    made = Driven(engine=Engine.BATCH)
    made.open = [inherited()]
    made.tell()
    (follow,) = follows(made, 0)
    made.tell(Followed(action=follow, stage=Stage.DONE))
    assert made.is_over


def test_submissions_are_followed_also_where_rows_go_alone_by_now():
    made = Driven()
    made.open = [inherited("a")]
    made.keep(submitting(planned("a")))
    made.tell()
    assert [type(one) for one in made.actions()] == [Follow]


def test_what_is_in_flight_is_read_again_without_harm():
    made = Driven(engine=Engine.BATCH)
    made.open = [inherited("a")]
    made.keep(submitting(planned("a")))
    made.tell()
    (follow,) = follows(made, 0)
    made.add(submitting(planned("a")))
    assert not follows(made, 0)
    made.tell(Followed(action=follow, stage=Stage.GOING, settled=[started(submitting(planned("a")))]))
    assert made.is_over is False


# -- how far a launch goes


def test_a_launch_that_detaches_asks_about_nothing_that_it_sent():
    made = batched(*many(2), mode=Mode.DETACH)
    submit(made)
    assert made.is_over


def test_a_pass_asks_once_about_what_was_there_and_not_about_what_it_sent():
    made = Driven(engine=Engine.BATCH, mode=Mode.ONCE)
    made.open = [inherited("a", "b")]
    a = submitting(planned("a"))
    made.keep(a, submitting(planned("b", 1)), *proven("c"))
    made.tell()
    submit, follow = made.actions()
    assert isinstance(submit, SubmitTogether)
    assert isinstance(follow, Follow)
    sent = went(submit.entries)
    made.tell(SubmittedTogether(action=submit, entries=sent, request_id="s-2", is_known=True))
    made.tell(Followed(action=follow, stage=Stage.GOING, settled=[started(a)]))
    (look,) = made.actions()
    made.done(look, started(a), now=0)
    assert made.is_over


def test_a_launch_that_detaches_asks_once_about_what_was_there_and_looks_at_no_run():
    made = Driven(engine=Engine.BATCH, mode=Mode.DETACH)
    made.open = [inherited("a", "b")]
    a = submitting(planned("a"))
    made.keep(a, submitting(planned("b", 1)))
    made.tell()
    (follow,) = made.actions()
    assert isinstance(follow, Follow)
    made.tell(Followed(action=follow, stage=Stage.GOING, settled=[started(a)]))
    assert not made.actions()
    assert made.is_over


def test_a_pass_leaves_what_it_sent():
    made = batched(*many(2), mode=Mode.ONCE)
    submit(made)
    assert made.is_over


# -- cancelling


def test_a_batch_is_cancelled_where_all_that_is_left_of_it_is_to_be():
    made = batched(*proven("a", "b"))
    sent = submit(made)
    made.cancel(sent[0], now=1)
    (follow,) = follows(made, 1)
    assert not follow.cancels
    made.tell(Followed(action=follow, stage=Stage.GOING), now=1)
    made.cancel(sent[1], now=2)
    (follow,) = follows(made, 2)
    assert follow.cancels
    made.tell(Followed(action=follow, stage=Stage.GOING, settled=[started(sent[0])]), now=2)
    assert [type(one) for one in made.actions(2)] == [Cancel]


def test_what_is_to_be_cancelled_while_it_is_asked_about_is_asked_about_again_at_once():
    made = batched(*proven("a", "b"))
    sent = submit(made)
    (follow,) = follows(made, 5)
    made.cancel(*sent, now=6)
    made.tell(Followed(action=follow, stage=Stage.GOING), now=7)
    (follow,) = follows(made, 7)
    assert follow.cancels


@pytest.mark.no_cover
def test_a_submission_that_is_asked_about_for_days_is_asked_about_every_minute():
    made = batched(*proven("a", "b"))
    submit(made)
    now = 5.0
    for _ in range(1800):
        (follow,) = follows(made, now)
        made.tell(Followed(action=follow, stage=Stage.GOING), now=now)
        assert made.wake_at is not None
        assert made.wake_at - now <= 60
        now = made.wake_at


def test_what_is_about_to_be_sent_is_not_taken_for_an_earlier_launch_s():
    made = batched(*proven("a", "b"))
    action = together(made)
    made.open = [inherited("a", "b", standing=Standing.INTENDED, status=None)]
    made.tell(LedgerChanged(has_new_active=True), now=1)
    assert follows(made, 1) == []
    made.tell(SubmittedTogether(action=action, entries=went(action.entries), request_id="s-1"), now=2)
    assert [one.request_id for one in follows(made, 7)] == ["s-1"]


def test_what_waits_for_a_survey_wakes_nobody():
    made = batched(*(planned(f"r{n}", n) for n in range(9)))
    assert [type(one) for one in made.actions(0)] == [Survey]
    assert made.wake_at == pytest.approx(1)  # when looks by name may begin beside it


def test_cancelling_alone_asks_about_submissions_that_have_what_is_to_be_cancelled():
    a, b = submitting(planned("a")), submitting(planned("b", 1))
    made = Driven(engine=Engine.BATCH, mode=Mode.CANCEL)
    made.open = [inherited("a", "b")]
    made.cancel(a)
    made.keep(a, b)
    made.tell()
    (follow,) = follows(made, 0)
    assert not follow.cancels
    settled = [started(a), started(b)]
    made.tell(Followed(action=follow, stage=Stage.DONE, settled=settled), now=0)
    (cancel,) = made.actions(0)
    assert isinstance(cancel, Cancel)
    assert cancel.entry.id == "a"


def test_cancelling_alone_leaves_the_rest_of_a_submission():
    a, b = submitting(planned("a")), submitting(planned("b", 1))
    made = Driven(engine=Engine.BATCH, mode=Mode.CANCEL)
    made.open = [inherited("a", "b")]
    made.cancel(a)
    made.keep(a, b)
    made.tell()
    (follow,) = follows(made, 0)
    refused = apply(a, Refused(at=at(0), code="X", message=""))
    made.tell(Followed(action=follow, stage=Stage.GOING, settled=[refused]), now=0)
    assert not follows(made, 100)


def test_cancelling_alone_passes_over_submissions_of_others():
    made = Driven(engine=Engine.BATCH, mode=Mode.CANCEL)
    made.open = [inherited("a")]
    made.keep(submitting(planned("a")))
    made.tell()
    assert made.is_over


def test_a_uuid_that_is_told_of_several_runs_is_right_of_none():
    rows = [
        BatchRow(setting_id="a", run=run(id="1", uuid="u-1")),
        BatchRow(setting_id="b", run=run(id="2", uuid="u-2")),
        BatchRow(setting_id="c", run=run(id="3", uuid="u-2")),
        BatchRow(setting_id="c", run=run(id="1", uuid="u-1")),  # on two pages
        BatchRow(setting_id="d", run=None),
    ]
    assert told_twice(rows) == {"u-2"}
