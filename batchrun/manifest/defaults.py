"""
What rows need not say: merging, and checking once what would otherwise be wrong in every row.

Belongs here: ``--defaults`` files, ``defaults:`` and ``--set`` once they are read. Does not: reading
documents.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from batchrun.manifest import limits
from batchrun.manifest.columns import ColumnError, column
from batchrun.manifest.placeholders import PlaceholderError, check_name, names_in, unescaped
from batchrun.manifest.problems import Place, Record, dotted, printable
from batchrun.manifest.rules import check_size
from batchrun.model.spec import canonical, merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from batchrun.manifest.environment import Environment
    from batchrun.manifest.model_check import RequestModel
    from batchrun.manifest.problems import Path, Problems
    from batchrun.manifest.warned.looking import Looking
    from batchrun.model.spec import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """Fields for every row, as far as they are sound."""

    fields: dict[str, Json]
    broken: frozenset[str]  #: given but wrong, and said so: their absence is not another problem
    final: Mapping[str, Final] = field(default_factory=dict)  #: those with nothing in them to be filled in


class Final(NamedTuple):
    """A field that is the same in every row that does not give it: checked once for all of them."""

    value: Json  #: as it is sent
    text: str  #: canonical


def combined(
    records: Iterable[Record], model: RequestModel, environment: Environment, problems: Problems
) -> Defaults:
    """Check each layer, weakest first, and lay them over each other."""
    fields: dict[str, Json] = {}
    broken: set[str] = set()
    for record in records:
        context = partial(_Context, record, environment, problems)
        sound = {name: value for name, value in record.fields.items() if _is_sound(name, context(), model)}
        broken |= record.fields.keys() - sound.keys()
        fields = merged(fields, sound)
    final = {name: one for name, value in fields.items() if (one := _final(name, value, model))}
    return Defaults(fields=fields, broken=frozenset(broken), final=final)


def _final(name: str, value: Json, model: RequestModel) -> Final | None:
    context = _Unfilled()
    checked = model.fields[name].check(value, (name,), context)
    return Final(checked, canonical(checked)) if context.is_final else None


def _is_sound(name: str, context: _Context, model: RequestModel) -> bool:
    if name == "id":
        context.report((name,), "every run needs an id of its own", "give it in the rows")
    elif name not in model.fields:
        context.report((name,), *model.unknown(name, guess=context.may_guess))
    else:
        value = model.fields[name].check(context.record.fields[name], (name,), context)
        if name == "parameters":
            check_size(value, context)
    return not context.failed


class _Context:
    """Checks what can be known before there is a row: text with placeholders is left for later."""

    def __init__(self, record: Record, environment: Environment, problems: Problems) -> None:
        self.record = record
        self._environment = environment
        self._problems = problems
        self.failed = False

    @property
    def may_guess(self) -> bool:
        """Whether there is time to find out what was meant."""
        return self._problems.total < limits.PROBLEMS

    def fill(self, text: str, path: Path) -> str | None:
        """Refuse names that no row can fill; texts without any are final."""
        names = names_in(text)
        try:
            for name in names:
                check_name(name, self._environment.value)
        except PlaceholderError as error:
            self.report(path, error.message, error.cure)
        return None if names else unescaped(text)

    def report(self, path: Path, message: str, cure: str) -> None:
        """Take a problem down."""
        self.failed = True
        self._problems.add(self.record.place_of(path), message, cure, field=dotted(path))


class _Unfilled:
    """Finds out whether there is anything in a field that rows would fill in, or that is wrong."""

    def __init__(self) -> None:
        self.is_final = True

    def fill(self, text: str, path: Path) -> str | None:  # noqa: ARG002 (a context's)
        """Return a text that is the same for all rows."""
        self.is_final = self.is_final and not names_in(text)
        return unescaped(text)

    def report(self, path: Path, message: str, cure: str) -> None:  # noqa: ARG002 (a context's)
        """Leave it to the rows, which know where it stands."""
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
