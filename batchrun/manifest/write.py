"""Rows written as a manifest, in any format.

    fields = shared_fields(rows)  # of written_rows
    write(rows, file, Format.YAML, batch="cohort", defaults=fields)

Belongs here: the parts of each format's document. Does not: single values (``yaml_text``,
``delimited_text``), AWS's settings (``native``), opening and replacing files (``cli``).

Rows are iterated twice or more and never kept, so memory does not grow with them. What is written loads as
the same specs; what a format cannot express is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Final

from batchrun.manifest import delimited_text, yaml_text
from batchrun.manifest.lanes.table import LANES
from batchrun.manifest.retry_rules import RETRY, written
from batchrun.manifest.source import DELIMITERS, Format
from batchrun.manifest.written_rows import (
    NO_LANES,
    WrittenLanes,
    WrittenRow,
    WrittenRows,
    as_written,
    json_text,
    without,
)
from batchrun.model.entries.retrying import RetryPolicy
from batchrun.model.spec import Json

_FIRST: Final = ("lane", "workflowId", "workflowType", "roleArn", "outputUri", "name", "parameters", "tags")


def write(
    rows: WrittenRows,
    out: IO[str],
    form: Format,
    *,
    batch: str | None = None,
    defaults: Mapping[str, Json] | None = None,
    lanes: WrittenLanes = NO_LANES,
    retry: RetryPolicy | None = None,
    source: str = "manifest",
) -> None:
    """Write a manifest to *out*, which is open with ``newline=""`` and in UTF-8.

    Only YAML and JSON can hold *batch*, *retry*, the table of *lanes*, and *defaults*, which all rows share:
    for other formats the caller writes them with :func:`write_defaults`. Messages call the rows *source*.

    Raises:
        ManifestError: The format cannot express a row.
    """
    shared = defaults or {}
    head = _head(batch, _shared(shared, lanes), lanes, retry) if form.is_document else {}

    def rest() -> WrittenRows:
        return lambda: (WrittenRow(id=row.id, fields=without(row.fields, shared)) for row in rows())

    own = rest() if shared else rows
    if form is Format.YAML:
        _write_yaml(own, out, head)
    elif form is Format.JSON:
        _write_json(own, out, head)
    elif form is Format.JSONL:
        for row in own():
            out.write(json_text(_table(row)) + "\n")
    else:
        delimited_text.write(own, out, DELIMITERS[form], source=source)


def _shared(defaults: Mapping[str, Json], lanes: WrittenLanes) -> dict[str, Json]:
    return _ordered({name: as_written(value) for name, value in defaults.items()} | {**lanes.texts})


def write_defaults(
    defaults: Mapping[str, Json], out: IO[str], form: Format, *, lanes: WrittenLanes = NO_LANES
) -> None:
    """Write a file for ``--defaults``, in YAML or JSON; arguments as for :func:`write`."""
    fields = _shared(defaults, lanes)
    if form is Format.JSON:
        out.write(json_text(fields, indent=2) + "\n")
    else:
        out.writelines(f"{line}\n" for line in yaml_text.table(fields, 0))


def _head(
    batch: str | None, shared: dict[str, Json], lanes: WrittenLanes, retry: RetryPolicy | None
) -> dict[str, Json]:
    head: dict[str, Json] = {} if batch is None else {"batch": batch}
    if shared:
        head["defaults"] = shared
    if lanes.table:
        head[LANES] = {**lanes.table}
    block = None if retry is None else written(retry)
    return head if block is None else head | {RETRY: block}


def _table(row: WrittenRow) -> dict[str, Json]:
    return {"id": row.id, **_ordered({name: as_written(value) for name, value in row.fields.items()})}


def _ordered(fields: dict[str, Json]) -> dict[str, Json]:
    """Return the fields in the usual order."""
    return {**{name: fields[name] for name in _FIRST if name in fields}, **fields}


def _write_yaml(rows: WrittenRows, out: IO[str], head: dict[str, Json]) -> None:
    out.writelines(f"{line}\n" for line in yaml_text.table(head, 0, depth=0))
    out.write("runs:\n")
    for row in rows():
        out.writelines(f"{line}\n" for line in yaml_text.element(_table(row), 2))


def _write_json(rows: WrittenRows, out: IO[str], head: dict[str, Json]) -> None:
    out.write("{\n")
    for name, value in head.items():
        out.write(f"  {json_text(name)}: {json_text(value)},\n")
    mark = '  "runs": ['
    for row in rows():
        out.write(f"{mark}\n    {json_text(_table(row))}")
        mark = ","
    out.write("\n  ]\n}\n")
