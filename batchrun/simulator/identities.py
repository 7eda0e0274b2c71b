"""Who calls: the account of an access key, and roles that give temporary keys of another account.

Belongs here: keys, roles, who may assume one, and when its keys expire; the calls of STS and of IAM Identity
Center's portal for this. Does not: logging in (``aws sso login`` does that elsewhere), the account's runs
(``service``), and faults of calls (``server``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl
from xml.sax.saxutils import escape

from batchrun.simulator.chance import draw_uuid
from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.settings import Settings
from batchrun.simulator.wire import COMMON_ERRORS, Inquiry, Reply, json_reply

_ROLE: Final = re.compile(r"arn:aws[\w-]*:iam::(\d{12}):role/([\w+=,.@/-]+)")
_SESSION: Final = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_CODE: Final = re.compile("[0-9]{6}", re.ASCII)
#: Seconds that a role's keys may last with STS.
_SHORTEST, _LONGEST, _USUAL = 900, 43_200, 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The owner of keys."""

    account: str
    arn: str
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A request for a role's keys."""

    role: str  #: its ARN
    session: str  #: its name, given by the caller
    external_id: str | None = None  #: the role's trust policy may require it
    device: str | None = None  #: the MFA device; may be required too
    code: str | None = None  #: the device's code
    seconds: int = _USUAL  #: how long the keys are to last


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A role that was assumed."""

    access_key: str
    secret_key: str
    token: str
    expires: float  #: loop time
    identity: Identity


class Identities:
    """The keys and roles of all accounts, the same in every Region."""

    def __init__(self, settings: Settings) -> None:
        """Take keys, roles and how long their keys last from *settings*, but not the account."""
        self._settings = settings
        self._roles = {role.arn: role for role in settings.roles}
        self._sessions: dict[str, Session] = {}

    def account(self, access_key: str) -> str | None:
        """Return the account of a key; None if the key is unknown."""
        session = self._sessions.get(access_key)
        return session.identity.account if session else self._settings.keys.get(access_key)

    def caller(self, access_key: str, account: str) -> Identity:
        """Return the owner of a key; an unknown key belongs to a user of *account*."""
        if (session := self._sessions.get(access_key)) is not None:
            return session.identity
        account = self._settings.keys.get(access_key, account)
        arn = f"arn:aws:iam::{account}:user/simulated"
        return Identity(account=account, arn=arn, user_id="AIDASIMULATED0000000")

    def is_over(self, access_key: str, now: float) -> bool:
        """Return whether a key is a role's that has expired."""
        session = self._sessions.get(access_key)
        return session is not None and session.expires <= now

    def assume(self, wish: Wish, caller: Identity | None, now: float) -> Session:
        """Return new keys of a role for *caller*, None for one with another provider's token."""
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


#: The content type by which calls in the query protocol are recognized.
FORM: Final = "application/x-www-form-urlencoded"
_XML: Final = {"Content-Type": "text/xml"}
_NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
_STATUSES: Final = COMMON_ERRORS | {
    "ThrottlingException": 400,
    "InternalServerException": 500,
    "AccessDenied": 403,
    "ExpiredToken": 403,
}
_IDENTITY: Final = "GetCallerIdentity"
#: Calls that need no signature: a token identifies the caller.
_BY_TOKEN: Final = "AssumeRoleWithWebIdentity"  # noqa: S105 (an operation's name)
_UNKNOWN: Final = "InvalidAction"
_ACTIONS: Final = frozenset({_IDENTITY, "AssumeRole", _BY_TOKEN})
#: The portal's path.
PORTAL: Final = "/federation/credentials"
_TOKEN: Final = "x-amz-sso_bearer_token"  # noqa: S105 (a header's name)
_PORTAL_STATUSES: Final = COMMON_ERRORS | {"UnauthorizedException": 401, "ForbiddenException": 403}


class StsCall:
    """A call of STS, in the query protocol: a form in, XML out."""

    def __init__(self, inquiry: Inquiry) -> None:
        self._asked = dict(parse_qsl(inquiry.body.decode(errors="replace")))
        action = self._asked.get("Action", "")
        self.name = action if action in _ACTIONS else _UNKNOWN

    def parse(self) -> dict[str, Any]:
        """Read the call. Raises RefusalError if it is not supported, or lacks a parameter."""
        if self.name == _UNKNOWN:
            raise RefusalError("InvalidAction", f"{self._asked.get('Action', '')[:100]} is not simulated")
        return {} if self.name == _IDENTITY else {"wish": self._wish()}

    def answer(
        self,
        params: Mapping[str, Any],
        identities: Identities,
        caller: Identity,
        now: float,
        wall: Callable[[float], datetime],
    ) -> Reply:
        """Return who calls, or a role's keys. Raises RefusalError if they are refused."""
        if self.name == _IDENTITY:
            who = {"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account}
            return self._reply(_members(who))
        session = identities.assume(params["wish"], None if self.name == _BY_TOKEN else caller, now)
        return self._reply(_lent(session, wall(session.expires)))

    def _wish(self) -> Wish:
        asked = self._asked
        if self.name == _BY_TOKEN and not asked.get("WebIdentityToken", "").strip():
            raise RefusalError("InvalidIdentityToken", "WebIdentityToken is not a token")
        seconds = asked.get("DurationSeconds", "3600")
        return Wish(
            role=asked.get("RoleArn", ""),
            session=asked.get("RoleSessionName", ""),
            external_id=asked.get("ExternalId"),
            device=asked.get("SerialNumber"),
            code=asked.get("TokenCode"),
            seconds=int(seconds) if seconds.isdecimal() and len(seconds) < 9 else -1,  # noqa: PLR2004
        )

    def _reply(self, members: str) -> Reply:
        result = f"<{self.name}Result>{members}</{self.name}Result>"
        return _reply(200, f'<{self.name}Response xmlns="{_NAMESPACE}">{result}</{self.name}Response>')

    def refusal(self, error: RefusalError) -> Reply:
        """Write an error answer."""
        told = (
            f"<Type>Sender</Type><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
        )
        status = _STATUSES.get(error.code, 400)
        return _reply(status, f'<ErrorResponse xmlns="{_NAMESPACE}"><Error>{told}</Error></ErrorResponse>')


def _lent(session: Session, expires: datetime) -> str:
    keys = {
        "AccessKeyId": session.access_key,
        "SecretAccessKey": session.secret_key,
        "SessionToken": session.token,
        "Expiration": expires.isoformat(),
    }
    role = {"AssumedRoleId": session.identity.user_id, "Arn": session.identity.arn}
    return f"<Credentials>{_members(keys)}</Credentials><AssumedRoleUser>{_members(role)}</AssumedRoleUser>"


def _members(values: Mapping[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())


def _reply(status: int, text: str) -> Reply:
    return Reply(status=status, body=text.encode(), headers=_XML)


class PortalCall:
    """GetRoleCredentials of the portal, for callers with the token of ``aws sso login``."""

    name = "GetRoleCredentials"

    def __init__(self, inquiry: Inquiry) -> None:
        self._inquiry = inquiry

    def parse(self) -> dict[str, Any]:
        """Read the call. Raises RefusalError without a login."""
        if not self._inquiry.headers.get(_TOKEN, "").strip():
            raise RefusalError("UnauthorizedException", "Session token not found or invalid")
        asked = parse_qs(self._inquiry.query)
        account, role = (asked.get(name, [""])[0] for name in ("account_id", "role_name"))
        arn = f"arn:aws:iam::{account}:role/{role}"
        return {"wish": Wish(role=arn, session="simulated")}

    def answer(
        self, params: Mapping[str, Any], identities: Identities, now: float, wall: Callable[[float], datetime]
    ) -> Reply:
        """Return the role's keys. Raises RefusalError if they are refused."""
        session = identities.assume(params["wish"], None, now)
        keys = {
            "accessKeyId": session.access_key,
            "secretAccessKey": session.secret_key,
            "sessionToken": session.token,
            "expiration": round(wall(session.expires).timestamp() * 1000),
        }
        return json_reply({"roleCredentials": keys})

    def refusal(self, error: RefusalError) -> Reply:
        """Write an error answer."""
        code = "ForbiddenException" if error.code == "AccessDenied" else error.code
        told = json_reply({"message": error.message}, _PORTAL_STATUSES.get(code, 400))
        return replace(told, headers={**told.headers, "x-amzn-ErrorType": code})
