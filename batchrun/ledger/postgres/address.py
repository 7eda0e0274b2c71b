"""The address of a ledger in PostgreSQL: a URL, or libpq's own ``service=NAME``."""

from __future__ import annotations

import re
from typing import Final

_URL: Final = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
#: How libpq's list of settings begins; a path that begins so is unlikely.
_SETTING: Final = re.compile(
    r"\s*(?:service|host|hostaddr|port|dbname|user|password|passfile|ssl\w+|options|application_name|"
    r"connect_timeout|target_session_attrs)\s*=",
)
_PASSWORD: Final = re.compile(r"\b(?:ssl)?password\s*=\s*[^\s&]")
_PARTS: Final = re.compile(
    r"(?P<scheme>postgres(?:ql)?://)(?:(?P<user>.*)@)?(?P<where>[^?]*)(?:\?(?P<settings>.*))?",
    re.IGNORECASE | re.DOTALL,
)
#: Settings that identify the ledger; the others are left out of messages, since some are secret.
_TOLD: Final = re.compile(r"\b(service|host|hostaddr|port|dbname|user)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s'&]+)")


def is_address(named: str) -> bool:
    """Report whether *named* is the address of a ledger in PostgreSQL, and not a path."""
    return bool(_URL.match(named) or _SETTING.match(named))


def has_password(named: str) -> bool:
    """Report whether the address itself holds a password."""
    if found := _PARTS.fullmatch(named):
        return ":" in (found["user"] or "") or bool(_PASSWORD.search(found["settings"] or ""))
    return bool(_PASSWORD.search(named))


def called(named: str) -> str:
    """Return what to call the ledger at *named* in messages; no password is in it, whatever *named* holds."""
    if found := _PARTS.fullmatch(named):
        user = (found["user"] or "").partition(":")[0]
        told = "&".join("=".join(part) for part in _TOLD.findall(found["settings"] or ""))
        return f"{found['scheme']}{user}{'@' if user else ''}{found['where']}{'?' if told else ''}{told}"
    # A quoted value may hold words that look like settings.
    kept = re.sub(
        r"\b(?!service\b|host\b|hostaddr\b|port\b|dbname\b|user\b)\w+\s*=\s*('(?:[^'\\]|\\.)*'|\S+)",
        "",
        named,
    )
    return " ".join("=".join(part) for part in _TOLD.findall(kept)) or "the PostgreSQL ledger"
