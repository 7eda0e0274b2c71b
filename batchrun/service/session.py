"""
Credentials, region and endpoint, found the way every AWS tool finds them, and a client made from them.

Belongs here: making sessions and clients. Does not: calling (``client``), judging errors (``classify``).
"""

from __future__ import annotations

import ipaddress
import os
import platform
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from aiobotocore import __version__ as aiobotocore_version
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore import __version__ as botocore_version
from botocore import exceptions as boto
from botocore.utils import parse_timestamp

from batchrun import __version__
from batchrun.errors import ServiceUnusableError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from types_aiobotocore_omics import OmicsClient

    from batchrun.service.target import Target

#: A local simulator asks for neither, but botocore will not send an unsigned call.
_LOOPBACK_REGION: Final = "us-east-1"
_LOOPBACK_CREDENTIALS: Final = ("loopback", "loopback")


def profile_of(target: Target) -> str:
    """Name the profile in force, or nothing."""
    return target.profile or os.environ.get("AWS_PROFILE", "")


@asynccontextmanager
async def omics_client(target: Target) -> AsyncIterator[OmicsClient]:
    """
    Make a client for *target*.

    Raises:
        UsageError: The profile does not exist, or no region is set.
        ServiceUnusableError: There are no credentials.
    """
    async with AsyncExitStack() as stack:
        with _explained():
            client = await _enter_client(target, stack)
        yield client


@asynccontextmanager
async def s3_client(target: Target, *, endpoint_url: str | None = None) -> AsyncIterator[Any]:
    """
    Make a client of S3, with retries of its own, since nobody paces these calls.

    Raises:
        UsageError: The profile does not exist, or no region is set.
        ServiceUnusableError: There are no credentials.
    """
    async with AsyncExitStack() as stack:
        with _explained():
            client = await _enter_s3(target, endpoint_url, stack)
        yield client


async def _enter_s3(target: Target, endpoint_url: str | None, stack: AsyncExitStack) -> Any:
    if endpoint_url and not endpoint_url.startswith(("http://", "https://")):
        raise UsageError(f"'{endpoint_url}' is no endpoint; write http:// or https:// before it")
    session = AioSession(profile=target.profile)
    # Buckets of other regions are found from any.
    region = target.region or configured_region(session) or _LOOPBACK_REGION
    probe = session.create_client("s3", region_name=region, endpoint_url=endpoint_url)
    async with probe as client:
        is_local = is_loopback(str(client.meta.endpoint_url))
    await _check_credentials(session, is_local=is_local)
    config = AioConfig(
        retries={"total_max_attempts": 5, "mode": "standard"},
        connect_timeout=target.connect_timeout,
        read_timeout=target.read_timeout,
        max_pool_connections=target.connections,
        user_agent=_user_agent(),
        # http://bucket.localhost is nobody's name.
        s3={"addressing_style": "path"} if is_local else None,
    )
    context = session.create_client("s3", region_name=region, endpoint_url=endpoint_url, config=config)
    return await stack.enter_async_context(context)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what botocore says of a configuration into our own words."""
    try:
        yield
    except (boto.ProfileNotFound, boto.ConfigParseError) as error:
        raise UsageError(f"{error}; see --profile, AWS_PROFILE and ~/.aws/config") from error
    except boto.NoRegionError as error:
        raise UsageError("no AWS region is set: give --region, or set AWS_REGION") from error
    except (boto.InvalidRegionError, boto.UnknownEndpointError, ValueError) as error:
        raise UsageError(f"{error}; see --region and --endpoint-url") from error


async def _enter_client(target: Target, stack: AsyncExitStack) -> OmicsClient:
    if target.endpoint_url and not target.endpoint_url.startswith(("http://", "https://")):
        raise UsageError(f"'{target.endpoint_url}' is no endpoint; write http:// or https:// before it")
    session = AioSession(profile=target.profile)
    region = target.region or configured_region(session)
    endpoint = target.endpoint_url or await _configured_endpoint(session, region, target)
    is_local = is_loopback(endpoint)
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)
    await _check_credentials(session, is_local=is_local)
    context = session.create_client(
        "omics",
        region_name=region or (_LOOPBACK_REGION if is_local else None),
        endpoint_url=target.endpoint_url,
        config=_config(target, is_local=is_local),
    )
    return await stack.enter_async_context(context)


def configured_region(session: AioSession) -> str | None:
    """Read AWS_REGION too, which every AWS tool but botocore does."""
    region = os.environ.get("AWS_REGION") or session.get_config_variable("region")
    return str(region) if region else None


async def _configured_endpoint(session: AioSession, region: str | None, target: Target) -> str:
    """Ask botocore where it would call, since environment and configuration file may both say."""
    config = _config(target, is_local=False)
    probe = session.create_client("omics", region_name=region or _LOOPBACK_REGION, config=config)
    async with probe as client:
        return str(client.meta.endpoint_url)


def _config(target: Target, *, is_local: bool) -> AioConfig:
    # With the prefix, http://127.0.0.1 would be called as http://workflows-127.0.0.1.
    prefix: dict[str, Any] = {"inject_host_prefix": False} if is_local else {}
    return AioConfig(
        # Both are given: AWS_RETRY_MODE in the environment would else bring in a second, hidden pace.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=target.connect_timeout,
        read_timeout=target.read_timeout,
        max_pool_connections=target.connections,
        user_agent=_user_agent(),
        # Each row was held against the same model, and more of it, when the manifest was read.
        parameter_validation=False,
        **prefix,
    )


def _timestamp(value: Any) -> datetime:
    """Read the service's times, which are ISO 8601; botocore's own way tries many formats in turn."""
    if isinstance(value, str):
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    parsed: datetime = parse_timestamp(value)
    return parsed


def _user_agent() -> str:
    """
    Say who calls, once: botocore puts its own words together anew for each call, at a tenth of its price.

    The parts are those of its short form: product/version, first ours, then what we stand on.
    """
    python = platform.python_version()
    system = f"{platform.system()}/{platform.release()}"
    return (
        f"batchrun/{__version__} aiobotocore/{aiobotocore_version} botocore/{botocore_version} "
        f"Python/{python} {system}"
    )


async def _check_credentials(session: AioSession, *, is_local: bool) -> None:
    if is_local:
        # Nobody waits for a machine role's answer before talking to a simulator.
        session.get_component("credential_provider").remove("iam-role")
    try:
        found = await session.get_credentials()
    except (boto.BotoCoreError, boto.ClientError) as error:
        raise ServiceUnusableError(f"the AWS credentials cannot be loaded: {error}") from error
    if found is None and is_local:
        session.set_credentials(*_LOOPBACK_CREDENTIALS)
    elif found is None:
        raise ServiceUnusableError(
            "no AWS credentials found: set AWS_PROFILE or give --profile, run 'aws sso login', "
            "or use a role; nothing is lost"
        )


def is_loopback(url: str) -> bool:
    """Tell whether *url* leads to this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
