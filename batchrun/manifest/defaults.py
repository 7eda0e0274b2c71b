"""What all rows share, from files and options, checked once instead of in every row.

Belongs here: what ``--defaults`` and ``--parameters-from`` take; ``defaults:`` and ``--set`` once they are
read; merging. Does not: reading documents, rows.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, Final, NamedTuple

from batchrun.manifest import limits
from batchrun.manifest.columns import ColumnError, column
from batchrun.manifest.json_document import parts_of
from batchrun.manifest.model_check import RequestModel
from batchrun.manifest.parts import TABLE, Part, Record
from batchrun.manifest.placeholders import Environment, PlaceholderError, check_name, names_in, unescaped
from batchrun.manifest.problems import Path, Place, Problems, dotted, printable, unreadable
from batchrun.manifest.recognised.kinds import DocumentKind, document_kind, is_field, is_slip, of_others
from batchrun.manifest.retry_rules import RETRY
from batchrun.manifest.rules import check_size
from batchrun.manifest.source import (
    FILES_ALONE,
    Beyond,
    Format,
    format_to_read,
    is_known,
    name_of,
    opened,
    unpacked_name,
)
from batchrun.manifest.text_input import kept, too_long
from batchrun.manifest.warned.looking import Looking
from batchrun.model.spec import Json, canonical, merged


def table(
    path: str,
    what: str,
    cure: str,
    problems: Problems,
    form: Format | None = None,
    *,
    beyond: Beyond = FILES_ALONE,
) -> Record:
    """Return the file's table.

    Args:
        path: Where it is.
        what: What messages call its content, such as ``defaults are``.
        cure: What messages say it should be.
        problems: Collects what is wrong within a value.
        form: The format. None: by the file's extension; without a known one, YAML, which includes JSON.
        beyond: What can be read besides files.

    Raises:
        ManifestError: It is not a table, or is larger than any request may be.
    """
    place = Place(source=name_of(path), line=1)
    parts: dict[str, Part] = {}
    for part in _parts(path, beyond, what, form):
        if not part.key:
            raise unreadable(part.place, f"{what} a table", cure)
        problems.extend(part.wrong)
        parts[part.key[0]] = part
    if not parts:
        raise unreadable(place, "there are no fields", cure)
    places = {(name, *inner): at for name, part in parts.items() for inner, at in part.places.items()}
    places |= {(name,): (part.place.line or 1, part.place.column or 1) for name, part in parts.items()}
    fields = {name: part.value for name, part in parts.items()}
    return Record(fields=fields, place=next(iter(parts.values())).place, places=places)


def refuse_others(found: Record, cure: str | None = None) -> None:
    """Raise ManifestError if *found* is another program's document; without *cure* it was for parameters."""
    if other := of_others(found.fields):
        raise unreadable(found.place, f"this is {other[0]}", cure or other[1])


def _parts(path: str, beyond: Beyond, what: str, form: Format | None) -> Iterator[Part]:
    name = name_of(path)
    found = format_to_read(path, form or (None if is_known(unpacked_name(path)) else Format.YAML))
    if not found.is_document:
        message = f"{what} a table, which this format cannot hold"
        raise unreadable(Place(source=name), message, "write it as YAML or JSON")
    with opened(path, beyond) as stream, contextlib.closing(kept(stream, name)) as copy:
        _refuse_large(copy, name)
        yield from parts_of(found, copy, name, layout=TABLE)


def _refuse_large(copy: BinaryIO, name: str) -> None:
    if copy.seek(0, os.SEEK_END) > limits.RECORD:
        raise too_long(Place(source=name), "table")
    copy.seek(0)


#: Keys of a manifest that users put among the defaults by mistake.
_NO_FIELDS: Final = (RETRY, "lanes")


def defaults_in(path: str, beyond: Beyond, model: RequestModel, problems: Problems) -> Record:
    """Return the StartRun fields of a file of defaults.

    Raises:
        ManifestError: It is not one, or has parameters at its top level.
    """
    cure = "write a table of StartRun fields"
    found = table(path, "defaults are", cure, problems, beyond=beyond)
    refuse_others(found, cure)
    for name in (name for name in _NO_FIELDS if name in found.fields):
        cure = "put it into the manifest, beside defaults and runs"
        raise unreadable(found.place_of((name,)), f"{name} is for all rows, and no field", cure, field=name)
    if _is_of_a_workflow(list(found.fields), model):
        message = "these are not fields of StartRun, but parameters of a workflow"
        raise unreadable(found.place, message, _given_with("--parameters-from", path))
    return found


def parameters_in(path: str, beyond: Beyond, model: RequestModel, problems: Problems) -> Record:
    """Return a file of a workflow's parameters as the field ``parameters``.

    Raises:
        ManifestError: It is not one, or is a whole request.
    """
    found = table(path, "parameters are", "write a table of names and values", problems, beyond=beyond)
    refuse_others(found)
    is_request = document_kind(found.fields, model) is DocumentKind.REQUEST
    if is_request and all(is_field(name, model) for name in found.fields):
        message = "these are not parameters of a workflow, but fields of StartRun"
        raise unreadable(found.place, message, _given_with("--defaults", path))
    return found.under("parameters")


def _is_of_a_workflow(names: list[str], model: RequestModel) -> bool:
    """Report whether names are surely parameters: several, or one in WDL's form, and no misspelt field."""
    is_sure = len(names) > 1 or "." in names[0]
    is_unlike = document_kind(names, model) is DocumentKind.PARAMETERS
    return is_sure and is_unlike and not is_slip(names, ("id", *model.fields))


def _given_with(option: str, path: str) -> str:
    return f"give the file with {option} instead: {option} {printable(shlex.quote(path), None)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Fields for every row, without those that have problems."""

    fields: dict[str, Json]
    broken: frozenset[str]  #: given, but wrong and reported: their absence is not another problem
    final: Mapping[str, SameForAll] = field(default_factory=dict)  #: those without placeholders


class SameForAll(NamedTuple):
    """A default that is the same for all rows, and so checked once."""

    value: Json  #: as it is sent
    text: str  #: canonical


def combined(
    records: Iterable[Record],
    model: RequestModel,
    environment: Environment,
    problems: Problems,
    *,
    has_lanes: bool = False,
) -> Defaults:
    """Check each layer, weakest first, and merge them; with *has_lanes*, ``{lane}`` is a placeholder."""
    fields: dict[str, Json] = {}
    broken: set[str] = set()
    for record in records:
        context = partial(_Context, record, environment, problems, has_lanes=has_lanes)
        sound = {name: value for name, value in record.fields.items() if _is_sound(name, context(), model)}
        broken |= record.fields.keys() - sound.keys()
        fields = merged(fields, sound)
    final = {name: one for name, value in fields.items() if (one := _final(name, value, model))}
    return Defaults(fields=fields, broken=frozenset(broken), final=final)


def laid_over(under: Defaults, over: Defaults, model: RequestModel) -> Defaults:
    """Merge a lane's own fields over the defaults of all rows."""
    fields = merged(under.fields, over.fields)
    kept = {name: one for name, one in under.final.items() if name not in over.fields}
    own = {name: one for name in over.fields if (one := _final(name, fields[name], model))}
    return Defaults(fields=fields, broken=under.broken | over.broken, final=kept | own)


def _final(name: str, value: Json, model: RequestModel) -> SameForAll | None:
    context = _Unfilled()
    checked = model.fields[name].check(value, (name,), context)
    return SameForAll(checked, canonical(checked)) if context.is_final else None


def _is_sound(name: str, context: _Context, model: RequestModel) -> bool:
    if name == "id":
        context.report((name,), "every run needs an id of its own", "give it in the rows")
    elif name not in model.fields:
        context.report((name,), *model.unknown(name, guess=context.problems.may_guess))
    else:
        value = model.fields[name].check(context.record.fields[name], (name,), context)
        if name == "parameters":
            check_size(value, context)
    return not context.failed


class _Context:
    """Checks what can be checked without a row; text with placeholders is left for later."""

    def __init__(
        self, record: Record, environment: Environment, problems: Problems, *, has_lanes: bool
    ) -> None:
        self.record = record
        self._environment = environment
        self._has_lanes = has_lanes
        self.problems = problems
        self.failed = False

    def fill(self, text: str, path: Path) -> str | None:
        """Refuse placeholders that no row can fill; return a text without any as final."""
        names = names_in(text)
        try:
            for name in names:
                check_name(name, self._environment.value, has_lanes=self._has_lanes)
        except PlaceholderError as error:
            self.report(path, error.message, error.cure)
        return None if names else unescaped(text)

    def report(self, path: Path, message: str, cure: str) -> None:
        """Record a problem."""
        self.failed = True
        self.problems.add(self.record.place_of(path), message, cure, field=dotted(path))


class _Unfilled:
    """Finds out whether a field has placeholders or problems."""

    def __init__(self) -> None:
        self.is_final = True

    def fill(self, text: str, path: Path) -> str | None:  # noqa: ARG002 (a context's)
        """Return a text that is the same for all rows."""
        self.is_final = self.is_final and not names_in(text)
        return unescaped(text)

    def report(self, path: Path, message: str, cure: str) -> None:  # noqa: ARG002 (a context's)
        """Ignore it: the rows report it, with its place."""
        self.is_final = False


def from_sets(sets: Sequence[str], model: RequestModel, problems: Problems, looking: Looking) -> list[Record]:
    """Read each ``NAME=TEXT`` of ``--set``."""
    records: list[Record] = []
    for text in sets:
        name, equals, value = text.partition("=")
        place = Place(source=f"--set {printable(name)}")
        if not equals:
            problems.add(place, "there is no value", "write --set NAME=VALUE")
        elif record := _set(name, value, place, model, problems, looking):
            records.append(record)
    return records


def _set(
    name: str, text: str, place: Place, model: RequestModel, problems: Problems, looking: Looking
) -> Record | None:
    fields: dict[str, Json] = {}
    try:
        target = column(name, model)
        target.put(fields, target.value(text))
    except ColumnError as error:
        problems.add(place, error.message, error.cure, field=name or None)
        return None
    if not target.is_typed:
        looking.option(
            name,
            text,
            place,
            lambda type_, also: (
                f"write --set {name}:{type_}=...{also}, or {name}:text=... where text is meant"
            ),
        )
    return Record(fields=fields, place=place, places={})
