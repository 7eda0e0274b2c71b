"""Workflows as manifests need them: which one, whether it can run, and its parameter template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from batchrun.model.spec import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowKey:
    """What identifies a workflow."""

    id: str
    type: str = "PRIVATE"
    owner: str | None = None  #: the account that shared it
    version: str | None = None

    @classmethod
    def of(cls, request: Mapping[str, Json]) -> WorkflowKey | None:
        """Return the workflow of a request; None for a copy of a run, which has its own."""
        if "workflowId" not in request:
            return None
        owner, version = request.get("workflowOwnerId"), request.get("workflowVersionName")
        return cls(
            id=str(request["workflowId"]),
            type=str(request.get("workflowType", "PRIVATE")),
            owner=None if owner is None else str(owner),
            version=None if version is None else str(version),
        )

    def __str__(self) -> str:
        version = f" version {self.version}" if self.version else ""
        owner = f" of account {self.owner}" if self.owner else ""
        return f"{self.type} workflow {self.id}{version}{owner}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateParameter:
    """One entry of a parameter template."""

    description: str = ""
    optional: bool = False


#: Entries by name; other top-level names are not allowed.
Template: TypeAlias = Mapping[str, TemplateParameter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A workflow, or one version of it, as the service describes it."""

    key: WorkflowKey
    status: str
    status_message: str | None = None
    name: str | None = None
    engine: str | None = None
    template: Template | None = None  #: None where there is none: then anything is allowed
    profiles: Mapping[str, Template] = field(default_factory=dict)  #: of Nextflow profiles, instead
