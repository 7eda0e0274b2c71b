"""One try of a call: within its time, its turns learning from how it went, its errors ours.

Belongs here: that, and calls that a user waits for (:class:`Waited`), by clients that retry on their own.
Does not: calls of a launch, which can wait (``outage``), what a failure means (``classify``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import anyio
import structlog

from batchrun.clock import Clock
from batchrun.errors import BatchrunError, OutcomeUnknownError
from batchrun.model.texts.foreign import masked
from batchrun.service.calling.pacing import Turns
from batchrun.service.classify import classify
from batchrun.service.login import Login

T = TypeVar("T")
#: Seconds of silence after which the user is told what is waited for.
_WORTH_LOGGING: Final = 5.0
log = structlog.get_logger(__name__)


async def one_try(call: Awaitable[T], operation: str, *, turns: Turns, clock: Clock, longest: float) -> T:
    """Await a call that has its turn, for at most *longest* seconds.

    Raises:
        CallError: It failed, or its outcome is unknown.
    """
    sent, is_answered = clock.monotonic(), False
    try:
        answer = await in_time(call, operation, longest)
        is_answered = True
        turns.answered(sent)
    except Exception as raw:
        error = classify(raw, operation)
        is_answered = True
        turns.answered(sent, error)
        told = {"service_request_id": error.service_request_id} if error.service_request_id else {}
        log.debug("call_failed", operation=operation, code=error.code, status=error.status, **told)
        if error is raw:
            raise
        raise error from raw
    finally:
        if not is_answered:
            turns.lost()
    return answer


async def in_time(call: Awaitable[T], operation: str, seconds: float) -> T:
    """Await *call* for at most *seconds*. Raises OutcomeUnknownError where it has not ended by then."""
    with anyio.move_on_after(seconds):
        return await call
    raise OutcomeUnknownError(
        f"the call has not ended after {seconds:g} s, its signature included",
        operation=operation,
        code="CallTimeout",
    )


@contextmanager
def classified(operation: str) -> Iterator[None]:
    """Raise what a client raises as one of our own errors; those of a login stay as they are."""
    try:
        yield
    except BatchrunError:
        raise
    except Exception as raw:
        raise classify(raw, operation) from raw


class Waited:
    """Calls of one client that was made with *login*."""

    def __init__(self, client: Any, login: Login) -> None:
        self._endpoint = masked(str(client.meta.endpoint_url))
        self._login = login
        self._is_logged = False

    async def answer(
        self, operation: str, call: Callable[[], Awaitable[T]], *, is_repeated: bool = True
    ) -> T:
        """Await *call*, for as long as two answers may take, or one where the client does not retry it.

        Raises:
            OutcomeUnknownError: It has not ended by then. What *call* raises is raised as it is.
        """
        await self._login.keep()  # not counted: the user may be asked for a code
        target = self._login.target
        longest = target.longest_wait if is_repeated else target.read_timeout
        with self.logged_if_long(operation):
            return await in_time(call(), operation, longest)

    @contextmanager
    def logged_if_long(self, operation: str) -> Iterator[None]:
        """Log what is waited for where the block takes long."""
        later = asyncio.get_running_loop().call_later(_WORTH_LOGGING, self._log_once, operation)
        try:
            yield
        finally:
            later.cancel()

    def _log_once(self, operation: str) -> None:
        """Log it once: other calls of the same client wait for the same."""
        if not self._is_logged:
            self._is_logged = True
            log.warning("waiting_for_answer", endpoint=self._endpoint, operation=operation)
