"""Rows checked against what the service says of their workflows.

Belongs here: problems of a row once its workflow is known: status, missing and unknown parameters, the form
of the role. Pure. Does not: asking for workflows (``service``), checks without them (``rules``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from batchrun.manifest.problems import instead, printable, shown
from batchrun.manifest.rows import Found
from batchrun.manifest.spool import RowPlaces
from batchrun.model.spec import Json, Spec
from batchrun.ports.workflows import Template, Workflow, WorkflowKey

_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)
_Finding = tuple[str, str, str]  #: field, message, cure


def check_rows(
    specs: Iterable[Spec],
    workflows: Mapping[WorkflowKey, Workflow | None],
    places: RowPlaces,
    problems: Found,
) -> None:
    """Check each spec against its workflow, as the service described it.

    A workflow is None if it does not exist; those that could not be asked for are left out.
    """
    for spec in specs:
        request: dict[str, Json] = json.loads(spec.request)
        for name, message, cure in _row_findings(request, workflows):
            problems.add(places.place(spec.position), message, cure, row=spec.id, field=name)


def _row_findings(
    request: dict[str, Json], workflows: Mapping[WorkflowKey, Workflow | None]
) -> Iterator[_Finding]:
    role = str(request.get("roleArn"))
    if not _ROLE.fullmatch(role):
        cure = "write arn:aws:iam::ACCOUNT:role/NAME, with 12 digits"
        yield "roleArn", f"{shown(role)} is not a role", cure
    key = WorkflowKey.of(request)
    if key is None or key not in workflows:
        return
    workflow = workflows[key]
    if workflow is None:
        yield "workflowId", f"there is no {printable(str(key), 150)}", _ABSENT_CURE
        return
    if workflow.status != "ACTIVE":
        said = f": {printable(workflow.status_message)}" if workflow.status_message else ""
        message = f"the {printable(str(key), 150)} is {printable(workflow.status)}{said}"
        yield "workflowId", message, "use a workflow, or a version of it, that is ACTIVE"
    yield from _parameter_findings(request, workflow)


_ABSENT_CURE: Final = (
    "check the id, the version and --region; workflowType: READY2RUN is for AWS's own, workflowOwnerId for "
    "one that was shared"
)


def _parameter_findings(request: dict[str, Json], workflow: Workflow) -> Iterator[_Finding]:
    if workflow.template is None or "parametersUri" in request:
        return  # which parameters there may be, or are in the file, is not known
    parameters = request.get("parameters")
    given: Collection[str] = parameters if isinstance(parameters, dict) else ()
    required, known = _wanted(workflow, workflow.template, _profiles(request))
    for name, entry in required.items():
        if name not in given and not entry.optional:
            about = f" ({printable(' '.join(entry.description.split()))})" if entry.description else ""
            yield (
                f"parameters.{name}",
                f"the workflow requires it{about}",
                "give it in the row, or in defaults",
            )
    for name in given:
        if name not in known:
            cure = instead(name, known, f"use one of {printable(', '.join(known), 200)}")
            yield f"parameters.{name}", "the workflow has no such parameter", cure


def _profiles(request: Mapping[str, Json]) -> list[str]:
    settings = request.get("engineSettings")
    profile = settings.get("profile") if isinstance(settings, dict) else None
    return [name.strip() for name in profile.split(",")] if isinstance(profile, str) else []


def _wanted(workflow: Workflow, template: Template, profiles: list[str]) -> tuple[Template, Template]:
    """Return the parameters that must be given, and those that may.

    A profile may give required parameters, as its own template says. Without a template it is not known which
    ones, so none is missing.
    """
    if not profiles:
        return template, template
    known = dict(template)
    required: dict[str, bool] = {}
    for name in profiles:
        own = workflow.profiles.get(name)
        known |= own or {}
        for parameter, entry in (own or {}).items():
            required[parameter] = required.get(parameter, True) and not entry.optional
    return {name: known[name] for name, is_required in required.items() if is_required}, known
