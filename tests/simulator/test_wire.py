"""The model's shapes, compiled."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from batchrun.simulator import OPERATIONS
from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.shapes import compile_pattern, write_iso8601
from batchrun.simulator.wire import Wire

JAVA = r"[\p{L}||\p{M}||\p{Z}||\p{S}||\p{N}||\p{P}]+"


def test_every_operation_compiles_and_options_know_them_all(service_with):
    assert set(service_with().operations) == set(OPERATIONS)
    assert set(Wire(OPERATIONS).operations) == set(OPERATIONS)


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 429), ("ServiceQuotaExceededException", 402), ("ConflictException", 409)],
)
def test_the_models_errors_have_the_models_statuses(code, status):
    assert Wire(OPERATIONS).refusal(RefusalError(code, "no")).status == status


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (JAVA, "Probe Nr. 7: größe", True),
        (JAVA, "tab\t", False),
        (JAVA, "a\x00", False),
        (r"[\p{L}\p{P}\t\n\r]+", "a.\tb\n", True),
        (r"[\p{L}\p{P}\t\n\r]+", "a 1", False),
        ("[0-9]+", "12\n", False),
        ("arn:.+", "arn:x", True),
    ],
)
def test_patterns_hold_for_the_whole_text(pattern, text, fits):
    assert bool(compile_pattern(pattern)(text)) is fits


def test_times_are_written_in_utc():
    here = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert write_iso8601(here) == "2026-01-01T00:00:00.000000Z"
    assert write_iso8601(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000000Z"
