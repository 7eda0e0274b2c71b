"""
What options say of a sheet, laid over what its manifest says.

Belongs here: that. Does not: the options themselves (``cli``), what is wanted in the end (``wanted``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from batchrun.manifest.problems import Place, Record, printable, shown
from batchrun.manifest.sheets.wanted import Wanted, Wish
from batchrun.manifest.strict_json import JsonError, decoded
from batchrun.model.spec import merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchrun.manifest.problems import Path, Problems
    from batchrun.manifest.sheets.wanted import SheetOptions
    from batchrun.model.spec import Json

#: What follows a name whose text is JSON.
JSON: Final = ":json"
_PARAMETERS: Final = "parameters"

#: What is wanted of a sheet of which nothing is said.
NOTHING: Final = Wanted(each=Record(fields={}, place=Place(source="each"), places={}))


def laid_over(wanted: Wanted, options: SheetOptions, problems: Problems) -> Wanted:
    """Let options win over the manifest; what is wrong with them becomes problems."""
    given = list(_parameters(options, problems))
    parameters: dict[str, Json] = {name: value for name, value, _ in given}
    own: dict[str, Json] = {_PARAMETERS: parameters} if given else {}
    fields = merged(merged(wanted.each.fields, dict(options.each)), own)
    places: Mapping[Path, Place] = {(_PARAMETERS, name): place for name, _, place in given}
    return replace(
        wanted,
        each=replace(wanted.each, fields=fields),
        places=places,
        id=wanted.id if options.id is None else _wish("--id", options.id),
        group_by=_wishes("--group-by", options.group_by) or wanted.group_by,
        as_parameters=_wishes("--columns-as-parameters", options.columns_as_parameters),
        sheet_out=wanted.sheet_out if options.sheet_out is None else _wish("sheet_out", options.sheet_out),
    )


def _wish(source: str, text: str) -> Wish:
    return Wish(text=text, place=Place(source=source))


def _wishes(source: str, texts: tuple[str, ...]) -> tuple[Wish, ...]:
    return tuple(_wish(source, text) for text in texts)


def _parameters(options: SheetOptions, problems: Problems) -> Iterator[tuple[str, Json, Place]]:
    """Read each NAME=TEXT and NAME:json=JSON."""
    for option in options.parameters:
        head, equals, text = option.partition("=")
        place = Place(source=f"--parameter {printable(head)}")
        name = head.removesuffix(JSON)
        if not (equals and name):
            problems.add(place, "there is no value", "write --parameter NAME=TEXT, with columns in braces")
        elif name == head:
            yield name, text, place
        else:
            try:
                yield name, decoded(text), place
            except JsonError as error:
                problems.add(place, f"{shown(text)}: {error.message}", error.cure)
