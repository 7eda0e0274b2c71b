"""A bound on the runs that all batches of a ledger together have active in a lane's account."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from batchrun.model.entries.entry import sent_to
from batchrun.model.entries.events import Accepted, Intended
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.actions import HoldBack, Submit, SubmitTogether
from batchrun.model.planning.limits import LaneLimits, Mode
from batchrun.model.planning.stimuli import IntentRecorded, OthersCounted
from batchrun.model.submissions.grouping import Engine
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
    row = sent_to(action.entry, action.lane)
    sent = apply(row, Intended(at=at(), lane=row.lane, request=row.request if row.lane else None))
    made.done(action, apply(sent, Accepted(at=at(now), run=run(id=sent.id, uuid=sent.id))), now=now)


def sent(made: Driven, now: float = 0.0) -> list[str]:
    """Return the ids of what is to be sent now."""
    return [action.entry.id for action in made.plan(now) if isinstance(action, Submit)]


def test_runs_of_others_take_their_places():
    made = loaded(6, others=2)
    (submit,) = made.plan()
    accept(made, submit)
    assert sent(made, 1) == ["1"], "it waits for a place, so that others do not take each one"
    made.tell(OthersCounted(active=0), now=2)
    assert sent(made, 2) == ["2"]


def test_a_launch_that_watches_waits_for_runs_of_others_to_end():
    made = loaded(3, others=4)
    (waiting,) = made.plan()
    assert not made.is_over
    made.done(waiting, waiting.entry, now=50)
    assert sent(made, 50) == ["0"]
    made.tell(OthersCounted(active=1), now=60)
    assert sent(made, 60) == ["1"]


def test_what_may_go_elsewhere_waits_at_no_full_account():
    made = Driven(LaneLimits(name="east", account_max_active=3), LaneLimits(name="west", max_active=1))
    made.tell(OthersCounted(active=3, lane="east"))
    made.add(*(planned(str(number), offers=offers("east", "west")) for number in range(3)))
    assert [(one.entry.id, one.lane) for one in made.plan() if isinstance(one, Submit)] == [("0", "west")]


@pytest.mark.parametrize("mode", [Mode.ONCE, Mode.DETACH])
def test_a_pass_waits_for_nobody(mode):
    made = loaded(2, others=3, mode=mode)
    assert (made.plan(), made.is_over) == ([], True)


def test_what_waits_for_its_turn_is_let_go_of_where_others_took_its_place():
    lane = LaneLimits(name="east", account_max_active=3)
    made = loaded(4, others=0, lane=lane)
    first, *rest = made.plan()
    made.tell(OthersCounted(active=1, lane="east"), now=1)
    assert made.actions(1) == [], "one may wait for a place"
    made.tell(OthersCounted(active=2, lane="east"), now=1)
    assert made.actions(1) == [HoldBack(lane="east")]
    made.tell(IntentRecorded(entry_id="0", lane="east"), now=1)
    for one in rest:
        made.done(one, one.entry, now=1)
    assert len(sent(made, 2)) == 1
    accept(made, first, 3)
    made.tell(OthersCounted(active=3, lane="east"), now=4)
    assert made.actions(4)[-1:] == [HoldBack(lane="east")]


def test_a_pass_lets_go_of_all_that_waits():
    made = loaded(2, others=1, mode=Mode.ONCE)
    made.plan()
    made.tell(OthersCounted(active=2), now=1)
    assert made.actions(1) == [HoldBack()]


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


def test_a_lanes_own_cap_comes_before_the_launchs():
    assert [LaneLimits(account_max_active=own).capped(9).account_max_active for own in (3, None)] == [3, 9]
