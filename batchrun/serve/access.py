"""Access control: decisions from what a request says, and the headers of every answer.

A page on loopback is not private: login nodes are shared, and any web page can make a browser call it. So a
token is always required, and with it a Host of this server (against DNS rebinding) and, if sent, an Origin of
this server. Does not belong here: sockets (``server``), where a token comes from (``cli``).
"""

from __future__ import annotations

import enum
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

from aiohttp import hdrs, web

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

LOCALHOST: Final = "localhost"
#: The header by which a browser says that a request comes from another site.
_ELSEWHERE: Final = frozenset({"cross-site", "same-site"})


class Verdict(enum.Enum):
    """The decision about a request."""

    LET_IN = "let in"
    EXCHANGED = "exchanged"  #: it had the token: redirect, with the cookie, to the address without the token
    UNKNOWN = "unknown"  #: the caller is not known
    FOREIGN_HOST = "foreign host"
    FOREIGN_ORIGIN = "foreign origin"
    NOT_A_READ = "not a read"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedProxy:
    """A reverse proxy that authenticates callers, and names them in a header."""

    header: str
    addresses: tuple[Network, ...]  #: from which the header is trusted

    def vouches(self, asked: RequestFacts) -> bool:
        """Report whether the request came through it with a caller's name."""
        address = _address(asked.peer)
        is_from_it = address is not None and any(address in network for network in self.addresses)
        return is_from_it and bool(asked.headers.get(self.header.lower(), "").strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """The facts about a request that decide on access."""

    method: str
    path: str
    token: str | None  #: in the address
    cookie: str | None  #: the value of this server's cookie
    peer: str  #: the address of the sender
    hosts: tuple[str, ...]  #: its Host headers, of which there should be one
    headers: Mapping[str, str]  #: by name in lower case


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The access rules of a server."""

    bound: str  #: the host that it listens on
    token: str = field(repr=False)
    session: str = field(repr=False)  #: the cookie's value; a new one at each start
    names: frozenset[str] = frozenset()  #: host names of this server, beside ``localhost``
    proxy: TrustedProxy | None = None

    def judge(self, asked: RequestFacts) -> Verdict:
        """Return the decision about a request."""
        if asked.method != "GET":
            return Verdict.NOT_A_READ
        if len(asked.hosts) != 1 or not self.is_own(asked.hosts[0]):
            return Verdict.FOREIGN_HOST
        if self._is_from_elsewhere(asked):
            return Verdict.FOREIGN_ORIGIN
        if asked.token is not None:
            has_it = asked.path == "/" and is_same(asked.token, self.token)
            return Verdict.EXCHANGED if has_it else Verdict.UNKNOWN
        is_known = asked.cookie is not None and is_same(asked.cookie, self.session)
        if is_known or (self.proxy is not None and self.proxy.vouches(asked)):
            return Verdict.LET_IN
        return Verdict.UNKNOWN

    def is_own(self, host: str) -> bool:
        """Report whether a Host header, with its port or without, names this server.

        Any port, since requests may come through tunnels. A name is safe if others cannot make it lead here.
        """
        name = _split(f"//{host}").hostname
        if name is None:
            return False
        address = _address(name)
        if address is None:
            return name == LOCALHOST or name.endswith(f".{LOCALHOST}") or name in self.names
        bound = _address(self.bound)
        if bound is None or bound.is_loopback:
            return address.is_loopback
        return bound.is_unspecified or address == bound or address.is_loopback

    def _is_from_elsewhere(self, asked: RequestFacts) -> bool:
        origin = asked.headers.get("origin")
        if origin is not None:
            told = _split(origin)
            is_own = told.netloc.lower() == asked.hosts[0].lower() or told.hostname in self.names
            return told.scheme not in {"http", "https"} or not is_own
        is_visit = asked.headers.get("sec-fetch-mode") == "navigate"
        return asked.headers.get("sec-fetch-site") in _ELSEWHERE and not is_visit


def is_same(told: str, secret: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(told.encode(errors="replace"), secret.encode(errors="replace"))


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _split(text: str) -> SplitResult:
    """Split a URL; a bad one becomes an empty one."""
    try:
        found = urlsplit(text)
        _ = found.port  # raises if it is not a number
    except ValueError:
        return SplitResult("", "", "", "", "")
    return found


#: Only this server's own files, nothing inline, and no framing.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}
_STATUS: Final = {
    Verdict.UNKNOWN: HTTPStatus.UNAUTHORIZED,
    Verdict.FOREIGN_HOST: HTTPStatus.MISDIRECTED_REQUEST,
    Verdict.FOREIGN_ORIGIN: HTTPStatus.FORBIDDEN,
    Verdict.NOT_A_READ: HTTPStatus.METHOD_NOT_ALLOWED,
}
_TEXT: Final = {
    Verdict.UNKNOWN: "Not known here.\n\nOpen the link that 'batchrun serve' printed when it was started; it "
    "is good for this browser until that ends.\n",
    Verdict.FOREIGN_HOST: "This server is not called that; see --allow-host in 'batchrun help serve'.\n",
    Verdict.FOREIGN_ORIGIN: "Other sites' pages may not ask here.\n",
    Verdict.NOT_A_READ: "Only GET.\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Applies the rules before a handler."""

    rules: Rules
    cookie: str  #: its name, with the port, since cookies are shared by all ports of a host

    def before(self, handle: Handler) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        """Return *handle* behind the rules; its errors are answered without details."""

        async def guarded(request: web.BaseRequest) -> web.StreamResponse:
            verdict = self.rules.judge(self._asked(request))
            match verdict:
                case Verdict.LET_IN:
                    return await handle(request)  # type: ignore[arg-type]
                case Verdict.EXCHANGED:
                    return self._exchange()
                case _:
                    return refused(_STATUS[verdict], _TEXT[verdict])

        return guarded

    def _asked(self, request: web.BaseRequest) -> RequestFacts:
        peer = request.transport and request.transport.get_extra_info("peername")
        return RequestFacts(
            method=request.method,
            path=path_of(request),
            token=request.query.get("token"),
            cookie=request.cookies.get(self.cookie),
            peer=peer[0] if peer else "",
            hosts=tuple(request.headers.getall(hdrs.HOST, [])),
            headers={name.lower(): value for name, value in request.headers.items()},
        )

    def _exchange(self) -> web.Response:
        answer = web.Response(status=HTTPStatus.SEE_OTHER, headers={**HEADERS, hdrs.LOCATION: "/"})
        # Not Strict: a browser would not send the cookie when it follows a link from another site.
        answer.set_cookie(self.cookie, self.rules.session, httponly=True, samesite="Lax", path="/")
        return answer


def path_of(request: web.BaseRequest) -> str:
    """Return the path exactly as it was sent, so that one with dots matches nothing."""
    return request.raw_path.partition("?")[0]


def refused(status: HTTPStatus, text: str) -> web.Response:
    """Return a plain text answer that closes the connection."""
    answer = web.Response(status=status, text=text, headers=HEADERS)
    answer.force_close()
    return answer
