"""One set of credentials, found once, and shared by all logins that lead to it.

Belongs here: finding them in time, and a role assumed with another set. Does not: where to look (``chain``),
which logins share a set (``login``), making clients (``service.session``).
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Protocol, TypeVar

import anyio
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from aiobotocore.hooks import AioHierarchicalEmitter
from aiobotocore.session import AioSession

from batchrun.clock import SystemClock
from batchrun.errors import BatchrunError, ServiceUnusableError, UsageError
from batchrun.service.http import OneExchange
from batchrun.service.login.chain import CodeWantedError, assumed, providers
from batchrun.service.login.guard import Guard, check
from batchrun.service.login.helper import Helper
from batchrun.service.login.origin import LoginOrigin
from batchrun.service.login.terminal import LoginTimes, TimeLeft, ask, terminal
from batchrun.service.login.words import ExpiredKeysError, explained, late, none_found
from batchrun.service.wire import take_body
from batchrun.service_model import loader

T = TypeVar("T")
#: Services whose answers are parsed as plain JSON.
_SPEAKING_JSON: Final = ("omics", "pricing", "service-quotas")
#: MFA codes that one search may ask for: one for each role on the way.
_CODES: Final = 4
#: Keys for a local service where there are no others: it needs none, but botocore signs.
LOOPBACK_KEYS: Final = ("loopback", "loopback")


@cache
def _hooks() -> AioHierarchicalEmitter:
    """Return botocore's built-in handlers; copying them takes a tenth of the time."""
    made = AioHierarchicalEmitter()
    AioSession(event_hooks=made)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """What identifies credentials. None: as the AWS configuration says."""

    profile: str | None = None
    role: str | None = None  #: ARN of a role that the profile's credentials assume
    external_id: str | None = None
    sts_url: str | None = None  #: a local STS for the role; None for the configured one


class Sources(Protocol):
    """Credentials that others are based on, and what all of them share; see ``login.Logins``."""

    roles: MutableMapping[str, Any]  #: those that were assumed, by botocore's key
    terminal: anyio.Lock  #: held while the user is asked there
    has_lanes: bool  #: whether lanes name the profiles, and not options

    def of_profile(self, profile: str | None, region: str | None) -> Credentials:
        """Return those of a profile."""


class Credentials:
    """Credentials of one profile, or of a role assumed with another's.

    They are found once; to pick up a later login, others are made. Finding and keeping them raises UsageError
    where the configuration cannot work, and ServiceUnusableError where there are none now.
    """

    def __init__(self, whose: Whose, region: str | None, sources: Sources, limits: LoginTimes) -> None:
        """Prepare to look for them. Roles are assumed in *region*, by default the configured one."""
        self.whose = whose
        self.source: Credentials | None = None  #: what a role is assumed with, once known
        self.sources = sources
        self.session: Any = AioSession(
            profile=whose.profile, event_hooks=copy(_hooks()), include_builtin_handlers=False
        )
        self.session.register_component("data_loader", loader())
        # For every client, those made on the way to credentials included.
        self.session.set_default_client_config(AioConfig(http_session_cls=OneExchange))
        for service in _SPEAKING_JSON:
            self.session.register(f"before-parse.{service}", take_body)
        self.provider: str | None = None  #: the provider that has them, by botocore's name
        self.roles = sources.roles  #: those that were assumed
        self._region = region
        self._time_left = TimeLeft(limits)
        self._helper = Helper(self._time_left, sources.terminal, lambda: self.origin.place(None))
        self._codes: dict[str, str] = {}
        self._guard: Guard | None = None
        self._failure: UsageError | ServiceUnusableError | None = None
        self._is_local = False
        self._one_at_a_time = anyio.Lock()

    @property
    def origin(self) -> LoginOrigin:
        """Where they are described."""
        return LoginOrigin(self.session, role=self.whose.role, is_lanes=self.sources.has_lanes)

    @property
    def guard(self) -> Guard | None:
        """What clients sign with, once it is found."""
        return self._guard

    @property
    def _sts_region(self) -> str | None:
        return self._region or configured_region(self.session)

    async def find(self, *, is_local: bool) -> bool:
        """Find keys to sign with, and report whether there are any; there must be unless *is_local*."""
        async with self._one_at_a_time:
            if self._failure is not None:
                raise self._failure
            try:
                await self._look(is_local=is_local)
            except (UsageError, ServiceUnusableError) as error:
                self._failure = error
                raise
        await self.keep()
        return self._guard is not None

    async def _look(self, *, is_local: bool) -> None:
        if self._guard is not None:
            return
        self._is_local = is_local
        self.source = self._stands_on()
        if self.source is not None:
            await self.source.find(is_local=is_local)
        if (found := await self._in_time(self._search)) is not None:
            self._guard = Guard(found, self._frozen)
            self.session.register_component("credential_provider", self)
        elif not is_local:
            raise none_found(self.origin)

    async def keep(self) -> None:
        """Check that the keys are still valid, and renew them where they are not."""
        if self._guard is not None:
            await self._guard.get_frozen_credentials()

    async def load_credentials(self) -> Guard | None:
        """Return the credentials to botocore, which calls this method."""
        return self._guard

    def _stands_on(self) -> Credentials | None:
        """Return the credentials of the profile with the login, where these are based on another's."""
        if self.whose.role is not None:
            return self.sources.of_profile(self.whose.profile, self._region)
        holder = self.origin.held_elsewhere
        return None if holder is None else self.sources.of_profile(holder, self._region)

    async def _search(self) -> Any:
        """Return the first provider's credentials, or None."""
        if self.whose.role is not None:
            return self._of_the_role(self.whose.role)
        chain = providers(
            self.session,
            self.origin,
            self._helper,
            self._code_for,
            roles=self.roles,
            source=self.source,
            region=self._sts_region,
            is_local=self._is_local,
        )
        for provider in chain:
            self.provider = provider.METHOD
            if (found := await provider.load()) is not None:
                return found
        self.provider = None
        return None

    def _of_the_role(self, role: str) -> Any:
        source = self.source
        if source is None or (source.guard is None and not self._is_local):
            return None
        self.provider = source.provider
        return assumed(
            self.session,
            source.guard or AioCredentials(*LOOPBACK_KEYS),
            role,
            external_id=self.whose.external_id,
            roles=self.roles,
            region=self._sts_region,
            sts_url=self.whose.sts_url,
        )

    async def _frozen(self, found: Any) -> tuple[Any, Any]:
        """Return *found*, or what was found with an MFA code, and keys to sign with."""
        if self.source is not None:
            await self.source.keep()  # not counted in ours
        return await self._in_time(lambda: self._asked(found))

    async def _asked(self, found: Any) -> tuple[Any, Any]:
        for _ in range(_CODES):
            try:
                frozen = await _keys_of(found)
            except CodeWantedError as wanted:
                self._codes[wanted.prompt] = await self._ask(wanted)
                # Botocore's fetcher refuses to ask a second time.
                found = await self._search()
            else:
                check(frozen)
                return found, frozen
        raise ValueError(f"{_CODES} MFA codes were not enough")

    async def _ask(self, wanted: CodeWantedError) -> str:
        with terminal() as file:
            if file is None:
                raise wanted
            async with self._time_left.for_a_person(self.sources.terminal):
                return await ask(file, wanted.prompt)

    def _code_for(self, prompt: str) -> str:
        if prompt not in self._codes:
            raise CodeWantedError(prompt)
        return self._codes[prompt]

    async def _in_time(self, search: Callable[[], Awaitable[T]]) -> T:
        try:
            with self._time_left.running():
                return await search()
        except BatchrunError:
            raise
        except TimeoutError:
            error = late(self._time_left.given, self._helper.running)
            raise explained(error, self.provider, self.origin) from None
        except Exception as error:
            raise explained(error, self.provider, self.origin) from error


async def _keys_of(found: Any) -> Any:
    """Return a provider's keys. Raises ExpiredKeysError, where botocore has a RuntimeError."""
    try:
        return await found.get_frozen_credentials()
    except RuntimeError as error:
        expired = getattr(found, "_expiry_time", None)
        if type(error) is not RuntimeError or expired is None:
            raise
        raise ExpiredKeysError(expired=expired, now=SystemClock().utcnow()) from error


def configured_region(session: Any) -> str | None:
    """Return the configured region; AWS_REGION counts, as for every AWS tool but botocore."""
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    return str(region) if region else None
