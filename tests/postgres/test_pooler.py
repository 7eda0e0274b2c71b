"""Behind a real PgBouncer that hands connections out by transaction."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from batchrun.ledger import open_ledger
from batchrun.ledger.postgres.connection import connect
from batchrun.ledger.postgres.together import prepare
from batchrun.ledger.verify import Verification
from batchrun.model.planning.limits import Changed
from tests.ledger.samples import AT, BATCH, accepted, completed, filled, intended, move, specs
from tests.ports import free_port

pytestmark = pytest.mark.real_time

_SETTINGS = """
[databases]
{database} = host={host} dbname={database} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = 4
server_check_query =
ignore_startup_parameters = extra_float_digits
"""


@pytest.fixture
def pooled(in_postgres, tmp_path):
    """The address of the test's ledger behind a pooler."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no pgbouncer here: install Debian's package of that name")
    parts = urlsplit(in_postgres)
    host, database = parse_qs(parts.query)["host"][0], parts.path[1:]
    port = free_port()
    settings = tmp_path / "pgbouncer.ini"
    settings.write_text(_SETTINGS.format(database=database, host=host, port=port))
    for folder in (settings, *settings.parents):
        if folder.owner() == "root" or folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o055) if folder != Path("/") else None
    who = {"user": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen([program, "-q", str(settings)], cwd="/", **who) as process:  # type: ignore[call-overload]
        try:
            _until_it_listens(port)
            yield f"postgresql://postgres@127.0.0.1:{port}/{database}"
        finally:
            process.kill()


def _until_it_listens(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("pgbouncer does not listen")


async def test_a_ledger_works_behind_a_pooler(pooled):
    async with (
        await open_ledger(pooled) as ledger,
        await open_ledger(pooled) as other,
        await open_ledger(pooled, read_only=True) as reader,
    ):
        held = await filled(ledger, *"abc")
        beside = await filled(other, *"abc", batch="beside")
        for number, id_ in enumerate("abc"):
            await move(held, id_, intended(), accepted(number), completed(number))
            await move(beside, id_, intended(), accepted(10 + number))
        found = await held.sync(specs(*"abcd"), changed=Changed.REFUSE, at=AT)
        assert (found.new, found.unchanged) == (1, 3)
        assert (await reader.batch(BATCH).compare(specs(*"abcde"))).new == 1
        assert await reader.rows_as_known("beside", specs(*"abcde")) == 3
        outcomes = reader.batch(BATCH).story.outcomes()
        first = await anext(outcomes)
        await move(held, "d", intended())
        left = [one.entry.state.value async for one in outcomes]
        assert (first.entry.id, left) == ("a", ["succeeded", "succeeded", "planned"])  # as it was at first
        assert await other.batch(BATCH).requests.retry(["a"], at=AT, why="asked") == []
        assert await held.was_changed()
    assert list(Verification(pooled).findings()) == []


def test_statements_are_prepared_by_a_connection_to_the_server_alone(pooled, in_postgres):
    with connect(in_postgres) as direct:
        kept = prepare(direct)
        names = {name for (name,) in direct.execute("SELECT name FROM pg_prepared_statements").fetchall()}
        assert len(kept) == len(names) > 10
    for _ in range(5):
        with connect(pooled) as lent:
            assert not prepare(lent)
