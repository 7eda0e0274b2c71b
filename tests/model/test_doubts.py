"""What stays in doubt: how long a launch waits for it, and what it does meanwhile."""

from __future__ import annotations

from functools import partial

import pytest

from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Accepted, Doubted, Refused
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.actions import Resend, Settle, Submit
from batchrun.model.planning.doubts import has_conflicted_for
from batchrun.model.planning.stimuli import Followed, SubmittedTogether
from batchrun.model.submissions.submission import Stage
from tests import builders
from tests.builders import active, at, run, submitting
from tests.model.driving import Driven, loaded
from tests.model.test_batching import batched, follows, many, proven, started, submit, together, went

planned = partial(builders.planned, proven_at=at())


def lost(entry: Entry) -> Entry:
    sent = submitting(entry) if entry.state is State.PLANNED else entry
    return apply(sent, Doubted(at=at(0), code="x", message=""))


def in_doubt(made: Driven, *, until: float) -> float:
    """Let no outcome be known, however often it is asked for; return when it was over, or *until*."""
    now = 0.0
    while now < until:
        for action in made.plan(now):
            assert isinstance(action, Submit | Resend | Settle)
            made.done(action, lost(action.entry), now=now, failed=True)
        if made.is_over:
            break
        now = made.wake_at if made.wake_at is not None and made.wake_at > now else now + 1.0
    return now


def starts(made: Driven, now: float) -> list[Submit | Resend | Settle]:
    """What is due by *now* but looks, which are made."""
    found = []
    for action in made.plan(now):
        if isinstance(action, Submit | Resend | Settle):
            found.append(action)
        else:
            made.done(action, action.entry, now=now)
    return found


def entries(count: int) -> list[Entry]:
    return [planned(f"row-{n:02}", n) for n in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 40])
@pytest.mark.no_cover
def test_a_launch_waits_for_what_is_in_doubt_as_long_as_it_has_patience(count):
    made = loaded(*entries(count), patience=900.0)
    assert 900 <= in_doubt(made, until=9_000) < 1_100
    assert made.is_over


def test_what_is_late_is_asked_for_on_while_there_is_something_else():
    made = loaded(planned("a"), active(builders.planned("b")), patience=900.0)
    asked = []
    for now in range(0, 4_000, 10):
        for start in starts(made, now):
            asked.append(now)
            made.done(start, lost(start.entry), now=now, failed=True)
    assert not made.is_over
    late = [now for now in asked if now > 900]
    assert 3 <= len(late) <= 5


def test_of_starts_that_are_never_understood_one_at_a_time_is_made_until_one_is():
    made = loaded(*entries(200), active(builders.planned("z")), concurrency=4, patience=900.0)
    sent, now = set(), 0.0
    while now < 2_000:
        for start in starts(made, now):
            sent.add(start.entry.id)
            made.done(start, lost(start.entry), now=now, failed=True)
        now += 5.0
    assert len(sent) < 200
    assert (made.wake_at or 0) >= now
    (start,) = starts(made, now + 900)
    made.done(start, apply(lost(start.entry), Accepted(at=at(now), run=run())), now=now + 900)
    assert len(starts(made, now + 900)) == 4


def test_a_refusal_is_understood_too():
    made = loaded(*entries(3), concurrency=1, patience=900.0)
    in_doubt(made, until=9_000)
    assert made.is_over
    (action,) = made.plan(3_000)
    made.done(action, apply(lost(action.entry), Refused(at=at(0), code="x", message="")), now=3_000)
    assert not made.is_over


def test_a_submission_of_which_nobody_tells_is_waited_for_as_long():
    made = batched(*many(3), patience=900.0)
    submit(made, is_known=False)
    now = 0.0
    while not made.is_over:
        now = made.wake_at or now
        for follow in follows(made, now):
            made.tell(Followed(action=follow, stage=Stage.UNKNOWN, was_sent=follow.is_proof), now=now)
    assert 900 <= now < 1_100
    (follow,) = follows(made, now + 900)
    made.tell(Followed(action=follow, stage=Stage.GOING, was_sent=True, run_batch="77"), now=now + 900)
    assert not made.is_over


def test_a_submission_that_is_found_is_heard_of_and_the_next_that_is_lost_is_waited_for():
    made = batched(*many(3), patience=900.0)
    sent = submit(made, is_known=False)
    (follow,) = follows(made, 10)
    made.tell(Followed(action=follow, stage=Stage.DONE, settled=[started(one) for one in sent]), now=10)
    made.add(*proven("d", "e", "f", seconds=1000), now=1000)
    action = together(made, 1000)
    lost = went(action.entries)
    made.tell(SubmittedTogether(action=action, entries=lost, request_id="s-2", is_known=False), now=1000)
    (follow,) = follows(made, 1010)
    made.tell(Followed(action=follow, stage=Stage.UNKNOWN), now=1010)
    assert follows(made, 1100), "not only after 15 minutes"


def asked_for(made: Driven, code: str, *, until: float) -> list[tuple[float, Resend | Settle]]:
    """What is asked for by then, and when, while every answer has *code*, and the launch waits."""
    asked, now = [], 0.0
    while now < until and not made.is_over:
        for action in made.plan(now):
            assert isinstance(action, Resend | Settle)
            asked.append((now, action))
            answer = Doubted(at=at(now), code=code, message="")
            made.done(action, apply(action.entry, answer), now=now, failed=True)
        now = made.wake_at if made.wake_at is not None and made.wake_at > now else now + 1.0
    return asked


@pytest.mark.parametrize("lag", [60.0, 300.0])
def test_a_request_id_that_is_refused_for_long_is_asked_for_once_more_and_that_is_the_last_word(lag):
    made = loaded(lost(planned("a")), patience=900.0, listing_lag=lag)
    asked = asked_for(made, "ConflictException", until=9_000)
    assert made.is_over
    *before, (at_last, last) = asked
    assert not any(isinstance(action, Settle) and action.may_refuse for _, action in before)
    assert isinstance(last, Settle)
    assert (last.is_proof, last.may_refuse) == (True, True)
    assert 900 <= at_last - before[0][0] < 900 + 2 * (132 + lag)


@pytest.mark.parametrize(
    ("kinds", "has"),
    [("iccc", True), ("icc", False), ("icxcc", False), ("iccccx", False), ("cccicc", False), ("i", False)],
)
def test_passes_that_met_nothing_but_conflicts_for_long_say_so(kinds, has):
    events = {"c": ("doubted", '{"code": "ConflictException"}'), "x": ("doubted", '{"code": "Timeout"}')}
    history = [(at(400 * n), 1, *events.get(one, ("intended", "{}"))) for n, one in enumerate(kinds)]
    now = at(400 * len(kinds))
    assert has_conflicted_for(900.0, history, now) is has
    assert not has_conflicted_for(9_000.0, history, now)


def test_a_conflict_among_other_answers_is_no_last_word():
    made = loaded(lost(planned("a")), active(builders.planned("b")), patience=900.0)
    now, number = 0.0, 0
    while now < 4_000:
        for start in starts(made, now):
            assert not (isinstance(start, Settle) and start.may_refuse)
            number += 1
            code = "ConflictException" if number % 4 else "x"
            made.done(start, apply(start.entry, Doubted(at=at(now), code=code, message="")), now=now)
        now += 5.0
    assert number > 8
