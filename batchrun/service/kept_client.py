"""A client beside that of HealthOmics, which outlives its login: used for as long as a launch lasts.

Belongs here: making it anew once the login was renewed, by whoever, or is over. Does not: waiting for a login
(``calling.outage``, ``s3.patient_writing``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Self, TypeVar

import anyio

from batchrun.errors import CredentialsError
from batchrun.service.calling.one_try import in_time
from batchrun.service.classify import classify
from batchrun.service.login import Login

T = TypeVar("T")
#: Clients open at once: the one to call with, and the one before it, with calls in flight.
_KEPT: Final = 2


class KeptClient:
    """One client; use it with ``async with``, which makes the first, and closes them all.

    Making the first raises UsageError where the login is wrong, and ServiceUnusableError where there are no
    credentials.
    """

    def __init__(self, login: Login, make: Callable[[Login], AbstractAsyncContextManager[Any]]) -> None:
        """Make clients by *make*, of *login* or later ones."""
        self._login = login
        self._make = make
        self._made: Login | None = None  #: the login of the client in use
        self._rejected = 0  #: calls in a row whose login the service did not accept
        self._contexts: deque[AbstractAsyncContextManager[Any]] = deque()
        self._one_at_a_time = anyio.Lock()

    async def __aenter__(self) -> Self:
        await self._connected(self._login)
        return self

    async def __aexit__(self, *_error: object) -> None:
        while self._contexts:
            await self._contexts.pop().__aexit__(None, None, None)

    async def call(self, send: Callable[[Any], Awaitable[T]], operation: str, seconds: float) -> T:
        """Make a call that may take *seconds*. Raises CallError, also where there are no credentials."""
        login = self._login = self._login.latest()
        try:
            answer = await in_time(send(await self._connected(login)), operation, seconds)
        except Exception as raw:
            error = classify(raw, operation)
            if isinstance(error, CredentialsError) and login is self._login and self._is_to_renew(error):
                self._login = login.renewed()  # which the next call looks for
            if error is raw:
                raise
            raise error from raw
        self._rejected = 0
        return answer

    def _is_to_renew(self, error: CredentialsError) -> bool:
        """Report whether to look for a new login: each time there is none, else ever more rarely.

        A service that accepts none would have a helper run, or a role assumed, at each call. The 1st, 2nd,
        4th, 8th rejection in a row is followed by a new login.
        """
        if error.status is None:
            return True
        self._rejected += 1
        return self._rejected.bit_count() == 1

    async def _connected(self, login: Login) -> Any:
        async with self._one_at_a_time:
            if self._made is not login:
                context = self._make(login)
                self._client = await context.__aenter__()
                self._contexts.append(context)
                self._made = login
                while len(self._contexts) > _KEPT:
                    await self._contexts.popleft().__aexit__(None, None, None)
            return self._client
