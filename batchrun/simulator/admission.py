"""What StartRun asks of a request beyond the model: the rules between fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from batchrun.simulator.refusal import invalid
from batchrun.simulator.settings import Workflow

Params = Mapping[str, Any]

_MAX_TAGS = 50
_MAX_PARAMETER_BYTES = 256_000
_STATIC_GIB = 1200
#: Of a rerun's source these are its own and not what it was asked for.
_NOT_COPIED = frozenset({"requestId", "runId", "tags"})


def complete(params: Params, source: Params) -> dict[str, Any]:
    """Fill *params* up with what is copied from *source*, a run to be run again, and with defaults."""
    copied = {name: value for name, value in source.items() if name not in _NOT_COPIED}
    request = {
        "storageType": "DYNAMIC",  # the service's documents contradict each other
        "retentionMode": "RETAIN",
        "workflowType": "PRIVATE",
        **copied,
        **params,
    }
    if request["storageType"] == "STATIC":
        request.setdefault("storageCapacity", _STATIC_GIB)
    return request


def check(request: Params, workflow: Workflow) -> None:
    """Check a complete request. Raises RefusalError for the first rule that is broken."""
    require_active(workflow)
    problem = _request_problem(request) or _workflow_problem(request, workflow)
    if problem is not None:
        raise invalid(problem)


def require_workflow(request: Params) -> None:
    """Raise RefusalError unless *request* names a workflow, its own or that of the run it copies."""
    if "workflowId" not in request:
        raise invalid("Either workflowId or runId must be given")


def check_tags(tags: Params) -> None:
    """Raise RefusalError where a new resource has too many tags, or tags with reserved names."""
    if (problem := _tags_problem(tags)) is not None:
        raise invalid(problem)


def require_active(workflow: Workflow) -> None:
    """Raise RefusalError unless runs of *workflow* can be started."""
    if workflow.status != "ACTIVE":
        raise invalid(f"Workflow {workflow.id} is {workflow.status}")


def _tags_problem(tags: Params) -> str | None:
    if len(tags) > _MAX_TAGS:
        return f"A run has {_MAX_TAGS} tags at most"
    if any(key.lower().startswith("aws:") for key in tags):
        return "Tag keys must not begin with aws:"
    return None


def _request_problem(request: Params) -> str | None:
    if not str(request["outputUri"]).startswith("s3://"):
        return "outputUri must be an S3 URI"
    problem = _tags_problem(request.get("tags", {}))
    if problem is not None:
        return problem
    if "parameters" in request and "parametersUri" in request:
        return "Only one of parameters and parametersUri may be given"
    size = len(json.dumps(request.get("parameters", {}), separators=(",", ":")))
    if size > _MAX_PARAMETER_BYTES:
        return f"parameters must not exceed {_MAX_PARAMETER_BYTES} bytes, and have {size}"
    return None


def _workflow_problem(request: Params, workflow: Workflow) -> str | None:
    if workflow.parameters is None or "parametersUri" in request:
        return None
    given = request.get("parameters", {}).keys()
    required = {name for name, entry in workflow.parameters.items() if not entry.optional}
    if missing := sorted(required - given):
        return f"Required parameters are missing: {', '.join(missing)}"
    if unknown := sorted(given - workflow.parameters.keys()):
        return f"Parameters are not in the workflow's template: {', '.join(unknown)}"
    return None
