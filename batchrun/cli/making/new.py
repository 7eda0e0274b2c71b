"""A manifest to fill in, from end to end: ask for the workflow, write the file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchrun.api.opening import Opening
from batchrun.api.written_manifests import manifest_kind
from batchrun.cli.logs import configure
from batchrun.cli.making.template import template_table, template_text
from batchrun.cli.showing.output_file import drafted, named
from batchrun.cli.speak import complain, say
from batchrun.cli.wording import printable
from batchrun.errors import NotFoundError, UsageError
from batchrun.manifest.source import Format
from batchrun.manifest.write import DELIMITERS
from batchrun.model.paces.pace import UNLIMITED
from batchrun.ports.workflows import WorkflowKey
from batchrun.report.outputs import Inputs, Kind

if TYPE_CHECKING:
    from batchrun.cli.making.options import InitOptions
    from batchrun.ports.workflows import Workflow
    from batchrun.service.target import Target

_ID: Final = re.compile(r"[0-9]{1,18}")
_OWNER: Final = re.compile(r"[0-9]{12}")
#: What is written for an ending, if not YAML.
_FORMATS: Final = {".csv": Format.CSV, ".tsv": Format.TSV}
_IN_COLUMNS: Final = (
    " (a column parameters.NAME for each parameter, parameters.NAME:int where it is not text)"
)
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _key(options: InitOptions) -> WorkflowKey:
    for name, value, pattern, wanted in (
        ("workflow", options.workflow, _ID, "the workflow's id, digits alone"),
        ("workflow-owner-id", options.workflow_owner_id, _OWNER, "an account's 12 digits"),
        ("workflow-version", options.workflow_version, _VERSION, "a version's name"),
    ):
        if value is not None and not pattern.fullmatch(value):
            raise UsageError(printable(f"--{name} '{value}': give {wanted}"))
    return WorkflowKey(
        id=options.workflow,
        type=options.workflow_type,
        owner=options.workflow_owner_id,
        version=options.workflow_version,
    )


async def initialise(options: InitOptions) -> None:
    """
    Write the manifest.

    Raises:
        UsageError: There cannot be, or is no, such workflow, or the file cannot be written.
        ServiceError: The service could not be asked.
    """
    key = _key(options)
    configure(verbosity=0, as_json=False)
    form = _FORMATS.get(Path(options.output).suffix.lower(), Format.YAML)
    output = named(options.output, _kind(form), option="-o FILE", inputs=Inputs(), force=options.force)
    with drafted(output) as draft:
        workflow = await _asked(key, options.service.target())
        delimiter = DELIMITERS.get(form)
        text = template_text(workflow) if delimiter is None else template_table(workflow, delimiter)
        draft.write_text(text, encoding="utf-8", newline="")
    if workflow.status != "ACTIVE":
        complain(f"note: the {workflow.key} is {workflow.status}: runs of it cannot be started")
    if output is not None:
        how = "" if form is Format.YAML else _IN_COLUMNS
        say(f"{options.output}: fill it in{how}, then: batchrun check {options.output} --online")


def _kind(form: Format) -> Kind:
    """Say how the name of what is written ends, where that is not what decides it."""
    kind = manifest_kind(form)
    return kind if form is not Format.YAML else replace(kind, endings=(*kind.endings, *_FORMATS))


async def _asked(key: WorkflowKey, target: Target) -> Workflow:
    async with Opening(None, target=target, rate=UNLIMITED) as opened:
        service = await opened.service()
        try:
            return await service.workflow(key)
        except NotFoundError as error:
            raise UsageError(
                f"there is no {key} in {service.region}; check the id and --region, give "
                "--workflow-type READY2RUN for one of AWS's own, --workflow-owner-id for a shared one"
            ) from error
