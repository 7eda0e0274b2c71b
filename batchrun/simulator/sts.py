"""
The one question of STS: whose credentials are these? In the query protocol: a form in, XML out.

What belongs here: reading that question and writing answer and refusals. What does not: the account's number
(``settings``), and what can go wrong with a call (``server``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.wire import COMMON_ERRORS, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What tells a call in the query protocol from all others.
FORM = "application/x-www-form-urlencoded"
_XML = {"Content-Type": "text/xml"}
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_STATUSES = COMMON_ERRORS | {"ThrottlingException": 400, "InternalServerException": 500, "AccessDenied": 403}


class CallerIdentity:
    """GetCallerIdentity, which takes no parameters."""

    name = "GetCallerIdentity"

    def parse(self, body: bytes) -> dict[str, Any]:
        """
        Read the call.

        Raises:
            RefusalError: it is another one.
        """
        asked = dict(parse_qsl(body.decode(errors="replace")))
        if asked.get("Action") != self.name:
            raise RefusalError("InvalidAction", f"{asked.get('Action', '')[:100]} is not simulated")
        return {}

    def check(self, params: Mapping[str, Any]) -> None:
        """Find nothing wrong."""

    def answer(self, values: Mapping[str, Any]) -> Reply:
        """Write who calls."""
        members = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in values.items())
        result = f"<{self.name}Result>{members}</{self.name}Result>"
        return _reply(200, f'<{self.name}Response xmlns="{_NAMESPACE}">{result}</{self.name}Response>')


def refusal(error: RefusalError) -> Reply:
    """Write an error answer."""
    told = f"<Type>Sender</Type><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    status = _STATUSES.get(error.code, 400)
    return _reply(status, f'<ErrorResponse xmlns="{_NAMESPACE}"><Error>{told}</Error></ErrorResponse>')


def _reply(status: int, text: str) -> Reply:
    return Reply(status=status, body=text.encode(), headers=_XML)
