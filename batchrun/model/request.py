"""
The StartRun request as it is sent: the row's own content, our tags, and the requestId.

Invariant: for one attempt of one entry these are the same bytes, whenever and wherever they are made.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from batchrun.model.spec import TAG_ATTEMPT, TAG_BATCH, TAG_ID, TAG_REQUEST_ID, Json, named

if TYPE_CHECKING:
    from batchrun.model.entry import Entry


def start_run_request(entry: Entry) -> dict[str, Json]:
    """Return the request for the entry's current attempt."""
    request: dict[str, Json] = json.loads(entry.request)
    request_id = entry.request_id
    if entry.tagged:
        users = request.get("tags")
        request["tags"] = {**(users if isinstance(users, dict) else {}), **_own_tags(entry, request_id)}
    request["requestId"] = request_id
    return request


def _own_tags(entry: Entry, request_id: str) -> dict[str, Json]:
    """Return the tags by which the run can be found again without a ledger."""
    return {
        TAG_BATCH: entry.batch,
        TAG_ID: entry.id,
        TAG_ATTEMPT: str(entry.attempt),
        TAG_REQUEST_ID: request_id,
    }


def run_name(entry: Entry) -> str | None:
    """Return the name the run was, or will be, started with."""
    return named(entry.request)
