"""
One login to AWS: the region and the credentials that every client of it shares.

Belongs here: finding them the way every AWS tool finds them. Does not: making clients (``session``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import exceptions as boto

from batchrun.errors import ServiceUnusableError
from batchrun.model.foreign import masked
from batchrun.service.http import OneExchange
from batchrun.service.wire import take_body

if TYPE_CHECKING:
    from batchrun.service.target import Target

#: Services whose answers are read as the JSON that they are.
_SPEAKING_JSON: Final = ("omics", "pricing", "service-quotas")


class Login:
    """
    One login, as options, environment and AWS's own files describe it.

    It is found once. Who wants to know whether somebody has logged in again meanwhile makes another.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.session: Any = AioSession(profile=target.profile)
        # Of every client, also of those that are made on the way to credentials.
        self.session.set_default_client_config(AioConfig(http_session_cls=OneExchange))
        for service in _SPEAKING_JSON:
            self.session.register(f"before-parse.{service}", take_body)

    @property
    def region(self) -> str | None:
        """The region in force; AWS_REGION counts too, as for every AWS tool but botocore."""
        return self.target.region or configured_region(self.session)

    async def has_credentials(self, *, is_local: bool) -> bool:
        """
        Find the credentials; only where the service *is_local* it can do without.

        Raises:
            ServiceUnusableError: There are none, and they are needed.
        """
        if is_local:
            # Nobody waits for a machine role's answer before talking to a simulator.
            self.session.get_component("credential_provider").remove("iam-role")
        try:
            found = await self.session.get_credentials()
        except (boto.BotoCoreError, boto.ClientError) as error:
            raise ServiceUnusableError(
                f"the AWS credentials cannot be loaded: {masked(str(error))}"
            ) from error
        if found is None and not is_local:
            raise ServiceUnusableError(
                "no AWS credentials found: set AWS_PROFILE or give --profile, run 'aws sso login', "
                "or use a role; nothing is lost"
            )
        return found is not None


def profile_of(target: Target) -> str:
    """Name the profile in force, or nothing."""
    return target.profile or os.environ.get("AWS_PROFILE", "")


def configured_region(session: AioSession) -> str | None:
    """Read AWS_REGION too, which every AWS tool but botocore does."""
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    return str(region) if region else None
