"""A manifest to fill in, from a workflow's parameter template: in YAML, or as a table with one row.

Values to fill in are placeholders that no row can fill, or are empty, so that ``check`` finds forgotten ones.
Names and descriptions are foreign text: they are quoted, shortened, and kept on their line. Does not belong
here: comparing rows with a template (``manifest.template_check``).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchrun.api.opening import Opening
from batchrun.api.written_manifests import manifest_kind
from batchrun.cli.logs import configure
from batchrun.cli.options import PLAIN
from batchrun.cli.showing.output_file import drafted, file_or_stdout
from batchrun.cli.speak import complain, say
from batchrun.errors import NotFoundError, UsageError
from batchrun.manifest import yaml_text
from batchrun.manifest.delimited_text import is_heading, line_of
from batchrun.manifest.problems import Place, printable, shown, unreadable
from batchrun.manifest.source import DELIMITERS, Format
from batchrun.manifest.strict_json import encoded
from batchrun.model.paces.rates import UNLIMITED
from batchrun.model.spec import Json
from batchrun.ports.workflows import Template, Workflow, WorkflowKey
from batchrun.report.outputs import Kind, ProtectedFiles
from batchrun.service.target import Target

if TYPE_CHECKING:
    from batchrun.cli.making.options import ManifestInitOptions

_ID: Final = re.compile(r"[0-9]{1,18}")
_OWNER: Final = re.compile(r"[0-9]{12}")
#: Formats by file extension; YAML for all others.
_FORMATS: Final = {".csv": Format.CSV, ".tsv": Format.TSV}
_IN_COLUMNS: Final = (
    " (a column parameters.NAME for each parameter, parameters.NAME:int where it is not text)"
)
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _key(options: ManifestInitOptions) -> WorkflowKey:
    for name, value, pattern, wanted in (
        ("workflow", options.workflow, _ID, "the workflow's id, digits alone"),
        ("workflow-owner-id", options.workflow_owner_id, _OWNER, "an account's 12 digits"),
        ("workflow-version", options.workflow_version, _VERSION, "a version's name"),
    ):
        if value is not None and not pattern.fullmatch(value):
            raise UsageError(f"--{name} '{value}': give {wanted}")
    return WorkflowKey(
        id=options.workflow,
        type=options.workflow_type,
        owner=options.workflow_owner_id,
        version=options.workflow_version,
    )


async def initialise(options: ManifestInitOptions) -> None:
    """Write the manifest."""
    key = _key(options)
    configure(PLAIN)
    form = _FORMATS.get(Path(options.output).suffix.lower(), Format.YAML)
    output = file_or_stdout(options.output, _kind(form), protected=ProtectedFiles(), force=options.force)
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
    """Return the kind of output with the extensions that its name may have."""
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


_WIDTH: Final = 100
_DESCRIPTION: Final = 1000
FILL_IN: Final = "{FILL_IN}"


def template_text(workflow: Workflow) -> str:
    """Return a manifest for runs of *workflow*."""
    return "".join(f"{line}\n" for line in (*_head(workflow), *_defaults(workflow), *_runs(workflow)))


def _head(workflow: Workflow) -> Iterator[str]:
    facts = ", ".join(printable(fact) for fact in (workflow.name, workflow.engine, workflow.status) if fact)
    yield from _comment(f"Runs of {printable(str(workflow.key))} ({facts}).", 0)
    yield from _comment(
        "Write your own in place of each {NAME} in capitals, and an id into each row; 'batchrun check "
        "--online' finds what is missing. {batch} and {id} are filled in by batchrun. A line behind # is "
        "optional.",
        0,
    )
    yield "# batch: NAME   # what results and runs are named after; without it, this file's name"


def shared_fields(workflow: Workflow) -> dict[str, Json]:
    """Return the fields that all runs of *workflow* need, as far as known."""
    key = workflow.key
    fields: dict[str, Json] = {"workflowId": key.id}
    if key.type != "PRIVATE":
        fields["workflowType"] = key.type
    if key.owner is not None:
        fields["workflowOwnerId"] = key.owner
    if key.version is not None:
        fields["workflowVersionName"] = key.version
    fields["roleArn"] = "arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    fields["outputUri"] = "s3://{BUCKET}/{batch}/{id}/"
    return fields


def _defaults(workflow: Workflow) -> Iterator[str]:
    yield "defaults:"
    yield from yaml_text.table(shared_fields(workflow), 2)
    if workflow.key.type != "READY2RUN":
        yield "  # storageType: DYNAMIC"
    if workflow.profiles:
        yield from _comment(f"engineSettings: {{profile: NAME}}   # one of {_listed(workflow.profiles)}", 2)
    yield "  # tags: {project: NAME}"
    yield "  # parameters:   # those that are the same in every row"


def _listed(names: Iterable[str]) -> str:
    return printable(", ".join(names), 200)


def _runs(workflow: Workflow) -> Iterator[str]:
    yield "runs:"
    yield "  - id:   # a name of its own for each row, such as the sample's"
    template = workflow.template
    if template is None:
        yield from _comment("The workflow has no parameter template: its names are not known.", 4)
        yield "    # parameters:"
        yield f'    #   name: "{FILL_IN}"'
        return
    yield from _parameters(template)


def _parameters(template: Template) -> Iterator[str]:
    required = {name: entry for name, entry in template.items() if not entry.optional}
    optional = {name: entry for name, entry in template.items() if entry.optional}
    # A table with nothing but comments would be null.
    yield "    parameters:" if required else "    # parameters:"
    for name, entry in required.items():
        yield from _comment(entry.description, 6)
        yield from yaml_text.table({name: FILL_IN}, 6)
    for name, entry in optional.items():
        yield from _comment(f"optional: {entry.description}" if entry.description else "optional", 6)
        yield from (f"      # {line}" for line in yaml_text.table({name: FILL_IN}, 0))


def _comment(text: str, indent: int) -> Iterator[str]:
    words = printable(" ".join(text.split()), _DESCRIPTION)
    space = " " * indent
    yield from (f"{space}# {line}" for line in textwrap.wrap(words, _WIDTH - indent - 2))


def template_table(workflow: Workflow, delimiter: str) -> str:
    """Return a table for runs of *workflow*, required parameters first."""
    cells = {"id": "", **{name: str(value) for name, value in shared_fields(workflow).items()}}
    cells |= _columns(workflow.template or {})
    return line_of(list(cells), delimiter) + line_of(list(cells.values()), delimiter)


def _columns(template: Template) -> Iterator[tuple[str, str]]:
    for name, entry in sorted(template.items(), key=lambda item: item[1].optional):
        if not is_heading(name):
            place = Place(source="the workflow's parameter template")
            raise unreadable(place, f"{shown(name)} cannot be a column", "write YAML: -o FILE.yaml")
        # So that the name's own colon is not read as a type's.
        header, cell = (f"{name}:json", encoded(FILL_IN)) if ":" in name else (name, FILL_IN)
        yield f"parameters.{header}", "" if entry.optional else cell
