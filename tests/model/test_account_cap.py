"""A bound on the runs that all batches of a ledger together have active in a lane's account."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from batchrun.model.actions import HoldBack, Submit, SubmitTogether
from batchrun.model.events import Accepted
from batchrun.model.grouping import Engine
from batchrun.model.limits import LaneLimits, Mode
from batchrun.model.stimuli import IntentRecorded, OthersCounted
from batchrun.model.transitions import apply
from tests import builders
from tests.builders import at, offers, run
from tests.model.driving import Driven

planned = partial(builders.planned, proven_at=at())
CAPPED = LaneLimits(account_max_active=3)


def loaded(count: int, *, others: int, lane: LaneLimits = CAPPED, **limits) -> Driven:
    made = Driven(lane, **limits)
    made.tell(OthersCounted(active=others, lane=lane.name))
    own: dict[str, Any] = {} if lane.name is None else {"offers": offers(lane.name)}
    made.add(*(planned(str(number), **own) for number in range(count)))
    return made


def accept(made: Driven, action, now: float = 1.0) -> None:
    sent = builders.submitting(action.entry)
    made.done(action, apply(sent, Accepted(at=at(now), run=run(id=sent.id, uuid=sent.id))), now=now)


def test_runs_of_others_take_their_places():
    made = loaded(5, others=2)
    (submit,) = made.plan()
    accept(made, submit)
    assert not [action for action in made.plan(1) if isinstance(action, Submit)]
    made.tell(OthersCounted(active=0), now=2)
    assert [action.entry.id for action in made.plan(2) if isinstance(action, Submit)] == ["1", "2"]


def test_a_launch_that_watches_waits_for_runs_of_others_to_end():
    made = loaded(2, others=4)
    assert (made.plan(), made.is_over) == ([], False)
    made.tell(OthersCounted(active=1), now=60)
    assert len(made.plan(60)) == 2


@pytest.mark.parametrize("mode", [Mode.ONCE, Mode.DETACH])
def test_a_pass_waits_for_nobody(mode):
    made = loaded(2, others=3, mode=mode)
    assert (made.plan(), made.is_over) == ([], True)


def test_what_waits_for_its_turn_is_let_go_of_where_others_took_its_place():
    made = loaded(2, others=1, lane=LaneLimits(name="east", account_max_active=3))
    first, second = made.plan()
    made.tell(OthersCounted(active=1, lane="east"), now=1)
    assert made.actions(1) == []
    made.tell(OthersCounted(active=3, lane="east"), now=1)
    assert made.actions(1) == [HoldBack(lane="east")]
    made.done(second, second.entry, now=1)
    made.tell(IntentRecorded(entry_id="0", lane="east"), OthersCounted(active=4, lane="east"), now=2)
    assert made.actions(2) == [], "what has an intent is sent, and nothing else waits"
    accept(made, first, 3)
    made.tell(OthersCounted(active=0, lane="east"), now=4)
    assert [action.entry.id for action in made.plan(4) if isinstance(action, Submit)] == ["1"]


def test_each_lane_has_the_bound_of_its_own_account():
    made = Driven(LaneLimits(name="east", account_max_active=3), LaneLimits(name="west"))
    made.tell(OthersCounted(active=9, lane="east"))
    made.add(*(planned(str(number), offers=offers("east", "west")) for number in range(3)))
    assert {action.lane for action in made.plan() if isinstance(action, Submit)} == {"west"}


def test_what_goes_together_heeds_it_too_and_waits():
    made = loaded(5, others=3, engine=Engine.BATCH)
    assert (made.plan(), made.is_over) == ([], False)
    made.tell(OthersCounted(active=1), now=60)
    (together,) = made.actions(60)
    assert isinstance(together, SubmitTogether)
    assert len(together.entries) == 2
