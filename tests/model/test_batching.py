"""What is sent together, in which waves, and what comes of a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Accepted, Deferred, Intended, Refused
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.actions import (
    Follow,
    HoldBack,
    Look,
    ReadChoices,
    ReadDue,
    Submit,
    SubmitTogether,
    Survey,
)
from batchrun.model.planning.limits import LaneLimits, Limits, Mode
from batchrun.model.planning.queues import Queues
from batchrun.model.planning.stimuli import (
    DueRead,
    Followed,
    LaneStopped,
    SubmittedTogether,
    Surveyed,
)
from batchrun.model.planning.verdicts import QUOTA_FULL
from batchrun.model.submissions.grouping import Choice, Engine
from batchrun.model.submissions.submission import Stage
from tests import builders
from tests.builders import active, at, planned, run
from tests.model.driving import Driven, loaded, shape_in

LAG = 60.0


def proven(*ids: str, seconds: float = 0) -> list[Entry]:
    return [replace(planned(id, place), proven_at=at(seconds)) for place, id in enumerate(ids)]


def many(count: int) -> list[Entry]:
    return proven(*(f"row-{n:03}" for n in range(count)))


def batched(*entries: Entry, **limits: Any) -> Driven:
    return loaded(*entries, **{"engine": Engine.BATCH, **limits})


def together(made: Driven, now: float = 0.0) -> SubmitTogether:
    (action,) = [one for one in made.actions(now) if isinstance(one, SubmitTogether)]
    return action


def follows(made: Driven, now: float) -> list[Follow]:
    return [one for one in made.actions(now) if isinstance(one, Follow)]


def went(entries: Sequence[Entry]) -> list[Entry]:
    return [apply(entry, Intended(at=at(0))) for entry in entries]


def submit(made: Driven, now: float = 0.0, *, is_known: bool = True) -> list[Entry]:
    """Have what is ready submitted."""
    action = together(made, now)
    sent = went(action.entries)
    made.tell(SubmittedTogether(action=action, entries=sent, request_id="s-1", is_known=is_known), now=now)
    return sent


def started(entry: Entry) -> Entry:
    return apply(entry, Accepted(at=at(10), run=run(id=entry.id, uuid=f"u-{entry.id}")))


# -- what goes


def test_rows_that_are_alike_go_together_and_others_by_themselves():
    alone = replace(planned("x", 9), request=builders.request(name="x", runId="1"), proven_at=at(0))
    made = batched(*many(3), alone)
    actions = made.actions()
    assert [type(action) for action in actions] == [SubmitTogether, Submit]
    assert made.slots == 4


def test_a_wave_has_as_many_rows_as_a_call_may_have():
    made = batched(*many(250), batch_rows=100)
    first = together(made)
    assert len(first.entries) == 100
    made.tell(SubmittedTogether(action=first, entries=went(first.entries), request_id="s-1", is_known=True))
    second = together(made)
    assert len(second.entries) == 100
    assert not {one.id for one in first.entries} & {one.id for one in second.entries}


def test_auto_takes_the_way_by_how_many_are_alike():
    few = batched(*many(99), engine=Engine.AUTO, concurrency=4)
    assert {type(action) for action in few.actions()} == {Submit}
    enough = batched(*many(100), engine=Engine.AUTO, concurrency=4)
    assert [type(action) for action in enough.actions()] == [SubmitTogether]


def test_a_wave_respects_the_slots_and_waits_until_one_is_worth_it():
    made = batched(*many(60), max_active=20)
    sent = submit(made)
    assert len(sent) == 20
    assert made.slots == 20
    (follow,) = follows(made, 5)
    made.tell(Followed(action=follow, stage=Stage.GOING, settled=[started(sent[0])]), now=5)
    ended = [apply(one, Refused(at=at(0), code="X", message="")) for one in sent[1:3]]
    (follow,) = follows(made, 13)
    made.tell(Followed(action=follow, stage=Stage.GOING, settled=ended[:1]), now=13)
    assert made.slots == 19
    assert not [one for one in made.waiting if isinstance(one, SubmitTogether)]  # one slot of twenty
    (follow,) = follows(made, 20)
    made.tell(Followed(action=follow, stage=Stage.GOING, settled=ended[1:]), now=20)
    assert len(together(made, 20).entries) == 2


def test_a_pass_sends_what_fits_now():
    made = batched(*many(60), max_active=20, mode=Mode.ONCE)
    assert len(together(made).entries) == 20


def test_what_is_read_while_shapes_are_not_kept_yet_is_read_once_more():
    queues, nothing = Queues(Limits(engine=Engine.BATCH)), frozenset[str]
    (entry,) = proven("a")
    choices = [Choice(shape=shape_in(entry), rows=1)]

    def read_choices() -> None:
        assert queues.plan(32, nothing, at(1)) == [ReadChoices()]

    def read(*entries: Entry) -> None:
        (due,) = queues.plan(32, nothing, at(1))
        assert isinstance(due, ReadDue)
        queues.read(DueRead(read=due, entries=entries, next_due=None))

    read_choices()
    queues.choices_read(choices)
    read()
    assert queues.is_over
    queues.comes(replace(entry, due=at(1)))  # its new attempt
    read_choices()
    read()  # which finds no row of this shape yet
    queues.choices_read(choices)
    assert not queues.is_over
    read(entry)
    assert queues.have_ready


def test_few_rows_wait_a_moment_for_others_that_become_due_soon():
    made = batched(*proven("z"))
    submit(made)
    made.next_due = at(100)
    made.add(now=0)
    first, second, third = proven("a", "b", "c", seconds=100)
    made.keep(first)
    made.next_due = at(110)
    made.tell(now=100)
    assert not [one for one in made.actions(100) if isinstance(one, SubmitTogether)]
    made.keep(second)
    made.next_due = at(120)
    made.tell(now=110)
    assert not [one for one in made.actions(110) if isinstance(one, SubmitTogether)]
    made.keep(third)
    made.next_due = at(130)
    made.tell(now=120)
    assert len(together(made, 120).entries) == 3  # the first has waited long enough


def test_what_becomes_due_much_later_is_not_waited_for():
    made = Driven(engine=Engine.BATCH)
    made.keep(*proven("a"))
    made.next_due = at(60)
    made.tell()
    assert len(together(made).entries) == 1


# -- proofs


def test_rows_without_a_proof_wait_for_a_survey():
    made = batched(*(planned(f"r{n}", n) for n in range(9)))
    (survey,) = made.actions()
    assert isinstance(survey, Survey)
    made.keep(*proven(*(f"r{n}" for n in range(9)), seconds=1))
    made.surveyed(survey, now=1)
    assert len(together(made, 1).entries) == 9


def in_lanes(count: int, *lanes: str, start: int = 0, **changes: Any) -> list[Entry]:
    offers = builders.offers(*lanes)
    return [
        replace(planned(f"{'-'.join(lanes)}-{n}", n), offers=offers, **changes)
        for n in range(start, start + count)
    ]


def two_lanes(*entries: Entry) -> Driven:
    made = Driven(LaneLimits(name="east"), LaneLimits(name="west"), engine=Engine.BATCH, batch_rows=500)
    made.keep(*entries)
    made.tell()
    return made


def sent_by(made: Driven, now: float) -> list[tuple[str | None, int]]:
    return [(one.lane, len(one.entries)) for one in made.actions(now) if isinstance(one, SubmitTogether)]


def test_rows_of_one_lane_alone_are_looked_for_by_name_once_a_survey_takes_long():
    made = two_lanes(*in_lanes(150, "west"), *in_lanes(20, "east", "west", start=150))
    assert sent_by(made, 29.0) == []
    assert made.wake_at == 30.0
    assert sent_by(made, 30.0) == [("west", 100)]


def test_what_may_have_a_run_in_a_lane_that_cannot_be_asked_holds_up_no_wave():
    made = two_lanes(*in_lanes(4, "east", "west"), *in_lanes(9, "east", "west", start=4, proven_at=at(0)))
    made.tell(LaneStopped(lane="east"))
    assert sent_by(made, 0.0) == [("west", 9)]


def test_what_a_survey_found_to_have_failed_goes_its_own_way_with_the_next_attempt():
    rows = [planned(f"r{n}", n) for n in range(9)]
    made = batched(*rows)
    (survey,) = made.actions()
    assert isinstance(survey, Survey)
    made.tell(Surveyed(survey=survey, named=("r0",)), now=1)
    other = builders.request(name="r0", workflowId="7654321")
    again = replace(rows[0], attempt=2, request=other, proven_at=at(1))
    made.keep(again, *proven(*(f"r{n}" for n in range(1, 9)), seconds=1))
    made.concluded(made.conclusion(), again, now=1)
    sent = together(made, 1)
    made.tell(SubmittedTogether(action=sent, entries=went(sent.entries), request_id="s-1", is_known=True))
    assert {len(sent.entries), len(together(made, 1).entries)} == {8, 1}


def test_few_rows_without_a_proof_are_looked_for_by_name_on_their_way():
    made = batched(planned("a"), planned("b", 1))
    (survey,) = made.actions()
    assert isinstance(survey, Survey)
    made.keep(planned("a"), planned("b", 1))
    made.surveyed(survey, now=1, are_few=True)
    assert len(together(made, 1).entries) == 2


def test_a_ledger_that_is_trusted_needs_no_proof():
    made = batched(planned("a"), trusts_ledger=True)
    assert len(together(made).entries) == 1


def test_proofs_hold_shorter_where_no_request_id_of_a_run_stands_behind_them():
    made = batched(*proven("a", "b", "c", "d", "e"))
    assert together(made).entries
    made = Driven(engine=Engine.BATCH)
    made.keep(*proven("a", "b", "c", "d", "e"))
    made.tell(latest=901)
    assert [type(one) for one in made.actions(latest=901)] == [Survey]


def test_what_could_not_be_looked_for_waits_aside_and_the_rest_goes_again():
    made = batched(*proven("a", "b"))
    action = together(made)
    made.tell(SubmittedTogether(action=action, entries=action.entries, unproven={"a"}))
    (again, survey) = sorted(made.actions(), key=lambda one: type(one).__name__)
    assert isinstance(again, SubmitTogether)
    assert [one.id for one in again.entries] == ["b"]
    assert isinstance(survey, Survey)


# -- what comes of a call


def test_what_was_let_go_of_goes_again_in_its_order():
    made = batched(*many(5))
    action = together(made)
    made.tell(SubmittedTogether(action=action, entries=action.entries))
    assert together(made).entries == action.entries
    assert made.slots == 5


def test_what_is_let_go_of_while_nothing_is_sent_stays_in_the_ledger():
    made = batched(*many(5))
    action = together(made)
    made.hold_back()
    made.tell(SubmittedTogether(action=action, entries=action.entries))
    assert not [one for one in made.actions(1) if isinstance(one, SubmitTogether)]
    assert made.is_over


def test_a_full_quota_pauses_the_lane():
    made = batched(*many(2))
    action = together(made)
    full = Deferred(at=at(0), due=at(60), code=QUOTA_FULL, message="full")
    put_off = [apply(one, full) for one in went(action.entries)]
    made.tell(SubmittedTogether(action=action, entries=put_off, request_id="s-1"))
    (hold,) = [one for one in made.waiting if isinstance(one, HoldBack)]
    assert hold.quota_message == "full"
    made.waiting.clear()
    made.add(*(replace(one, proven_at=at(0)) for one in put_off), now=1)
    assert not [one for one in made.actions(1) if isinstance(one, SubmitTogether)]
    assert made.wake_at is not None
    assert 50 < made.wake_at < 70
    assert len(together(made, 70).entries) == 2


def test_a_run_that_another_ledger_started_is_watched():
    made = batched(*proven("a", "b"))
    action = together(made)
    made.tell(SubmittedTogether(action=action, entries=[active(planned("a")), action.entries[1]]))
    assert [one.id for one in together(made).entries] == ["b"]
    assert [type(one) for one in made.actions(3600)] == [Look]


def test_what_a_lane_lost_only_the_ledger_knows():
    rows = [replace(planned("a"), offers=builders.offers("east", "west"), proven_at=at(0))]
    made = Driven(LaneLimits(name="east"), LaneLimits(name="west"), engine=Engine.BATCH)
    made.keep(*rows)
    made.tell()
    action = together(made)
    made.keep(*rows)  # it was not intended
    made.tell(LaneStopped(lane=action.lane or ""), SubmittedTogether(action=action, is_lost=True))
    again = together(made)
    assert again.lane != action.lane


def test_what_nobody_asked_for_is_a_defect():
    made = batched(*many(1))
    with pytest.raises(InvariantError, match="nobody asked for it"):
        made.tell(SubmittedTogether(action=SubmitTogether(entries=many(1)), entries=[]))
