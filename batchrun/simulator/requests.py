"""Requests that start something: checks beyond the model, and which requests were seen before.

The memory for requestIds makes StartRun and StartRunBatch idempotent. The service documents that a repeated
requestId starts nothing a second time, and little else. Assumed here:

- the same requestId with the same content returns the first run's or batch's id and uuid, even after its
  deletion;
- the same requestId with other content is a ConflictException;
- a repeat while the first call is still being answered is a ConflictException;
- a requestId is remembered for a window that begins with its first use; repeats do not prolong it.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from batchrun.simulator.refusal import conflict, invalid
from batchrun.simulator.settings import Workflow

Made = TypeVar("Made")
Params = Mapping[str, Any]

MAX_TAGS = 50
_MAX_PARAMETER_BYTES = 256_000
_STATIC_GIB = 1200
#: Fields of a rerun's source that are not copied from its request.
_NOT_COPIED = frozenset({"requestId", "runId", "tags"})


def complete(params: Params, source: Params) -> dict[str, Any]:
    """Fill in *params* from *source*, the request of a run to be rerun, and from defaults."""
    copied = {name: value for name, value in source.items() if name not in _NOT_COPIED}
    request = {
        "storageType": "DYNAMIC",  # the service's documentation contradicts itself
        "retentionMode": "RETAIN",
        "workflowType": "PRIVATE",
        **copied,
        **params,
    }
    if request["storageType"] == "STATIC":
        request.setdefault("storageCapacity", _STATIC_GIB)
    return request


def check(request: Params, workflow: Workflow) -> None:
    """Check a complete request. Raises RefusalError for the first broken rule between fields."""
    require_active(workflow)
    require_in_s3(request["outputUri"])
    check_tags(request.get("tags", {}))
    if "parameters" in request and "parametersUri" in request:
        raise invalid("Only one of parameters and parametersUri may be given")
    size = len(json.dumps(request.get("parameters", {}), separators=(",", ":")))
    if size > _MAX_PARAMETER_BYTES:
        raise invalid(f"parameters must not exceed {_MAX_PARAMETER_BYTES} bytes, and have {size}")
    if "parametersUri" not in request:
        _check_parameters(request, workflow)


def require_workflow(request: Params) -> None:
    """Raise RefusalError unless *request* names a workflow, itself or by the run that it repeats."""
    if "workflowId" not in request:
        raise invalid("Either workflowId or runId must be given")


def require_active(workflow: Workflow) -> None:
    """Raise RefusalError unless runs of *workflow* can be started."""
    if workflow.status != "ACTIVE":
        raise invalid(f"Workflow {workflow.id} is {workflow.status}")


def require_in_s3(output_uri: object) -> None:
    """Raise RefusalError unless outputs go to S3."""
    if not str(output_uri).startswith("s3://"):
        raise invalid("outputUri must be an S3 URI")


def check_tags(tags: Params) -> None:
    """Raise RefusalError if a new resource has too many tags, or tags with reserved names."""
    if len(tags) > MAX_TAGS:
        raise invalid(f"A run has {MAX_TAGS} tags at most")
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid("Tag keys must not begin with aws:")


def _check_parameters(request: Params, workflow: Workflow) -> None:
    if workflow.parameters is None:
        return
    given = request.get("parameters", {}).keys()
    required = {name for name, entry in workflow.parameters.items() if not entry.optional}
    if missing := sorted(required - given):
        raise invalid(f"Required parameters are missing: {', '.join(missing)}")
    if unknown := sorted(given - workflow.parameters.keys()):
        raise invalid(f"Parameters are not in the workflow's template: {', '.join(unknown)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memo(Generic[Made]):
    content: str
    made: Made
    until: float


class RequestMemory(Generic[Made]):
    """The runs, or batches, by the requestId that created them."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._memos: OrderedDict[str, _Memo[Made]] = OrderedDict()
        self._in_flight: set[str] = set()

    @contextmanager
    def in_flight(self, request_id: str) -> Iterator[None]:
        """Reserve *request_id* while its call is answered. Raises RefusalError if another call has it."""
        if request_id in self._in_flight:
            raise conflict(f"A request with requestId {request_id} is in progress")
        self._in_flight.add(request_id)
        try:
            yield
        finally:
            self._in_flight.discard(request_id)

    def recall(self, request: Mapping[str, Any], now: float) -> Made | None:
        """Return what this request created, or None. Raises RefusalError if its id had other content."""
        self._forget(now)
        memo = self._memos.get(request["requestId"])
        if memo is None:
            return None
        if memo.content != _content(request):
            raise conflict(f"requestId {request['requestId']} was used before with other parameters")
        return memo.made

    def remember(self, request: Mapping[str, Any], made: Made, now: float) -> None:
        """Remember what *request* created."""
        memo = _Memo(content=_content(request), made=made, until=now + self._window)
        self._memos[request["requestId"]] = memo

    def forget(self, request_id: str) -> None:
        """Forget what *request_id* created."""
        self._memos.pop(request_id, None)

    def _forget(self, now: float) -> None:
        while self._memos and next(iter(self._memos.values())).until <= now:
            self._memos.popitem(last=False)


def _content(request: Mapping[str, Any]) -> str:
    return json.dumps(request, sort_keys=True, separators=(",", ":"))
