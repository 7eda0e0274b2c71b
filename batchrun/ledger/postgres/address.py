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
#: A user, and maybe a password, before a host in its setting.
_LOGIN: Final = re.compile(r"\bhost\s*=\s*[^\s'@,]+@")
#: Hosts of a URL, each with a port, which is a number.
_HOSTS: Final = re.compile(r"(?:(?:\[[^]]*\]|[^:,\[]*)(?::\d*)?(?:,|$))*")
#: The beginning of a URL's settings.
_SETTINGS: Final = re.compile(r"\?(?=\w+=)")
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
    if _is_misread(where, settings):
        return _reread(found[0], user, after)
    return _Url(found[0], user, where, settings, is_misread=False)


def _reread(scheme: str, user: str, after: str) -> _Url:
    """Return the parts where the user's password goes on in what comes *after*: up to its last @."""
    before, *_ = _SETTINGS.split(after, maxsplit=1)  # settings may hold an @ of their own
    more, _, rest = before.rpartition("@") if "@" in before else (before, "", "")
    user = f"{user}@{more}" if user else more
    return _Url(scheme, user, rest.partition("?")[0], after[len(before) + 1 :], is_misread=True)


def _is_misread(where: str, settings: str) -> bool:
    """Return whether a part of the password is taken for the host, its port, the database or a setting."""
    host, _, path = where.partition("/")
    if "@" in host or not _HOSTS.fullmatch(host):
        return True
    return ":" in host and "@" in path + settings.partition("=")[0]


def has_password(named: str) -> bool:
    """Report whether the address itself holds a password."""
    if (url := _url(named)) is not None:
        return ":" in url.user or bool(_PASSWORD.search(f"{url.where}&{url.settings}"))
    return bool(_PASSWORD.search(named))


def misread(named: str) -> str | None:
    """Return the cure where libpq would take a password for another part, and tell it; else None."""
    if (url := _url(named)) is None:
        # Also a whole URL, or what follows its scheme, as the value of a setting.
        is_within = "://" in named or _JOINED.search(named) or _LOGIN.search(named)
        return _WITHIN if is_within else None
    if url.is_misread:
        return (
            "write @ in its user or password as %40, / as %2F and ? as %3F, or better leave the password to "
            "PGPASSFILE: postgresql://USER@HOST/DATABASE"
        )
    return "write ? before its first setting, and & between them" if "=" in url.where else None


def called(named: str) -> str:
    """Return what to call the ledger at *named* in messages; no password is in it, whatever *named* holds."""
    if (url := _url(named)) is not None:
        user = url.user.partition(":")[0]
        parts = (part for part in url.settings.split("&") if _TOLD.match(part) and part.count("=") == 1)
        told = "&".join(parts)
        where = re.split("[&=]", url.where)[0]
        return f"{url.scheme}{user}{'@' if user and where else ''}{where}{'?' if told else ''}{told}"
    # A quoted value may hold words that look like settings.
    kept = re.sub(
        r"\b(?!service\b|host\b|hostaddr\b|port\b|dbname\b|user\b)\w+\s*=\s*('(?:[^'\\]|\\.)*'|\S+)",
        "",
        named,
    )
    parts = (part for part in _TOLD.findall(kept) if not re.search("://|:.*@", part[1]))
    return " ".join("=".join(part) for part in parts) or "the PostgreSQL ledger"
