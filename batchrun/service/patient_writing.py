"""Writing to S3 in the middle of a launch: again and again, for as long as what is in the way may pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from batchrun.errors import ConflictError, CredentialsError, OutcomeUnknownError, ThrottledError
from batchrun.service.classify import classify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchrun.clock import Clock
    from batchrun.errors import CallError
    from batchrun.service.login import Login
    from batchrun.service.outage import Patience

#: Seconds between two tries, beyond those that the client makes by itself.
_TRY_EVERY: Final = 5.0
_SAY_EVERY: Final = 60.0
#: Failures that may pass by themselves, or once somebody has logged in again.
_PASSING: Final = (OutcomeUnknownError, ThrottledError, ConflictError, CredentialsError)
log = structlog.get_logger(__name__)


class PatientWriting:
    """Writes of one login, which is renewed where S3 does not take it any more."""

    def __init__(self, login: Login, patience: Patience, clock: Clock, *, event: str) -> None:
        """Say whose; *event* tells in the log, once a minute, that something is not written yet."""
        self._login = login
        self._patience = patience
        self._clock = clock
        self._event = event
        self._said = float("-inf")

    async def until_done(self, write: Callable[[Login], Awaitable[None]]) -> None:
        """
        Write with the login in force, which *write* is given, and try again while that may help.

        Raises:
            CallError: It will not help, or patience is at an end.
        """
        since: float | None = None
        while True:
            login = self._login
            try:
                await write(login)
            except Exception as raw:
                error = classify(raw, "PutObject")
                now = self._clock.monotonic()
                since = now if since is None else since
                if not isinstance(error, _PASSING) or now - since >= self._longest(error):
                    raise error from raw
            else:
                return
            self._say(error, now)
            await self._clock.sleep(_TRY_EVERY)
            if isinstance(error, CredentialsError) and login is self._login:
                self._login = login.renewed()

    def _longest(self, error: CallError) -> float:
        return self._patience.credentials if isinstance(error, CredentialsError) else self._patience.outage

    def _say(self, error: CallError, now: float) -> None:
        if now - self._said >= _SAY_EVERY:
            self._said = now
            log.warning(self._event, code=error.code, message=error.message)
