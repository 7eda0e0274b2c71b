"""A row becomes a spec: defaults laid under it, placeholders filled, everything checked.

Belongs here: checking one row and its names, and what must differ between rows. Does not: reading rows, and
checks of single fields (``model_check``, ``rules``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, Self

from batchrun.manifest import limits
from batchrun.manifest.defaults import Defaults
from batchrun.manifest.model_check import RequestModel
from batchrun.manifest.parts import Record
from batchrun.manifest.placeholders import Environment, PlaceholderError, Values
from batchrun.manifest.problems import Path, Place, Problems, dotted, shown
from batchrun.manifest.rules import check_size
from batchrun.manifest.scalars import HALF_A_CHARACTER, as_text
from batchrun.model.entries.retrying import LANE
from batchrun.model.spec import (
    NOT_WORK,
    Json,
    asked_parameters,
    canonical,
    default_name,
    joined,
    merged,
    work_of,
)


def wrong_name(name: str) -> tuple[str, str] | None:
    """Return message and cure for a bad id or batch name; None for a good one."""
    if not name:
        return "it is empty", "give a name"
    if len(name) > limits.NAME:
        return f"{shown(name)} has {len(name)} characters", f"use at most {limits.NAME}"
    if not name.isprintable():
        return f"{shown(name)} has characters that cannot be printed", "use printable characters alone"
    if name != name.strip():
        return f"{shown(name)} has white space at an end", "remove the white space"
    return None


def wrong_batch(name: str) -> tuple[str, str] | None:
    """Return message and cure for a bad batch name, which names the results file too; None for a good one."""
    if wrong := wrong_name(name):
        return wrong
    if "/" in name or "\\" in name:
        return f"{shown(name)} has a slash", "use a name that a file can have"
    if (size := len(name.encode(errors="replace"))) > limits.FILE_NAME:
        return f"{shown(name)} has {size} bytes in UTF-8", f"use at most {limits.FILE_NAME}"
    if name[0] in ".-":
        return f"{shown(name)} begins with {name[0]!r}", "begin with a letter or a digit"
    return None


_PARAMETERS: Final = ("parameters", "parametersUri")
_TO_RUN: Final = frozenset({"workflowId", "runId"})
#: Keys of a parameter in a workflow's template (ParameterTemplate of the service model).
_DESCRIBED: Final = frozenset({"description", "optional"})
_TEMPLATE: Final = (
    "this is a workflow's parameter template, which has no values",
    "write a value for each name: batchrun manifest init --workflow ID makes a file to fill in",
)
#: The value of ``{id}`` while the row's own id is bad.
_NO_ID: Final = "?"
_OF_A_SHEET: Final = (
    "if these lines are one run, group by a column (--group-by, group_by); else put into the id what tells "
    "them apart"
)
_OF_A_MANIFEST: Final = (
    "if these rows are one run, give it once, with lists of its files; else put into the id what tells them "
    "apart"
)


class Checked(NamedTuple):
    """A row that passed all checks."""

    id: str
    request: bytes  #: canonical, in UTF-8
    work: bytes  #: :func:`work_of` the request, before ``{batch}`` was filled in
    offers: bytes | None = None  #: its request in each lane it may take, if there are lanes


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The defaults of rows, and the fields that each must give; of one lane, if there are lanes."""

    defaults: Defaults
    required: Sequence[str]  #: fields that each row must give
    lacks_work: bool  #: whether each row must say what to run
    lane: str | None = None

    @classmethod
    def of(cls, defaults: Defaults, model: RequestModel, lane: str | None = None) -> Self:
        """Return what these defaults leave to the rows."""
        given = defaults.fields.keys() | defaults.broken
        return cls(
            defaults=defaults,
            required=[name for name in model.required if name not in given],
            lacks_work=given.isdisjoint(_TO_RUN),
            lane=lane,
        )


class Found(Protocol):
    """Collects problems: :class:`Problems`, or something that sorts them first."""

    total: int

    def add(
        self, place: Place, message: str, cure: str, *, row: str | None = None, field: str | None = None
    ) -> None:
        """Record a problem."""


@dataclass(kw_only=True)
class Expander:
    """Expands the rows of one batch.

    It remembers every id with its line, about 150 bytes a row, to find duplicates.
    """

    batch: str
    model: RequestModel
    defaults: Defaults
    environment: Environment
    problems: Problems
    _ids: dict[str, int | None] = field(default_factory=dict)
    _overwritten: dict[str, str] = field(default_factory=dict)
    by_uri: Record | None = None  #: the first row that has its parameters in a file
    taken: Collection[str] = ()  #: lanes that some row may go to; empty without lanes

    def __post_init__(self) -> None:
        self.terms = Terms.of(self.defaults, self.model)

    def expand(self, record: Record) -> Checked | None:
        """Return the checked row; None if it has problems, which are recorded."""
        row = self.begun(record)
        return self.checked(row, self.terms)

    def begun(self, record: Record) -> Row:
        """Return a row with its id checked, for use in one lane."""
        entry_id = as_text(record.fields.get("id"))
        row = Row(record, entry_id, self.problems)
        self._check_id(entry_id, row)
        return row

    def checked(self, row: Row, terms: Terms) -> Checked | None:
        """Return the row's request on these terms; None if it has problems, which are recorded."""
        fields = merged(terms.defaults.fields, row.record.fields)
        fields.pop("id", None)
        if terms.lane is not None:
            fields.pop(LANE, None)
        row.values = self.values(row, fields, terms.lane)
        row.placeholders_excused = "parameters" in terms.defaults.broken
        request = self._checked_fields(fields, row, terms)
        _check_presence(fields, row, terms)
        request.setdefault("name", default_name(self.batch, row.id or _NO_ID))
        self._check_parameters(request, row)
        self._check_output(request, row)
        return _encoded(row.id, request, row)

    def values(self, row: Row, fields: Mapping[str, Json], lane: str | None) -> Values:
        """Return the values of the row's placeholders."""
        parameters = fields.get("parameters")
        known = parameters if isinstance(parameters, dict) else {}
        return Values(
            self.batch, row.id or _NO_ID, known, sheet=row.record.sheet, lane=lane, env=self.environment.value
        )

    def _check_id(self, entry_id: str | None, row: Row) -> None:
        if entry_id is None:
            found = row.record.fields.get("id")
            is_other = isinstance(found, list | dict)
            message = f"{shown(found)} is not an id" if is_other else "the row has no id"
            row.report(("id",), message, "give each row an id of its own, as text")
        elif wrong := wrong_name(entry_id):
            row.report(("id",), *wrong)
        elif (key := _seen_as(entry_id)) in self._ids:
            line = self._ids[key]
            where = "before" if line is None else f"on line {line}"
            cure = row.record.if_twin or (_OF_A_SHEET if row.record.place.lines else _OF_A_MANIFEST)
            row.report(("id",), f"this id was given {where} already", cure)
        else:
            self._ids[key] = row.record.place.line

    def _checked_fields(self, fields: dict[str, Json], row: Row, terms: Terms) -> dict[str, Json]:
        known, final, own = self.model.fields, terms.defaults.final, row.record.fields
        request: dict[str, Json] = {}
        for name, value in fields.items():
            if name in final and name not in own:
                request[name], row.texts[name] = final[name]
            elif name in known:
                request[name] = known[name].check(value, (name,), row)
            else:
                row.report((name,), *self.model.unknown(name, guess=row.may_guess))
        return request

    def _check_parameters(self, request: dict[str, Json], row: Row) -> None:
        """Refuse parameters without values, or given in both ways at once: neither overrides the other."""
        if _is_template(request.get("parameters")):
            row.report(("parameters",), *_TEMPLATE)
        if "parametersUri" not in request:
            return
        self.by_uri = self.by_uri or row.record
        if "parameters" in request:
            shared = next((name for name in _PARAMETERS if name not in row.record.fields), None)
            whose = f", which is for all rows: {shared}" if shared is not None else ""
            message = f"parameters are given beside it, and it stands in their place{whose}"
            row.report(("parametersUri",), message, "leave one of the two out, or put all into the file")

    def _check_output(self, request: dict[str, Json], row: Row) -> None:
        """Refuse output places that overwrite another row's; by default each run has a folder of its own."""
        if request.get("outputUriPrefixMode") != "NONE_WITH_OVERWRITE":
            return
        output = str(request.get("outputUri")).rstrip("/")
        first = self._overwritten.setdefault(output, row.id or _NO_ID)
        if first != row.id:
            message = f"the outputs would overwrite those of {shown(first)}"
            row.report(("outputUri",), message, "put {id} into outputUri, or leave outputUriPrefixMode out")


def _is_template(parameters: Json) -> bool:
    """Report whether parameters are the template that CreateWorkflow takes or GetWorkflow returns."""
    return (
        isinstance(parameters, dict)
        and bool(parameters)
        and all(
            isinstance(value, dict)
            and isinstance(value.get("description"), str)
            and value.keys() <= _DESCRIBED
            for value in parameters.values()
        )
    )


def _seen_as(entry_id: str) -> str:
    """Return an id as it looks: an umlaut as one character, where macOS writes two."""
    return entry_id if entry_id.isascii() else unicodedata.normalize("NFC", entry_id)


def _check_presence(fields: dict[str, Json], row: Row, terms: Terms) -> None:
    missing = [name for name in terms.required if name not in fields]
    if terms.lacks_work and fields.keys().isdisjoint(_TO_RUN):
        missing.append("workflowId")
    if missing:
        row.report((missing[0],), *_lacking(missing))


def _lacking(missing: Sequence[str]) -> tuple[str, str]:
    """Return message and cure for fields that neither the row nor defaults have."""
    first, *others = missing
    message = "there is nothing to run" if first == "workflowId" else "it is missing"
    also = f", and so {'is' if len(others) == 1 else 'are'} {' and '.join(others)}" if others else ""
    either = " (or runId, to repeat a run)" if "workflowId" in missing else ""
    sets = " ".join(f"--set {name}=VALUE" for name in missing)
    cure = (
        f"give for all rows --defaults FILE, a YAML or JSON file with {', '.join(missing)}{either}, or {sets}"
    )
    return message + also, f"{cure}; or in each row"


class Row:
    """A row while it is checked."""

    __slots__ = (
        "_problems", "batchless", "failed", "id", "placeholders_excused", "record", "texts", "values",
    )  # fmt: skip

    def __init__(self, record: Record, entry_id: str | None, problems: Found) -> None:
        self.record = record
        self.id = entry_id
        self.values: Values
        self.placeholders_excused = False
        self.failed = False
        self.texts: dict[str, str] = {}  #: canonical texts of fields that were checked for all rows
        #: Texts of the work without the batch's name, by their texts with it.
        self.batchless: dict[str, str] = {}
        self._problems = problems

    @property
    def may_guess(self) -> bool:
        """Whether a guess at what was meant would still be shown."""
        return self._problems.total < limits.PROBLEMS

    def fill(self, text: str, path: Path) -> str | None:
        """Return the text with its placeholders filled in; None if that failed, which is recorded."""
        try:
            filled = self.values.fill(text)
            if path[0] not in NOT_WORK and (batchless := self.values.fill_but_batch(text)) is not None:
                self.batchless[filled] = batchless
        except PlaceholderError as error:
            if self.placeholders_excused:
                self.failed = True
            else:
                self.report(path, error.message, error.cure)
            return None
        return filled

    def report(self, path: Path, message: str, cure: str) -> None:
        """Record a problem."""
        self.failed = True
        place: Place = self.record.place_of(path)
        self._problems.add(place, message, cure, row=self.id, field=dotted(path))


def _encoded(entry_id: str | None, request: dict[str, Json], row: Row) -> Checked | None:
    if row.failed or entry_id is None:
        return None
    texts = row.texts
    for name, value in request.items():
        if name not in texts:
            texts[name] = canonical(value)
    try:
        encoded = joined(texts).encode()
    except UnicodeEncodeError:
        path = _surrogate(request, ()) or ()
        row.report(path, *HALF_A_CHARACTER)
        return None
    if len(encoded) > limits.PARAMETERS:
        check_size(request.get("parameters"), row)
    if row.failed:
        return None
    if row.batchless:
        texts |= {name: canonical(_batchless(value, row.batchless)) for name, value in request.items()}
    if not asked_parameters(request):
        # Rows without parameters differ only in their ids, and are still meant to be different.
        texts["id"] = canonical(entry_id)
    return Checked(id=entry_id, request=encoded, work=work_of(texts))


def _batchless(value: Json, texts: Mapping[str, str]) -> Json:
    """Return *value* with its texts in their form without the batch's name."""
    if isinstance(value, str):
        return texts.get(value, value)
    if isinstance(value, dict):
        return {key: _batchless(part, texts) for key, part in value.items()}
    return [_batchless(part, texts) for part in value] if isinstance(value, list) else value


def _surrogate(value: Json, path: Path) -> Path | None:
    """Return the path of a text or key that UTF-8 cannot encode, or None."""
    if isinstance(value, str):
        return path if any("\ud800" <= character <= "\udfff" for character in value) else None
    if isinstance(value, dict):
        pairs = [(key, part) for key, part in value.items()]
        found = (_surrogate(key, (*path, key)) or _surrogate(part, (*path, key)) for key, part in pairs)
        return next(filter(None, found), None)
    if isinstance(value, list):
        return next(
            filter(None, (_surrogate(part, (*path, index)) for index, part in enumerate(value))), None
        )
    return None
