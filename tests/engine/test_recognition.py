"""Whether a service knows the runs of a batch, asked of it before anything is decided on its answers."""

from __future__ import annotations

import pytest

from batchrun.engine.recognition import Recognition
from batchrun.errors import ServiceUnusableError
from batchrun.model.planning.limits import Mode
from tests.engine.launching import bench, rows
from tests.world import simulated


async def test_a_service_that_never_answers_is_one_error_by_which_its_lane_stops(tmp_path):
    async with bench(tmp_path) as it:
        await it.launch(rows(4), mode=Mode.DETACH)
    async with bench(tmp_path, simulated("GetRun:drop_before=1")) as it:
        recognition = Recognition(it.ledger.batch("cohort"), it.service)
        with pytest.raises(ServiceUnusableError, match="no usable answer"):
            await recognition.begin(is_active=True)
