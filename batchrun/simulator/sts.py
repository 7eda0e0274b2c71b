"""
Whose credentials are these, and the keys of a role: of STS, and of IAM Identity Center's portal.

What belongs here: reading these calls and writing answers and refusals. What does not: who is who
(``identities``), logging in (``aws sso login`` does that elsewhere), and what can go wrong (``server``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, parse_qsl
from xml.sax.saxutils import escape

from batchrun.simulator.identities import Wish
from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.wire import COMMON_ERRORS, Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from batchrun.simulator.identities import Identities, Identity, Session
    from batchrun.simulator.wire import Inquiry

#: What tells a call in the query protocol from all others.
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
        """Read the call. Raises RefusalError where nobody has logged in."""
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
        told = json_reply({"message": error.message})
        code = "ForbiddenException" if error.code == "AccessDenied" else error.code
        headers = {**told.headers, "x-amzn-ErrorType": code}
        return Reply(status=_PORTAL_STATUSES.get(code, 400), body=told.body, headers=headers)
