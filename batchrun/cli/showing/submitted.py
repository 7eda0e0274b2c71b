"""
How an attempt went to the service together with others, in words and in JSON.

Belongs here: wording. Does not: which attempt it is (``story``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrun.model.submission import Submission


def facts(submission: Submission | None) -> dict[str, Any]:
    """Return it for programs; nothing where the attempt went by itself."""
    if submission is None:
        return {}
    told = {
        "requestId": submission.request_id,
        "name": submission.name,
        "rows": submission.rows,
        "standing": submission.standing.value,
        "batchId": submission.batch_id,
        "uuid": submission.batch_uuid,
        "status": submission.status,
        "code": submission.code,
        "message": submission.message,
    }
    return {"submission": told}


def lines(submission: Submission | None) -> Iterator[tuple[str, str]]:
    """Return it for people, with its label; nothing where the attempt went by itself."""
    if submission is None:
        return
    yield "submission", f"{submission.name} of {submission.rows} rows, requestId {submission.request_id}"
    if submission.batch_id is not None:
        seen = f"last seen as {submission.status}" if submission.status else "not looked at yet"
        yield "run batch", f"{submission.batch_id}, {seen}"
    elif submission.code is not None:
        yield "run batch", f"none is known; {submission.code}: {submission.message}"
    else:
        yield "run batch", "none is known yet"
