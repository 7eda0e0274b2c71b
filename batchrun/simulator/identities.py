"""
Who calls: the account that an access key belongs to, and roles that lend keys of another for a while.

What belongs here: keys, roles, who may assume one, and when its keys expire. What does not: how STS and IAM
Identity Center say so (``sts``), and what an account then has (``service``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.simulator.chance import draw_uuid
from batchrun.simulator.refusal import RefusalError

if TYPE_CHECKING:
    from batchrun.simulator.settings import Settings

_ROLE: Final = re.compile(r"arn:aws[\w-]*:iam::(\d{12}):role/([\w+=,.@/-]+)")
_SESSION: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_CODE: Final = re.compile("[0-9]{6}", re.ASCII)
#: The first and the last of a signature that say whose it is: access key, date, region, service.
_SCOPE: Final = re.compile(r"Credential=([^/,\s]+)/\d+/([\w-]+)/([\w-]+)/aws4_request")
#: Seconds that STS lets a role's keys last.
_SHORTEST, _LONGEST, _USUAL = 900, 43_200, 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a signed call says of itself; nobody checks that it is true."""

    access_key: str
    region: str
    service: str


def signature(authorization: str) -> Signature | None:
    """Read the header ``Authorization``; None where nobody has signed."""
    found = _SCOPE.search(authorization)
    if found is None:
        return None
    return Signature(access_key=found[1], region=found[2], service=found[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose keys they are."""

    account: str
    arn: str
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The call for a role's keys."""

    role: str  #: its ARN
    session: str  #: what the caller names it
    external_id: str | None = None  #: what the role's trust policy may ask for
    device: str | None = None  #: the MFA device, likewise
    code: str | None = None  #: what it showed
    seconds: int = _USUAL  #: for how long


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A role that somebody has assumed."""

    access_key: str
    secret_key: str
    token: str
    expires: float  #: loop time
    identity: Identity


class Identities:
    """All accounts' keys and roles, whichever account and Region is asked."""

    def __init__(self, settings: Settings) -> None:
        """Take keys, roles and how long those last; the account is each asker's own matter."""
        self._settings = settings
        self._roles = {role.arn: role for role in settings.roles}
        self._sessions: dict[str, Session] = {}

    def account(self, access_key: str) -> str | None:
        """Return whose key it is; None where anybody's."""
        session = self._sessions.get(access_key)
        return session.identity.account if session else self._settings.keys.get(access_key)

    def caller(self, access_key: str, account: str) -> Identity:
        """Return who calls with a key; one that nobody knows is a user's of *account*."""
        if (session := self._sessions.get(access_key)) is not None:
            return session.identity
        account = self._settings.keys.get(access_key, account)
        arn = f"arn:aws:iam::{account}:user/simulated"
        return Identity(account=account, arn=arn, user_id="AIDASIMULATED0000000")

    def is_over(self, access_key: str, now: float) -> bool:
        """Report whether a key was a role's, and has expired."""
        session = self._sessions.get(access_key)
        return session is not None and session.expires <= now

    def assume(self, wish: Wish, caller: Identity | None, now: float) -> Session:
        """
        Lend the keys of a role to *caller*, who is None where a token of another provider was shown.

        Raises:
            RefusalError: The role does not trust the caller, or the call cannot be right.
        """
        found = _ROLE.fullmatch(wish.role)
        if found is None or not _SESSION.fullmatch(wish.session):
            raise RefusalError("ValidationError", "RoleArn or RoleSessionName is not valid")
        if not _SHORTEST <= wish.seconds <= _LONGEST:
            raise RefusalError("ValidationError", f"DurationSeconds is from {_SHORTEST} to {_LONGEST}")
        if not self._trusts(wish, caller):
            who = "The caller" if caller is None else f"User: {caller.arn}"
            message = f"{who} is not authorized to perform: sts:AssumeRole on resource: {wish.role}"
            raise RefusalError("AccessDenied", message)
        lasting = self._settings.role_seconds
        return self._lent(found, wish.session, now + (wish.seconds if lasting is None else lasting))

    def _trusts(self, wish: Wish, caller: Identity | None) -> bool:
        role = self._roles.get(wish.role)
        if role is None:
            return self._settings.any_role
        has_code = role.mfa_serial is None or (
            wish.device == role.mfa_serial and _CODE.fullmatch(wish.code or "") is not None
        )
        is_known = caller is None or role.trusts is None or caller.account in role.trusts
        return is_known and has_code and role.external_id in {None, wish.external_id}

    def _lent(self, role: re.Match[str], name: str, expires: float) -> Session:
        number = len(self._sessions) + 1
        drawn = [draw_uuid(self._settings.seed, "keys", what, number) for what in ("id", "secret", "token")]
        key, secret, token = (text.replace("-", "") for text in drawn)
        identity = Identity(
            account=role[1],
            arn=f"arn:aws:sts::{role[1]}:assumed-role/{role[2].rpartition('/')[2]}/{name}",
            user_id=f"AROASIMULATED0000000:{name}",
        )
        session = Session(
            access_key=f"ASIA{key[:16].upper()}",
            secret_key=secret,
            token=token,
            expires=expires,
            identity=identity,
        )
        self._sessions[session.access_key] = session
        return session
