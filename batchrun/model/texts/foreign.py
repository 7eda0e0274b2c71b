"""
Text of others, before it is kept or shown: the service, a proxy or a configuration may have said anything.

Belongs here: which characters no store takes, how long a text may be, what of an address is a secret, and
whether it leads to this machine. Does not: which field is a text at all (``service.wire``), what a terminal
must not be sent (``cli.speak``).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

#: Characters of a message that are kept: enough for any, and not a ledger's size for each row.
KEPT: Final = 10_000
#: Characters that are shown of one where it is not what was asked for.
TOLD: Final = 400
_CUT: Final = "..."
#: NUL ends a text in many a store, and half of a surrogate pair is no character.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_WORD: Final = re.compile(r"[^\s\"'<>]+")
#: What the query of a signed address has.
_SIGNED: Final = ("X-Amz-", "Signature=")
_HOST: Final = re.compile(r"[\w.-]*(?::\d*)?|\[[\w.:%]*\](?::\d*)?")


def storable(text: str, most: int = KEPT) -> str:
    """Return *text* as any store can hold it, and at most so many characters of it."""
    return _UNSTORABLE.sub("\ufffd", shortened(text, most))


def shortened(text: str, most: int = TOLD) -> str:
    """Return at most so many characters of *text*; dots say that there were more."""
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT


def masked(text: str) -> str:
    """Return *text* with what addresses in it may hold in secret left out: users, passwords, queries."""
    return _WORD.sub(lambda found: _masked(found[0]), text)


def unsigned(text: str) -> str:
    """Return *text* without what signs an address in it: with that, anyone may use the address."""
    return _WORD.sub(_without_signature, text) if any(mark in text for mark in _SIGNED) else text


def _without_signature(found: re.Match[str]) -> str:
    address, mark, query = found[0].partition("?")
    return f"{address}?***" if mark and any(sign in query for sign in _SIGNED) else found[0]


def _masked(word: str) -> str:
    before, slashes, address = word.partition("//")
    if slashes:
        return before + slashes + _public(address)
    name, _, rest = word.partition(":")
    # Not an address yet, for want of the slashes.
    return "***@" + rest.rpartition("@")[2] if "@" in rest and "@" not in name else word


def _public(address: str) -> str:
    """Return an address, without what is before its ``//``, without what is secret."""
    place, mark, _ = _partitioned(address, "?#")
    host, slash, path = _partitioned(place, "/")
    _user, at, host = host.rpartition("@")
    if not _HOST.fullmatch(host) and "@" in address:
        # A password with a slash or a question mark in it is no such part by the rules, and still is one.
        return "***@" + _public(address.rpartition("@")[2])
    return ("***@" if at else "") + host + slash + path + (f"{mark}***" if mark else "")


def _partitioned(text: str, marks: str) -> tuple[str, str, str]:
    """Part *text* at the first of *marks* in it."""
    at = min((index for mark in marks if (index := text.find(mark)) >= 0), default=len(text))
    return text[:at], text[at : at + 1], text[at + 1 :]


def is_loopback(url: str) -> bool:
    """Report whether *url* leads to this machine; what is no address leads nowhere."""
    try:
        host = urlsplit(url).hostname or ""
        is_named = host == "localhost" or host.endswith(".localhost")
        return is_named or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
