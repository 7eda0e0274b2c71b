"""Several processes at one ledger: dead, paused and living launchers. Real processes, real signals."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from batchrun.errors import LeaseHeldError
from batchrun.ledger import open_ledger
from batchrun.ledger.sqlite.migrate import migrate
from batchrun.model.entries.states import State
from batchrun.ports.held import HeldBatch
from batchrun.ports.stored import Transition
from tests.ledger.processes import HOLDER
from tests.ledger.samples import (
    AT,
    BATCH,
    TTL,
    connection_of,
    entry_of,
    filled,
    intended,
    later,
    lease_on,
    move,
)
from tests.ledger.submitting import steps_for, submission, together


async def test_a_killed_launchers_batch_is_taken_over_at_once(start, place):
    holder = start(HOLDER)
    assert holder.says() == "held"
    async with await open_ledger(place) as ledger:
        with pytest.raises(LeaseHeldError):
            await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
        holder.send(signal.SIGKILL)
        assert holder.ends() == -signal.SIGKILL
        held = await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
        assert held.lease.fence == 2
        await move(held, "a", intended())


async def test_a_paused_launcher_is_taken_over_when_its_lease_ran_out_and_writes_nothing_more(start, place):
    holder = start(HOLDER)
    assert holder.says() == "held"
    holder.send(signal.SIGSTOP)
    async with await open_ledger(place) as ledger, await open_ledger(place) as third:
        with pytest.raises(LeaseHeldError):
            await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=later(seconds=59))
        held = await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT + TTL)
        holder.send(signal.SIGCONT)
        holder.tell()
        assert "taken over by host:2" in holder.says()
        assert holder.ends() == 0
        assert (await entry_of(ledger, "a")).state is State.PLANNED
        # The first launcher's end says nothing about the second, who lives.
        with pytest.raises(LeaseHeldError, match="host:2"):
            await third.hold(BATCH, holder="host:3", ttl=TTL, at=AT + TTL)
        await move(held, "a", intended())


async def test_launches_that_share_a_ledger_each_learn_that_somebody_else_wrote(place):
    async with await open_ledger(place) as ledger, await open_ledger(place) as other:
        held, second = await filled(ledger, "a"), await lease_on(ledger, "second")
        assert not await held.was_changed(), "what it wrote itself is no news"
        await other.open_batch("other", region="us-east-1", at=AT)
        assert await held.was_changed()
        assert await second.was_changed()
        assert not await held.was_changed()
        assert not await second.was_changed()


async def test_a_launcher_that_only_closed_is_taken_over_at_once(place, tmp_path):
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a")
    async with await open_ledger(place) as ledger:
        held = await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
        await held.release()
    assert [file.name for file in tmp_path.iterdir()] == [place.name]


async def test_two_ledgers_of_one_process_exclude_each_other(ledger, place):
    held = await filled(ledger, "a")
    async with await open_ledger(place) as second:
        with pytest.raises(LeaseHeldError):
            await second.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
    async with await open_ledger(place) as third:
        # Closing the second ledger has not let go of what the first one holds.
        with pytest.raises(LeaseHeldError):
            await third.hold(BATCH, holder="host:3", ttl=TTL, at=AT)
    await move(held, "a", intended())


async def test_a_lease_from_another_machine_must_run_out(ledger, place):
    await lease_on(ledger)
    await ledger._read(lambda: connection_of(ledger).execute("UPDATE leases SET kernel = 'another'"))
    await ledger.close()
    async with await open_ledger(place) as second:
        with pytest.raises(LeaseHeldError):
            await second.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
        await second.hold(BATCH, holder="host:2", ttl=TTL, at=AT + TTL)


async def test_a_lease_whose_lock_file_is_missing_must_run_out(place):
    async with await open_ledger(place) as ledger:
        await lease_on(ledger)
    place.with_name(f"{place.name}-lease-1-1").unlink()
    async with await open_ledger(place) as second:
        for ttl in (TTL, TTL / 2):
            with pytest.raises(LeaseHeldError):
                await second.hold(BATCH, holder="host:2", ttl=ttl, at=AT)


async def test_a_launcher_that_lives_is_seen_by_a_link_to_its_ledger_too(start, place, tmp_path):
    holder = start(HOLDER)
    assert holder.says() == "held"
    (tmp_path / "link.db").symlink_to(place)
    async with await open_ledger(tmp_path / "link.db") as second:
        with pytest.raises(LeaseHeldError):
            await second.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
        holder.send(signal.SIGKILL)
        holder.ends()
        assert (await second.hold(BATCH, holder="host:2", ttl=TTL, at=AT)).lease.fence == 2


def backed_up(ledger: apsw.Connection, copy: Path) -> None:
    """Make a copy, as ``sqlite3 LEDGER ".backup COPY"`` does: page by page."""
    target = apsw.Connection(str(copy))
    with target.backup("main", ledger, "main") as backup:
        backup.step()
    target.close()


async def ahead(ledger, **by) -> HeldBatch:
    """Hold the batch by a clock that is so far ahead."""
    held = await lease_on(ledger)
    await held.renew(ttl=TTL, at=later(**by))
    return held


async def test_a_lease_of_a_clock_that_was_ahead_which_came_with_a_copy_holds_nobody_up(place):
    async with await open_ledger(place) as ledger:
        await ahead(ledger, hours=1)
    place.with_name(f"{place.name}-lease-1-1").unlink()
    async with await open_ledger(place) as second:
        assert await second.batch(BATCH).holder(at=AT) is None
        assert (await second.hold(BATCH, holder="host:2", ttl=TTL, at=AT)).lease.fence == 2


async def test_but_a_launcher_that_lives_keeps_its_batch_from_whoever_finds_such_a_copy(
    start, place, tmp_path, monkeypatch
):
    # What the holder has not brought into its file yet is laid over the copy, and must fit its pages.
    monkeypatch.setattr("batchrun.ledger.sqlite.connection.migrate", migrate)
    async with await open_ledger(place) as ledger:
        await ahead(ledger, hours=1)
        await ledger._read(lambda: backed_up(connection_of(ledger), tmp_path / "copy"))
    holder = start(HOLDER)
    assert holder.says() == "held"
    (tmp_path / "copy").rename(place)
    async with await open_ledger(place) as second:
        with pytest.raises(LeaseHeldError):
            await second.hold(BATCH, holder="host:3", ttl=TTL, at=AT)
        holder.send(signal.SIGKILL)
        holder.ends()
        await second.hold(BATCH, holder="host:3", ttl=TTL, at=AT)


async def test_a_lease_of_a_clock_that_was_ahead_lasts_no_longer_than_any(ledger, place):
    await ahead(ledger, days=1)
    await ledger._read(lambda: connection_of(ledger).execute("UPDATE leases SET kernel = 'another'"))
    await ledger.close()
    await lasts_no_longer_than_any(place)


@pytest.mark.usefixtures("made_up_clock")
async def test_a_lease_of_a_server_whose_clock_was_ahead_lasts_no_longer_than_any(in_postgres):
    async with await open_ledger(in_postgres) as ledger:
        await ahead(ledger, days=1)
    await lasts_no_longer_than_any(in_postgres)


async def test_the_end_of_a_lease_is_told_by_the_clock_of_whoever_asks(in_postgres):
    asked_at, soon = AT - timedelta(days=400), timedelta(seconds=20)
    async with await open_ledger(in_postgres) as ledger:
        await lease_on(ledger)
        lease = await ledger.batch(BATCH).holder(at=asked_at)
        assert lease is not None
        assert TTL - soon <= lease.expires_at - asked_at <= TTL
        with pytest.raises(LeaseHeldError, match="until 2024-11-27 12:0"):
            await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=asked_at)


async def lasts_no_longer_than_any(place) -> None:
    async with await open_ledger(place) as second:
        for minutes in (0, 5):
            with pytest.raises(LeaseHeldError, match="until 2026-01-01 12:15:00 UTC"):
                await second.hold(BATCH, holder="host:2", ttl=TTL, at=later(minutes=minutes))
        assert (await second.hold(BATCH, holder="host:2", ttl=TTL, at=later(minutes=15))).lease.fence == 2


async def test_killed_in_the_middle_of_recording_nothing_of_it_is_there(start, place):
    dying = start("""
        class Deadly(list):
            def __iter__(self):
                for number, step in enumerate(list.__iter__(self)):
                    if number == 250:
                        os.kill(os.getpid(), signal.SIGKILL)
                    yield step
        ids = [f"id{number}" for number in range(500)]
        held = await filled(ledger, *ids)
        await move(held, "id0", intended())
        steps = []
        for id_ in ids[1:]:
            steps += steps_of(await entry_of(ledger, id_), [intended()])
        await held.record(Deadly(steps))
    """)
    assert dying.ends() == -signal.SIGKILL
    async with await open_ledger(place) as ledger:
        assert (await ledger.batch(BATCH).counts()).by_state == {State.SUBMITTING: 1, State.PLANNED: 499}
        assert await ledger._read(lambda: connection_of(ledger).pragma("integrity_check")) == "ok"
        held = await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
        await move(held, "id1", intended())


async def test_killed_in_the_middle_of_a_submission_nothing_of_it_is_there(start, place):
    dying = start("""
        from batchrun import points
        from tests.ledger.submitting import together
        held = await filled(ledger, *"abc")
        points.reached = lambda point: os.kill(os.getpid(), signal.SIGKILL)
        await together(held, 1, "abc")
    """)
    assert dying.ends() == -signal.SIGKILL
    async with await open_ledger(place) as ledger:
        assert (await ledger.batch(BATCH).counts()).by_state == {State.PLANNED: 3}
        assert await ledger.batch(BATCH).submissions.count() == 0
        held = await ledger.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
        await together(held, 1, "abc")


async def test_while_rows_are_listed_to_be_intended_others_write(ledger, place):
    class Listing(list[Transition]):
        passes = 0

        def __iter__(self) -> Iterator[Transition]:
            self.passes += 1
            for step in super().__iter__():
                with apsw.Connection(str(place)) as other:  # waits for nobody
                    other.execute("UPDATE batches SET place = ? WHERE name = 'other'", (step.entry.id,))
                yield step

    await filled(ledger, "x", batch="other")
    held = await filled(ledger, *"abc")
    steps = Listing(await steps_for(held, "abc"))
    await held.submissions.intend(submission(1, 3), steps)
    assert steps.passes > 1
    assert (await held.counts()).by_state == {State.SUBMITTING: 3}
    other = await ledger.find_batch("other")
    assert other is not None
    assert other.place == "c"


async def test_killed_while_reading_the_manifest_nothing_of_it_is_there(start, place):
    dying = start("""
        def deadly():
            yield from specs(*(f"id{number}" for number in range(5_000)))
            os.kill(os.getpid(), signal.SIGKILL)
        held = await lease_on(ledger)
        from batchrun.model.spec import Specs
        await held.sync(Specs(deadly), changed=Changed.REFUSE, at=AT)
    """)
    assert dying.ends() == -signal.SIGKILL
    async with await open_ledger(place) as ledger:
        assert (await ledger.batch(BATCH).counts()).total == 0


async def test_two_processes_write_to_two_batches_at_once(start, ledger):
    other = start("""
        held = await filled(ledger, *(f"id{number}" for number in range(200)), batch="other")
        print("ready", flush=True)
        for number in range(200):
            await move(held, f"id{number}", intended(), accepted(number))
        print("done", flush=True)
    """)
    held = await filled(ledger, *(f"id{number}" for number in range(200)))
    assert other.says() == "ready"
    for number in range(200):
        await move(held, f"id{number}", intended())
    assert other.says() == "done"
    assert other.ends() == 0
    assert (await ledger.batch("other").counts()).by_state == {State.ACTIVE: 200}
    assert (await ledger.batch(BATCH).counts()).by_state == {State.SUBMITTING: 200}
