"""The port, which is taken once for all ledgers that come to lie at one place."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from batchrun.clock import SystemClock
from batchrun.errors import UsageError
from batchrun.ledger import open_ledger
from batchrun.serve.access import Rules
from batchrun.serve.server import opened_doors, serving
from tests.serve.conftest import SESSION, TOKEN

RULES = Rules(bound="127.0.0.1", token=TOKEN, session=SESSION, names=frozenset(), proxy=None)


async def test_the_port_is_kept_from_one_ledger_to_the_next(tmp_path):
    """Seen: another process took it while a ledger was opened again, and ``serve`` ended with 2."""
    async with (
        opened_doors(RULES, 0) as doors,
        aiohttp.ClientSession(cookies={f"batchrun-{doors.at.port}": SESSION}) as http,
    ):
        for name in ("one.db", "other.db"):
            async with await open_ledger(tmp_path / name) as ledger:
                async with serving(ledger, doors, SystemClock()), http.get(doors.at.url) as page:
                    assert page.status == 200
                with pytest.raises(aiohttp.ClientError):
                    await http.get(doors.at.url)
                with pytest.raises(UsageError, match="cannot listen on"):
                    async with opened_doors(RULES, doors.at.port):
                        pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", doors.at.port)
