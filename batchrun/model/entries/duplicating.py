"""Attempts that duplicate an earlier run: StartRun with ``runId``.

The service copies the run's request, with workflow and parameters. Role, output place, name and tags are sent
again: the first two are required, and the others keep the copy recognisable as the row's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import Deferred, Refused
from batchrun.model.entries.states import State
from batchrun.model.lanes import Offer, first_request, offers_text, request_in
from batchrun.model.spec import canonical

#: Our own code for a run that cannot be copied.
NOT_THERE: Final = "RunToDuplicateIsGone"
_KEPT: Final = ("roleArn", "outputUri", "outputUriPrefixMode", "name", "tags")


def can_duplicate(entry: Entry) -> bool:
    """Report whether the entry has a run that can be copied: one that the service may still have."""
    return entry.run is not None and entry.state is not State.DELETED


def duplicate(request: str, run_id: str) -> str:
    """Return the canonical request that repeats run *run_id*, which *request* asked for and still exists."""
    asked = json.loads(request)
    return canonical({name: asked[name] for name in _KEPT if name in asked} | {"runId": run_id})


def copy_of(content: str, run_id: str, lane: str | None) -> str:
    """Return the content that repeats run *run_id* in its *lane*."""
    asked = request_in(content, lane)
    if asked is None:
        return content
    copied = duplicate(asked, run_id)
    return copied if lane is None else offers_text([Offer(lane=lane, request=copied)])


def after_asking(entry: Entry, *, duplicates: bool) -> str | None:
    """Return the content of the next attempt that a user asks for; None if it is the current one's.

    A copy is made only once: without *duplicates* the next attempt asks for the manifest's content again.
    """
    if duplicates and entry.run is not None:
        return copy_of(entry.request if entry.lane is None else entry.asked, entry.run.id, entry.lane)
    return entry.content if is_duplicate(entry) else None


def is_duplicate(entry: Entry) -> bool:
    """Report whether the current attempt copies a run although its row does not ask for that."""
    if entry.manifest_request is None:
        return False
    manifest = request_in(entry.manifest_request, entry.lane) or first_request(entry.manifest_request)
    run_ids = [json.loads(text).get("runId") for text in (entry.request, manifest)]
    return run_ids[0] is not None and run_ids[0] != run_ids[1]


def source_of(entry: Entry, earlier: Sequence[Run | None]) -> Run | None:
    """Return the run that *entry*, a duplicate, copies, out of its *earlier* attempts' runs, oldest first.

    Ids are reused, so it is the newest run with the id.
    """
    run_id = json.loads(entry.request).get("runId")
    return next((run for run in reversed(earlier) if run is not None and run.id == run_id), None)


def replaced(entry: Entry, source: Run, at: datetime, lag: float) -> Deferred | Refused:
    """Return the event of an answer by which the run to copy is gone, or its id another run's.

    The first such answer is not believed: the run is looked up again *lag* seconds later.
    """
    message = f"run {source.id} is no longer the one to duplicate (uuid {source.uuid})"
    if entry.code == NOT_THERE:
        return Refused(at=at, code=NOT_THERE, message=message)
    return Deferred(at=at, due=at + timedelta(seconds=lag), code=NOT_THERE, message=message)


def unknown(entry: Entry, at: datetime) -> Refused:
    """Return the refusal of a duplicate whose source is not in this ledger, but was in a lost one."""
    run_id = json.loads(entry.request).get("runId")
    message = f"it is not known whether {run_id} is still the run to duplicate: it is not in the ledger"
    return Refused(at=at, code=NOT_THERE, message=message)
