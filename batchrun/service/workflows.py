"""Reading a workflow: GetWorkflow, or GetWorkflowVersion where a version is meant.

The definition is never exported: it can be large, and is not used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from batchrun.model.texts.foreign import KEPT, storable
from batchrun.ports.workflows import Template, TemplateParameter, Workflow, WorkflowKey
from batchrun.service.wire import required_text, table, text

if TYPE_CHECKING:
    from types_aiobotocore_omics import OmicsClient

    from batchrun.service.calling.calls import Calls


async def workflow(calls: Calls, key: WorkflowKey) -> Workflow:
    """Return a workflow.

    Raises:
        NotFoundError: There is none of this type, owner and version.
        AccessDeniedError: The caller may not ask.
        CallError: It could not be asked.
    """
    operation = "GetWorkflow" if key.version is None else "GetWorkflowVersion"

    async def send(client: OmicsClient) -> Workflow:
        asked = _asked(key)
        if key.version is None:
            return _workflow(await client.get_workflow(id=key.id, **asked), key, operation)
        answer = await client.get_workflow_version(workflowId=key.id, versionName=key.version, **asked)
        return _workflow(answer, key, operation)

    return await calls.ask(operation, send)


def _asked(key: WorkflowKey) -> Any:
    # Without a type the service looks among private workflows only.
    return {"type": key.type} | ({} if key.owner is None else {"workflowOwnerId": key.owner})


def _workflow(answer: Mapping[str, Any], key: WorkflowKey, operation: str) -> Workflow:
    profiles = table(answer.get("profileParameterTemplates"))
    return Workflow(
        key=key,
        status=required_text(answer, "status", operation),
        status_message=text(answer, "statusMessage", most=KEPT),
        name=text(answer, "name") or text(answer, "versionName"),
        engine=text(answer, "engine"),
        template=_template(answer.get("parameterTemplate")),
        profiles={storable(name): _template(entries) or {} for name, entries in profiles.items()},
    )


def _template(entries: object) -> Template | None:
    """Read a template; an empty one counts as none."""
    read = {storable(name): _parameter(table(entry)) for name, entry in table(entries).items()}
    return read or None


def _parameter(entry: Mapping[str, Any]) -> TemplateParameter:
    return TemplateParameter(
        description=text(entry, "description") or "", optional=entry.get("optional") is True
    )
