"""
Submits rows with nothing but aiobotocore: ``python -m tests.bench.peers.bare_submit URL ROWS CONCURRENCY``.

The physical limit of a launcher in this language: it keeps no ledger, forgets every answer, repeats nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from tests.bench.cohort import request


async def submit(client: Any, numbers: Iterator[int]) -> None:
    for number in numbers:
        await client.start_run(**request(number))


async def main(url: str, rows: str, concurrency: str) -> None:
    config = AioConfig(
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=int(concurrency),
        inject_host_prefix=False,
    )
    numbers = iter(range(int(rows)))
    async with get_session().create_client("omics", endpoint_url=url, config=config) as client:
        await asyncio.gather(*(submit(client, numbers) for _ in range(int(concurrency))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
