"""
Which rows may go to the service together, in one StartRunBatch, and the request that they make.

A batch of the service has one workflow, role, storage and so on for all of its runs (*shared*); the rest
stands in each row. Rows go out whole: nothing hangs on how the service lays a row over its defaults, which it
does not say. Source: the service model of botocore 1.43.117, and the user guide's "batch runs".

Belongs here: that, which way rows would go, and why, in pure text. Does not: when rows are sent
(``planning.batching``), and the calls (``engine``).
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

#: Rows that stand in the call itself; more are read by the service from a file in S3.
INLINE: Final = 100
#: Rows alike from which on ``auto`` sends them together.
MANY: Final = INLINE
#: Rows of one StartRunBatch at most.
MOST: Final = 100_000
#: The shape of rows that StartRun alone can start.
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

    STARTRUN = "startrun"  #: each by a StartRun of its own
    BATCH = "batch"  #: many by one StartRunBatch, which the service then submits by itself
    AUTO = "auto"  #: many alike by StartRunBatch, the rest by StartRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Rows that wait to be sent, and are alike."""

    lanes: tuple[str, ...] = ()  #: ``Entry.may_take``
    shape: str | None = None  #: :func:`shape_of`; None where it is not asked for
    rows: int | None = None  #: how many; None where it is not asked for


def why_alone(entry_id: str, content: str) -> str | None:
    """Say why StartRunBatch cannot express a row, of this content (:mod:`lanes`); None where it can."""
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
    """
    Return what rows have in common that may share a StartRunBatch, in each lane: 32 hex digits.

    ALONE for a row that none can express.
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
    """Report whether rows of one shape, so many of which wait, go by StartRunBatch."""
    if not shape:
        return False
    return engine is Engine.BATCH or (engine is Engine.AUTO and rows >= MANY)


# -- the request


def settings_of(entries: Sequence[Entry]) -> str:
    """Return the rows as StartRunBatch wants them: the canonical JSON list, whole."""
    return canonical([_setting(entry) for entry in entries])


def _setting(entry: Entry) -> dict[str, Json]:
    request = start_run_request(entry)
    own = {name: request[name] for name in _OWN - {"tags"} if name in request}
    return {**own, "runTags": request.get("tags", {}), "runSettingId": entry.id}


def file_name(settings: str) -> str:
    """Return the name of the file that holds *settings*: the same text has the same name."""
    return f"{hashlib.sha256(settings.encode()).hexdigest()}.json"


def names_begin(batch: str) -> str:
    """Return how the ``batchName`` of every submission of *batch* begins, and of no other's."""
    digits = hashlib.sha256(batch.encode()).hexdigest()[: _NAME_DIGITS[0]]
    return f"{batch[:_NAME_BEGINS]}-{digits}-"


def batch_name(batch: str, request_id: str) -> str:
    """Return the ``batchName`` of a submission: at most 64 characters."""
    return names_begin(batch) + request_id[: _NAME_DIGITS[1]]


def submission_id(entries: Sequence[Entry], number: int) -> str:
    """
    Return the requestId of a submission: 64 hex digits, the same for the same attempts.

    *number* tells it from one with the same rows that came to nothing before: whether the service takes its
    requestId for the old one is not known.
    """
    identity: list[Json] = [entries[0].batch, number, *(entry.request_id for entry in entries)]
    return hashlib.sha256(canonical(identity).encode()).hexdigest()


def batch_request(
    entries: Sequence[Entry], *, request_id: str, settings: str, settings_uri: str | None
) -> str:
    """
    Return the canonical StartRunBatch request of attempts of one shape and lane, as they are sent.

    *request_id* is of :func:`submission_id`, *settings* of :func:`settings_of`; *settings_uri* says where the
    service finds these in S3, and is None where they stand in the call.
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


#: Why rows go by StartRun that could go together.
FEW: Final = f"fewer than {MANY} are alike"
#: Ids that are kept of each reason.
_IDS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """Rows that each go by StartRun, for one reason."""

    rows: int
    ids: Sequence[str]  #: of some of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How rows would go."""

    together: int  #: rows
    calls: int  #: of StartRunBatch, at least
    alone: Mapping[str, Alone]  #: the others, by why

    @property
    def alone_rows(self) -> int:
        """How many go by StartRun, or cannot go, where that may not be."""
        return sum(one.rows for one in self.alone.values())


def ways(specs: Iterable[Spec], engine: Engine, wave: int) -> Ways:
    """Count *specs* by the way that they go, with at most *wave* rows in one StartRunBatch."""
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
