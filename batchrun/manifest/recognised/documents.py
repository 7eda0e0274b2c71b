"""Documents and lists of JSON that are not manifests, and what they look like instead.

Belongs here: the messages about them. Does not: recognising them (``kinds``), tables (``sheet``).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Final

from batchrun.manifest.model_check import REQUEST_ID, RequestModel
from batchrun.manifest.parts import Record
from batchrun.manifest.placeholders import names_in
from batchrun.manifest.problems import Problems, printable
from batchrun.manifest.recognised import kinds
from batchrun.manifest.recognised.sheet import MOST_ROWS, Unasked, again
from batchrun.manifest.scalars import as_text
from batchrun.manifest.source import STDIN, Source
from batchrun.manifest.tables.reading import table_of

#: Fields of one run, hardly ever of all runs.
_OF_ONE_RUN: Final = frozenset({"name", "parameters", "requestId"})
_NO_MANIFEST: Final = "this is not a manifest but"
_WHAT_TO_RUN: Final = (
    "write what is to run: workflowId, roleArn, outputUri, parameters ('batchrun help manifest')"
)


def is_of_one_run(names: Collection[str], model: RequestModel) -> bool:
    """Report whether a document with these names, none of them a manifest's, is one run."""
    if all(kinds.is_field(name, model) for name in names):
        return not _OF_ONE_RUN.isdisjoint(names)
    is_sure = len(names) > 1 or any("." in name for name in names)
    return is_sure and kinds.document_kind(names, model) is kinds.DocumentKind.PARAMETERS


def words(
    source: Source, names: Sequence[str], keys: Collection[str], model: RequestModel, *, has_file: bool
) -> tuple[str, str] | None:
    """Return what a document without any key of a manifest is, and the cure; None if its names do not tell.

    *source* is the document and the options that it was read with; *names* are its own at the top, *keys*
    those of a manifest; *has_file*: one of its values is a file. What is surest is tried first.
    """
    known = {name for name in names if kinds.is_field(name, model)}
    if other := kinds.of_others(names):
        return f"{_NO_MANIFEST} {other[0]}", f"{other[1]}; and {_WHAT_TO_RUN}"
    if "items" in names:
        return f"{_NO_MANIFEST} an answer of ListRuns", _WHAT_TO_RUN
    if source.path == STDIN or not names or _are_slips([name for name in names if name not in known], keys):
        return None
    if not known:
        is_sure = has_file or len(names) > 1 or "." in names[0]
        is_of_workflow = is_sure and kinds.document_kind(names, model) is kinds.DocumentKind.PARAMETERS
        return _parameters(source) if is_of_workflow else None
    if known == {*names} - {"id"} and "id" in names:
        return f"{_NO_MANIFEST} a single row", "write it into a list: under runs, behind '- ' or within [ ]"
    if len(known) < len(names):
        return _parameters(source) if kinds.document_kind(names, model) is kinds.DocumentKind.EITHER else None
    as_defaults = f"give the file that has the runs, and this one beside it: {_beside(source, '--defaults')}"
    if _OF_ONE_RUN.isdisjoint(known):
        return f"{_NO_MANIFEST} a file of defaults: fields of StartRun, and no runs", as_defaults
    return f"{_NO_MANIFEST} a StartRun request", f"for its run, run: {_its_run(source)}"


def _are_slips(names: Sequence[str], keys: Collection[str]) -> bool:
    """Report whether half of the first names look like misspelt keys; one alone may be a workflow's."""
    first = names[: kinds.GUESSES]
    return bool(first) and 2 * sum(kinds.is_slip((name,), keys) for name in first) >= len(first)


def _parameters(source: Source) -> tuple[str, str]:
    rows = f"for all rows of a manifest, run: {_beside(source, '--parameters-from')}"
    message = f"{_NO_MANIFEST} has parameters of a workflow, such as a WDL inputs JSON"
    return message, f"{rows}; for one run, run: {_its_run(source)}"


def _beside(source: Source, option: str) -> str:
    """Return the command that reads a manifest with the file given by an option."""
    rows = replace(source, path="MANIFEST", format=None, batch=None)
    return printable(again(rows, [option, source.path]), None)


def _its_run(source: Source) -> str:
    """Return the command that takes the file as one run."""
    return printable(again(replace(source, is_each_file=True), ()), None)


_CURE: Final = 'write a row: {"id": "NA12878", "parameters": {...}}'


def rows(
    records: Iterator[Record], unasked: Unasked, model: RequestModel, problems: Problems
) -> Iterator[Record]:
    """Return each row, with its id or its name as id; rows of parameters only become problems.

    Raises:
        ManifestError: The first row has only parameters, so the file is a sheet.
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
                "the row has no id, and its names are not fields of StartRun, but parameters of a workflow"
            )
            problems.add(record.place, message, _CURE, field="id")
        else:
            yield _with_id(record, model)


def _is_of_a_workflow(record: Record, model: RequestModel) -> bool:
    names = record.fields
    return (
        bool(names)
        and kinds.document_kind(names, model) is kinds.DocumentKind.PARAMETERS
        and "id" not in names
        and not kinds.is_slip(names, ("id", *model.fields))
    )


def _with_id(record: Record, model: RequestModel) -> Record:
    """Return a StartRun request as a row; anything else as it is."""
    name = as_text(record.fields.get("name"))
    is_request = "id" not in record.fields and all(kinds.is_field(one, model) for one in record.fields)
    if not (is_request and name) or names_in(name):
        return record
    fields = {field: value for field, value in record.fields.items() if field != REQUEST_ID}
    return replace(record, fields={"id": name, **fields})
