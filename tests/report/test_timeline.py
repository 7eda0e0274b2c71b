from __future__ import annotations

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from batchrun.report.gathering import RowStanding, ShownRow
from batchrun.report.packing import timeline
from tests.report.samples import T0, at, attempt, row


def told(*rows_: ShownRow, until: float = 60, moments: int = 4) -> list[tuple[int, ...]]:
    found = timeline(rows_, at(until), moments=moments)
    return [(one.queued, one.running, one.succeeded, one.ended_otherwise) for one in found.moments]


def test_nothing_known_is_nothing_drawn():
    assert timeline([], T0).moments == ()
    assert timeline([row("a", RowStanding.PLANNED, uuid=None)], T0).undated == 0


def test_a_run_is_queued_then_running_then_ended():
    assert told(row("a", created=at(0), started=at(10), stopped=at(30))) == [
        (1, 0, 0, 0),
        (0, 1, 0, 0),
        (0, 1, 0, 0),
        (0, 0, 1, 0),
    ]


def test_a_run_that_never_started_goes_from_the_queue_to_its_end():
    assert told(row("a", RowStanding.FAILED, created=at(0), stopped=at(30))) == [(1, 0, 0, 0)] * 3 + [
        (0, 0, 0, 1)
    ]


def test_what_goes_on_does_so_until_the_report():
    found = timeline([row("a", RowStanding.RUNNING, created=at(0), started=at(1))], at(60), moments=4)
    assert [one.at for one in found.moments] == [at(0), at(20), at(40), at(60)]
    assert [one.running for one in found.moments] == [0, 1, 1, 1]


def test_earlier_attempts_count_and_undated_runs_are_told():
    past = attempt(RowStanding.FAILED, created=at(0), started=at(1), stopped=at(2))
    rows_ = [row("a", RowStanding.SUCCEEDED, past, created=at(2), started=at(3), stopped=at(30))]
    rows_ += [row("b", RowStanding.DELETED, created=at(0)), row("c", RowStanding.RUNNING)]
    found = timeline(rows_, at(60))
    last = found.moments[-1]
    assert (last.succeeded, last.ended_otherwise, found.undated) == (1, 1, 2)


MINUTES = st.none() | st.integers(0, 100)


@given(st.lists(st.tuples(st.sampled_from(RowStanding), MINUTES, MINUTES, MINUTES)))
def test_whatever_the_times_no_number_is_negative_and_no_run_counts_twice(lives):
    def when(minutes: int | None) -> datetime | None:
        return None if minutes is None else at(minutes)

    rows_ = [
        row(str(place), standing, created=when(a), started=when(b), stopped=when(c))
        for place, (standing, a, b, c) in enumerate(lives)
    ]
    found = timeline(rows_, at(50), moments=20)
    for one in found.moments:
        numbers = (one.queued, one.running, one.succeeded, one.ended_otherwise)
        assert min(numbers) >= 0
        assert sum(numbers) <= len(lives) - found.undated
