"""Reading answers of the service; nothing else reads them.

No value is trusted to have the type that the API's model says. Botocore's parser trusts it, and breaks on a
list in place of an object, losing the rest of the answer; so bodies are parsed as plain JSON here. A value of
the wrong type counts as missing where it is optional; where it is required, as a run's id is, the outcome is
unknown, as with a lost answer.

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

#: Characters of a status, reason, name, ARN, or place in S3 (1,024 and a bucket).
_LONGEST_WORD: Final = 2000
#: Ids that are safe in a request's path; the service's own are digits, or UUIDs.
_ID: Final = re.compile(r"[A-Za-z0-9][\w.:-]{0,127}", re.ASCII)
#: Levels of parameters; those of a manifest have fewer.
_DEEPEST: Final = 150
#: The largest integer of the service.
_MOST_COUNTED: Final = 2**31 - 1
_SUCCESSES: Final = range(200, 300)
_ERROR_FIELDS: Final = ("message", "Message", "code", "Code", "__type")


def take_body(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Parse an answer's body in botocore's place: a handler of its ``before-parse``.

    Of an error, botocore gets the fields that it looks for, where they are text.
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
    """Read the answer to StartRun.

    Raises:
        OutcomeUnknownError: It lacks ``id``. The ``uuid`` may be empty.
    """
    return Run(
        id=identity(answer, "id", "StartRun"),
        uuid=optional_identity(answer, "uuid") or "",
        arn=text(answer, "arn") or "",
        status=text(answer, "status") or "PENDING",
        output_uri=text(answer, "runOutputUri"),
    )


def sighted(answer: Mapping[str, Any]) -> Sighting:
    """Read the answer to GetRun.

    Raises:
        OutcomeUnknownError: It lacks ``id`` or ``status``. The ``uuid`` may be empty.
    """
    run = Run(
        id=identity(answer, "id", "GetRun"),
        uuid=optional_identity(answer, "uuid") or "",
        arn=text(answer, "arn") or "",
        status=required_text(answer, "status", "GetRun"),
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
        batch_id=optional_identity(answer, "batchId"),
        # Parameters in a file are answered as a signed address, which is a secret.
        parameters=IN_A_FILE if answer.get("parametersUri") else _shallow(table(answer.get("parameters"))),
    )


def listed(item: object) -> Listed:
    """Read one item of ListRuns. Raises OutcomeUnknownError where it lacks ``id``."""
    known = table(item)
    return Listed(
        id=identity(known, "id", "ListRuns"),
        status=text(known, "status") or "",
        name=text(known, "name") or "",
        creation_time=moment(known.get("creationTime")),
        start_time=moment(known.get("startTime")),
        batch_id=optional_identity(known, "batchId"),
    )


def table(value: object) -> dict[str, Any]:
    """Return *value* if it is a dict, else an empty one."""
    return value if isinstance(value, dict) else {}


def texts(value: object) -> dict[str, str]:
    """Return the non-empty text values of a dict, such as tags."""
    return {
        storable(name): unsigned(storable(text_value))
        for name, text_value in table(value).items()
        if text_value and isinstance(text_value, str)
    }


def _shallow(value: dict[str, Any]) -> dict[str, Any]:
    """Return *value*, or a stand-in that no row asks for where it is nested too deep to compare."""
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _within(outer)]
        if not level:
            return value
    return {"": "nested too deep"}


def _within(value: object) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def text(answer: Mapping[str, Any], name: str, *, most: int = _LONGEST_WORD) -> str | None:
    """Return a text, storable and of at most *most* characters, or None."""
    value = answer.get(name)
    return unsigned(storable(value, most)) if isinstance(value, str) and value else None


def required_text(answer: Mapping[str, Any], name: str, operation: str) -> str:
    """Return a required text. Raises OutcomeUnknownError where there is none."""
    value = text(answer, name)
    if value is None:
        raise unparsable(operation, name)
    return value


def identity(answer: Mapping[str, Any], name: str, operation: str) -> str:
    """Return an id unchanged: a changed one would be another's.

    Raises:
        OutcomeUnknownError: There is no usable one.
    """
    if not has_identity(answer, name):
        raise unparsable(operation, name)
    return str(answer[name])


def optional_identity(item: Mapping[str, Any], name: str) -> str | None:
    """Return the id as :func:`identity` does, or None."""
    return str(item[name]) if has_identity(item, name) else None


def has_identity(item: Mapping[str, Any], name: str) -> bool:
    """Report whether there is a usable id."""
    value = item.get(name)
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def items(page: Mapping[str, Any], operation: str, name: str = "items") -> Sequence[object]:
    """Return the items of a page.

    Raises:
        OutcomeUnknownError: It has no list; an empty body would else mean that there are no items.
    """
    value = page.get(name)
    if not isinstance(value, list):
        raise unparsable(operation, name)
    return value


def next_token(page: Mapping[str, Any], operation: str, name: str = "nextToken") -> str | None:
    """Return the next page's token, or None after the last page.

    Raises:
        OutcomeUnknownError: The token is not usable.
    """
    value = page.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or storable(value) != value:
        raise unparsable(operation, name)
    return value


def moment(value: object) -> datetime | None:
    """Return a time, ISO 8601 or seconds since 1970, in UTC, or None."""
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    return None


def count(answer: Mapping[str, Any], name: str) -> int | None:
    """Return a count, or None where there is no usable one."""
    value = answer.get(name)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_COUNTED
    return value if is_count else None
