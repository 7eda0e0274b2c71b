"""
Putting up with a service that cannot be used for a while, and knowing when to stop.

Belongs here: how long silence and missing credentials are borne, and the words for both. Does not: retrying a
single call (``call_retries``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio
import structlog

from batchrun.errors import CallError, CredentialsError, OutcomeUnknownError, ServiceUnusableError, UsageError
from batchrun.model.texts.foreign import shortened
from batchrun.service.classify import CLOCK, classify
from batchrun.service.login import Login
from batchrun.service.session import omics_client

if TYPE_CHECKING:
    from types_aiobotocore_omics import OmicsClient

    from batchrun.clock import Clock
    from batchrun.service.target import Target

#: Seconds between two tries with new credentials, and between two words about it.
_TRY_EVERY: Final = 5.0
_SAY_EVERY: Final = 60.0
#: How a launch goes on that has ended.
_GOES_ON: Final = ", then run the same command again; nothing is lost"
#: Clients open at once: the one to call with, and the ones before on which calls may still end.
_CLIENTS_KEPT: Final = 3
#: Seconds of silence that are worth a word.
_WORTH_SAYING: Final = 5.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the service may be unusable before the launch stops, in seconds."""

    first_contact: float = 20.0  #: nobody ever answered: most likely a wrong endpoint or no network
    outage: float = 900.0  #: it worked before: networks come back, laptops wake up
    credentials: float = 900.0  #: credentials that were good before: somebody may log in again


class OutageWatch:
    """Notices that no call gets a usable answer any more, and stops the launch when that lasts."""

    def __init__(self, patience: Patience, endpoint: str, clock: Clock, *, is_lane: bool = False) -> None:
        self._where = "endpoint_url and region of the lane" if is_lane else "--endpoint-url and --region"
        self._patience = patience
        self._endpoint = endpoint
        self._clock = clock
        self._has_worked = False  #: somebody is there, if only to answer with errors
        self._since: float | None = None
        self._said = float("-inf")

    @property
    def silence(self) -> str | None:
        """How long nobody has answered, in words; None where that is not worth a word."""
        if self._since is None:
            return None
        seconds = self._clock.monotonic() - self._since
        return f"no usable answer from {self._endpoint}" if seconds >= _WORTH_SAYING else None

    def answered(self) -> None:
        """Note an answer that says something."""
        self._has_worked = True
        self._since = None

    def failed(self, error: CallError) -> None:
        """Note a failure. Raises ServiceUnusableError where there was no usable answer for too long."""
        if isinstance(error, CredentialsError) and error.status is None:
            return  # nobody was asked
        if not isinstance(error, OutcomeUnknownError):
            self.answered()
            return
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        self._has_worked = self._has_worked or error.status is not None
        self._say(error, now)
        limit = self._patience.outage if self._has_worked else self._patience.first_contact
        if now - self._since >= limit:
            raise ServiceUnusableError(
                f"no usable answer from {self._endpoint} for {now - self._since:.0f} s "
                f"(last: {shortened(str(error))}); nothing is lost; check network, {self._where}, "
                "then run the same command again"
            ) from error

    def _say(self, error: CallError, now: float) -> None:
        """Once a minute, and not about what passes within seconds."""
        since = now if self._since is None else self._since
        if now - since >= _WORTH_SAYING and now - self._said >= _SAY_EVERY:
            self._said = now
            log.warning(
                "no_usable_answer",
                endpoint=self._endpoint,
                seconds=round(now - since),
                last=shortened(str(error)),
            )


class CredentialsWatch:
    """Gets a client with fresh credentials when the service stops taking the old ones."""

    def __init__(self, target: Target, patience: Patience, clock: Clock, login: Login | None = None) -> None:
        self.login = login or Login(target)  #: in force
        self._tried = self.login  #: the last, whether it worked or not
        self._patience = patience
        self._clock = clock
        self._contexts: deque[AbstractAsyncContextManager[OmicsClient]] = deque()
        self._one_at_a_time = anyio.Lock()
        self._has_worked = False
        self._since: float | None = None
        self._said = float("-inf")

    async def open(self) -> OmicsClient:
        """
        Log in again, and make the next client to call with; the last stays, for calls in the air.

        The first time the login counts that somebody has made already.
        """
        if self._contexts:
            self._tried = self._tried.renewed()
        context = omics_client(self._tried)
        self.client = await context.__aenter__()
        self.login = self._tried
        self._contexts.append(context)
        while len(self._contexts) > _CLIENTS_KEPT:
            await self._contexts.popleft().__aexit__(None, None, None)
        return self.client

    async def close(self) -> None:
        """Close every client."""
        while self._contexts:
            await self._contexts.pop().__aexit__(None, None, None)

    def accepted(self) -> None:
        """Note that the service took the credentials."""
        if self._since is not None and self._said > self._since - 1:
            log.info("credentials_back")
        self._has_worked = True
        self._since = None

    async def renew(
        self,
        used: OmicsClient,
        error: CallError,
        hurried: anyio.Event,
        *,
        waits: bool,
        heed: Callable[[str | None], None] | None,
    ) -> None:
        """
        Replace the client; *used* is the one that failed. *heed* is told why it takes long, else the log.

        The first new login is tried at once. More are waited for once a call was accepted, where the launch
        *waits* for any, and until *hurried* is set.

        Raises:
            ServiceUnusableError: It took too long, or waiting cannot help.
        """
        async with self._one_at_a_time:
            while used is self.client:  # else another call has renewed it meanwhile
                is_first = self._since is None
                self._since = self._clock.monotonic() if self._since is None else self._since
                if hurried.is_set() or not is_first:
                    left = self._left(self._since, hurried, waits=waits)
                    if left <= 0:
                        raise ServiceUnusableError(self._in_words(error))
                    self._tell(error, left, heed)
                    with anyio.move_on_after(_TRY_EVERY):
                        await hurried.wait()
                try:
                    await self.open()
                except (UsageError, ServiceUnusableError) as failure:
                    error = classify(failure, error.operation)

    def _left(self, since: float, hurried: anyio.Event, *, waits: bool) -> float:
        """Return for how many seconds more a login is waited for; 0 where that cannot help."""
        if not waits or not self._has_worked or hurried.is_set():
            return 0.0
        return self._patience.credentials - (self._clock.monotonic() - since)

    def _tell(self, error: CallError, left: float, heed: Callable[[str | None], None] | None) -> None:
        """Say why calls wait, and how long they will: to *heed*, or once a minute to the log."""
        now = self._clock.monotonic()
        if heed is not None:
            heed(f"{self._cause(error)}; it is tried again every {_TRY_EVERY:.0f} s, for {left:.0f} s more")
        elif now - self._said >= _SAY_EVERY:
            self._said = now
            log.warning("waiting_for_credentials", why=self._cause(error), gives_up_in_seconds=round(left))

    def _in_words(self, error: CallError) -> str:
        """Say why the launch, or its lane, ends, and how it goes on."""
        is_own = error.status is None  # the login says all of it
        return error.message if is_own else f"{self._cause(error)}{_GOES_ON}"

    def _cause(self, error: CallError) -> str:
        if error.status is None:
            return error.message.removesuffix("; nothing is lost")
        if error.code == CLOCK:
            return error.message
        place, cure = self.login.place, self.login.cure
        return f"the service does not accept the AWS credentials of {place} ({error.code}); {cure}"
