from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import apsw
import pytest

from batchrun.errors import InvariantError, LeaseHeldError, LedgerUnusableError
from batchrun.ledger import open_ledger
from batchrun.ledger.sqlite.migrate import migrate
from batchrun.ledger.sqlite.statements import migrations
from batchrun.ledger.statements import Migration
from batchrun.ports.stored import LONGEST_LEASE
from tests.ledger.samples import AT, BATCH, TTL, connection_of, filled, intended, lease_on, move, specs

if TYPE_CHECKING:
    from pathlib import Path


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


async def refused(path: Path, **options: Any) -> str:
    """Open *path* and give the message; what was there must be left as it was."""
    before = content(path)
    with pytest.raises(LedgerUnusableError) as caught:
        await open_ledger(path, **options)
    assert before == content(path)
    message = str(caught.value)
    assert str(path) in message
    return message


async def test_a_new_ledger_and_the_files_beside_it_are_its_owners_alone(place, tmp_path):
    old = os.umask(0)
    try:
        async with await open_ledger(place) as ledger:
            await lease_on(ledger)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(old)
    assert modes == dict.fromkeys(
        ("batchrun.db", "batchrun.db-wal", "batchrun.db-shm", "batchrun.db-lease-1-1"), 0o600
    )


async def test_a_closed_ledger_is_one_file(place, tmp_path):
    async with await open_ledger(place) as ledger:
        await (await filled(ledger, "a")).release()
    assert [file.name for file in tmp_path.iterdir()] == ["batchrun.db"]


async def test_what_was_written_is_there_when_opened_again(place):
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a", "b")
    async with await open_ledger(str(place)) as ledger:
        assert (await ledger.batch(BATCH).counts()).total == 2


@pytest.mark.parametrize("name", ["a b.db", "what?.db", "50%.db", "#1.db", "ü.db", "file:x.db", "-x", "'.db"])
async def test_a_path_may_have_any_name(tmp_path, name):
    async with await open_ledger(tmp_path / name) as ledger:
        await filled(ledger, "a")
        async with await open_ledger(tmp_path / name, read_only=True) as reader:
            assert (await reader.batch(BATCH).counts()).total == 1


async def test_an_empty_file_becomes_a_ledger(place):
    place.touch()
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a")


async def test_the_settings_hold(ledger):
    found = {
        name: await ledger._read(lambda name=name: connection_of(ledger).pragma(name))
        for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "busy_timeout")
    }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "busy_timeout": 5000,
    }


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite:///x.db", "s3://bucket/x.db"])
async def test_a_url_is_refused(url):
    with pytest.raises(LedgerUnusableError, match="SQLite files and in PostgreSQL only"):
        await open_ledger(url)


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_folder_is_refused(tmp_path, read_only):
    assert "is a folder" in await refused(tmp_path, read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_pipe_is_refused(place, read_only):
    os.mkfifo(place)
    assert "is not a file" in await refused(place, read_only=read_only)


async def test_a_missing_folder_is_named(tmp_path):
    assert f"no folder {tmp_path / 'none'}" in await refused(tmp_path / "none" / "x.db")


async def test_a_file_for_a_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be created: Not a directory" in await refused(tmp_path / "file" / "x.db")


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("content", [b"id,parameters.reads\n" * 100, bytes(8192), b"SQLite format 3\0"])
async def test_a_file_of_another_kind_is_refused(place, content, read_only):
    place.write_bytes(content)
    assert "is not a batchrun ledger" in await refused(place, read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("content", "cure"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
        (b"/annex/objects/SHA256E-s12345--abcdef.db\n", "git annex get"),
        (b"\x1f\x8b\x08" + bytes(512), "decompress it first"),
    ],
)
async def test_what_stands_for_a_ledger_is_named_with_the_cure(place, content, cure, read_only):
    place.write_bytes(content)
    assert cure in await refused(place, read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_link_to_nothing_is_refused(place, read_only):
    """Seen: git-annex had not fetched the ledger."""
    place.symlink_to(".git/annex/objects/x.db")
    message = await refused(place, read_only=read_only)
    assert "is a link to .git/annex/objects/x.db, which is not there" in message


async def test_a_restored_dump_is_told_and_mended_as_the_message_says(place, tmp_path):
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a", "b")
    restored = tmp_path / "restored.db"
    with (
        contextlib.closing(sqlite3.connect(place)) as old,
        contextlib.closing(sqlite3.connect(restored)) as new,
    ):
        new.executescript("\n".join(old.iterdump()))
    message = await refused(restored)
    assert "restored from a dump" in message
    assert await refused(restored, read_only=True) == message
    with contextlib.closing(sqlite3.connect(restored)) as new:
        new.executescript(message.split("'")[1])
    async with await open_ledger(restored) as ledger:
        assert (await ledger.batch(BATCH).counts()).total == 2


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("application_id", [0, 7])
async def test_another_programs_database_is_refused(place, application_id, read_only):
    with apsw.Connection(str(place)) as other:
        other.execute("CREATE TABLE migrations (id, name, applied_at); CREATE TABLE entries (x)")
        other.execute("INSERT INTO migrations VALUES (1, '0001_users', 1)")
        other.pragma("application_id", application_id)
    other.close()
    assert "another program's" in await refused(place, read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_newer_ledger_names_both_versions(place, read_only):
    async with await open_ledger(place) as ledger:
        await ledger._read(lambda: connection_of(ledger).pragma("user_version", 99))
    message = await refused(place, read_only=read_only)
    assert "schema version 99" in message
    assert f"up to {migrations()[-1].number}" in message


async def test_a_damaged_schema_is_refused(place):
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a")
    content = bytearray(place.read_bytes())
    content[100:3000] = b"\xff" * 2900
    place.write_bytes(content)
    message = await refused(place)
    assert "damaged" in message
    assert "-wal and -shm" in message


async def test_looking_needs_a_ledger_and_makes_none(place, tmp_path):
    assert f"no ledger at {place}; give --ledger or run a batch first" in await refused(place, read_only=True)
    assert list(tmp_path.iterdir()) == []
    place.touch()
    assert "no ledger yet" in await refused(place, read_only=True)


async def test_a_copy_without_what_lies_beside_it_is_told_as_one(place, tmp_path):
    async with await open_ledger(place):
        copy = tmp_path / "copy.db"
        copy.write_bytes(place.read_bytes())
        assert "ends with -wal: copy both" in await refused(copy, read_only=True)


async def test_looking_at_an_older_ledger_does_not_migrate_it(place, monkeypatch):
    async with await open_ledger(place):
        pass
    newer = _with_one_more_migration()
    monkeypatch.setattr("batchrun.ledger.sqlite.connection.migrations", lambda: newer)
    assert "bring it up to date" in await refused(place, read_only=True)


async def test_a_newer_batchrun_waits_for_an_older_launcher_before_it_changes_the_tables(place, monkeypatch):
    """Seen: it was changed under a launcher that lived, which could not write its results then."""
    newer = _with_one_more_migration()
    async with await open_ledger(place) as older:
        held = await filled(older, "a")
        monkeypatch.setattr("batchrun.ledger.sqlite.connection.migrations", lambda: newer)
        told = (
            f"host:1, .* older batchrun that holds batch '{BATCH}' .schema version {migrations()[-1].number},"
        )
        with pytest.raises(LeaseHeldError, match=told):
            await open_ledger(place)
        await move(held, "a", intended())
        await held.release()
        async with await open_ledger(place):
            pass
        with pytest.raises(LedgerUnusableError, match=f"to schema version {newer[-1].number} meanwhile"):
            await lease_on(older)
        assert await older.batch(BATCH).holder(at=AT) is None


async def test_a_newer_batchrun_that_changes_the_tables_meanwhile_is_no_defect_of_who_reads(
    place, monkeypatch
):
    """Seen: batchrun serve, begun before an upgrade, ended with 70, a defect of its own."""
    number = migrations()[-1].number + 1
    text = f"ALTER TABLE batches RENAME COLUMN region TO zone; PRAGMA user_version = {number};"
    newer = (*migrations(), Migration(number=number, name="renamed", sql=text))
    async with await open_ledger(place) as launching:
        await (await filled(launching, "a")).release()
    async with await open_ledger(place, read_only=True) as older:
        assert await older.find_batch(BATCH)
        monkeypatch.setattr("batchrun.ledger.sqlite.connection.migrations", lambda: newer)
        await (await open_ledger(place)).close()
        with pytest.raises(LedgerUnusableError, match=f"to schema version {number} meanwhile"):
            await older.find_batch(BATCH)


@pytest.mark.parametrize(
    ("since", "is_refused"), [(timedelta(days=1), False), (timedelta(0), True), (-timedelta(days=30), False)]
)
@pytest.mark.parametrize("is_there", [False, True])
async def test_where_no_lock_tells_a_lease_is_waited_for_to_its_end(
    place, monkeypatch, since, is_refused, is_there
):
    """Seen: a lock that another user's launcher had left was in the way for ever."""
    async with await open_ledger(place) as older:
        await older.open_batch(BATCH, region="us-east-1", at=AT)
        await older.hold(BATCH, holder="host:1", ttl=LONGEST_LEASE, at=datetime.now(UTC) - since)
    (lock,) = place.parent.glob("*-lease-*")
    lock.unlink()
    if is_there:
        lock.symlink_to(lock)  # so that not even root can open it
    newer = _with_one_more_migration()
    monkeypatch.setattr("batchrun.ledger.sqlite.connection.migrations", lambda: newer)
    if is_refused:
        with pytest.raises(LeaseHeldError, match=f"host:1, .* holds batch '{BATCH}'"):
            await open_ledger(place)
    else:
        await (await open_ledger(place)).close()


async def test_a_launcher_whose_ledger_was_removed_is_not_in_the_way_of_a_new_one(place, monkeypatch):
    monkeypatch.setattr("batchrun.ledger.sqlite.connection.migrate", migrate)
    older = await open_ledger(place)
    await filled(older, "a")
    for ending in ("", "-wal", "-shm"):
        place.with_name(f"{place.name}{ending}").unlink()
    async with await open_ledger(place) as ledger:
        assert await ledger.find_batch(BATCH) is None
    await older.close()


async def test_looking_may_not_write(place):
    async with await open_ledger(place) as ledger:
        await filled(ledger, "a")
        async with await open_ledger(place, read_only=True) as reader:
            with pytest.raises(InvariantError, match="reading only"):
                await reader.hold(BATCH, holder="host:2", ttl=TTL, at=AT)
            with pytest.raises(InvariantError, match="reading only"):
                await reader.open_batch("new", region="us-east-1", at=AT)
            assert (await reader.batch(BATCH).compare(specs("a", "b"))).new == 1
            assert [outcome.entry.id async for outcome in reader.batch(BATCH).story.outcomes()] == ["a"]


async def test_several_may_make_one_ledger_at_the_same_moment(tmp_path):
    """SQLite waits for nobody while it turns to a write-ahead log."""
    for number in range(8):
        place = tmp_path / f"{number}.db"
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(_opened_and_closed, place)


async def _opened_and_closed(place):
    async with await open_ledger(place):
        pass


async def test_a_closed_ledger_says_so(place):
    ledger = await open_ledger(place)
    await ledger.close()
    with pytest.raises(InvariantError, match="closed"):
        await ledger.batch(BATCH).counts()


_OPEN = """
import asyncio, sys
from batchrun.ledger import open_ledger
from batchrun.ledger.sqlite.migrate import migrate
from batchrun.ledger.sqlite.statements import migrations
from batchrun.ledger.statements import Migration
from batchrun.ports.stored import LONGEST_LEASE
async def main():
    async with await open_ledger(sys.argv[1]) as ledger:
        print(len(await ledger.batches()))
asyncio.run(main())
"""


@pytest.mark.real_time
async def test_many_processes_may_open_a_new_ledger_at_once(place):
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _OPEN, place, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(6)
    ]
    for process in processes:
        out, _err = await process.communicate()
        assert (process.returncode, out) == (0, b"0\n")


def _with_one_more_migration() -> tuple[Migration, ...]:
    last = migrations()[-1]
    number = last.number + 1
    more = Migration(
        number=number, name="more", sql=f"CREATE TABLE more (x); PRAGMA user_version = {number};"
    )
    return (*migrations(), more)
