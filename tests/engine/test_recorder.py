"""Recording: what cannot happen, and what a defect tells."""

from __future__ import annotations

import anyio
import pytest

from batchrun.engine.recorder import Recorder
from batchrun.errors import InvariantError
from batchrun.model.events import Intended, Refused
from batchrun.model.states import State
from tests.engine.launching import bench, rows


async def test_a_defect_tells_all_that_was_recorded_of_the_entry(tmp_path):
    async with bench(tmp_path) as it, anyio.create_task_group() as group:
        held = await it.take_in(rows(1))
        recorder = Recorder(held, it.told)
        group.start_soon(recorder.run)
        (entry,) = await recorder.in_state(State.PLANNED, limit=1, after=-1)
        at = it.clock.utcnow()
        sent = await recorder.record(entry, Intended(at=at))
        with pytest.raises(InvariantError) as raised:
            await recorder.record(sent, Intended(at=at))
        assert f"recorded of it: {at:%Y-%m-%d %H:%M:%S} intended of attempt 1" in str(raised.value)
        after = await recorder.record(sent, Refused(at=at, code="ValidationException", message="no"))
        assert after.state is State.REFUSED  # what was wrong is not kept, and stops nothing
        await held.release()
        group.cancel_scope.cancel()
