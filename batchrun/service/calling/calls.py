"""How a call is made: at its turn, within its time, retried by the policy, and counted.

Belongs here: what all operations have in common. Does not: which operation is called with what (``client``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

from batchrun.errors import (
    CallError,
    CredentialsError,
    LeaseError,
    NotFoundError,
    OutcomeUnknownError,
    StorageError,
    ThrottledError,
)
from batchrun.model.lanes import account_of
from batchrun.ports.service import CallCounts, Troubles
from batchrun.service.calling.one_try import one_try
from batchrun.service.classify import classify

if TYPE_CHECKING:
    from types_aiobotocore_omics import OmicsClient

    from batchrun.clock import Clock
    from batchrun.service.calling.call_retries import CallRetries
    from batchrun.service.calling.caller import Caller
    from batchrun.service.calling.outage import CredentialsWatch, OutageWatch
    from batchrun.service.calling.pacing import AllTurns
    from batchrun.service.login import Login

T = TypeVar("T")
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Calls:
    """The calls of one launch; it shares the client, its paces and its outages with others."""

    turns: AllTurns
    retry: CallRetries
    outage: OutageWatch
    credentials: CredentialsWatch
    clock: Clock
    caller: Caller
    waits: bool = True
    _check: Callable[[], Awaitable[None]] = field(default_factory=lambda: _no_check)
    _on_wait: Callable[[str | None], None] | None = None
    _account: str | None = None
    _strays: set[str] = field(default_factory=set)  #: ARNs of ours in another account, each warned of once
    _sent: Counter[str] = field(default_factory=Counter)
    _errors: Counter[tuple[str, type[CallError]]] = field(default_factory=Counter)

    def apart(self, *, waits: bool) -> Calls:
        """Return the calls for a launch beside this one, with a guard, a hurry and troubles of their own."""
        shared = (self.outage, self.credentials, self.clock, self.caller)
        return Calls(self.turns, self.retry.apart(), *shared, waits=waits)

    @property
    def client(self) -> OmicsClient:
        """The client in use, replaced when credentials are renewed."""
        return self.credentials.client

    @property
    def place(self) -> tuple[str, str | None]:
        """The region and the account that is called; None where unknown."""
        return str(self.client.meta.region_name), self.caller.account

    @property
    def login(self) -> Login:
        """The login in force."""
        return self.credentials.login

    @property
    def endpoint(self) -> str:
        """The URL that calls go to; it may contain a secret."""
        return str(self.client.meta.endpoint_url)

    def expect(self, account: str | None) -> None:
        """Accept only answers from *account*, the batch's, from now on; None while it is unknown."""
        self._account = account
        self.caller.expect(account)

    @property
    def is_account_known(self) -> bool:
        """Whether answers are known to come from the account of the batch."""
        return self.caller.is_known and self._account == self.caller.account

    def check_arn(self, arn: object, operation: str) -> None:
        """Check the ARN in an answer. Raises CredentialsError where it is in another account."""
        self.caller.check_arn(arn, self.login, operation)

    def check_new_arn(self, arn: str, operation: str, *, event: str) -> None:
        """Check the ARN of what was just started; a batch whose account is unknown is in it from now on.

        Raises:
            CredentialsError: It is in another account than the batch; *event* is logged as a warning.
        """
        try:
            self.check_arn(arn, operation)
        except CredentialsError:
            if arn not in self._strays:
                self._strays.add(arn)
                log.warning(event, arn=arn, cure="cancel it there")
            raise
        self._account = self._account or account_of(arn)

    def check_missing(self, operation: str) -> None:
        """Check an answer that nothing is there. Raises CredentialsError where another account may say it."""
        self.caller.check_missing(self.login, operation)

    @property
    def troubles(self) -> Troubles:
        """Calls that failed so far."""
        by_kind: Counter[type[CallError]] = Counter()
        for (_, kind), times in self._errors.items():
            by_kind[kind] += times
        return Troubles(throttled=by_kind[ThrottledError], unanswered=by_kind[OutcomeUnknownError])

    @property
    def counts(self) -> Mapping[str, CallCounts]:
        """Requests so far, by operation."""
        return {
            operation: CallCounts(
                sent=sent,
                throttled=self._errors[operation, ThrottledError],
                unanswered=self._errors[operation, OutcomeUnknownError],
            )
            for operation, sent in self._sent.items()
        }

    def guard(self, check: Callable[[], Awaitable[None]] | None) -> None:
        """Await *check* right before each request leaves."""
        self._check = check or _no_check

    def on_wait(self, listener: Callable[[str | None], None]) -> None:
        """Call *listener* with why calls wait for service or login, and with None when they pass again."""
        self._on_wait = listener

    def hurry(self) -> None:
        """Give up at the first failure from now on."""
        self.retry.hurried.set()

    async def unless_hurried(self, wait: Callable[[], Awaitable[T]]) -> T | None:
        """Return the result of *wait*, or None where a hurry begins before it is done."""
        return await self.retry.unless_hurried(wait)

    async def at_turn(self, operation: str, turn: float, send: Callable[[], Awaitable[T]]) -> T:
        """Send one request at its turn, unless the guard refuses, and let the turns learn from the answer.

        Raises:
            CallError: It failed, or its outcome is unknown.
            LeaseError, StorageError: The guard refused.
        """
        turns = self.turns[operation]
        may_leave = False
        try:
            if (wait := turn - self.clock.monotonic()) > 0:
                await self.clock.sleep(wait)
            # Only now: the keys may have become another account's during the wait.
            await self.caller.ask_again(self.login, self.endpoint)
            await self._check()
            may_leave = True
        finally:
            if not may_leave:
                turns.lost()
        self._sent[operation] += 1
        longest = self.login.target.call_timeout
        try:
            return await one_try(send(), operation, turns=turns, clock=self.clock, longest=longest)
        except CallError as error:
            self._errors[operation, type(error)] += 1
            if isinstance(error, NotFoundError):
                self.check_missing(operation)
            raise

    async def ask(
        self,
        operation: str,
        send: Callable[[OmicsClient], Awaitable[T]],
        *,
        is_vital: bool = True,
        trusted_for: float = math.inf,
    ) -> T:
        """Make a call, paced and retried; *operation* is the API's name for it.

        A call that is not vital does not count as an outage where it gets no answer. After *trusted_for*
        seconds an unknown outcome is not retried: 0 where the id may be another run's after the call.

        Raises:
            CallError: It failed for good.
            ServiceUnusableError: The service cannot be used.
        """

        async def attempt() -> T:
            turn = await self.turns[operation].turn()
            return await self.at_turn(operation, turn, partial(send, self.client))

        return await self.call(operation, attempt, trusted_for, is_vital=is_vital)

    async def call(
        self,
        operation: str,
        attempt: Callable[[], Awaitable[T]],
        trusted_for: float = math.inf,
        *,
        is_vital: bool = True,
    ) -> T:
        """Retry *attempt* by the policy, through outages and lost logins for as long as patience lasts.

        Raises:
            CallError: It failed for good, or its outcome is still unknown after *trusted_for* seconds.
            ServiceUnusableError: An outage, or a lost login, lasted too long.
        """

        async def once() -> T:
            while True:
                client = self.client
                try:
                    await self.login.keep()  # not when it is signed, which counts as sent
                    answer = await attempt()
                except (LeaseError, StorageError):
                    raise  # from the guard, not from the call
                except Exception as raw:
                    error = classify(raw, operation)
                    if is_vital:
                        self.outage.failed(error)
                        self._report_wait(self.outage.silence)
                    if not isinstance(error, CredentialsError):
                        raise error from raw
                    await self.credentials.renew(
                        client, error, self.retry.hurried, waits=self.waits, on_wait=self._on_wait
                    )
                else:
                    self.outage.answered(operation)
                    if not self.caller.is_elsewhere:
                        self.credentials.accepted()
                        self._report_wait(None, passed=True)
                    return answer

        return await self.retry.run(once, trusted_for=trusted_for)

    def _report_wait(self, silence: str | None, *, passed: bool = False) -> None:
        if self._on_wait is not None and (passed or silence is not None):
            self._on_wait(silence)


async def _no_check() -> None:
    """Allow every call."""
