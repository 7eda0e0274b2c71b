"""Where credentials are looked for: AWS's own order, with three differences.

A named profile is asked alone: naming one means that account, never the one of the machine's role. Its helper
runs within a time limit. An MFA code is asked for without blocking everything else, and roles that the AWS
CLI assumed already count, so that a job without a terminal can use them.

Belongs here: which providers, in which order. Does not: what is done with their answers (``guard``).
"""

from __future__ import annotations

import os
from collections import ChainMap
from collections.abc import Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiobotocore.credentials import (
    AioAssumeRoleCredentialFetcher,
    AioAssumeRoleProvider,
    AioCanonicalNameCredentialSourcer,
    AioDeferredRefreshableCredentials,
    AioEnvProvider,
    AioProcessProvider,
    AioProfileProviderBuilder,
    create_credential_resolver,
)
from botocore.exceptions import InvalidConfigError, PartialCredentialsError
from botocore.utils import JSONFileCache

if TYPE_CHECKING:
    from batchrun.service.login.guard import Guard
    from batchrun.service.login.helper import Helper
    from batchrun.service.login.origin import LoginOrigin

    class Source(Protocol):
        """Credentials of a profile: ``credentials.Credentials``."""

        @property
        def guard(self) -> Guard | None: ...  # noqa: D102
        @property
        def whose(self) -> Any: ...  # noqa: D102


#: Where the AWS CLI caches the roles that it assumed.
_CLI_CACHE: Final = "~/.aws/cli/cache"
_KEY, _SECRET = "aws_access_key_id", "aws_secret_access_key"
#: The name of a role's session in CloudTrail, and in ``startedBy`` of its runs.
_SESSION_NAME: Final = "batchrun"
_PROMPT: Final = "Enter MFA code for "
#: Settings that botocore reads as numbers before it looks for any credentials.
_NUMBERS: Final = ("metadata_service_timeout", "metadata_service_num_attempts")
#: Providers of this machine's role, by botocore's names.
_MACHINE: Final = ("container-role", "iam-role")


class CodeWantedError(Exception):
    """An MFA code is needed."""

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt
        self.device = prompt.removeprefix(_PROMPT).rstrip(": ")
        super().__init__(prompt)


def providers(
    session: Any,
    origin: LoginOrigin,
    helper: Helper,
    code_for: Callable[[str], str],
    *,
    roles: MutableMapping[str, Any],
    source: Source | None,
    region: str | None,
    is_local: bool,
) -> Sequence[Any]:
    """List the providers to ask, in order.

    Args:
        session: It has the settings.
        origin: Where these are.
        helper: Runs a ``credential_process``.
        code_for: Returns the answer to a prompt for an MFA code, or raises CodeWantedError.
        roles: Those that were assumed already, by botocore's key.
        source: The credentials of the profile with the login, where others may be based on them too.
        region: Where roles are assumed.
        is_local: Leave out the machine's roles: a simulator is not worth the wait for them.
    """
    _check_numbers(session)
    base = create_credential_resolver(session, region_name=region)
    builder = _Profiles(session, helper, region, roles, source)
    profile = builder.providers(profile_name=origin.profile, disable_env_vars=origin.is_named)
    taken = {provider.METHOD for provider in profile} | {"env", "assume-role"}
    others = [provider for provider in base.providers if provider.METHOD not in taken]
    machine = [provider for provider in others if provider.METHOD in _MACHINE]
    role = AioAssumeRoleProvider(
        load_config=lambda: session.full_config,
        client_creator=lambda service, **how: session.create_client(
            service, **{"region_name": region, **how}
        ),
        cache=builder.roles,
        profile_name=origin.profile,
        prompter=code_for,
        credential_sourcer=AioCanonicalNameCredentialSourcer([AioEnvProvider(), *machine]),
        profile_provider_builder=builder,
    )
    # A profile from an option takes precedence over keys in the environment; one from a variable does not.
    by_option = session.instance_variables().get("profile") is not None
    variables = [] if by_option else [_HalfVariables(), AioEnvProvider()]
    last = [] if origin.is_named or is_local else others
    return [*variables, role, *profile, _HalfProfile(session, origin), *last]


def _check_numbers(session: Any) -> None:
    """Raise InvalidConfigError for what is no number, naming it; botocore's ValueError names nothing."""
    for setting in _NUMBERS:
        try:
            session.get_config_variable(setting)
        except ValueError as error:
            value = str(error).rpartition(": ")[2]  # wherever botocore has it from
            raise InvalidConfigError(error_msg=f"{setting} is {value}, which is no whole number") from error


def assumed(
    session: Any,
    source: Any,
    role: str,
    *,
    external_id: str | None,
    roles: MutableMapping[str, Any],
    region: str | None,
    sts_url: str | None,
) -> Any:
    """Return the credentials of a role, which is assumed with *source* when they are first used.

    *roles* are those that were assumed already, *sts_url* is the STS to ask, None for the configured one.
    """
    extra = {"RoleSessionName": _SESSION_NAME} | ({} if external_id is None else {"ExternalId": external_id})
    fetcher = AioAssumeRoleCredentialFetcher(
        client_creator=lambda service, **how: session.create_client(
            service, region_name=region, endpoint_url=sts_url, **how
        ),
        source_credentials=source,
        role_arn=role,
        extra_args=extra,
        cache=_with_kept(roles),
    )
    return AioDeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)


def _with_kept(roles: MutableMapping[str, Any]) -> Any:
    """Return *roles* on top of the AWS CLI's cache, which is read and never written."""
    kept: Any = JSONFileCache(os.path.expanduser(_CLI_CACHE))  # noqa: PTH111 (takes a machine without a home)
    return ChainMap(roles, kept)


class _Profiles(AioProfileProviderBuilder):
    """Makes the providers of a profile, and of one that is another's ``source_profile``."""

    def __init__(
        self,
        session: Any,
        helper: Helper,
        region: str | None,
        roles: MutableMapping[str, Any],
        source: Source | None,
    ) -> None:
        self.roles = _with_kept(roles)
        super().__init__(session, cache=self.roles, region_name=region)
        self._settings = session
        self._helper = helper
        self._source = source

    def providers(self, profile_name: str, disable_env_vars: bool = False) -> list[Any]:  # noqa: FBT001, FBT002 (its parent's)
        """List a profile's own providers; the profile with the login is asked separately, once."""
        if self._source is not None and profile_name == self._source.whose.profile:
            return [_Held(self._source)]
        return super().providers(profile_name, disable_env_vars)

    def _create_process_provider(self, profile_name: str) -> Any:
        return AioProcessProvider(
            profile_name=profile_name,
            load_config=lambda: self._settings.full_config,
            popen=self._helper.run,
        )


class _Held:
    """Provides what was found for the profile with the login."""

    METHOD = "source-profile"

    def __init__(self, source: Source) -> None:
        self._source = source

    async def load(self) -> Any:
        return self._source.guard


class _HalfVariables:
    """Raises for a secret without a key, which botocore silently skips, to use other credentials."""

    METHOD = "env"

    async def load(self) -> None:
        if os.environ.get(_SECRET.upper()) and not os.environ.get(_KEY.upper()):
            raise PartialCredentialsError(provider=self.METHOD, cred_var=_KEY.upper())


class _HalfProfile:
    """Raises for the same in a profile."""

    METHOD = "config-file"

    def __init__(self, session: Any, origin: LoginOrigin) -> None:
        self._session = session
        self._origin = origin

    async def load(self) -> None:
        settings = self._session.full_config.get("profiles", {}).get(self._origin.profile, {})
        if settings.get(_SECRET) and not settings.get(_KEY):
            raise PartialCredentialsError(provider=self.METHOD, cred_var=_KEY)
