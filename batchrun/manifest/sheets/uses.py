"""What becomes of a sheet's columns, for warnings.

Belongs here: which columns are used, for what, and how each could be given a type; text of ``--parameter
NAME=TEXT`` that looks like another type. Does not: cells (``warned.scan``).
"""

from __future__ import annotations

import functools
import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from batchrun.manifest.problems import printable
from batchrun.manifest.sheet_wishes import JSON, Wanted
from batchrun.manifest.sheets.nodes import Items, Mixed, Node, Pure, Repeated, TableNode
from batchrun.manifest.sheets.template import Template
from batchrun.manifest.strict_json import decoded
from batchrun.manifest.warned.found import Doubt, WarningKind
from batchrun.manifest.warned.looking import Looking
from batchrun.manifest.warned.scan import Used


def uses(template: Template, header: Sequence[str]) -> list[Used]:
    """Return each column that is used; all of them if sheets of rows are written."""
    named = [Used(index=index, name=header[index], is_id=True) for index in _ids(template)]
    for field, node in template.fields.members.items():
        named += _of(node, header, is_parameter=field == "parameters")
    if template.sheet_out is not None:
        named += [
            Used(index=index, name=name, is_parameter=True)
            for index, name in enumerate(header)
            if name.strip()
        ]
    found: dict[int, Used] = {}
    for used in named:
        found[used.index] = _both(found[used.index], used) if used.index in found else used
    return list(found.values())


def _ids(template: Template) -> Iterator[int]:
    yield from template.id.columns
    yield from template.group


def _of(node: Node, header: Sequence[str], *, is_parameter: bool) -> Iterator[Used]:
    if isinstance(node, Pure):
        if used := _pure(node, header, is_parameter=is_parameter):
            yield used
    elif isinstance(node, Mixed):
        for index in node.columns:
            yield Used(index=index, name=header[index], is_parameter=is_parameter)
    else:
        for part in _parts(node):
            yield from _of(part, header, is_parameter=is_parameter)


def _parts(node: Node) -> Iterable[Node]:
    match node:
        case TableNode():
            return node.members.values()
        case Items():
            return node.items
        case Repeated():
            return (*node.before, *node.items, *node.after)
        case _:
            return ()


def _pure(node: Pure, header: Sequence[str], *, is_parameter: bool) -> Used | None:
    """Return the use of a column that is a value by itself; None if the value is not text."""
    name = header[node.index]
    is_json = node.convert is not None and node.convert.convert is decoded
    if node.convert is not None and not is_json:
        return None
    cure = functools.partial(_cure, name, is_as_it_is=node.is_as_it_is) if node.is_untyped else None
    return Used(
        index=node.index,
        name=name,
        is_parameter=is_parameter,
        is_json=is_json,
        is_typed=node.is_as_it_is,
        cure=cure if is_parameter else None,
    )


def _cure(name: str, type_: str, also: str, *, is_as_it_is: bool) -> str:
    shown = printable(name)
    if is_as_it_is:
        typed = shlex.quote(f"{shown}={{{shown}:{type_}}}")
        return f"add --parameter {typed}{also}, or {{{shown}:text}} where text is meant"
    return f"write {{{shown}:{type_}}} for {{{shown}}}{also}, or {{{shown}:text}} where text is meant"


def _both(one: Used, other: Used) -> Used:
    """Return the combined use of a column that is named twice."""
    return Used(
        index=one.index,
        name=one.name,
        is_parameter=one.is_parameter or other.is_parameter,
        is_id=one.is_id or other.is_id,
        is_json=one.is_json and other.is_json,
        is_typed=one.is_typed and other.is_typed,
        cure=one.cure or other.cure,
    )


#: Most characters of a text in a cure.
_SHOWN: Final = 60


def look_at(wanted: Wanted, header: Sequence[str], looking: Looking) -> None:
    """Check for warnings what all runs of a sheet are given."""
    looking.shared(wanted.each)
    parameters = wanted.each.fields.get("parameters")
    for path, place in wanted.places.items():
        name = str(path[-1])
        text = parameters.get(name) if isinstance(parameters, dict) else None
        if not isinstance(text, str) or place.source.endswith(JSON):
            continue
        if doubt := _meant(name, text, header):
            looking.told(doubt, f"parameters.{name}", text, place)
        elif "{" not in text:
            looking.option(f"parameters.{name}", text, place, functools.partial(_cure_of_text, name, text))


def _meant(name: str, text: str, header: Sequence[str]) -> Doubt | None:
    """Return a doubt about a text that is a column's name, bare or marked as other programs do."""
    column = text.strip("${}<>")
    if column not in header or text == f"{{{column}}}":
        return None
    own = shlex.quote(f"{name}={{{column}}}")
    as_text = shlex.quote(f"{name}:json={json.dumps(text, ensure_ascii=False)}")
    return Doubt(
        WarningKind.PLACEHOLDER,
        "is a column's name, and is sent as it is",
        printable(f"write --parameter {own}, or {as_text} where text is meant", None),
    )


def _cure_of_text(name: str, text: str, type_: str, also: str) -> str:
    known = text if len(text) <= _SHOWN else "..."
    typed = known.lower() if type_ == "bool" else known
    as_text = json.dumps(known, ensure_ascii=False)
    return printable(
        f"write --parameter '{name}:json={typed}'{also}, or '{name}:json={as_text}' where text is meant", None
    )
