"""
The pages of ListRuns.

Belongs here: going through all of them, and seeing when an answer is none. Does not: what a listed run means
(``wire``, ``model.listing``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchrun.service.classify import unparsable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from types_aiobotocore_omics import OmicsClient

    from batchrun.service.client import AwsHealthOmics

_PAGE: Final = 100


async def pages(
    service: AwsHealthOmics, filters: Mapping[str, str]
) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    """
    Give the items of each page.

    Raises:
        CallError: A page is missing; what came before it is not the whole.
    """
    tokens: set[str] = set()
    at: dict[str, str] = {}
    while True:
        page = await _page(service, {**filters, **at})
        yield page["items"]
        token = page.get("nextToken")
        if not token:
            return
        if token in tokens:  # to stop here would pass over runs, to go on would never end
            raise unparsable("ListRuns", "nextToken")
        tokens.add(token)
        at = {"startingToken": token}


async def _page(service: AwsHealthOmics, parameters: Mapping[str, str]) -> Mapping[str, Any]:
    known: Any = parameters

    async def send(client: OmicsClient) -> Mapping[str, Any]:
        page = await client.list_runs(maxResults=_PAGE, **known)
        if page.get("items") is None:
            # An empty body parses to {} without an error; believed, it would say that there is no run.
            raise unparsable("ListRuns", "items")
        return page

    return await service.ask("ListRuns", send)
