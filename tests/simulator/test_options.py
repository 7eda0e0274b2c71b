"""Settings out of text."""

import pytest

from batchrun.simulator import (
    FailFirst,
    Fault,
    FaultRule,
    Limit,
    RowFault,
    Settings,
    Span,
    StoredBucket,
    StoredObject,
    of_lane,
    parse_fail_first,
    parse_failures,
    parse_faults,
    parse_limits,
    parse_objects,
)
from batchrun.simulator.buckets import Buckets


def test_faults():
    text = "StartRun:drop_after=0.08, *:throttle=3x,GetRun:AccessDeniedException@lab-*"
    assert parse_faults(text) == (
        FaultRule(operation="StartRun", fault=Fault.DROP_AFTER, chance=0.08),
        FaultRule(operation="*", fault=Fault.THROTTLE, times=3),
        FaultRule(operation="GetRun", fault="AccessDeniedException", name="lab-*"),
    )
    assert parse_faults("") == ()


def test_faults_of_rows():
    assert parse_faults("SubmitRow:pass=9x,SubmitRow:hide@a*=0.1,DeleteRow:ConflictException=1x") == (
        FaultRule(operation="SubmitRow", fault=Fault.PASS, times=9),
        FaultRule(operation="SubmitRow", fault=RowFault.HIDE, name="a*", chance=0.1),
        FaultRule(operation="DeleteRow", fault="ConflictException", times=1),
    )


def test_limits():
    assert parse_limits("StartRun=100/20,GetRun=0.5,*=unlimited") == {
        "StartRun": Limit(rate=100, burst=20),
        "GetRun": Limit(rate=0.5, burst=1),
        "*": None,
    }


def test_failures_and_first_failures():
    assert parse_failures("SERVICE_ERROR=0.1,X=0.02") == {"SERVICE_ERROR": 0.1, "X": 0.02}
    assert parse_fail_first("a-*=2,*/b=1:X") == (
        FailFirst(match="a-*", times=2),
        FailFirst(match="*/b", times=1, reason="X"),
    )


def test_objects():
    lines = ["s3://lab/a b.fq\n", "s3://lab/cold\tGLACIER\n", "\n", "s3://empty\n", "s3://empty/\n"]
    assert parse_objects(lines) == (
        StoredBucket(
            name="lab", objects={"a b.fq": StoredObject(), "cold": StoredObject(storage_class="GLACIER")}
        ),
        StoredBucket(name="empty"),
    )
    assert parse_objects([]) == ()
    with pytest.raises(ValueError, match="'lab/a' is not s3://BUCKET/KEY"):
        parse_objects(["lab/a"])


@pytest.mark.parametrize(
    ("parse", "text", "complaint"),
    [
        (parse_faults, "StartRun", "'StartRun' is not OPERATION:FAULT"),
        (parse_faults, "StartRn:throttle", "did you mean StartRun"),
        (parse_faults, "StartRun:throtle", "did you mean throttle"),
        (parse_faults, "StartRun:skip", "'skip' is no fault"),
        (parse_faults, "SubmitRow:drop_after", "'drop_after' is no fault of rows"),
        (parse_faults, "CancelRow:skip", "only SubmitRow"),
        (parse_faults, "StartRun:throttle=2", "from 0 to 1"),
        (parse_faults, "StartRun:throttle=-1x", "not a number"),
        (parse_faults, "StartRun:throttle=nan", "from 0 to 1"),
        (parse_limits, "StartRun", "NAME=VALUE"),
        (parse_limits, "StartRun=0", "above 0"),
        (parse_limits, "StartRun=inf", "above 0"),
        (parse_limits, "StartRun=5/0", "at least 1"),
        (parse_limits, "StartRun=5/x", "burst 'x'"),
        (parse_limits, "Start=5", "did you mean StartRun"),
        (parse_failures, "X=often", "'often' is not a number"),
        (parse_fail_first, "a=many", "'many' is not a number"),
    ],
)
def test_what_cannot_be_read_is_quoted(parse, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse(text)


@pytest.mark.parametrize(
    "change",
    [
        {"time_scale": -1},
        {"hang": float("nan")},
        {"max_active": 0},
        {"failures": {"A": 0.6, "B": 0.6}},
        {"failures": {"A": -0.1}},
    ],
)
def test_settings_without_meaning_are_refused(change):
    with pytest.raises(ValueError, match="must"):
        Settings(**change)


def test_a_span_is_even_around_its_mean():
    span = Span(mean=10, spread=0.5)
    assert (span.at(0.0), span.at(0.5)) == (5.0, 10.0)
    with pytest.raises(ValueError, match="0 to 1"):
        Span(mean=1, spread=2)


def test_buckets_fill_at_their_rate_even_late_in_time():
    buckets = Buckets({"StartRun": Limit(rate=10, burst=2)})
    for start in (0.0, 1e6):
        taken = [buckets.take("StartRun", start + tick / 10) for tick in range(10)]
        assert taken == [0.0] * 10
        assert [buckets.take("StartRun", start + 0.9) for _ in range(2)] == [
            0.0,
            pytest.approx(0.1, abs=1e-5),
        ]


def test_the_services_defaults_hold_for_what_is_not_named():
    buckets = Buckets({"StartRun": None})
    assert sum(buckets.take("StartRun", 0.0) == 0 for _ in range(100)) == 100
    assert sum(buckets.take("TagResource", 0.0) == 0 for _ in range(100)) == 5
    assert sum(buckets.take("GetRun", 0.0) == 0 for _ in range(100)) == 10


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("", ""),
        ("*=unlimited", "*=unlimited"),
        ("east/StartRun=8,*=unlimited", "*=unlimited,StartRun=8"),
        ("west/StartRun=8,*=unlimited", "*=unlimited"),
        ("StartRun:drop_after@east/x*=1", "StartRun:drop_after@east/x*=1"),
        ("south/StartRun=8", "south/StartRun=8"),  # no lane: whoever reads it says so
    ],
)
def test_what_names_a_lane_is_of_that_one_and_outranks_the_rest(text, own):
    assert of_lane(text, "east", ("east", "west")) == own
