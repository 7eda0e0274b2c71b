"""
Who calls: the account that an access key belongs to, and roles that lend keys of another for a while.

Belongs here: keys, roles, who may assume one, and when its keys expire; the calls of STS and of IAM Identity
Center's portal that say so. Does not: logging in (``aws sso login`` does that elsewhere), what an account
then has (``service``), and what can go wrong with a call (``server``).
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
#: Seconds that STS lets a role's keys last.
_SHORTEST, _LONGEST, _USUAL = 900, 43_200, 3600


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
    """A role that was assumed."""

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
        """Return whose key it is; None where it may be anyone's."""
        session = self._sessions.get(access_key)
        return session.identity.account if session else self._settings.keys.get(access_key)

    def caller(self, access_key: str, account: str) -> Identity:
        """Return who calls with a key; an unknown one is of a user of *account*."""
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
        """Lend the keys of a role to *caller*, who is None where a token of another provider was shown."""
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


#: How a call in the query protocol is recognized.
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
#: What needs no signature: a token says who calls.
_BY_TOKEN: Final = "AssumeRoleWithWebIdentity"  # noqa: S105 (an operation's name)
_UNKNOWN: Final = "InvalidAction"
_ACTIONS: Final = frozenset({_IDENTITY, "AssumeRole", _BY_TOKEN})
#: Where the portal answers.
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
        """Read the call. Raises RefusalError where it is another one, or lacks something."""
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
        """Say who calls, or lend a role's keys. Raises RefusalError where it is not lent."""
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
    """GetRoleCredentials of the portal, for who shows ``aws sso login``'s token."""

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
        """Lend the role's keys. Raises RefusalError where they are not lent."""
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
