"""
IAM Identity Center as far as it lends keys: GetRoleCredentials, for who shows ``aws sso login``'s token.

What belongs here: reading that call and writing answer and refusals. What does not: who is who
(``identities``), logging in (``aws sso login`` does that elsewhere), and what can go wrong (``server``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from batchrun.simulator.identities import Wish
from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.wire import COMMON_ERRORS, Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from batchrun.simulator.identities import Identities

#: Where the portal answers.
PATH: Final = "/federation/credentials"
_TOKEN: Final = "x-amz-sso_bearer_token"  # noqa: S105 (a header's name)
_STATUSES: Final = COMMON_ERRORS | {"UnauthorizedException": 401, "ForbiddenException": 403}


class PortalCall:
    """GetRoleCredentials."""

    name = "GetRoleCredentials"

    def parse(self, query: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """
        Read the call.

        Raises:
            RefusalError: nobody has logged in.
        """
        if not headers.get(_TOKEN, "").strip():
            raise RefusalError("UnauthorizedException", "Session token not found or invalid")
        asked = parse_qs(query)
        account, role = (asked.get(name, [""])[0] for name in ("account_id", "role_name"))
        arn = f"arn:aws:iam::{account}:role/{role}"
        return {"wish": Wish(role=arn, session="simulated")}

    def check(self, params: Mapping[str, Any]) -> None:
        """Find nothing wrong: who lends the keys does."""

    def answer(
        self, params: Mapping[str, Any], identities: Identities, now: float, wall: Callable[[float], datetime]
    ) -> Reply:
        """
        Lend the role's keys.

        Raises:
            RefusalError: they are not lent.
        """
        session = identities.assume(params["wish"], None, now)
        keys = {
            "accessKeyId": session.access_key,
            "secretAccessKey": session.secret_key,
            "sessionToken": session.token,
            "expiration": round(wall(session.expires).timestamp() * 1000),
        }
        return json_reply({"roleCredentials": keys})


def refusal(error: RefusalError) -> Reply:
    """Write an error answer."""
    told = json_reply({"message": error.message})
    code = "ForbiddenException" if error.code == "AccessDenied" else error.code
    headers = {**told.headers, "x-amzn-ErrorType": code}
    return Reply(status=_STATUSES.get(code, 400), body=told.body, headers=headers)
