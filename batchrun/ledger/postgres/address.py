"""The address of a ledger in PostgreSQL: a URL, or libpq's own ``service=NAME``."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_URL: Final = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
#: How libpq's list of settings begins; a path that begins so is unlikely.
_SETTING: Final = re.compile(
    r"\s*(?:service|host|hostaddr|port|dbname|user|password|passfile|ssl\w+|options|application_name|"
    r"connect_timeout|target_session_attrs)\s*=",
)
_PASSWORD: Final = re.compile(r"\b(?:ssl)?password\s*=\s*[^\s&]")
#: A password within another setting's value.
_JOINED: Final = re.compile(r"=\s*[^\s']*[^\s\w'](?:ssl)?password\s*=")
_WITHIN: Final = "write settings as NAME=VALUE with blanks between them, or else a URL alone"
#: Settings that identify the ledger; the others are left out of messages, since some are secret.
_TOLD: Final = re.compile(r"\b(service|host|hostaddr|port|dbname|user)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s'&]+)")


def is_address(named: str) -> bool:
    """Report whether *named* is the address of a ledger in PostgreSQL, and not a path."""
    return bool(_URL.match(named) or _SETTING.match(named))


class _Url(NamedTuple):
    """The parts of a URL as libpq takes them, but for what is plainly a password."""

    scheme: str
    user: str  #: and password
    where: str
    settings: str
    is_misread: bool  #: whether libpq takes a part of the password for another


def _url(named: str) -> _Url | None:
    """Return the parts of a URL; None for a list of settings."""
    if (found := _URL.match(named)) is None:
        return None
    rest = named[found.end() :]
    user, at, after = rest.partition("@")
    if not at or "/" in user:
        user, after = "", rest
    where, _, settings = after.partition("?")
    host, _, path = where.partition("/")
    is_misread = "@" in host or (":" in host and "@" in path)
    if is_misread:
        more, _, where = where.rpartition("@")
        user = f"{user}@{more}" if user else more
    return _Url(found[0], user, where, settings, is_misread)


def has_password(named: str) -> bool:
    """Report whether the address itself holds a password."""
    if (url := _url(named)) is not None:
        return ":" in url.user or bool(_PASSWORD.search(f"{url.where}&{url.settings}"))
    return bool(_PASSWORD.search(named))


def misread(named: str) -> str | None:
    """Return the cure where libpq would take a password for another part, and tell it; else None."""
    if (url := _url(named)) is None:
        # Also a whole URL as the value of a setting.
        return _WITHIN if "://" in named or _JOINED.search(named) else None
    if url.is_misread:
        return "write @ in its user or password as %40, / as %2F, or better leave the password to PGPASSFILE"
    return "write ? before its first setting, and & between them" if "=" in url.where else None


def called(named: str) -> str:
    """Return what to call the ledger at *named* in messages; no password is in it, whatever *named* holds."""
    if (url := _url(named)) is not None:
        user = url.user.partition(":")[0]
        told = "&".join("=".join(part) for part in _TOLD.findall(url.settings))
        where = re.split("[&=]", url.where)[0]
        return f"{url.scheme}{user}{'@' if user else ''}{where}{'?' if told else ''}{told}"
    # A quoted value may hold words that look like settings.
    kept = re.sub(
        r"\b(?!service\b|host\b|hostaddr\b|port\b|dbname\b|user\b)\w+\s*=\s*('(?:[^'\\]|\\.)*'|\S+)",
        "",
        named,
    )
    parts = (part for part in _TOLD.findall(kept) if "://" not in part[1])
    return " ".join("=".join(part) for part in parts) or "the PostgreSQL ledger"
