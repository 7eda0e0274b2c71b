"""
The pages of ListRuns.

Belongs here: going through all of them, and seeing when an answer is none. Does not: what a listed run means
(``model.listing``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchrun.service.classify import unparsable
from batchrun.service.wire import items, listed, next_token, table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from types_aiobotocore_omics import OmicsClient

    from batchrun.model.listing import Listed
    from batchrun.service.client import AwsHealthOmics

_PAGE: Final = 100
#: Pages after which a list is taken for endless: ten times as many runs as an account keeps.
_PAGES: Final = 10_000


async def pages(service: AwsHealthOmics, filters: Mapping[str, str]) -> AsyncIterator[Sequence[Listed]]:
    """
    Give the runs of each page.

    Raises:
        CallError: A page is missing, or a run that cannot be told; what came before it is not the whole.
    """
    tokens: set[str] = set()
    at: dict[str, str] = {}
    for _ in range(_PAGES):
        runs, token = await _page(service, {**filters, **at})
        yield runs
        if token is None:
            return
        if token in tokens:  # to stop here would pass over runs, to go on would never end
            break
        tokens.add(token)
        at = {"startingToken": token}
    raise unparsable("ListRuns", "nextToken")


async def _page(
    service: AwsHealthOmics, parameters: Mapping[str, str]
) -> tuple[Sequence[Listed], str | None]:
    known: Any = parameters

    async def send(client: OmicsClient) -> tuple[Sequence[Listed], str | None]:
        page = await client.list_runs(maxResults=_PAGE, **known)
        found = items(page, "ListRuns")
        for item in found:
            service.met(table(item).get("arn"), "ListRuns")
        return [listed(item) for item in found], next_token(page, "ListRuns")

    return await service.ask("ListRuns", send)
