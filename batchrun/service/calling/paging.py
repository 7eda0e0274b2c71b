"""Paging: answers that come in several pages, ListRuns among them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from batchrun.errors import OutcomeUnknownError
from batchrun.model.planning.listing import ENDLESS, Listed
from batchrun.service.wire import items, listed, next_token, table

if TYPE_CHECKING:
    from types_aiobotocore_omics import OmicsClient

    from batchrun.service.calling.calls import Calls

T = TypeVar("T")
#: Items that the service returns in a page, at most.
SIZE: Final = 100
#: Pages after which a list is taken for endless: ten times as many runs as an account keeps.
_PAGES: Final = 10_000


class NextPages:
    """The tokens of one list's pages."""

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._tokens: set[str] = set()

    def by(self, token: str) -> str:
        """Return *token*. Raises OutcomeUnknownError where it came before, or there were too many pages."""
        # To stop here would skip items, to continue would never end.
        if token in self._tokens or len(self._tokens) >= _PAGES:
            why = "one came again" if token in self._tokens else f"there were {_PAGES:,}"
            raise OutcomeUnknownError(
                f"its pages have no end: {why}", operation=self._operation, code=ENDLESS
            )
        self._tokens.add(token)
        return token


async def pages(
    calls: Calls,
    operation: str,
    ask: Callable[[OmicsClient, Any], Awaitable[Mapping[str, Any]]],
    read: Callable[[Mapping[str, Any]], T],
    *,
    key: str = "items",
    most: int | None = None,
    is_vital: bool = True,
) -> AsyncGenerator[Sequence[T]]:
    """Yield the items of each page, under its *key*, as *read* returns them; *ask* gets the page's token.

    It stops after *most* pages.

    Raises:
        CallError: A page or item cannot be read; what was yielded before is incomplete.
    """
    following = NextPages(operation)
    at: dict[str, str] = {}

    async def send(client: OmicsClient) -> tuple[Sequence[T], str | None]:
        page = await ask(client, at)
        found = [read(table(item)) for item in items(page, operation, key)]
        if not found:
            calls.check_missing(operation)
        return found, next_token(page, operation)

    for number in itertools.count(1):
        found, token = await calls.ask(operation, send, is_vital=is_vital)
        yield found
        if token is None or number == most:
            return
        at = {"startingToken": token if most else following.by(token)}


def runs(calls: Calls, filters: Mapping[str, str]) -> AsyncGenerator[Sequence[Listed]]:
    """Yield the runs of each page.

    Raises:
        CallError: A page or run cannot be read; what was yielded before is incomplete.
    """
    known: Any = filters

    async def ask(client: OmicsClient, at: Any) -> Mapping[str, Any]:
        return await client.list_runs(maxResults=SIZE, **known, **at)

    def read(item: Mapping[str, Any]) -> Listed:
        calls.check_arn(item.get("arn"), "ListRuns")
        return listed(item)

    return pages(calls, "ListRuns", ask, read)
