"""Waiting for a service or a login that is away for a while, and stopping once that takes too long.

Belongs here: how long silence and missing credentials are waited out, and their messages. Does not: retrying
a single call (``call_retries``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio
import structlog

from batchrun.errors import (
    CallError,
    CredentialsError,
    NotSentError,
    OutcomeUnknownError,
    ServiceUnusableError,
    ThrottledError,
    UsageError,
)
from batchrun.model.texts.foreign import masked, shortened
from batchrun.service.classify import NO_HOST, classify
from batchrun.service.login import Login
from batchrun.service.session import omics_client

if TYPE_CHECKING:
    from types_aiobotocore_omics import OmicsClient

    from batchrun.clock import Clock
    from batchrun.service.target import Target

#: Seconds between two tries with new credentials, and between two log lines.
_TRY_EVERY: Final = 5.0
_LOG_EVERY: Final = 60.0
#: How a launch that has ended is continued.
_GOES_ON: Final = ", then run the same command again; nothing is lost"
#: Clients open at once: the one to call with, and those before it with calls in flight.
_CLIENTS_KEPT: Final = 3
#: Seconds of silence that are worth logging.
_WORTH_LOGGING: Final = 5.0
#: Seconds of nothing but throttles that are worth logging: a pace that finds its rate has some in a row.
_THROTTLED_LONG: Final = 60.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the service may be unusable before the launch stops, in seconds."""

    first_contact: float = 20.0  #: before any answer: most likely a wrong endpoint or no network
    outage: float = 900.0  #: after an answer: networks come back, laptops wake up
    credentials: float = 900.0  #: credentials that worked before: the user may log in again


class OutageWatch:
    """Notices that no call gets a usable answer, and stops the launch when that lasts."""

    def __init__(
        self,
        patience: Patience,
        endpoint: str,
        clock: Clock,
        *,
        is_lane: bool = False,
        doubt: str | None = None,
        proxy: str | None = None,
    ) -> None:
        """*doubt* is why the service may not exist in the region, as far as is known; *proxy* leads to it."""
        through = "" if proxy is None else f"the proxy {masked(proxy)}, "
        settings = "endpoint_url and region of the lane" if is_lane else "--endpoint-url and --region"
        self._where = f"{through}{settings}"
        other = "give the lane another region" if is_lane else "give another --region, or set AWS_REGION"
        self._doubt = None if doubt is None else f"{doubt}; {other}"
        self._patience = patience
        self._endpoint = endpoint
        self._clock = clock
        self._has_worked = False  #: whether anything ever answered, if only with an error
        self._since: float | None = None
        self._logged_at = float("-inf")
        self._throttles = _Throttles(endpoint, clock)

    @property
    def silence(self) -> str | None:
        """That there is no answer, in words; None where it is not worth mentioning."""
        if self._since is None:
            return None
        seconds = self._clock.monotonic() - self._since
        return f"no usable answer from {self._endpoint}" if seconds >= _WORTH_LOGGING else None

    def answered(self, operation: str) -> None:
        """Note a usable answer."""
        self._has_worked = True
        self._since = None
        self._throttles.passed(operation)

    def failed(self, error: CallError) -> None:
        """Note a failure. Raises ServiceUnusableError where there was no usable answer for too long."""
        if isinstance(error, NotSentError) or (isinstance(error, CredentialsError) and error.status is None):
            return  # no request was sent
        if isinstance(error, ThrottledError):
            self._throttles.throttled(error)
            self._has_worked, self._since = True, None
            return
        if not isinstance(error, OutcomeUnknownError):
            self.answered(error.operation)
            return
        if error.code == NO_HOST and self._doubt and not self._has_worked:
            raise ServiceUnusableError(f"{error.message}: {self._doubt}") from error
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        self._has_worked = self._has_worked or error.status is not None
        self._warn(error, now)
        limit = self._patience.outage if self._has_worked else self._patience.first_contact
        if now - self._since >= limit:
            raise ServiceUnusableError(
                f"no usable answer from {self._endpoint} for {now - self._since:.0f} s "
                f"(last: {shortened(str(error))}); nothing is lost; check network, {self._where}, "
                "then run the same command again"
            ) from error

    def _warn(self, error: CallError, now: float) -> None:
        """Log it once a minute, unless it passes within seconds."""
        since = now if self._since is None else self._since
        if now - since >= _WORTH_LOGGING and now - self._logged_at >= _LOG_EVERY:
            self._logged_at = now
            log.warning(
                "no_usable_answer",
                endpoint=self._endpoint,
                seconds=round(now - since),
                last=shortened(str(error)),
            )


class _Throttles:
    """Says so where an operation gets nothing but throttles: they are waited out, however long that takes."""

    def __init__(self, endpoint: str, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock
        #: Since when, and when that is to be logged next, in loop time, by operation.
        self._spans: dict[str, tuple[float, float]] = {}

    def passed(self, operation: str) -> None:
        self._spans.pop(operation, None)

    def throttled(self, error: ThrottledError) -> None:
        now = self._clock.monotonic()
        since, due = self._spans.get(error.operation, (now, now + _THROTTLED_LONG))
        if now >= due:
            due = now + _LOG_EVERY
            log.warning(
                "nothing_but_throttles",
                endpoint=self._endpoint,
                operation=error.operation,
                seconds=round(now - since),
                last=shortened(str(error)),
                meaning="it is asked on; others may use up the account's rate: stop them, or have it raised",
            )
        self._spans[error.operation] = since, due


class CredentialsWatch:
    """Makes a client with new credentials when the service rejects the old ones."""

    def __init__(self, target: Target, patience: Patience, clock: Clock, login: Login | None = None) -> None:
        self.login = login or Login(target)  #: in force
        self._tried = self.login  #: the last one tried
        self._patience = patience
        self._clock = clock
        self._contexts: deque[AbstractAsyncContextManager[OmicsClient]] = deque()
        self._one_at_a_time = anyio.Lock()
        self._has_worked = False
        self._since: float | None = None
        self._logged_at = float("-inf")

    async def open(self) -> OmicsClient:
        """Log in again and make the next client; the last one stays open for calls in flight.

        The first time, the login that was passed in is used.
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
        """Note that the service accepted the credentials."""
        if self._since is not None and self._logged_at > self._since - 1:
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
        on_wait: Callable[[str | None], None] | None,
    ) -> None:
        """Replace the client *used*, which failed; *on_wait*, else the log, is told why that takes long.

        The first new login is tried at once. Further ones are waited for where the launch *waits* and a call
        was accepted before, until *hurried* is set.

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
                        raise ServiceUnusableError(self._message(error))
                    self._report(error, left, on_wait)
                    with anyio.move_on_after(_TRY_EVERY):
                        await hurried.wait()
                try:
                    await self.open()
                except (UsageError, ServiceUnusableError) as failure:
                    error = classify(failure, error.operation)

    def _left(self, since: float, hurried: anyio.Event, *, waits: bool) -> float:
        """Return for how many more seconds to wait for a login; 0 where that cannot help."""
        if not waits or not self._has_worked or hurried.is_set():
            return 0.0
        return self._patience.credentials - (self._clock.monotonic() - since)

    def _report(self, error: CallError, left: float, on_wait: Callable[[str | None], None] | None) -> None:
        """Report why calls wait, and for how long: to *on_wait*, or once a minute to the log."""
        now, why = self._clock.monotonic(), self.login.rejected(error)
        if on_wait is not None:
            on_wait(f"{why}; it is tried again every {_TRY_EVERY:.0f} s, for {left:.0f} s more")
        elif now - self._logged_at >= _LOG_EVERY:
            self._logged_at = now
            log.warning("waiting_for_credentials", why=why, gives_up_in_seconds=round(left))

    def _message(self, error: CallError) -> str:
        """Return why the launch, or its lane, ends, and how to continue it."""
        is_own = error.status is None  # the login's message says everything
        return error.message if is_own else f"{self.login.rejected(error)}{_GOES_ON}"
