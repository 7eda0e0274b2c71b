"""The laws of the planner, in worlds made at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.model.entries.states import ENDED, OPEN, UNSENT, State
from batchrun.model.planning.limits import LaneLimits, Limits, Mode
from batchrun.model.submissions.grouping import Engine

if TYPE_CHECKING:
    pass
from tests.model.worlds import LANES, World

pytestmark = pytest.mark.long


@settings(max_examples=settings().max_examples * 3 // 5)
@given(
    st.data(),
    st.integers(1, 8),
    st.integers(1, 4),
    st.none() | st.integers(1, 4),
    st.sampled_from(Mode),
    st.sampled_from([(LaneLimits(),), LANES]),
    st.sampled_from([Engine.STARTRUN, Engine.BATCH]),
)
def test_the_laws_hold_in_any_world(data, rows, concurrency, max_active, mode, lanes, engine):
    limits = Limits(
        concurrency=concurrency, max_active=max_active, mode=mode, engine=engine, batch_rows=concurrency
    )
    world = World(data, rows, limits, lanes)
    for _ in range(80):
        world.step()
        # One run per attempt: whatever was lost, an attempt is sent under one requestId only.
        assert all(len(ids) == 1 for ids in world.sent.values())
        # Nothing accepted is forgotten.
        assert all(world.entries[id].state is not State.PLANNED for id in world.exists)
        if world.planner.is_over and not world.under_way:
            break
    settled = [entry for entry in world.entries.values() if entry.state in ENDED]
    assert all(
        entry.run is not None for entry in settled if entry.state not in {State.REFUSED, State.CANCELLED}
    )
    if world.planner.is_over and not world.under_way and mode is Mode.WATCH:
        left = [one for one in world.entries.values() if one.state in OPEN and one.id not in world.held]
        left = [one for one in left if one.state not in UNSENT or not world.is_denied(one)]
        if world.usable >= {lane.name for lane in lanes}:
            assert not left or (max_active is not None and len(left) >= max_active), left
        else:  # it lies in lanes that stopped, or might have a run there
            stopped = {lane.name for lane in lanes} - world.usable
            assert all(not stopped.isdisjoint(entry.may_take) for entry in left) or max_active, left
