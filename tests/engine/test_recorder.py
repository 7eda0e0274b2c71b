"""Recording: what cannot happen, and what a defect tells."""

from __future__ import annotations

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.engine.recorder import Recorder
from batchrun.errors import InvariantError, LedgerError
from batchrun.model.entries.events import Intended, Refused
from batchrun.model.entries.states import State
from tests.engine.launching import bench, rows


async def test_a_defect_tells_all_that_was_recorded_of_the_entry(tmp_path):
    async with bench(tmp_path) as it, anyio.create_task_group() as group:
        held = await it.take_in(rows(1))
        recorder = Recorder(held, it.told.recorded)
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


async def test_what_cannot_be_written_is_told_with_what_waits_behind_it(tmp_path, monkeypatch):
    async with bench(tmp_path) as it:
        held = await it.take_in(rows(7))
        recorder = Recorder(held, it.told.recorded)
        entries = await recorder.in_state(State.PLANNED, limit=7, after=-1)
        at = it.clock.utcnow()

        async def fail(_steps: object) -> None:
            for number in range(1, 7):
                waiting.start_soon(told, number)
            await anyio.wait_all_tasks_blocked()  # they stand behind it
            monkeypatch.setattr(held, "record", fail_again)
            raise LedgerError("it is away")

        async def fail_again(_steps: object) -> None:
            raise LedgerError("it is away still")

        async def told(number: int) -> None:
            with pytest.raises(LedgerError):
                await recorder.record(entries[number], Intended(at=at))

        monkeypatch.setattr(held, "record", fail)
        with capture_logs() as said:
            async with anyio.create_task_group() as group:
                group.start_soon(recorder.run)
                async with anyio.create_task_group() as waiting:
                    waiting.start_soon(told, 0)
                group.cancel_scope.cancel()
        ids = [entry.id for entry in entries]
        (one,) = said
        assert (one["event"], one["rows"]) == ("not_written", 7)
        assert one["ids"] == ", ".join(ids[:5]) + ", ..."
