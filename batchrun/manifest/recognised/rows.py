"""
Lists of what is no row of a manifest, in JSON and JSON Lines: StartRun requests, and tables of parameters.

A StartRun request is a run as it is: its name is its id, and its requestId names a call that will not be
made. Tables of parameters alone are a sheet. Belongs here: those two. Does not: rows with an id, whatever
they hold.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from batchrun.manifest.model_check import REQUEST_ID
from batchrun.manifest.placeholders import names_in
from batchrun.manifest.recognised.kinds import DocumentKind, document_kind, is_field, is_slip
from batchrun.manifest.recognised.sheet import MOST_ROWS
from batchrun.manifest.scalars import as_text
from batchrun.manifest.tables.json_lines import table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrun.manifest.model_check import RequestModel
    from batchrun.manifest.problems import Problems, Record
    from batchrun.manifest.recognised.sheet import Unasked

_CURE: Final = 'write a row: {"id": "NA12878", "parameters": {...}}'


def rows(
    records: Iterator[Record], unasked: Unasked, model: RequestModel, problems: Problems
) -> Iterator[Record]:
    """
    Return each row, with the id that it has or is given by its name; parameters alone become problems.

    Raises:
        ManifestError: The first has parameters alone, and so it is a sheet.
    """
    first = next(records, None)
    if first is None:
        return
    if _is_of_a_workflow(first, model):
        some = [first, *itertools.islice(records, MOST_ROWS)]
        raise unasked.foreign(table_of(some))
    for record in itertools.chain((first,), records):
        if _is_of_a_workflow(record, model):
            message = (
                "the row has no id, and its names are no fields of StartRun, but parameters of a workflow"
            )
            problems.add(record.place, message, _CURE, field="id")
        else:
            yield _with_id(record, model)


def _is_of_a_workflow(record: Record, model: RequestModel) -> bool:
    names = record.fields
    return (
        bool(names)
        and document_kind(names, model) is DocumentKind.PARAMETERS
        and "id" not in names
        and not is_slip(names, ("id", *model.fields))
    )


def _with_id(record: Record, model: RequestModel) -> Record:
    """Return a StartRun request as a row; anything else as it is."""
    name = as_text(record.fields.get("name"))
    is_request = "id" not in record.fields and all(is_field(one, model) for one in record.fields)
    if not (is_request and name) or names_in(name):
        return record
    fields = {field: value for field, value in record.fields.items() if field != REQUEST_ID}
    return replace(record, fields={"id": name, **fields})
