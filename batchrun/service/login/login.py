"""
One login to AWS: the region and the credentials that every client of it shares.

Belongs here: finding both, once. Does not: where it is looked (``chain``), making clients
(``service.session``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError

from batchrun.errors import BatchrunError
from batchrun.service.http import OneExchange
from batchrun.service.login.chain import CodeWantedError, providers
from batchrun.service.login.guard import Guard, check
from batchrun.service.login.helper import Helper
from batchrun.service.login.limits import Limits, TimeLeft
from batchrun.service.login.origin import Origin
from batchrun.service.login.terminal import ask, terminal
from batchrun.service.login.words import cure, explained, late, none_found, unusable
from batchrun.service.wire import take_body
from batchrun.service_model import loader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchrun.service.target import Target

T = TypeVar("T")
#: Services whose answers are read as the JSON that they are.
_SPEAKING_JSON: Final = ("omics", "pricing", "service-quotas")
_USUAL: Final = Limits()
#: MFA codes that one login may take: one for each role on the way.
_CODES: Final = 4


class Login:
    """
    One login, as options, environment and AWS's own files describe it.

    It is found once. Who wants to know whether somebody has logged in again meanwhile makes another.
    """

    def __init__(self, target: Target, *, limits: Limits = _USUAL) -> None:
        """Say whose; nothing is looked for yet."""
        self.target = target
        self.session: Any = AioSession(profile=target.profile)
        self.session.register_component("data_loader", loader())
        # Of every client, also of those that are made on the way to credentials.
        self.session.set_default_client_config(AioConfig(http_session_cls=OneExchange))
        for service in _SPEAKING_JSON:
            self.session.register(f"before-parse.{service}", take_body)
        self._time_left = TimeLeft(limits)
        self._helper = Helper(self._time_left)
        self._codes: dict[str, str] = {}
        self._guard: Guard | None = None
        self._provider: str | None = None
        self._is_local = False
        self._one_at_a_time = anyio.Lock()

    @property
    def region(self) -> str | None:
        """
        The region in force; AWS_REGION counts too, as for every AWS tool but botocore.

        Raises:
            UsageError: There is no such profile, or a file cannot be read.
        """
        try:
            return self.target.region or configured_region(self.session)
        except BotoCoreError as error:
            raise explained(error, None, Origin(self.session)) from error

    @property
    def place(self) -> str:
        """Where its credentials are described, in words."""
        return Origin(self.session).place(self._provider)

    @property
    def cure(self) -> str:
        """What to do where a service does not take its credentials."""
        return cure(self._provider, Origin(self.session))

    def unusable(self, error: Exception) -> BatchrunError:
        """Say that no client can be made, for what botocore raised."""
        return unusable(error, Origin(self.session))

    async def has_credentials(self, *, is_local: bool) -> bool:
        """
        Find credentials that can be signed with; only where the service *is_local* it can do without.

        Raises:
            UsageError: There can be none, as they are configured.
            ServiceUnusableError: There are none now.
        """
        async with self._one_at_a_time:
            if self._guard is None:
                self._is_local = is_local
                if (found := await self._in_time(self._search)) is not None:
                    self._guard = Guard(found, self._frozen)
                    self.session.register_component("credential_provider", self)
        if self._guard is None and not is_local:
            raise none_found(Origin(self.session))
        await self.keep()
        return self._guard is not None

    async def keep(self) -> None:
        """
        See to it that what was found is still good, and look again where it is not.

        Raises:
            UsageError: There can be none any more, as they are configured.
            ServiceUnusableError: There are none now.
        """
        if self._guard is not None:
            await self._guard.get_frozen_credentials()

    async def access_key(self) -> str | None:
        """
        Return the access key in use, by which credentials are told apart; None where there are none.

        Raises:
            UsageError: There can be none any more, as they are configured.
            ServiceUnusableError: There are none now.
        """
        if self._guard is None:
            return None
        return str((await self._guard.get_frozen_credentials()).access_key)

    async def load_credentials(self) -> Guard | None:
        """Return the credentials to botocore, which asks by this name."""
        return self._guard

    async def _search(self) -> Any:
        """Ask each provider; None where none has any."""
        chain = providers(
            self.session,
            Origin(self.session),
            self._helper,
            self._code_for,
            region=self.region,
            is_local=self._is_local,
        )
        for provider in chain:
            self._provider = provider.METHOD
            if (found := await provider.load()) is not None:
                return found
        self._provider = None
        return None

    async def _frozen(self, found: Any) -> tuple[Any, Any]:
        """Return *found*, or what was found since a code was given, and keys to sign with."""
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
            self._time_left.wait_for_a_person()
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
            raise explained(error, self._provider, Origin(self.session)) from None
        except Exception as error:
            raise explained(error, self._provider, Origin(self.session)) from error


def profile_of(target: Target) -> str:
    """Name the profile in force, or nothing."""
    return target.profile or os.environ.get("AWS_DEFAULT_PROFILE") or os.environ.get("AWS_PROFILE", "")


def configured_region(session: Any) -> str | None:
    """Read AWS_REGION too, which every AWS tool but botocore does."""
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    return str(region) if region else None
