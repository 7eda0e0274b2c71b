"""
Files as a sheet, a line for each lane, and the manifest that makes runs of it.

Belongs here: the text of both. Pure. Does not: which files belong together (``pairing``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.cli.making.name_patterns import wrong
from batchrun.cli.making.pairing import MOST_KINDS
from batchrun.manifest import yaml_text
from batchrun.manifest.delimited_text import line_of
from batchrun.manifest.each_file import natural
from batchrun.manifest.problems import shown
from batchrun.manifest.sheet_wishes import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batchrun.cli.making.pairing import Line, Naming
    from batchrun.model.spec import Json

_OPTION: Final = "--parameter"
#: What no name of a column has that a text names.
_UNUSABLE: Final = frozenset("{}")
_HEAD: Final = (
    "# What all runs need, such as workflowId, goes under defaults: here, or into a file for --defaults.",
)


def parameters_of(how: Naming, lines: Iterable[Line]) -> Sequence[str]:
    """
    Return what the parameters are called, in their order.

    Raises:
        ManifestError: They cannot be columns beside those that the names of the files have.
    """
    found = sorted({name for line in lines for name in line.files}, key=natural)
    if len(found) > MOST_KINDS:
        cure = "let it have fewer parts of the file's name"
        raise wrong(f"there would be {len(found)} parameters, {found[0]} among them", cure, _OPTION)
    for name in found:
        if name in {*how.ids, *how.others}:
            message = f"{shown(name)} would be a parameter, and is a part of the pattern"
            raise wrong(message, "name the parameter otherwise", _OPTION)
        if not name.isprintable() or name != name.strip() or not _UNUSABLE.isdisjoint(name):
            raise wrong(
                f"{shown(name)} is not a name that a column can have", "name the parameter otherwise", _OPTION
            )
    return found


def sheet(how: Naming, lines: Iterable[Line], parameters: Sequence[str]) -> Iterator[str]:
    """Return the lines of the sheet, in CSV."""
    yield line_of([*how.ids, *how.others, *parameters], ",")
    for line in lines:
        yield line_of([*line.ids, *line.others, *(line.files.get(name, "") for name in parameters)], ",")


def manifest(how: Naming, parameters: Sequence[str], name: str) -> Iterator[str]:
    """Return the lines of the manifest, in YAML, for the sheet that is called *name* and lies beside it."""
    group: Json = how.ids[0] if len(how.ids) == 1 else list(how.ids)
    lists: dict[str, Json] = {one: [f"{{{_column(one)}}}"] for one in parameters}
    table: dict[str, Json] = {"sheet": name, "group_by": group, "each": {"parameters": lists}}
    yield from (f"{line}\n" for line in (*_HEAD, *yaml_text.table(table, 0, depth=0)))


def _column(name: str) -> str:
    return f"column.{name}" if name in OURS else name
