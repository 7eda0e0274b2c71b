"""What a launch holds: it grows with what is in flight, not with the batch."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from batchrun.engine.launcher import Stop
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.events import Event
from tests.engine.launching import Told, bench, rows
from tests.world import simulated

pytestmark = pytest.mark.long

_EVERY = 10


class Counting(Told):
    """Counts the entries that are alive, every so many steps."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        super().recorded(before, event, after)
        if len(self.steps) % _EVERY == 0:
            gc.collect()
            self.most = max(self.most, sum(type(one) is Entry for one in gc.get_objects()))


@pytest.fixture
def only_new_objects():
    """Leave aside what other tests of this process keep: it is not the launch's, and long to go through."""
    gc.collect()
    gc.freeze()


async def most_held(folder: Path, count: int) -> int:
    async with bench(folder, simulated(max_active=None)) as it:
        it.told = counting = Counting()
        stop, _ = await it.launch(rows(count), max_active=10, concurrency=5)
        assert stop is Stop.FINISHED
        assert len(counting.steps) > count
        return counting.most


@pytest.mark.usefixtures("only_new_objects")
async def test_entries_are_held_while_they_are_in_flight(tmp_path_factory):
    few = await most_held(tmp_path_factory.mktemp("few"), 40)
    many = await most_held(tmp_path_factory.mktemp("many"), 100)
    # Ten in flight, five to be sent next, and for a moment each step has its entry before and after.
    assert 10 <= few < 40
    assert many <= few + 10
