from __future__ import annotations

from datetime import timedelta

from batchrun.model.entries.reasons import Owner
from batchrun.report.figures import failures, slowest, summary
from batchrun.report.gathering import RowStanding, calls
from tests.report.samples import T0, at, attempt, row, rows


def test_the_summary_of_nothing():
    found = summary([], T0)
    assert (found.total, found.attempts, found.most_attempts, found.open, found.trouble) == (0, 0, 0, 0, 0)
    assert (found.first_created, found.median_queued, found.total_ran) == (None, None, timedelta())


def test_the_summary_counts_rows_and_attempts():
    found = summary(
        [
            row("a", created=at(0), started=at(10), stopped=at(30)),
            row(
                "b",
                RowStanding.FAILED,
                attempt(RowStanding.FAILED),
                created=at(1),
                started=at(21),
                stopped=at(22),
            ),
            row("c", RowStanding.PLANNED, attempt(RowStanding.FAILED), uuid=None),
            row("d", RowStanding.PLANNED, uuid=None),
            row("e", RowStanding.RUNNING, created=at(2), started=at(5)),
        ],
        at(60),
    )
    assert found.counts[RowStanding.PLANNED] == 2
    assert (found.total, found.open, found.trouble) == (5, 3, 1)
    assert (found.attempts, found.rows_with_retries, found.most_attempts) == (5, 1, 2)
    assert (found.first_created, found.last_stopped) == (at(0), at(30))
    assert found.median_queued == timedelta(minutes=10)
    assert found.median_ran == timedelta(minutes=10.5)
    assert found.total_ran == timedelta(minutes=20 + 1 + 55)


def test_failures_go_by_reason_and_those_with_most_rows_come_first():
    found = failures(
        [
            row("a", RowStanding.FAILED, reason="SERVICE_ERROR", message="again"),
            row(
                "b",
                RowStanding.SUCCEEDED,
                attempt(RowStanding.FAILED, reason="SERVICE_ERROR", message="again"),
            ),
            row("c", RowStanding.FAILED, reason="IMPORT_FAILED", message="404"),
            row("d", RowStanding.FAILED, reason="IMPORT_FAILED", message="404"),
            row("e", RowStanding.REFUSED, reason="ValidationException", message="roleArn"),
            row("f", RowStanding.CANCELLED),
        ]
    )
    assert [(one.reason, one.ids, one.earlier) for one in found] == [
        ("IMPORT_FAILED", ("c", "d"), 0),
        ("SERVICE_ERROR", ("a",), 1),
        ("ValidationException", ("e",), 0),
        (None, ("f",), 0),
    ]
    assert [one.advice.owner for one in found] == [Owner.YOU, Owner.AWS, Owner.YOU, Owner.YOU]
    assert [(message.text, message.count) for message in found[1].messages] == [("again", 2)]


def test_of_many_messages_the_most_frequent_are_told():
    texts = ["a", "b", "b", "c", "c", "c", "d", "e", "d", "d", "d"]
    found = failures(row(str(place), RowStanding.FAILED, message=text) for place, text in enumerate(texts))
    assert [message.text for message in found[0].messages] == ["d", "c", "b"]
    assert found[0].other_messages == 2


def test_the_slowest_are_those_that_ran_longest_and_those_that_still_run():
    found = slowest(
        [
            row("short", created=at(0), started=at(50), stopped=at(51)),
            row("going", RowStanding.RUNNING, created=at(0), started=at(10)),
            row("long", created=at(0), started=at(1), stopped=at(59)),
            row("queued", RowStanding.QUEUED, created=at(0)),
        ],
        at(60),
        most=2,
    )
    assert [(one.id, one.ran) for one in found] == [
        ("long", timedelta(minutes=58)),
        ("going", timedelta(minutes=50)),
    ]


def test_no_run_lasts_less_than_no_time_whichever_clock_is_behind():
    queued = attempt(RowStanding.QUEUED, created=at(60))
    running = attempt(RowStanding.RUNNING, created=at(60), started=at(61))
    assert (queued.queued(at(0)), running.ran(at(0))) == (timedelta(), timedelta())


async def test_calls_are_added_up_from_the_events_of_each_entry():
    histories = {
        "a": [
            (at(0), 1, "intended", "{}"),
            (at(1), 1, "doubted", '{"code": "ReadTimeoutError"}'),
            (at(2), 1, "accepted", '{"was_found": true}'),
            (at(9), 1, "completed", "{}"),
        ],
        "b": [
            (at(3), 1, "intended", "{}"),
            (at(3), 1, "deferred", '{"code": "ServiceQuotaExceededException"}'),
            (at(4), 1, "intended", "{}"),
            (at(5), 1, "accepted", '{"was_found": false}'),
        ],
        "c": [
            (at(4), 1, "intended", "{}"),
            (at(5), 1, "refused", '{"code": "ValidationException"}'),
            (at(6), 2, "retried", "{}"),
        ],
        "d": [],
    }

    class Told:
        async def history(self, entry_id):
            return histories[entry_id]

    found = await calls(Told(), histories)  # type: ignore[arg-type]
    assert (found.sent, found.accepted, found.found, found.retried) == (4, 1, 1, 1)
    assert (found.deferred, found.doubted, found.refused) == (
        {"ServiceQuotaExceededException": 1},
        {"ReadTimeoutError": 1},
        {"ValidationException": 1},
    )
    assert (found.first_accepted, found.last_accepted, found.last_event) == (at(2), at(5), at(9))


def test_the_samples_have_some_of_everything():
    counts = summary(rows(100), at(600)).counts
    assert [counts[one] for one in (RowStanding.SUCCEEDED, RowStanding.FAILED, RowStanding.RUNNING)] == [
        70,
        10,
        10,
    ]
