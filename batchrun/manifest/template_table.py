"""
A CSV manifest to fill in, made from a workflow's parameter template.

Belongs here: its columns, and its one row. Does not: the same in YAML, which has room for what parameters are
(``template_text``).

What must be filled in is a placeholder that no row can fill, as in YAML; what may be left out is an empty
cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.manifest.delimited_text import is_heading, line_of
from batchrun.manifest.problems import Place, shown, unreadable
from batchrun.manifest.strict_json import encoded
from batchrun.manifest.template_text import FILL_IN, shared_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrun.ports.workflows import Template, Workflow


def template_table(workflow: Workflow, delimiter: str) -> str:
    """
    Return a manifest for runs of *workflow*: required parameters first.

    Raises:
        ManifestError: A parameter is called what no column can be.
    """
    cells = {"id": "", **{name: str(value) for name, value in shared_fields(workflow).items()}}
    cells |= _parameters(workflow.template or {})
    return line_of(list(cells), delimiter) + line_of(list(cells.values()), delimiter)


def _parameters(template: Template) -> Iterator[tuple[str, str]]:
    for name, entry in sorted(template.items(), key=lambda item: item[1].optional):
        if not is_heading(name):
            place = Place(source="the workflow's parameter template")
            raise unreadable(place, f"{shown(name)} can be no column", "write YAML: -o FILE.yaml")
        # So that the name's own colon is not taken for a type's.
        header, cell = (f"{name}:json", encoded(FILL_IN)) if ":" in name else (name, FILL_IN)
        yield f"parameters.{header}", "" if entry.optional else cell
