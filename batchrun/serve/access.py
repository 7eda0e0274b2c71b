"""
Who is let in: the rules, as functions of what a request says.

A page on loopback is not private: login nodes are shared, and any web page may have a browser ask there. So a
token is wanted everywhere, and beside it: a Host of ours (else a foreign name that leads here by DNS could
read answers) and, where it is told, an Origin of ours. Belongs here: these decisions. Does not: sockets and
headers of answers (``gate``), where a token comes from (``cli``).
"""

from __future__ import annotations

import enum
import hmac
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

LOCALHOST: Final = "localhost"
#: Where a browser says that a request comes from elsewhere, if only from another port.
_ELSEWHERE: Final = frozenset({"cross-site", "same-site"})


class Verdict(enum.Enum):
    """What becomes of a request."""

    LET_IN = "let in"
    EXCHANGED = "exchanged"  #: it had the token: it gets the cookie, and an address without the token
    UNKNOWN = "unknown"  #: nobody knows who asks
    FOREIGN_HOST = "foreign host"
    FOREIGN_ORIGIN = "foreign origin"
    NOT_A_READ = "not a read"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedProxy:
    """A server before this one that says in a header who asks, once it knows."""

    header: str
    addresses: tuple[Network, ...]  #: from where the header is believed

    def vouches(self, asked: Asked) -> bool:
        """Report whether the request came through it, and it knows who asks."""
        address = _address(asked.peer)
        is_from_it = address is not None and any(address in network for network in self.addresses)
        return is_from_it and bool(asked.headers.get(self.header.lower(), "").strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request says."""

    method: str
    path: str
    token: str | None  #: in the address
    cookie: str | None  #: the value of ours
    peer: str  #: the address that it comes from
    hosts: tuple[str, ...]  #: its Host headers, which should be one
    headers: Mapping[str, str]  #: by their names in lower case


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What this server lets in."""

    bound: str  #: the host that it listens on
    token: str = field(repr=False)
    session: str = field(repr=False)  #: the cookie's value; another one at each start
    names: frozenset[str] = frozenset()  #: host names that lead here, beside ``localhost``
    proxy: TrustedProxy | None = None

    def judge(self, asked: Asked) -> Verdict:
        """Say what becomes of a request."""
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
        """
        Report whether a Host header, with its port or without, names this server.

        Any port: people come through tunnels. A name that nobody else can have lead here is safe with each.
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

    def _is_from_elsewhere(self, asked: Asked) -> bool:
        origin = asked.headers.get("origin")
        if origin is not None:
            told = _split(origin)
            is_own = told.netloc.lower() == asked.hosts[0].lower() or told.hostname in self.names
            return told.scheme not in {"http", "https"} or not is_own
        is_visit = asked.headers.get("sec-fetch-mode") == "navigate"
        return asked.headers.get("sec-fetch-site") in _ELSEWHERE and not is_visit


def is_same(told: str, secret: str) -> bool:
    """Compare in a time that says nothing of the secret."""
    return hmac.compare_digest(told.encode(errors="replace"), secret.encode(errors="replace"))


def is_loopback(host: str) -> bool:
    """Report whether only this machine can come to *host*."""
    address = _address(host)
    return host == LOCALHOST if address is None else address.is_loopback


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _split(text: str) -> SplitResult:
    """Split an address; of what is none nothing is left."""
    try:
        found = urlsplit(text)
        _ = found.port  # raises where it is no number
    except ValueError:
        return SplitResult("", "", "", "", "")
    return found
