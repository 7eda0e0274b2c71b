"""What is worth telling."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from batchrun.model.entries.states import State
from batchrun.model.notices import Notice, holding, is_digest_due
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


@pytest.mark.parametrize(
    ("before", "at", "is_due"),
    [
        (0, 59, False),
        (59, 60, True),
        (60, 119, False),
        (0, 600, True),
        (-90, 59, False),
        (-90, 61, True),
        (-90, -10, False),
    ],
)
def test_the_first_change_after_each_interval_brings_a_digest(before: int, at: int, *, is_due: bool):
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    assert is_due is is_digest_due(
        begun=begun,
        every=timedelta(minutes=60),
        before=begun + timedelta(minutes=before),
        at=begun + timedelta(minutes=at),
    )
