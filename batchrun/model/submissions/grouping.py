"""Which rows may be sent together, in one StartRunBatch, and its request.

A run batch has one workflow, role, storage and so on for all its runs (*shared*); the other fields are in
each row, and complete, since how the service merges rows into defaults is undocumented. Sources: the service
model of botocore 1.43.117, and the user guide's "batch runs".

Does not belong here: when rows are sent (``planning.batching``), the calls (``engine``).
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from batchrun.model.entries.entry import Entry, start_run_request
from batchrun.model.lanes import lanes_of, offers_of
from batchrun.model.spec import TAG_BATCH, TAG_REQUEST_ID, Json, Spec, canonical

#: Most rows in the call itself; the service reads more from a file in S3.
INLINE: Final = 100
#: Fewest rows of one shape that ``auto`` sends together.
MANY: Final = INLINE
#: Most rows of one StartRunBatch.
MOST: Final = 100_000
#: The shape of rows that only StartRun can start.
ALONE: Final = ""

_SHARED: Final = frozenset(
    {
        *("workflowId", "workflowType", "workflowVersionName", "workflowOwnerId", "roleArn"),
        *("cacheId", "cacheBehavior", "runGroupId", "storageType", "storageCapacity", "scratchStorageMode"),
        *("logLevel", "retentionMode", "networkingMode", "configurationName", "sessionPolicy"),
    }
)
_OWN: Final = frozenset(
    {"name", "outputUri", "priority", "outputBucketOwnerId", "parameters", "engineSettings", "tags"}
)
_LONGEST_SETTING_ID: Final = 128
_SHAPE_DIGITS: Final = 32
_NAME_BEGINS: Final = 26
_NAME_DIGITS: Final = (12, 24)


class Engine(enum.Enum):
    """How attempts are submitted."""

    STARTRUN = "startrun"  #: each by its own StartRun
    BATCH = "batch"  #: many by one StartRunBatch, which the service works through
    AUTO = "auto"  #: many of one shape by StartRunBatch, the rest by StartRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One kind of rows to send."""

    lanes: tuple[str, ...] = ()  #: ``Entry.may_take``
    shape: str | None = None  #: :func:`shape_of`; None if not read
    rows: int | None = None  #: how many; None if not read


def why_alone(entry_id: str, content: str) -> str | None:
    """Return why StartRunBatch cannot start a row of this content (:mod:`lanes`); None if it can."""
    return next((why for request in _requests(content) if (why := _why(entry_id, request))), None)


def _why(entry_id: str, request: Mapping[str, Json]) -> str | None:
    if "runId" in request:
        return "it copies a run (runId)"
    if request.get("workflowType") == "READY2RUN":
        return "its workflow is a Ready2Run one"
    if unknown := sorted(request.keys() - _SHARED - _OWN):
        return f"StartRunBatch has no {', '.join(unknown)}"
    if missing := [name for name in ("workflowId", "roleArn") if not request.get(name)]:
        return f"it has no {' and no '.join(missing)}"
    if len(entry_id) > _LONGEST_SETTING_ID:
        return f"its id is longer than {_LONGEST_SETTING_ID} characters"
    return None


def shape_of(entry_id: str, content: str) -> str:
    """Return a digest, 32 hex digits, of what rows in one StartRunBatch must share, in each lane.

    ALONE for a row that StartRunBatch cannot start.
    """
    if why_alone(entry_id, content) is not None:
        return ALONE
    shared = [canonical(_shared(request)) for request in _requests(content)]
    return hashlib.sha256("\n".join(shared).encode()).hexdigest()[:_SHAPE_DIGITS]


def _requests(content: str) -> Iterator[dict[str, Json]]:
    texts = [offer.request for offer in offers_of(content)] or [content]
    return (json.loads(text) for text in texts)


def _shared(request: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in request.items() if name in _SHARED}


def goes_together(engine: Engine, shape: str | None, rows: int) -> bool:
    """Report whether so many *rows* of one shape are sent by StartRunBatch."""
    if not shape:
        return False
    return engine is Engine.BATCH or (engine is Engine.AUTO and rows >= MANY)


# -- the request


def settings_of(entries: Sequence[Entry]) -> str:
    """Return the rows as StartRunBatch takes them: a canonical JSON list."""
    return canonical([_setting(entry) for entry in entries])


def _setting(entry: Entry) -> dict[str, Json]:
    request = start_run_request(entry)
    own = {name: request[name] for name in _OWN - {"tags"} if name in request}
    return {**own, "runTags": request.get("tags", {}), "runSettingId": entry.id}


def file_name(settings: str) -> str:
    """Return the name of the file for *settings*: a digest of the text."""
    return f"{hashlib.sha256(settings.encode()).hexdigest()}.json"


def names_begin(batch: str) -> str:
    """Return the prefix of the ``batchName`` of all submissions of *batch*, and of no other's."""
    digits = hashlib.sha256(batch.encode()).hexdigest()[: _NAME_DIGITS[0]]
    return f"{batch[:_NAME_BEGINS]}-{digits}-"


def batch_name(batch: str, request_id: str) -> str:
    """Return the ``batchName`` of a submission: at most 64 characters."""
    return names_begin(batch) + request_id[: _NAME_DIGITS[1]]


def submission_id(entries: Sequence[Entry], number: int) -> str:
    """Return the requestId of a submission: 64 hex digits, the same for the same attempts.

    *number*, of earlier ones of the same attempts, makes it differ from those that failed: it is unknown
    whether the service would take it for one of them.
    """
    identity: list[Json] = [entries[0].batch, number, *(entry.request_id for entry in entries)]
    return hashlib.sha256(canonical(identity).encode()).hexdigest()


def batch_request(
    entries: Sequence[Entry], *, request_id: str, settings: str, settings_uri: str | None
) -> str:
    """Return the canonical StartRunBatch request of attempts of one shape and lane.

    *request_id* is from :func:`submission_id`, *settings* from :func:`settings_of`; *settings_uri* is their
    file in S3, None if they are in the call.
    """
    batch = entries[0].batch
    rows: dict[str, Json] = (
        {"inlineSettings": json.loads(settings)} if settings_uri is None else {"s3UriSettings": settings_uri}
    )
    return canonical(
        {
            "batchName": batch_name(batch, request_id),
            "requestId": request_id,
            "tags": {TAG_BATCH: batch, TAG_REQUEST_ID: request_id},
            "defaultRunSetting": _shared(json.loads(entries[0].request)),
            "batchRunSettings": rows,
        }
    )


#: The reason for rows sent by StartRun that could be sent together.
FEW: Final = f"fewer than {MANY} are alike"
#: Ids that are kept for each reason.
_IDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """Rows that are sent by StartRun for one reason."""

    rows: int
    ids: Sequence[str]  #: examples


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How rows would be sent."""

    together: int  #: rows sent by StartRunBatch
    calls: int  #: of StartRunBatch, at least
    alone: Mapping[str, Alone]  #: the other rows, by reason

    @property
    def alone_rows(self) -> int:
        """Rows that are sent by StartRun, or not at all if that is excluded."""
        return sum(one.rows for one in self.alone.values())


def ways(specs: Iterable[Spec], engine: Engine, wave: int) -> Ways:
    """Count *specs* by how they are sent, with at most *wave* rows in one StartRunBatch."""
    alike: Counter[tuple[tuple[str, ...], str]] = Counter()
    alone: Counter[str] = Counter()
    ids: defaultdict[str, list[str]] = defaultdict(list)
    firsts: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for spec in specs:
        shape = shape_of(spec.id, spec.content)
        if shape == ALONE:
            why = why_alone(spec.id, spec.content) or ""
            alone[why] += 1
            _keep(ids[why], spec.id)
        else:
            kind = (lanes_of(spec.content), shape)
            alike[kind] += 1
            _keep(firsts.setdefault(kind, []), spec.id)
    together = calls = 0
    for kind, rows in alike.items():
        if goes_together(engine, kind[1], rows):
            together, calls = together + rows, calls + -(-rows // wave)
        else:
            alone[FEW] += rows
            ids[FEW] += firsts[kind]
    return Ways(
        together=together,
        calls=calls,
        alone={why: Alone(rows=rows, ids=ids[why][:_IDS]) for why, rows in alone.most_common()},
    )


def _keep(ids: list[str], entry_id: str) -> None:
    if len(ids) < _IDS:
        ids.append(entry_id)
