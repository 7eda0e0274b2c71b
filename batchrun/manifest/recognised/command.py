"""
The command that takes a sheet, for the shell.

Belongs here: options and how they are quoted. Does not: which columns hold ids (``identity``).
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final

from batchrun.manifest.recognised.kinds import is_file
from batchrun.manifest.sheets.text import OURS
from batchrun.manifest.sheets.wanted import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchrun.manifest.recognised.identity import Identity
    from batchrun.manifest.source import Source

#: Columns that a command names one by one.
_NAMED: Final = 12
_PARAMETERS: Final = "parameters."
_AS_PARAMETERS: Final = "--columns-as-parameters"


def again(source: Source, options: Iterable[str]) -> str:
    """Write the command that reads the source once more, with options added."""
    path = ["--each-file", source.path] if source.is_each_file else [source.path]
    return shlex.join(["batchrun", source.verb, *path, *_given(source), *options])


def _given(source: Source) -> list[str]:
    """Return the options that it was read with."""
    given = [text for path in source.defaults for text in ("--defaults", path)]
    given += [text for path in source.parameters_from for text in ("--parameters-from", path)]
    given += [text for text in source.sets for text in ("--set", text)]
    given += [text for name in source.env for text in ("--env", name)]
    given += [] if source.batch is None else ["--batch", source.batch]
    given += [] if source.format is None else ["--format", source.format.value]
    given += [] if source.asked.delimiter is None else ["--delimiter", source.asked.delimiter]
    given += [] if source.asked.encoding is None else ["--encoding", source.asked.encoding]
    given += [] if source.asked.worksheet is None else ["--worksheet", source.asked.worksheet]
    given += [] if source.asked.header is None else ["--header", ",".join(source.asked.header)]
    return given


def each_row(header: Sequence[str], one: Identity) -> list[str]:
    """Return the options by which each row is a run."""
    return ["--id", header[one.index], *_as_they_are(header, (one.index,))]


def lanes(header: Sequence[str], one: Identity) -> list[str]:
    """Return the options by which rows that have the same id are one run: what differs becomes lists."""
    named = [index for index in one.differing if _is_usable(header, index)][:_NAMED]
    options = ["--group-by", header[one.index]]
    if one.gaps:
        # Lists of their own would no longer fit each other.
        table = {header[index]: f"{{{_column(header[index])}}}" for index in named}
        options += ["--parameter", f"rows:json={json.dumps([table], ensure_ascii=False)}"]
    else:
        for index in named:
            text = json.dumps([f"{{{_column(header[index])}}}"], ensure_ascii=False)
            options += ["--parameter", f"{header[index]}:json={text}"]
    return [*options, *_as_they_are(header, (one.index, *one.differing), named=(one.index, *named))]


def as_it_is(header: Sequence[str], one: Identity) -> list[str]:
    """Return the option by which the id's column is a parameter too."""
    name = header[one.index]
    return ["--parameter", f"{name}={{{_column(name)}}}"] if _is_usable(header, one.index) else []


def lanes_of_manifest(header: Sequence[str], cells: Sequence[str]) -> list[str] | None:
    """
    Return the options by which rows of a CSV manifest that have the same id are one run; files become lists.

    None where options cannot say it: there are other columns than ``id`` and ``parameters.NAME``.
    """
    options = ["--group-by", "id"]
    others = [(name, cell) for name, cell in zip(header, cells, strict=True) if name != "id"]
    for name, cell in others:
        parameter, colon, kind = name.removeprefix(_PARAMETERS).partition(":")
        if not name.startswith(_PARAMETERS) or set(name) & set("{}="):
            return None
        text = f"{{{name}{colon}{kind}}}"
        own = f"{parameter}:json={json.dumps([text], ensure_ascii=False)}" if is_file(cell) else None
        options += ["--parameter", own or f"{parameter}={text}"]
    return options if len(others) <= _NAMED else None


def _as_they_are(header: Sequence[str], taken: Sequence[int], named: Sequence[int] = ()) -> list[str]:
    """Return the option for all other columns: by their names where it cannot be for all that are left."""
    rest = [index for index in range(len(header)) if index not in taken and header[index].strip()]
    usable = [index for index in rest if _is_usable(header, index)]
    if not rest:
        return []
    if usable == rest and ALL not in header and set(named) >= set(taken if named else ()):
        return [_AS_PARAMETERS]
    plain = [header[index] for index in usable if not set(header[index]) & set(',"')][:_NAMED]
    return [_AS_PARAMETERS, ",".join(plain)] if plain else []


def _is_usable(header: Sequence[str], index: int) -> bool:
    name = header[index]
    is_plain = (
        name.strip() and name.isprintable() and not set(name) & set("{}=") and not name.endswith(":json")
    )
    return bool(is_plain) and header.count(name) == 1


def _column(name: str) -> str:
    return f"column.{name}" if name in OURS else name
