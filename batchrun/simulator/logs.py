"""One call of CloudWatch Logs: GetLogEvents, of the group that HealthOmics writes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrun.simulator.refusal import RefusalError, invalid
from batchrun.simulator.wire import Reply, json_object, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batchrun.simulator.wire import Inquiry

#: What the operations of CloudWatch Logs are called by, in the header X-Amz-Target.
CLOUDWATCH_LOGS = "Logs_20140328."
GROUP = "/aws/omics/WorkflowLog"
_MOST = 10_000
_HEAD = "f/"


class LogsCall:
    """A call of CloudWatch Logs."""

    def __init__(self, inquiry: Inquiry) -> None:
        self.name = inquiry.target.removeprefix(CLOUDWATCH_LOGS)[:40]
        self._body = inquiry.body

    def parse(self) -> dict[str, Any]:
        """
        Read the call.

        Raises:
            RefusalError: it is another one, the group is not there, or a number is none.
        """
        if self.name != "GetLogEvents":
            raise RefusalError("UnknownOperationException", f"{self.name} is not known")
        params = json_object(self._body)
        if params.get("logGroupName") != GROUP:
            raise RefusalError("ResourceNotFoundException", "The specified log group does not exist.")
        if not isinstance(params.get("limit", 1), int):
            raise invalid("limit must be a number")
        return params

    def answer(
        self, lines: Sequence[tuple[float, str]] | None, at: Callable[[float], int], params: Mapping[str, Any]
    ) -> Reply:
        """
        Answer with a page of *lines*, whose times *at* puts into milliseconds.

        Raises:
            RefusalError: there is no such stream, or the token is no token.
        """
        if lines is None:
            raise RefusalError("ResourceNotFoundException", "The specified log stream does not exist.")
        first, last = params.get("startTime", 0), params.get("endTime", 1 << 62)
        events = [
            {"timestamp": at(when), "message": text} for when, text in lines if first <= at(when) < last
        ]
        size = min(params.get("limit", _MOST), _MOST)
        token = str(params.get("nextToken", ""))
        if token:
            begin = _position(token)
        else:
            begin = 0 if params.get("startFromHead") else max(0, len(events) - size)
        page = events[begin : begin + size]
        return json_reply(
            {
                "events": page,
                "nextForwardToken": f"{_HEAD}{begin + len(page)}",
                "nextBackwardToken": f"b/{begin}",
            }
        )

    def refusal(self, error: RefusalError) -> Reply:
        """Write an error answer."""
        body = json_reply({"__type": error.code, "message": error.message})
        return Reply(status=400, body=body.body, headers=body.headers)


def _position(token: str) -> int:
    number = token.removeprefix(_HEAD)
    if not token.startswith(_HEAD) or not number.isdecimal():
        raise invalid("The specified nextToken is invalid.")
    return int(number)
