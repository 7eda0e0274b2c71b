"""When notices are told: once for as long as they hold, whatever becomes of their delivery."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.clock import VirtualClock
from batchrun.errors import LedgerError, NoticeError
from batchrun.ledger.verbs.user_requests import SqlRequests
from batchrun.model.entries.events import Intended, Refused
from batchrun.model.entries.states import State
from batchrun.model.notices import Notice
from batchrun.model.tally import Tally
from batchrun.notify.teller import Channel, Digests, Message, Teller
from batchrun.ports.held import HeldBatch
from batchrun.ports.ledger import Ledger
from tests.ledger.samples import AT, BATCH, filled, kept_ledger, later, move
from tests.notify.samples import Kept, message

GOING = Tally({State.ACTIVE: 3}, {"RUNNING": 3})
FAILING = Tally({State.ACTIVE: 2, State.FAILED: 1}, {"RUNNING": 2})
ENDED = Tally({State.SUCCEEDED: 3}, {})
FAILED = Tally({State.SUCCEEDED: 2, State.FAILED: 1}, {})


@pytest.fixture
async def ledger():
    async with kept_ledger() as made:
        await filled(made, "a", "b", "c")
        yield made


async def words(notice: Notice) -> Message:
    return message(notice)


def teller(ledger: Ledger, *channels: Channel, limit: float = 30) -> Teller:
    return Teller(ledger.batch(BATCH), channels, limit=limit, clock=VirtualClock())


async def launch(ledger: Ledger, channel: Channel, begin: Tally, end: Tally, **facts: bool) -> None:
    one = teller(ledger, channel)
    await one.begin(begin, AT)
    await one.end(end, words, **facts)


async def test_an_end_is_told_once_and_its_first_failure_before_it(ledger):
    kept = Kept()
    await launch(ledger, kept, GOING, FAILED)
    assert kept.told == [Notice.FAILURE, Notice.END]
    await launch(ledger, kept, FAILED, FAILED)
    assert kept.told == [Notice.FAILURE, Notice.END]


async def test_ticks_that_leave_work_tell_nothing(ledger):
    kept = Kept()
    for _ in range(3):
        await launch(ledger, kept, GOING, GOING)
    assert kept.told == []


async def test_a_batch_that_goes_on_after_its_end_ends_anew(ledger):
    kept = Kept()
    await launch(ledger, kept, GOING, FAILED)
    await launch(ledger, kept, GOING, GOING)
    await launch(ledger, kept, GOING, ENDED)
    assert kept.told == [Notice.FAILURE, Notice.END, Notice.END]
    await launch(ledger, kept, FAILING, FAILED)
    assert kept.told[3:] == [Notice.FAILURE, Notice.END]


async def test_what_stays_failed_is_told_once_over_many_ends(ledger):
    kept = Kept()
    for _ in range(2):
        await launch(ledger, kept, FAILING, FAILED)
    assert kept.told == [Notice.FAILURE, Notice.END, Notice.END]


async def test_trouble_at_every_tick_is_told_once_until_a_launch_ends_without(ledger):
    kept = Kept()
    for needs_somebody in (True, True, False, True):
        await launch(ledger, kept, GOING, GOING, needs_somebody=needs_somebody)
    assert kept.told == [Notice.STOPPED, Notice.STOPPED]


async def test_the_first_failure_is_told_while_the_launch_goes_on(ledger):
    kept = Kept()
    now = GOING
    async with anyio.create_task_group() as group:
        group.start_soon(teller(ledger, kept).watch, lambda: now, words)
        await anyio.sleep(10)
        assert kept.told == []
        now = FAILING
        await anyio.sleep(2)
        assert kept.told == [Notice.FAILURE]
        await anyio.sleep(10)
    await teller(ledger, kept).end(FAILED, words)
    assert kept.told == [Notice.FAILURE, Notice.END]


async def test_a_notice_without_a_channel_is_left_for_later(ledger):
    nobody = teller(ledger)
    await nobody.begin(GOING, AT)
    await nobody.watch(lambda: FAILED, words)
    await nobody.end(FAILED, words)
    at_end = Kept(Notice.END)
    await launch(ledger, at_end, FAILED, FAILED)
    assert at_end.told == [Notice.END]
    kept = Kept()
    await launch(ledger, kept, FAILED, FAILED)
    assert kept.told == [Notice.FAILURE]


class Bad(Kept):
    """Fails, or hangs."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self._error = error

    async def deliver(self, message: Message) -> None:
        await super().deliver(message)
        if self._error is None:
            await anyio.sleep_forever()
        else:
            raise self._error


@pytest.mark.parametrize(
    ("error", "reason", "cure"),
    [
        (NoticeError("it says no", cure="ask nicely"), "it says no", "ask nicely"),
        (ZeroDivisionError("a secret"), "ZeroDivisionError", "report"),
        (None, "no end after 30 s", "--hook-timeout"),
    ],
)
async def test_what_goes_wrong_is_logged_and_keeps_nobody_else_waiting(ledger, error, reason, cure):
    bad, good = Bad(error), Kept()
    begun = anyio.current_time()
    with capture_logs() as said:
        await teller(ledger, bad, good).end(ENDED, words)
    assert anyio.current_time() - begun < 31
    assert good.told == [Notice.END]
    (failed,) = [line for line in said if line["event"] == "hook_failed"]
    assert (failed["log_level"], failed["notice"], failed["reason"]) == ("warning", "end", reason)
    assert failed["batch"] == "cohort"
    assert cure in failed["cure"]
    assert "hook_done" in {line["event"] for line in said}
    await teller(ledger, bad, good).end(ENDED, words)
    assert good.told == bad.told == [Notice.END]


async def test_a_delivery_that_has_begun_outlives_a_cancellation(ledger):
    slow = Slow()
    async with anyio.create_task_group() as group:
        group.start_soon(teller(ledger, slow).end, ENDED, words)
        await anyio.sleep(1)
        group.cancel_scope.cancel()
    assert slow.told == [Notice.END]


class Slow(Kept):
    async def deliver(self, message: Message) -> None:
        await anyio.sleep(5)
        await super().deliver(message)


async def test_one_that_is_cut_short_ends_and_leaves_the_rest_to_the_next(ledger):
    slow = Slow()
    one = teller(ledger, slow)
    with capture_logs() as said:
        async with anyio.create_task_group() as group:
            group.start_soon(one.end, FAILED, words)
            await anyio.sleep(1)
            one.cut_short()
    assert [line["reason"] for line in said] == ["it was cut short by a signal"]
    assert slow.told == []
    await teller(ledger, slow).end(FAILED, words)
    assert slow.told == [Notice.END]


async def test_of_two_launches_at_once_one_tells(ledger):
    kept = Slow()
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(teller(ledger, kept).end, ENDED, words)
    assert kept.told == [Notice.END]


class Broken(SqlRequests):
    async def forget(self, *, but: Collection[Notice]) -> None:  # noqa: ARG002
        raise LedgerError(f"{self.name}: the disk is full")


async def test_a_ledger_that_fails_costs_no_more_than_a_word(ledger):
    kept, broken = Kept(), ledger.batch(BATCH)
    broken.requests = Broken(ledger._store, ledger._worker, BATCH)
    with capture_logs() as said:
        await Teller(broken, [kept], limit=30, clock=VirtualClock()).end(ENDED, words)
    assert [line["event"] for line in said] == ["notice_not_noted", "hook_done"]
    assert kept.told == [Notice.END]


async def test_a_notice_that_cannot_be_put_into_words_costs_no_more_than_a_word(ledger):
    async def no_words(notice: Notice) -> Message:
        raise LedgerError(f"{notice}: the disk is full")

    kept = Kept()
    with capture_logs() as said:
        await teller(ledger, kept).end(ENDED, no_words)
    assert [line["event"] for line in said] == ["notice_not_told"]
    assert kept.told == []


async def passes(ledger: Ledger, held: HeldBatch, rows: str, *, apart: float) -> list[Notice]:
    """Make passes of a cron job, so many seconds apart, each of which starts a row, or nothing at a dash."""
    kept, clock, active = Kept(), VirtualClock(AT), 3
    for row in rows:
        digests = Digests(timedelta(hours=1), clock=clock)
        one = Teller(ledger.batch(BATCH), [kept], limit=30, clock=clock, digests=digests)
        await one.begin(Tally({State.ACTIVE: active}, {}), AT)
        if row != "-":
            active += 1
            await move(held, row, Intended(at=clock.utcnow()))
        await one.end(Tally({State.ACTIVE: active}, {}), words)
        await clock.sleep(apart)
    return kept.told


async def test_the_first_change_after_each_hour_brings_a_digest_over_many_passes():
    async with kept_ledger() as ledger:
        held = await filled(ledger, *"abcdef")
        # At 0:00, 0:25, 0:50, then 1:15 without a change, 1:40 with the first one, 2:05 and 2:30.
        told = await passes(ledger, held, "abc-def", apart=1500)
        assert told == [Notice.DIGEST] * 2
        assert await passes(ledger, held, "--", apart=36_000) == []


async def test_what_somebody_asked_for_between_two_passes_takes_no_digest_away():
    """A row is retried right after the hour; the pass that comes then has the hour's first change to tell."""
    async with kept_ledger() as ledger:
        held = await filled(ledger, *"abc")
        assert await passes(ledger, held, "a", apart=1800) == []
        await move(held, "a", Refused(at=later(minutes=30), code="x", message="no such role"))
        clock = VirtualClock(later(minutes=61))
        assert await ledger.batch(BATCH).requests.retry(["a"], at=clock.utcnow(), why="asked for") == ["a"]
        kept, digests = Kept(), Digests(timedelta(hours=1), clock=clock)
        one = Teller(ledger.batch(BATCH), [kept], limit=30, clock=clock, digests=digests)
        await clock.sleep(60)
        await one.begin(Tally({State.PLANNED: 3}, {}), AT)
        await move(held, "b", Intended(at=clock.utcnow()))
        await one.end(Tally({State.PLANNED: 2, State.SUBMITTING: 1}, {}), words)
        assert kept.told == [Notice.DIGEST]


async def test_a_long_launch_tells_digests_while_it_watches_and_none_without_a_change(ledger):
    kept, clock, tally = Kept(), VirtualClock(AT), Tally({State.ACTIVE: 3}, {"PENDING": 3})
    digests = Digests(timedelta(hours=1), clock=clock)
    one = Teller(ledger.batch(BATCH), [kept], limit=30, clock=clock, digests=digests)
    await one.begin(tally, AT)
    async with anyio.create_task_group() as group:
        group.start_soon(one.watch, lambda: tally, words)
        await clock.sleep(3 * 3600)
        assert kept.told == []
        for number in range(1, 4):
            tally.by_status["RUNNING"] = number
            await clock.sleep(1800)
        group.cancel_scope.cancel()
    assert kept.told == [Notice.DIGEST] * 2
    await one.end(FAILED, words)
    assert kept.told[2:] == [Notice.FAILURE, Notice.END]
