"""Why a call reached no service: a host that does not exist, a proxy, a certificate, a server without TLS.

Belongs here: reading the errors of botocore, and of aiohttp within them, that come before any answer. Pure.
Does not: what such an error means for a call (``classify``).
"""

from __future__ import annotations

import socket
import ssl
from typing import Any, Final, TypeGuard
from urllib.parse import urlsplit

from botocore import exceptions as boto

from batchrun.model.texts.certificates import cure_of_distrust
from batchrun.model.texts.foreign import masked

_NO_NAME: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
#: OpenSSL's words for an answer that is no TLS.
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
_PORTS: Final = {"http": 80, "https": 443}
#: The status of a proxy that wants a login.
WANTS_LOGIN: Final = 407
#: What botocore puts before the host's name of any endpoint but a local one.
_PREFIX: Final = "workflows-"
_OF_AWS: Final = (".amazonaws.", ".api.aws")
_UNPREFIXED: Final = f"; AWS_DISABLE_HOST_PREFIX_INJECTION=true leaves out '{_PREFIX}'"
PROXY_WANTS_LOGIN: Final = (
    "a proxy wants a login (407), which HTTPS_PROXY can hold: http://USER:PASSWORD@HOST:PORT"
)
_PROXY_CURE: Final = "correct HTTPS_PROXY (for http://, HTTP_PROXY), or name the host in NO_PROXY"


def missing_host(error: BaseException) -> str | None:
    """Return that there is no such host as the endpoint's; None where that is not the error."""
    if not _is_of_no_host(error) or _proxy_in(error):
        return None
    host = str(urlsplit(error.kwargs["endpoint_url"]).hostname)
    is_prefixed = host.startswith(_PREFIX) and not any(mark in host for mark in _OF_AWS)
    return f"there is no host '{host}'{_UNPREFIXED if is_prefixed else ''}"


def why_unreached(error: BaseException) -> str | None:
    """Return whose certificate or proxy is in the way, and the cure; None where it is neither."""
    return _untrusted(error) or _without_tls(error) or _without_a_proxy(error)


def _known(error: BaseException) -> dict[str, Any]:
    """Return what botocore tells of an error."""
    return getattr(error, "kwargs", {})


def _is_of_no_host(error: BaseException) -> TypeGuard[boto.EndpointConnectionError]:
    known = _known(error) if isinstance(error, boto.EndpointConnectionError) else {}
    reason = getattr(known.get("error"), "os_error", None)
    return isinstance(reason, socket.gaierror) and reason.errno in _NO_NAME


def _proxy_in(error: BaseException) -> str | None:
    """Return host and port that were called in place of the endpoint's own; None where these were called."""
    called: Any = _known(error)["error"]
    endpoint = urlsplit(str(_known(error).get("endpoint_url")))
    is_own = called.host == endpoint.hostname and called.port == (endpoint.port or _PORTS[endpoint.scheme])
    return None if is_own else f"{called.host}:{called.port}"


def _without_a_proxy(error: BaseException) -> str | None:
    """Return why a proxy was of no use, and where it is set; None where that is not the error."""
    known = _known(error)
    reason: Any = known.get("error")
    if _is_of_no_host(error):
        return f"there is no host '{reason.host}', which is set as a proxy; {_PROXY_CURE}"
    if not isinstance(error, boto.ProxyConnectionError):
        return None
    status = getattr(reason, "status", None)
    if status == WANTS_LOGIN:
        return PROXY_WANTS_LOGIN
    why = f"answers {status}" if status else f"cannot be reached: {getattr(reason, 'strerror', reason)}"
    return masked(f"the proxy {known.get('proxy_url')} {why}; {_PROXY_CURE}")


def _untrusted(error: BaseException) -> str | None:
    """Return which certificate is not trusted, and why; None where that is not the error."""
    known = _known(error) if isinstance(error, boto.SSLError) else {}
    doubt = getattr(known.get("error"), "certificate_error", None)
    if not isinstance(doubt, ssl.SSLCertVerificationError):
        return None
    proxy = _proxy_in(error)
    called = "endpoint" if proxy is None else "proxy"
    cure = cure_of_distrust(doubt.verify_code, called=called, variable="AWS_CA_BUNDLE")
    where = known.get("endpoint_url") if proxy is None else f"the proxy https://{proxy}"
    return (
        f"the certificate of {masked(str(where))} is not trusted ({doubt.verify_message.rstrip('.')}); {cure}"
    )


def _without_tls(error: BaseException) -> str | None:
    """Return that what answers at an https:// address speaks no TLS; None where that is not the error."""
    known = _known(error) if isinstance(error, boto.SSLError) else {}
    reason = getattr(getattr(known.get("error"), "os_error", None), "reason", None)
    if reason not in _NO_TLS:
        return None
    if (proxy := _proxy_in(error)) is not None:
        return (
            f"the proxy https://{proxy} speaks no TLS; write http://{proxy} in HTTPS_PROXY: calls through it "
            "are encrypted all the same"
        )
    where = masked(str(known.get("endpoint_url")))
    return f"what answers at {where} speaks no TLS; write http:// if it is meant, or see what answers there"
