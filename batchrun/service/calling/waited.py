"""
Calls that somebody sits before: said where they take long, and given up when no answer can be expected.

Belongs here: that, for clients that repeat a call by themselves. Does not: calls of a launch, which can wait
(``outage``), what a failure means (``classify``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from batchrun.model.texts.foreign import masked
from batchrun.service.calling.one_try import in_time

if TYPE_CHECKING:
    from batchrun.service.login import Login

T = TypeVar("T")
#: Seconds of silence that are worth a word.
_WORTH_SAYING: Final = 5.0
log = structlog.get_logger(__name__)


class Waited:
    """Calls of one client that was made with *login*."""

    def __init__(self, client: Any, login: Login) -> None:
        self._endpoint = masked(str(client.meta.endpoint_url))
        self._login = login
        self._is_said = False

    async def answer(
        self, operation: str, call: Callable[[], Awaitable[T]], *, is_repeated: bool = True
    ) -> T:
        """
        Await *call*, for as long as two answers may take, or one where the client does not repeat it.

        Raises:
            OutcomeUnknownError: It has not ended by then. It also raises what *call* does.
        """
        await self._login.keep()  # in its own time: somebody may have to be asked for a code
        target = self._login.target
        longest = target.longest_wait if is_repeated else target.read_timeout
        with self.said_if_long(operation):
            return await in_time(call(), operation, longest)

    @contextmanager
    def said_if_long(self, operation: str) -> Iterator[None]:
        """Say what is waited for where the block takes long."""
        later = asyncio.get_running_loop().call_later(_WORTH_SAYING, self._say, operation)
        try:
            yield
        finally:
            later.cancel()

    def _say(self, operation: str) -> None:
        """Say it once: others of the same client wait for the same."""
        if not self._is_said:
            self._is_said = True
            log.warning("waiting_for_answer", endpoint=self._endpoint, operation=operation)
