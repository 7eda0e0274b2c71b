"""Listing runs: ListRuns, all pages of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrun.service.paging import SIZE, pages
from batchrun.service.wire import listed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from types_aiobotocore_omics import OmicsClient

    from batchrun.model.listing import Listed
    from batchrun.service.calls import Calls


def runs(calls: Calls, filters: Mapping[str, str]) -> AsyncGenerator[Sequence[Listed]]:
    """
    Return the runs of each page.

    Raises:
        CallError: A page is missing, or a run that cannot be told; what came before it is not the whole.
    """
    known: Any = filters

    async def ask(client: OmicsClient, at: Any) -> Mapping[str, Any]:
        return await client.list_runs(maxResults=SIZE, **known, **at)

    def read(item: Mapping[str, Any]) -> Listed:
        calls.met(item.get("arn"), "ListRuns")
        return listed(item)

    return pages(calls, "ListRuns", ask, read)
