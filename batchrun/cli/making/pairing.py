"""Making rows from files: a pattern decides which belong together, their parameters, and which seem missing.

Belongs here: the pattern, the rows made with it, their problems, and missing files that other rows have: a
mate, a lane's reads, a kind of file. Pure. Does not: where the names come from (``pairs``, ``service``),
time limits on patterns (``name_patterns``).
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from batchrun.cli.making.name_patterns import EXAMPLE, LONGEST, compiled, wrong
from batchrun.manifest.each_file import natural
from batchrun.manifest.problems import Place, Problems, printable, shown, unreadable
from batchrun.manifest.rows import wrong_name
from batchrun.manifest.written_rows import WrittenRow
from batchrun.model.spec import Json

#: The parts of a file's name, without those of the row's id, in the pattern's order.
Groups: TypeAlias = tuple[str, ...]


#: Most parameters of a row, each with one file: more mean that the pattern is wrong.
MOST_KINDS: Final = 1000
#: Most mates of a file: reads and their indexes.
_MOST_MATES: Final = 8
_MATE: Final = re.compile(
    r"(?:read|mate|pair|end|direction)s?|r|(?:read|pair)_?(?:no|num|number|end)", re.IGNORECASE
)
_NO_MATE: Final = re.compile(r".*(?:lane|flow|run|chunk|part|rep).*", re.IGNORECASE)
_MATES_VALUE: Final = re.compile(r"[RIri]?[1-4]|fwd|rev|forward|reverse", re.IGNORECASE)


def is_mate(name: str) -> bool:
    """Return whether a part of that name tells which of several mates a file is."""
    return _MATE.fullmatch(name) is not None


def lacking(
    rows: Mapping[str, Collection[Groups]], names: Groups, *, named: Collection[str], is_list: bool
) -> dict[str, list[Groups]]:
    """Return the files that rows lack, by row.

    *names* are the parts of a file's name, *named* those in a parameter's name. If parameters are lists, one
    row may have more lanes than another.
    """
    kinds = dict.fromkeys(groups for files in rows.values() for groups in files)
    mates = _mates(list(kinds), names, named if is_list else ())
    others = dict.fromkeys(tuple(groups[at] for at in mates) for groups in kinds)
    found: dict[str, list[Groups]] = {}
    for row, files in rows.items():
        missing: Iterator[Groups] = iter(())
        if is_list and len(names) > 1:
            missing = iter(_gaps(files))
        elif len(kinds) <= MOST_KINDS:
            missing = (one for one in kinds if one not in files)
        if len(others) <= _MOST_MATES:
            missing = itertools.chain(missing, _mateless(files, mates, list(others)))
        if absent := list(dict.fromkeys(missing)):
            found[row] = absent
    return found


def _mates(kinds: Sequence[Groups], names: Groups, named: Collection[str]) -> Sequence[int]:
    """Return the parts that tell which mate a file is, found by their names, or else by their values."""
    may_be = [at for at, name in enumerate(names) if not _NO_MATE.fullmatch(name)]
    called = [at for at in may_be if names[at] in named or is_mate(names[at])]
    return called or [at for at in may_be if all(_MATES_VALUE.fullmatch(groups[at]) for groups in kinds)]


def _mateless(
    files: Collection[Groups], mates: Sequence[int], others: Sequence[tuple[str, ...]]
) -> Iterator[Groups]:
    """Yield the mates that a row's files lack but have in other rows."""
    for groups in files:
        for values in others:
            mate = list(groups)
            for at, value in zip(mates, values, strict=True):
                mate[at] = value
            if tuple(mate) not in files:
                yield tuple(mate)


def _gaps(files: Collection[Groups]) -> list[Groups]:
    """Return the missing combinations, such as of each of a row's lanes with each of its reads."""
    columns = [dict.fromkeys(column) for column in zip(*files, strict=True)]
    # Invariant: at most twice as many combinations as files are tried; sparse names are not a grid.
    size = 1
    for column in columns:
        size *= len(column)
    if size > 2 * len(files):
        return []
    return [groups for groups in itertools.product(*columns) if groups not in files]


#: Most files that are paired: all are kept in memory.
MOST_FILES: Final = 1_000_000
_ID: Final = "id"
_SHOWN: Final = 5
_GROUP: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file."""

    name: str  #: the text that the pattern is matched against
    uri: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a sheet: the files of a run that belong together."""

    ids: Groups
    others: Groups
    files: Mapping[str, str]  #: URIs by parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How file names are split, and parameters named."""

    pattern: re.Pattern[str]
    ids: Groups  #: the parts of a name that form the row's id
    groups: Groups  #: all others, in the pattern's order
    parameter: str  #: the parameters' name, with ``{group}`` in it
    is_list: bool  #: whether each parameter is a list of files

    @property
    def matches_path(self) -> bool:
        """Whether the pattern matches folders too."""
        return "/" in self.pattern.pattern

    @property
    def named(self) -> Groups:
        """The groups in a parameter's name."""
        return tuple(_GROUP.findall(self.parameter))

    @property
    def others(self) -> Groups:
        """The groups that are not in it, such as a lane."""
        return tuple(name for name in self.groups if name not in self.named)

    def parameter_of(self, values: Groups) -> str:
        """Return the name of the parameter that a file belongs to."""
        known = dict(zip(self.groups, values, strict=True))
        return _GROUP.sub(lambda match: known[match[1]], self.parameter)


def naming(
    pattern: str, *, parameter: str | None, list_name: str | None, group_by: tuple[str, ...] = ()
) -> Naming:
    """Read the pattern and the parameters' name.

    Args:
        pattern: As in ``name_patterns``.
        parameter: The parameters' name; by default made from the groups.
        list_name: The same, for parameters that are lists.
        group_by: The parts of the name that form a row, instead of ``id``; each parameter is a list.

    Raises:
        ManifestError: One of them cannot be used.
    """
    found = compiled(pattern)
    ids = group_by or (_ID,)
    for name in ids:
        _check_id(name, found, is_asked=bool(group_by))
    groups = tuple(name for name in found.groupindex if name not in ids)
    option = "--parameter" if list_name is None else "--list"
    parts = [name for name in groups if is_mate(name)] if group_by else groups
    template = list_name or parameter or "_".join(["reads", *(f"{{{name}}}" for name in parts)])
    for name in _GROUP.findall(template):
        if name not in groups:
            known = (
                f"its groups are {', '.join(groups)}" if groups else f"it has no group but {', '.join(ids)}"
            )
            raise wrong(f"the pattern has no group {shown(name)}", known, option)
    if not template.strip():
        raise wrong("it is empty", "name the parameter", option)
    is_list = list_name is not None or bool(group_by)
    return Naming(pattern=found, ids=ids, groups=groups, parameter=template, is_list=is_list)


def _check_id(name: str, pattern: re.Pattern[str], *, is_asked: bool) -> None:
    if name in pattern.groupindex:
        return
    groups = ", ".join(pattern.groupindex)
    if is_asked:
        cure = f"its parts are {groups}" if groups else f"name its parts, {EXAMPLE}"
        raise wrong(f"the pattern has no part {shown(name)}", cure, "--group-by")
    cure = f"name the part that identifies the rows id, {EXAMPLE}"
    if groups:
        cure += f"; or, for files of one run in several lanes, say which of {groups} it is with --group-by"
    raise wrong("it has no group id", cure)


@dataclass(slots=True, kw_only=True)
class Pairs:
    """Collects files into rows."""

    naming: Naming
    match: Callable[[str], re.Match[str] | None]  #: the pattern's ``fullmatch``, or one with a time limit
    files: int = 0
    unmatched: int = 0
    unmatched_names: list[str] = field(default_factory=list)  #: the first few
    _rows: dict[str, dict[Groups, File]] = field(default_factory=dict)
    _ids: dict[str, Groups] = field(default_factory=dict)  #: the parts of each row's id

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self._rows)

    def add(self, file: File, problems: Problems) -> None:
        """Add one file. Raises ManifestError if there are too many."""
        self.files += 1
        if self.files > MOST_FILES:
            raise unreadable(file.place, f"there are more than {MOST_FILES} files", "do it folder by folder")
        found = None if len(file.name) > LONGEST else self.match(file.name)
        ids = [] if found is None else [found[name] or "" for name in self.naming.ids]
        if found is None or not all(ids):
            self._leave_out(file)
            return
        entry_id = "-".join(ids)
        self._ids.setdefault(entry_id, tuple(ids))
        if entry_id not in self._rows and (wrong := wrong_name(entry_id)):
            problems.add(file.place, *wrong, row=entry_id, field=_ID)
        # Absent parts of a name are empty: the user made their groups optional.
        values = tuple(found[name] or "" for name in self.naming.groups)
        first = self._rows.setdefault(entry_id, {}).setdefault(values, file)
        if first is not file:
            message = f"{_quoted(file)} is {self._called(values)} of this row, and so is {_quoted(first)}"
            problems.add(file.place, message, _TWICE_CURE, row=entry_id)

    def _leave_out(self, file: File) -> None:
        self.unmatched += 1
        if len(self.unmatched_names) < _SHOWN:
            self.unmatched_names.append(file.name)

    def _called(self, values: Groups) -> str:
        said = ", ".join(
            f"{name} {shown(value)}" for name, value in zip(self.naming.groups, values, strict=True)
        )
        return said or "a file"

    def check(self, problems: Problems) -> None:
        """Report rows in which one parameter would have two files."""
        if self.naming.is_list:
            return
        if len(kinds := self._values()) > MOST_KINDS:
            message = (
                f"its groups have {len(kinds)} different values, {self._called(next(iter(kinds)))} among them"
            )
            cure = "put what distinguishes the rows into the group id, or collect the files with --list NAME"
            problems.add(Place(source="--pattern"), message, cure)
            return
        for entry_id, files in self._rows.items():
            names = Counter(self.naming.parameter_of(values) for values in files)
            for name, count in names.items():
                if count > 1:
                    first = next(
                        file for values, file in files.items() if self.naming.parameter_of(values) == name
                    )
                    message = f"there are {count} files for it, {_quoted(first)} among them"
                    problems.add(first.place, message, _CLASH_CURE, row=entry_id, field=f"parameters.{name}")

    def _values(self) -> dict[Groups, None]:
        """Return the values of the other groups, over all rows."""
        return dict.fromkeys(values for files in self._rows.values() for values in files)

    def incomplete(self) -> dict[str, tuple[Place, list[str]]]:
        """Return the rows that lack files that others have, with their place and these files."""
        how = self.naming
        found = lacking(self._rows, how.groups, named=how.named, is_list=how.is_list)
        return {
            entry_id: (next(iter(self._rows[entry_id].values())).place, list(map(self._called, missing)))
            for entry_id, missing in found.items()
        }

    def rows(self, leave_out: frozenset[str] = frozenset()) -> Iterator[WrittenRow]:
        """Yield the rows, in the order of their first files."""
        for entry_id, files in self._rows.items():
            if entry_id not in leave_out:
                yield WrittenRow(id=entry_id, fields={"parameters": self._parameters(files)})

    def lines(self, leave_out: frozenset[str] = frozenset()) -> Iterator[Line]:
        """Yield a sheet's lines: one per row and values of the other parts, such as for each lane."""
        how = self.naming
        others = [at for at, name in enumerate(how.groups) if name in how.others]
        for entry_id, files in self._rows.items():
            if entry_id in leave_out:
                continue
            lines: dict[Groups, dict[str, str]] = {}
            for values in self._sorted(files):
                line = lines.setdefault(tuple(values[at] for at in others), {})
                line[how.parameter_of(values)] = files[values].uri
            ids = self._ids[entry_id]
            yield from (Line(ids=ids, others=other, files=found) for other, found in lines.items())

    @staticmethod
    def _sorted(files: dict[Groups, File]) -> list[Groups]:
        return sorted(files, key=lambda values: [natural(value) for value in values])

    def _parameters(self, files: dict[Groups, File]) -> dict[str, Json]:
        parameters: dict[str, Json] = {}
        for values in self._sorted(files):
            name, uri = self.naming.parameter_of(values), files[values].uri
            if not self.naming.is_list:
                parameters[name] = uri
            elif isinstance(found := parameters.setdefault(name, []), list):
                found.append(uri)
        return parameters


_TWICE_CURE: Final = "remove one, or let the pattern tell them apart by one more group"
_CLASH_CURE: Final = "put one more group into --parameter, or collect the files with --list NAME"


def _quoted(file: File) -> str:
    return f"'{printable(file.uri, 200)}'"
