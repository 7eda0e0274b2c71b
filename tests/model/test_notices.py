"""What is worth telling."""

from __future__ import annotations

import pytest

from batchrun.model.notices import Notice, holding
from batchrun.model.states import State
from batchrun.model.tally import Tally


@pytest.mark.parametrize(
    ("counts", "needs_somebody", "expected"),
    [
        ({State.ACTIVE: 2, State.SUCCEEDED: 1}, False, ()),
        ({State.ACTIVE: 2, State.FAILED: 1}, False, (Notice.FAILURE,)),
        ({State.ACTIVE: 2, State.CANCELLED: 1}, False, ()),
        ({State.PLANNED: 2, State.REFUSED: 1}, True, (Notice.FAILURE, Notice.STOPPED)),
        ({State.SUCCEEDED: 2}, False, (Notice.END,)),
        ({State.SUCCEEDED: 2}, True, (Notice.END,)),
        ({State.DELETED: 1, State.SUCCEEDED: 2}, False, (Notice.FAILURE, Notice.END)),
    ],
)
def test_what_holds_of_a_batch(counts, needs_somebody, expected):
    assert holding(Tally(counts, {}), needs_somebody=needs_somebody) == expected
