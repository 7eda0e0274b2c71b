"""How rows that may go to several lanes are shared out among these, many by one call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchrun.model.entries.events import Intended
from batchrun.model.entries.transitions import apply
from batchrun.model.planning.actions import SubmitTogether
from batchrun.model.planning.limits import LaneLimits, Mode
from batchrun.model.planning.sharing import even_parts
from batchrun.model.planning.stimuli import LanePaused, LaneResumed, SubmittedTogether
from batchrun.model.submissions.grouping import Engine
from tests.builders import at, offers, planned
from tests.model.driving import Driven

EAST, WEST = LaneLimits(name="east"), LaneLimits(name="west")


def free(count: int, *lanes: LaneLimits, **limits: Any) -> Driven:
    """Have rows that may go to any of the lanes."""
    made = Driven(*lanes, **{"engine": Engine.BATCH, "batch_rows": 10_000, **limits})
    both = offers(*(lane.name or "" for lane in lanes))
    made.keep(*(replace(planned(f"row-{n:05}", n), offers=both, proven_at=at(0)) for n in range(count)))
    made.tell()
    return made


def waves(made: Driven, now: float = 0.0) -> list[SubmitTogether]:
    return [one for one in made.actions(now) if isinstance(one, SubmitTogether)]


def sizes(sent: list[SubmitTogether]) -> dict[str | None, int]:
    return {one.lane: len(one.entries) for one in sent}


def answered(made: Driven, action: SubmitTogether, now: float) -> None:
    sent = [apply(entry, Intended(at=at(0), lane=action.lane)) for entry in action.entries]
    made.tell(SubmittedTogether(action=action, entries=sent, request_id=f"s-{now}", is_known=True), now=now)


@given(
    rows=st.integers(0, 500),
    lanes=st.lists(
        st.tuples(st.integers(0, 300), st.one_of(st.integers(0, 300), st.just(float("inf")))),
        min_size=1,
        max_size=5,
    ),
)
@example(rows=1, lanes=[(0, 9), (0, 9), (1, 9)])
def test_parts_are_as_even_as_their_room_allows(rows, lanes):
    loads, rooms = zip(*lanes, strict=True)
    parts = even_parts(rows, loads, rooms)
    assert sum(parts) == min(rows, sum(rooms))
    assert all(0 <= part <= room for part, room in zip(parts, rooms, strict=True))
    level = max((load + part for load, part in zip(loads, parts, strict=True) if part), default=0)
    for load, part, room in zip(loads, parts, rooms, strict=True):
        assert part == room or load + part >= level - 1  # whoever has less could have no more


@pytest.mark.parametrize("count", [300, 999])
def test_two_lanes_take_half_each_with_one_call_each(count):
    made = free(count, EAST, WEST)
    sent = sizes(waves(made))
    assert sent == {"east": -(-count // 2), "west": count // 2}
    assert not made.planner._queues.have_ready


@pytest.mark.parametrize("count", [9, 199])
def test_what_is_not_worth_a_call_of_each_goes_to_one(count):
    assert sizes(waves(free(count, EAST, WEST))) == {"east": count}


@pytest.mark.no_cover
def test_a_lane_that_has_its_part_leaves_the_rest_to_one_that_is_busy():
    made = free(600, EAST, WEST, batch_rows=400)
    east, west = waves(made)
    assert sizes([east, west]) == {"east": 200, "west": 200}
    answered(made, east, 1)
    (more,) = waves(made, 1)
    assert sizes([more]) == {"east": 100}
    answered(made, more, 2)
    assert not waves(made, 2)
    answered(made, west, 3)
    assert sizes(waves(made, 3)) == {"west": 100}


def test_parts_fit_into_the_room_that_there_is():
    small = replace(WEST, max_active=30)
    assert sizes(waves(free(400, EAST, small))) == {"east": 370, "west": 30}
    assert sizes(waves(free(400, EAST, WEST, max_active=220))) == {"east": 110, "west": 110}


def test_a_lane_without_room_worth_a_call_has_no_part():
    full = replace(WEST, max_active=5)
    made = free(8, EAST, full, mode=Mode.WATCH)
    assert sizes(waves(made)) == {"east": 8}


def test_rows_of_a_lane_that_cannot_take_them_go_to_the_other():
    made = free(0, EAST, WEST)
    made.tell(LanePaused(lane="west"))
    made.add(
        *(replace(planned(str(n), n), offers=offers("east", "west"), proven_at=at(0)) for n in range(300))
    )
    assert sizes(waves(made)) == {"east": 300}
    made.tell(LaneResumed(lane="west"), now=1)
