from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.cli.showing.overview_lines import details, facts
from batchrun.model.entries.events import Withdrawn
from batchrun.model.planning.cancelling import Scope
from batchrun.ports.stored import Counts
from batchrun.report.overview import Estimate, deferrals, ends, estimate, numbers, overview, per_second
from tests.ledger.samples import (
    AT,
    BATCH,
    TTL,
    accepted,
    completed,
    filled,
    intended,
    kept_ledger,
    later,
    move,
)


@pytest.fixture
async def ledger():
    async with kept_ledger() as made:
        yield made


def test_a_rate_is_taken_from_the_first_mark_until_now():
    assert per_second([], AT) == 0
    assert per_second([AT, later(seconds=5)], later(seconds=10)) == 0.2
    assert per_second([AT], AT) == 1


def test_few_ends_say_nothing_about_the_time_left():
    marks = [later(seconds=second) for second in range(5)]
    assert estimate(10, marks[:4], later(seconds=5)) is None
    assert estimate(0, marks, later(seconds=5)) is None
    assert estimate(10, marks, later(seconds=5)) is not None


@given(open_=st.integers(1, 100_000), gaps=st.lists(st.integers(0, 300), min_size=5, max_size=50))
def test_the_time_left_is_what_the_rate_makes_it_and_surer_with_more_ends(open_, gaps):
    marks = [AT + timedelta(seconds=sum(gaps[:index])) for index in range(len(gaps))]
    at = AT + timedelta(seconds=sum(gaps) + 1)
    found = estimate(open_, marks, at)
    assert found is not None
    assert abs(found.likely.total_seconds() - open_ / per_second(marks, at)) < 0.01
    assert found.least < found.likely < found.most
    surer = estimate(open_, sorted(marks * 4), at)
    assert surer is not None
    assert surer.most / surer.likely < found.most / found.likely


def test_a_failure_that_was_retried_is_no_end():
    events = [(AT, "failed"), (AT, "retried"), (later(seconds=1), "completed"), (AT, "accepted")]
    assert ends(events) == [later(seconds=1)]


def test_a_row_that_is_let_go_with_its_run_batch_is_not_put_off():
    let_go = [(AT, "deferred"), (AT, "withdrawn")]
    withdrawn_later = [(AT, "deferred"), (later(seconds=1), "withdrawn")]
    assert deferrals([*let_go, *withdrawn_later, *let_go, (AT, "accepted"), (AT, "deferred")]) == 2


def test_nothing_counts_as_nothing():
    assert set(numbers(Counts()).values()) == {0}


async def test_an_overview_of_a_ledger(ledger):
    held = await filled(ledger, "a", "b", "c")
    await move(held, "a", intended(), accepted(1))
    await move(held, "b", intended(), accepted(2), completed(2))
    batch = await ledger.find_batch(BATCH)
    assert batch is not None
    now = await overview(ledger, batch, later(seconds=20))
    assert (now.starts_per_second, now.left, now.has_ended) == (0.1, None, False)
    assert now.starts_span.total_seconds() == 20
    assert ([entry.id for entry in now.oldest], now.failures, now.holder) == (["a"], (), held.lease)


async def test_what_is_recorded_by_a_clock_ahead_was_just_now(ledger):
    held = await filled(ledger, "a")
    await move(held, "a", intended(), accepted(1))
    batch = await ledger.find_batch(BATCH)
    assert batch is not None
    told = dict(details(await overview(ledger, batch, AT - timedelta(hours=2))))
    assert told["starts"] == "1 per second over the last 1 s"
    assert ", 0 s old " in told["oldest"]


async def test_the_finish_is_told_as_a_time_of_day(ledger):
    await filled(ledger, "a")
    batch = await ledger.find_batch(BATCH)
    assert batch is not None
    hour = timedelta(hours=1)
    left = Estimate(likely=2 * hour, least=hour, most=4 * hour)
    now = replace(await overview(ledger, batch, AT), left=left)
    finish = (AT + 2 * hour).astimezone()
    assert (
        f"about 2 h 00 min, until {finish:%H:%M %Z} (60 min to 4 h 00 min) if" in dict(details(now))["left"]
    )


async def test_what_is_to_be_cancelled_is_told_until_it_is(ledger):
    held = await filled(ledger, "a", "b")
    batch = await ledger.find_batch(BATCH)
    assert batch is not None
    await ledger.batch(BATCH).requests.ask_to_cancel(None, scope=Scope.RUN, at=AT)
    now = await overview(ledger, batch, later(seconds=20))
    assert dict(details(now))["cancel"] == "2 still to be cancelled; the launcher is working on it"
    await held.release()
    now = await overview(ledger, batch, later(seconds=20))
    assert "'batchrun cancel' or 'run' continues" in dict(details(now))["cancel"]
    assert facts(now)["cancelling"] == 2
    for id_ in "ab":
        held = await ledger.hold(BATCH, holder="x", ttl=TTL, at=later(hours=1))
        await move(held, id_, Withdrawn(at=AT, message="on request"))
        await held.release()
    assert "cancel" not in dict(details(await overview(ledger, batch, later(hours=2))))
