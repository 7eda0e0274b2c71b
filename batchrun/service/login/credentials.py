"""
One set of credentials, found once, with which all logins sign that lead to the same.

Belongs here: finding them, in time, and a role assumed with another set. Does not: where it is looked
(``chain``), which logins share one (``login``), making clients (``service.session``).
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

from batchrun.errors import BatchrunError, ServiceUnusableError, UsageError
from batchrun.service.http import OneExchange
from batchrun.service.login.chain import CodeWantedError, assumed, providers
from batchrun.service.login.guard import Guard, check
from batchrun.service.login.helper import Helper
from batchrun.service.login.origin import Origin
from batchrun.service.login.terminal import Limits, TimeLeft, ask, terminal
from batchrun.service.login.words import explained, late, none_found
from batchrun.service.wire import take_body
from batchrun.service_model import loader

T = TypeVar("T")
#: Services whose answers are read as the JSON that they are.
_SPEAKING_JSON: Final = ("omics", "pricing", "service-quotas")
#: MFA codes that one search may take: one for each role on the way.
_CODES: Final = 4
#: What a local service is called with where there is nothing else: it asks for neither, but botocore signs.
LOOPBACK_KEYS: Final = ("loopback", "loopback")


@cache
def _hooks() -> AioHierarchicalEmitter:
    """Return what botocore does of itself at each step of a call; a copy is made in a tenth of the time."""
    made = AioHierarchicalEmitter()
    AioSession(event_hooks=made)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """What decides which credentials they are; None means: as the AWS configuration says."""

    profile: str | None = None
    role: str | None = None  #: ARN of a role that the profile's credentials assume
    external_id: str | None = None
    sts_url: str | None = None  #: a local STS that lends the role's; None for the configured one


class Sources(Protocol):
    """Credentials that others stand on, and what all of them share; ``login`` has it."""

    roles: MutableMapping[str, Any]  #: that have been assumed, by botocore's key
    terminal: anyio.Lock  #: held while somebody is asked there
    has_lanes: bool  #: whether lanes say which profile it is, and not options

    def of_profile(self, profile: str | None, region: str | None) -> Credentials:
        """Return those of a profile."""


class Credentials:
    """
    Credentials of one profile, or of a role assumed with another's.

    They are found once. Who wants to know whether somebody has logged in again meanwhile makes others. To
    find and keep them raises UsageError where there can be none, as they are configured, and
    ServiceUnusableError where there are none now.
    """

    def __init__(self, whose: Whose, region: str | None, sources: Sources, limits: Limits) -> None:
        """Say whose; nothing is looked for yet. Roles are assumed in *region*, if no file says another."""
        self.whose = whose
        self.source: Credentials | None = None  #: what a role is assumed with, once it is known
        self.sources = sources
        self.session: Any = AioSession(
            profile=whose.profile, event_hooks=copy(_hooks()), include_builtin_handlers=False
        )
        self.session.register_component("data_loader", loader())
        # Of every client, also of those that are made on the way to credentials.
        self.session.set_default_client_config(AioConfig(http_session_cls=OneExchange))
        for service in _SPEAKING_JSON:
            self.session.register(f"before-parse.{service}", take_body)
        self.provider: str | None = None  #: that has them, by botocore's name
        self.roles = sources.roles  #: that have been assumed meanwhile
        self._region = region
        self._time_left = TimeLeft(limits)
        self._helper = Helper(self._time_left, sources.terminal)
        self._codes: dict[str, str] = {}
        self._guard: Guard | None = None
        self._failure: UsageError | ServiceUnusableError | None = None
        self._is_local = False
        self._one_at_a_time = anyio.Lock()

    @property
    def origin(self) -> Origin:
        """Where they are described."""
        return Origin(self.session, role=self.whose.role, is_lanes=self.sources.has_lanes)

    @property
    def guard(self) -> Guard | None:
        """What clients sign with, once it is found."""
        return self._guard

    @property
    def _sts_region(self) -> str | None:
        return self._region or configured_region(self.session)

    async def find(self, *, is_local: bool) -> bool:
        """Find credentials that can be signed with; only where the service *is_local* it can do without."""
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
        """See to it that what was found is still good, and look again where it is not."""
        if self._guard is not None:
            await self._guard.get_frozen_credentials()

    async def load_credentials(self) -> Guard | None:
        """Return the credentials to botocore, which asks by this name."""
        return self._guard

    def _stands_on(self) -> Credentials | None:
        """Return the credentials of the profile that holds the login, which others may stand on too."""
        if self.whose.role is not None:
            return self.sources.of_profile(self.whose.profile, self._region)
        holder = self.origin.held_elsewhere
        return None if holder is None else self.sources.of_profile(holder, self._region)

    async def _search(self) -> Any:
        """Ask each provider; None where none has any."""
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
        """Return *found*, or what was found since a code was given, and keys to sign with."""
        if self.source is not None:
            await self.source.keep()  # in its own time
        return await self._in_time(lambda: self._asked(found))

    async def _asked(self, found: Any) -> tuple[Any, Any]:
        for _ in range(_CODES):
            try:
                frozen = await found.get_frozen_credentials()
            except CodeWantedError as wanted:
                self._codes[wanted.prompt] = await self._ask(wanted)
                # Botocore's own refuses to ask a second time.
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


def configured_region(session: Any) -> str | None:
    """Read AWS_REGION too, which every AWS tool but botocore does."""
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    return str(region) if region else None
