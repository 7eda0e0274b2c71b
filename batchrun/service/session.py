"""Every client of AWS is made here: configuration, credentials and errors are the same for all.

A new kind of client is one more function over :func:`_client`, with a :class:`Login`, the service's name as
botocore knows it, the endpoint and the timeouts. A launch passes the login that it holds
(``outage.CredentialsWatch``), so that nobody logs in twice. Opening any client raises UsageError where the
profile does not exist or a region is needed and not set, and ServiceUnusableError without credentials.

Does not belong here: credentials (``login``), calling (``client``), judging errors (``classify``).
"""

from __future__ import annotations

import ipaddress
import os
import platform
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from aiobotocore import __version__ as aiobotocore_version
from aiobotocore.config import AioConfig
from botocore import UNSIGNED
from botocore import __version__ as botocore_version
from botocore import exceptions as boto
from botocore.utils import get_environ_proxies
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from batchrun.errors import BatchrunError, UsageError
from batchrun.model.texts.foreign import is_loopback, masked, web_address
from batchrun.service.http import Proxies
from batchrun.service.login import Login
from batchrun.service.login.credentials import LOOPBACK_KEYS
from batchrun.service.wire import table
from batchrun.version import __version__

if TYPE_CHECKING:
    from types_aiobotocore_omics import OmicsClient


#: A local simulator needs neither, but botocore will not send an unsigned call.
_ANY_REGION: Final = "us-east-1"
_LOOPBACK: Final = dict(zip(("aws_access_key_id", "aws_secret_access_key"), LOOPBACK_KEYS, strict=True))
#: Where the Pricing API answers, for all regions.
_PRICING_REGION: Final = "us-east-1"
#: What hosts of AWS have in their names, and the setting by which they are called.
_VARIANTS: Final = {
    "-fips.": "use_fips_endpoint (AWS_USE_FIPS_ENDPOINT)",
    ".api.aws": "use_dualstack_endpoint (AWS_USE_DUALSTACK_ENDPOINT)",
}


def omics_client(login: Login) -> AbstractAsyncContextManager[OmicsClient]:
    """Make a client of HealthOmics."""
    target = login.target
    config = _config(
        attempts=1,
        connect=target.connect_timeout,
        read=target.read_timeout,
        max_pool_connections=target.connections,
        # Each row was checked against the same model, and more strictly, when the manifest was read.
        parameter_validation=False,
    )
    # With the prefix, http://127.0.0.1 would be called as http://workflows-127.0.0.1.
    local = AioConfig(inject_host_prefix=False)
    return _client(
        login, "omics", region=login.region, endpoint_url=target.endpoint_url, config=config, local=local
    )


async def region_doubt(login: Login, region: str, endpoint: str) -> str | None:
    """Return why there may be no HealthOmics at *endpoint*, of AWS; None where botocore knows one there."""
    for mark, setting in _VARIANTS.items():
        if mark in endpoint:
            return f"{setting} asks for a host of its own, which not every region has: unset it, if you may"
    known = await login.session.get_available_regions("omics")
    return None if region in known else f"HealthOmics is not known in '{region}', but in {', '.join(known)}"


def s3_client(
    login: Login,
    *,
    endpoint_url: str | None = None,
    attempts: int = 5,
    patience: float = 0.0,
    beside: str = "",
) -> AbstractAsyncContextManager[Any]:
    """Make a client of S3, which makes up to *attempts* tries itself: 1 where the caller retries.

    *patience* adds seconds to the time for an answer, where much is sent; *beside* is the endpoint of the
    HealthOmics whose files they are, as for ``logs_client``.
    """
    target = login.target
    config = _config(
        attempts=attempts,
        connect=target.connect_timeout,
        read=target.read_timeout + patience,
        max_pool_connections=target.connections,
    )
    # http://bucket.localhost does not resolve.
    local = AioConfig(s3={"addressing_style": "path"})
    # Buckets of other regions are found from any.
    region = login.region or _ANY_REGION
    endpoint_url = endpoint_url or _local_too(login, beside, "s3")
    return _client(login, "s3", region=region, endpoint_url=endpoint_url, config=config, local=local)


def logs_client(login: Login, *, region: str, beside: str) -> AbstractAsyncContextManager[Any]:
    """Make a client of the CloudWatch Logs that the HealthOmics at *beside* writes to.

    One on this machine serves its logs itself, unless environment or profile name another endpoint.
    """
    target = login.target
    config = _config(attempts=5, connect=target.connect_timeout, read=target.read_timeout)
    endpoint_url = _local_too(login, beside, "cloudwatch_logs")
    return _client(login, "logs", region=region, endpoint_url=endpoint_url, config=config)


def queue_client(
    login: Login, *, region: str | None, endpoint_url: str | None, poll: float
) -> AbstractAsyncContextManager[Any]:
    """Make a client of SQS whose calls wait *poll* seconds for a message, and are made once."""
    config = _config(attempts=1, connect=5, read=poll + 10)
    return _client(login, "sqs", region=region or login.region, endpoint_url=endpoint_url, config=config)


def _local_too(login: Login, omics_endpoint: str, service: str) -> str | None:
    """Return a local HealthOmics' endpoint, which serves *service* too; None for others."""
    return omics_endpoint if is_loopback(omics_endpoint) and not named_endpoint(login, service) else None


def named_endpoint(login: Login, service: str) -> str | None:
    """Return the endpoint that environment or profile name for a service, or for all, or None."""
    own = own_endpoint(login, service) or os.environ.get("AWS_ENDPOINT_URL")
    return own or _profile(login).get("endpoint_url")


def own_endpoint(login: Login, service: str) -> str | None:
    """Return the endpoint that environment or profile name for this service alone, or None."""
    with _explained(login):
        sections = table(login.session.full_config.get("services"))
    section = table(sections.get(str(_profile(login).get("services"))))
    own = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}")
    return own or table(section.get(service)).get("endpoint_url")


def _profile(login: Login) -> dict[str, Any]:
    with _explained(login):
        return table(login.session.get_scoped_config())


def quotas_client(login: Login, *, patience: float) -> AbstractAsyncContextManager[Any]:
    """Make a client of Service Quotas that asks once and waits *patience* seconds."""
    return _client(
        login,
        "service-quotas",
        region=login.region,
        config=_config(attempts=1, connect=patience, read=patience),
    )


def identity_client(
    login: Login, *, endpoint_url: str | None, patience: float
) -> AbstractAsyncContextManager[Any]:
    """Make a client of STS that asks once and waits *patience* seconds."""
    config = _config(attempts=1, connect=patience, read=patience)
    return _client(login, "sts", region=login.region, endpoint_url=endpoint_url, config=config)


def prices_client(login: Login) -> AbstractAsyncContextManager[Any]:
    """Make a client of the Pricing API."""
    return _client(login, "pricing", region=_PRICING_REGION, config=_config(attempts=4, connect=10, read=20))


def topics_client(login: Login, *, region: str) -> AbstractAsyncContextManager[Any]:
    """Make a client of SNS in the *region* of a topic."""
    return _client(login, "sns", region=region, config=_config(attempts=3, connect=5, read=10))


def _config(*, attempts: int, connect: float, read: float, **more: Any) -> AioConfig:
    """Return the configuration of a client that makes up to *attempts* tries, with timeouts in seconds."""
    # The mode is set too: AWS_RETRY_MODE in the environment could else add a second, hidden pace.
    retries: Any = {"total_max_attempts": attempts, "mode": "standard"}
    user_agent = _user_agent()
    return AioConfig(
        retries=retries, connect_timeout=connect, read_timeout=read, user_agent=user_agent, **more
    )


@asynccontextmanager
async def _client(
    login: Login,
    service: str,
    *,
    region: str | None,
    config: AioConfig,
    endpoint_url: str | None = None,
    local: AioConfig | None = None,
) -> AsyncIterator[Any]:
    """Make a client of *service*; *local* is merged into *config* where no name can stand before the host."""
    async with AsyncExitStack() as stack:
        with _explained(login):
            if endpoint_url:
                endpoint = checked(endpoint_url)
            else:
                endpoint = await _configured_endpoint(login, service, region, config)
            _check_bundle(login)
            _check_proxy(endpoint)
            is_local = is_loopback(endpoint)
            has_credentials = await login.has_credentials(is_local=is_local)
            context = login.session.create_client(
                service,
                region_name=region or (_ANY_REGION if is_local else None),
                endpoint_url=endpoint_url,
                config=config.merge(local) if local and (is_local or _is_address(endpoint)) else config,
                **({} if has_credentials else _LOOPBACK),
            )
            client = await stack.enter_async_context(context)
            client.meta.events.register("before-call.s3.HeadBucket", _ask_once)
        yield client


def _is_address(endpoint: str) -> bool:
    try:
        ipaddress.ip_address(urlsplit(endpoint).hostname or "")
    except ValueError:
        return False
    return True


def _ask_once(params: dict[str, Any], **_: Any) -> None:
    """Have botocore follow no redirect of HeadBucket, by which it asks for a bucket's region.

    An answer that does not tell the region is a redirect itself, to it, and it would ask again for ever.
    """
    params["context"].setdefault("s3_redirect", {})["redirected"] = True


@contextmanager
def _explained(login: Login) -> Iterator[None]:
    """Turn any error about a configuration into one of our own."""
    try:
        yield
    except BatchrunError:
        raise
    except boto.NoRegionError as error:
        option = "the lane a region" if login.target.is_lane else "--region"
        raise UsageError(f"no AWS region is set: give {option}, or set AWS_REGION") from error
    except (boto.InvalidRegionError, boto.UnknownEndpointError, ValueError) as error:
        options = (
            "the lane's region and endpoint_url" if login.target.is_lane else "--region and --endpoint-url"
        )
        raise UsageError(f"{masked(str(error))}; see {options}") from error
    except Exception as error:
        raise login.unusable(error) from error


def _check_bundle(login: Login) -> None:
    """Raise UsageError for unreadable certificates now, not at the first call."""
    bundle = login.session.get_config_variable("ca_bundle")
    try:
        if bundle:
            _read_certificates(bundle)
    except (OSError, ValueError) as error:
        where = f"the certificates in {bundle} cannot be read ({_unreadable(error)})"
        raise UsageError(f"{where}; see AWS_CA_BUNDLE and ca_bundle") from error


def proxy_of(endpoint: str) -> str | None:
    """Return the proxy through which *endpoint* is called, whose address may hold a password, or None."""
    proxy: str | None = Proxies(get_environ_proxies(endpoint)).proxy_url_for(endpoint)
    return proxy


def _check_proxy(endpoint: str) -> None:
    """Raise UsageError where no request could be sent through the proxy that is set for *endpoint*."""
    proxy = proxy_of(endpoint)
    if proxy is None:
        return
    try:
        parts = parse_url(proxy)
        is_address = bool(parts.host) and "//" not in (parts.path or "")
    except LocationParseError:
        is_address = False
    if not is_address:
        variable = f"{urlsplit(endpoint).scheme.upper()}_PROXY"
        shown = "" if "@" in proxy else f" ('{proxy}')"  # what is before it may be a password
        raise UsageError(f"{variable} is no proxy's address{shown}; give http://HOST:PORT, or unset it")


def _unreadable(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):  # it has no reason where a file is damaged or a key
        return (error.reason or "damaged, or no certificates").lower().replace("_", " ")
    return str(getattr(error, "strerror", error)).lower()


@cache  # reading takes 20 ms
def _read_certificates(bundle: str) -> None:
    ssl.create_default_context(cafile=bundle)


async def _configured_endpoint(login: Login, service: str, region: str | None, config: AioConfig) -> str:
    """Return the endpoint that botocore would call by environment and configuration file."""
    # Unsigned, or it would look for credentials before it is known whether they are needed.
    unsigned = config.merge(AioConfig(signature_version=UNSIGNED))
    probe = login.session.create_client(service, region_name=region or _ANY_REGION, config=unsigned)
    try:
        async with probe as client:
            return checked(str(client.meta.endpoint_url), login)
    except ValueError as error:
        # Botocore's message is "Invalid endpoint: " and the address.
        checked(str(error).partition(": ")[2], login)
        raise


def _user_agent() -> str:
    """Return the user agent, made once: botocore makes its own for each call, at a tenth of the call's cost.

    The parts are those of its short form: product/version, ours first, then what we build on.
    """
    python = platform.python_version()
    system = f"{platform.system()}/{platform.release()}"
    return (
        f"batchrun/{__version__} aiobotocore/{aiobotocore_version} botocore/{botocore_version} "
        f"Python/{python} {system}"
    )


def checked(url: str, login: Login | None = None) -> str:
    """Return *url* if calls can go to it; *login* is the one whose configuration names it, if any.

    Raises:
        UsageError: It is no address, or has a user in it, which a signed call has no place for.
    """
    parts = web_address(url)
    if parts is None:
        place = "" if login is None else f"{login.named_by(url, 'AWS_ENDPOINT_URL')}: "
        raise UsageError(
            f"{place}'{masked(url)}' is not an endpoint; give an address such as "
            "https://omics.eu-west-1.amazonaws.com"
        )
    if parts.username is not None:
        raise UsageError(
            f"the endpoint '{masked(url)}' has a user in it, and a signed call has no place for one; "
            "leave it out, and give the credentials as a profile"
        )
    return url
