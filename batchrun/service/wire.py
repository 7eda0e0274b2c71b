"""
Answers of the service as values: the only place where they are read.

Nothing is believed to be what the API's model says before it was looked at. Botocore's parser does believe
it, and breaks on a list where a table belongs, with all that the answer does say; so a body is taken as the
JSON that it is. Then text is made of text. What is no text, time or table is nothing, where an answer is good
without it; where it is needed, as what identifies a run is, the answer is in doubt, like one that was lost.

Belongs here: the readers of single values, and of a run. Does not: how much is read (``http``), what an error
means (``classify``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from batchrun.model.entries.entry import Run, Sighting
from batchrun.model.planning.listing import Listed
from batchrun.model.spec import IN_A_FILE
from batchrun.model.texts.foreign import KEPT, storable, unsigned
from batchrun.service.classify import unparsable

#: Characters of what is no message: a status, a reason, a name, an ARN, a place in S3 (1,024 and a bucket).
_LONGEST_WORD: Final = 2000
#: What can be put into a request's path and nowhere else; the service's own ids are digits, UUIDs are these.
_ID: Final = re.compile(r"[A-Za-z0-9][\w.:-]{0,127}", re.ASCII)
#: Levels of parameters; those of a manifest have fewer.
_DEEPEST: Final = 150
#: What the service's own integers hold.
_MOST_COUNTED: Final = 2**31 - 1
_SUCCESSES: Final = range(200, 300)
_ERROR_FIELDS: Final = ("message", "Message", "code", "Code", "__type")


def take_body(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """
    Take an answer's body before botocore parses it: a handler of its ``before-parse``.

    Of an error, botocore gets what it looks for, as far as it is text.
    """
    body = _parsed(response_dict["body"])
    if response_dict["status_code"] in _SUCCESSES:
        customized_response_dict.update(body)
        response_dict["body"] = b""
    else:
        said = {name: body[name] for name in _ERROR_FIELDS if isinstance(body.get(name), str)}
        response_dict["body"] = json.dumps(said).encode()


def _parsed(body: bytes) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        return table(json.loads(body))
    return {}


def started(answer: Mapping[str, Any]) -> Run:
    """
    Read the answer to StartRun.

    Raises:
        OutcomeUnknownError: It lacks ``id``. A ``uuid`` that lacks is to be asked for.
    """
    return Run(
        id=identity(answer, "id", "StartRun"),
        uuid=told_identity(answer, "uuid") or "",
        arn=text(answer, "arn") or "",
        status=text(answer, "status") or "PENDING",
        output_uri=text(answer, "runOutputUri"),
    )


def sighted(answer: Mapping[str, Any]) -> Sighting:
    """
    Read the answer to GetRun.

    Raises:
        OutcomeUnknownError: It lacks ``id`` or ``status``. A ``uuid`` that lacks contradicts none.
    """
    run = Run(
        id=identity(answer, "id", "GetRun"),
        uuid=told_identity(answer, "uuid") or "",
        arn=text(answer, "arn") or "",
        status=needed(answer, "status", "GetRun"),
        output_uri=text(answer, "runOutputUri"),
        creation_time=moment(answer.get("creationTime")),
        start_time=moment(answer.get("startTime")),
        stop_time=moment(answer.get("stopTime")),
        failure_reason=text(answer, "failureReason"),
        status_message=text(answer, "statusMessage", most=KEPT),
    )
    return Sighting(
        run=run,
        name=text(answer, "name"),
        tags=texts(answer.get("tags")),
        workflow_id=text(answer, "workflowId"),
        output_uri=text(answer, "outputUri"),
        batch_id=told_identity(answer, "batchId"),
        # Where they are is answered as a signed address: a secret, which nobody gets to see.
        parameters=IN_A_FILE if answer.get("parametersUri") else _shallow(table(answer.get("parameters"))),
    )


def listed(item: object) -> Listed:
    """Read one item of ListRuns. Raises OutcomeUnknownError where it is not told which run it is."""
    known = table(item)
    return Listed(
        id=identity(known, "id", "ListRuns"),
        status=text(known, "status") or "",
        name=text(known, "name") or "",
        creation_time=moment(known.get("creationTime")),
        start_time=moment(known.get("startTime")),
        batch_id=told_identity(known, "batchId"),
    )


def table(value: object) -> dict[str, Any]:
    """Return *value* where it is a table, and an empty one for all else."""
    return value if isinstance(value, dict) else {}


def texts(value: object) -> dict[str, str]:
    """Return what is text under a text, such as tags are."""
    return {
        storable(name): unsigned(storable(one))
        for name, one in table(value).items()
        if one and isinstance(one, str)
    }


def _shallow(value: dict[str, Any]) -> dict[str, Any]:
    """Return *value*, or what no row asks for where it is deeper than those who compare it can follow."""
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _within(outer)]
        if not level:
            return value
    return {"": "nested too deep"}


def _within(value: object) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def text(answer: Mapping[str, Any], name: str, *, most: int = _LONGEST_WORD) -> str | None:
    """Return a text, storable and so long at most; None where there is none."""
    value = answer.get(name)
    return unsigned(storable(value, most)) if isinstance(value, str) and value else None


def needed(answer: Mapping[str, Any], name: str, operation: str) -> str:
    """Return a text without which an answer is none. Raises OutcomeUnknownError where there is none."""
    value = text(answer, name)
    if value is None:
        raise unparsable(operation, name)
    return value


def identity(answer: Mapping[str, Any], name: str, operation: str) -> str:
    """
    Return an id, as it is: one that were changed in any way would be another's.

    Raises:
        OutcomeUnknownError: There is none that can be asked for.
    """
    if not has_identity(answer, name):
        raise unparsable(operation, name)
    return str(answer[name])


def told_identity(item: Mapping[str, Any], name: str) -> str | None:
    """Return the id that :func:`identity` would give; None where there is none."""
    return str(item[name]) if has_identity(item, name) else None


def has_identity(item: Mapping[str, Any], name: str) -> bool:
    """Report whether :func:`identity` would give an id."""
    value = item.get(name)
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def items(page: Mapping[str, Any], operation: str, name: str = "items") -> Sequence[object]:
    """
    Return what a page lists.

    Raises:
        OutcomeUnknownError: It does not say; an empty body would else say that there is nothing.
    """
    value = page.get(name)
    if not isinstance(value, list):
        raise unparsable(operation, name)
    return value


def next_token(page: Mapping[str, Any], operation: str, name: str = "nextToken") -> str | None:
    """
    Return what the next page is asked for with; None after the last.

    Raises:
        OutcomeUnknownError: There is something, but nothing to ask with.
    """
    value = page.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or storable(value) != value:
        raise unparsable(operation, name)
    return value


def moment(value: object) -> datetime | None:
    """Read a time, ISO 8601 or seconds since 1970, in UTC; None where there is none."""
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    return None


def count(answer: Mapping[str, Any], name: str) -> int | None:
    """Return a number of things; None where there is none."""
    value = answer.get(name)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_COUNTED
    return value if is_count else None
