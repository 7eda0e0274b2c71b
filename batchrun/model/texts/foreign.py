"""Untrusted text, before it is stored or shown: from the service, a proxy or a configuration.

Belongs here: characters that no store takes, the length of texts, secrets in URLs, what is one, and whether
it leads to this machine. Does not: which field is text at all (``service.wire``), characters that a terminal
must not get (``cli.speak``).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

#: Most characters of a message that are stored.
KEPT: Final = 10_000
#: Most characters of a message that are shown beside other things.
TOLD: Final = 400
_CUT: Final = "..."
#: NUL ends a text in many stores, and a lone surrogate is not a character.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_WORD: Final = re.compile(r"[^\s\"'<>]+")
#: Parameters in the query of a signed URL.
_SIGNED: Final = ("X-Amz-", "Signature=")
_HOST: Final = re.compile(r"[\w.-]*(?::\d*)?|\[[\w.:%]*\](?::\d*)?")


def storable(text: str, most: int = KEPT) -> str:
    """Return at most *most* characters of *text*, without those that no store takes."""
    return _UNSTORABLE.sub("\ufffd", shortened(text, most))


def shortened(text: str, most: int = TOLD) -> str:
    """Return at most *most* characters of *text*, with dots if it was longer."""
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT


def masked(text: str) -> str:
    """Return *text* without possible secrets in its URLs: users, passwords, queries."""
    return _WORD.sub(lambda found: _masked(found[0]), text)


def unsigned(text: str) -> str:
    """Return *text* without signatures in its URLs, which would let anyone use them."""
    return _WORD.sub(_without_signature, text) if any(mark in text for mark in _SIGNED) else text


def _without_signature(found: re.Match[str]) -> str:
    address, mark, query = found[0].partition("?")
    return f"{address}?***" if mark and any(sign in query for sign in _SIGNED) else found[0]


def _masked(word: str) -> str:
    before, slashes, address = word.partition("//")
    if slashes:
        return before + slashes + _public(address)
    name, _, rest = word.partition(":")
    # Not a URL yet, without the slashes.
    return "***@" + rest.rpartition("@")[2] if "@" in rest and "@" not in name else word


def _public(address: str) -> str:
    """Return a URL without its scheme and its secrets."""
    place, mark, _ = _partitioned(address, "?#")
    host, slash, path = _partitioned(place, "/")
    _user, at, host = host.rpartition("@")
    if not _HOST.fullmatch(host) and "@" in address:
        # By the rules a password cannot contain a slash or a question mark, but some do.
        return "***@" + _public(address.rpartition("@")[2])
    return ("***@" if at else "") + host + slash + path + (f"{mark}***" if mark else "")


def _partitioned(text: str, marks: str) -> tuple[str, str, str]:
    """Partition *text* at the first of *marks* in it."""
    at = min((index for mark in marks if (index := text.find(mark)) >= 0), default=len(text))
    return text[:at], text[at : at + 1], text[at + 1 :]


def web_address(text: str) -> SplitResult | None:
    """Return the parts of an HTTP or HTTPS URL; None if *text* is none."""
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_address else None


def is_loopback(url: str) -> bool:
    """Report whether *url* leads to this machine; False for a bad one."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host.endswith(".localhost") or is_this_machine(host)


def is_this_machine(host: str) -> bool:
    """Report whether only this machine can reach *host*, an address or a name."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
