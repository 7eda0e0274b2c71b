"""
Files become rows: a pattern tells which belong together, and what each is called.

Belongs here: the pattern, the rows made by it, and what is wrong with them. Pure. Does not: where the names
come from (``listing``, ``service``), time limits on patterns (``cli``).
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batchrun.manifest.names import wrong_name
from batchrun.manifest.problems import Place, printable, shown, unreadable
from batchrun.manifest.sorting import natural
from batchrun.manifest.written_rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchrun.errors import ManifestError
    from batchrun.manifest.problems import Problems
    from batchrun.model.spec import Json

#: Characters of a pattern, and of a name: S3 has no longer keys.
LONGEST: Final = 1024
#: Files that are paired at once: all of them are held.
MOST_FILES: Final = 1_000_000
#: Different files that a row may have, each a parameter: more mean that the pattern is wrong.
_MOST_KINDS: Final = 1000
_ID: Final = "id"
_SHOWN: Final = 5
_GROUP: Final = re.compile(r"\{([^{}]*)\}")
_EXAMPLE: Final = r"such as '(?P<id>.+)_(?P<read>R[12])\.fastq\.gz'"

Groups = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file."""

    name: str  #: what the pattern is held against
    uri: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How names are taken apart, and what parameters are called."""

    pattern: re.Pattern[str]
    groups: Groups  #: all but ``id``, in the pattern's order
    parameter: str  #: with ``{group}`` in it
    is_list: bool  #: whether each parameter is a list of files

    @property
    def matches_path(self) -> bool:
        """Whether the pattern is about folders too."""
        return "/" in self.pattern.pattern

    def parameter_of(self, values: Groups) -> str:
        """Name the parameter that a file belongs to."""
        known = dict(zip(self.groups, values, strict=True))
        return _GROUP.sub(lambda match: known[match[1]], self.parameter)


def naming(pattern: str, *, parameter: str | None, list_name: str | None) -> Naming:
    """
    Read the pattern and the parameters' name.

    Raises:
        ManifestError: One of them cannot be used.
    """
    compiled = _compiled(pattern)
    if _ID not in compiled.groupindex:
        raise _wrong(
            "--pattern",
            "it has no group id",
            f"write (?P<id>...) around what tells the rows apart, {_EXAMPLE}",
        )
    groups = tuple(name for name in compiled.groupindex if name != _ID)
    option = "--parameter" if list_name is None else "--list"
    template = list_name or parameter or "_".join(["reads", *(f"{{{name}}}" for name in groups)])
    for name in _GROUP.findall(template):
        if name not in groups:
            known = f"its groups are {', '.join(groups)}" if groups else "it has no group but id"
            raise _wrong(option, f"the pattern has no group {shown(name)}", known)
    if not template.strip():
        raise _wrong(option, "it is empty", "name the parameter")
    return Naming(pattern=compiled, groups=groups, parameter=template, is_list=list_name is not None)


def _compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > LONGEST:
        raise _wrong("--pattern", f"it has {len(pattern)} characters", f"use at most {LONGEST}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise _wrong(
            "--pattern", f"this is no regular expression: {printable(str(error))}", f"correct it; {_EXAMPLE}"
        ) from error


def _wrong(option: str, message: str, cure: str) -> ManifestError:
    return unreadable(Place(source=option), message, cure)


@dataclass(slots=True, kw_only=True)
class Pairs:
    """Rows in the making."""

    naming: Naming
    match: Callable[[str], re.Match[str] | None]  #: the pattern's ``fullmatch``, or one with a time limit
    files: int = 0
    unmatched: int = 0
    unmatched_names: list[str] = field(default_factory=list)  #: the first few
    _rows: dict[str, dict[Groups, File]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self._rows)

    def add(self, file: File, problems: Problems) -> None:
        """
        Take in one file.

        Raises:
            ManifestError: There are too many.
        """
        self.files += 1
        if self.files > MOST_FILES:
            raise unreadable(file.place, f"there are more than {MOST_FILES} files", "do it folder by folder")
        found = None if len(file.name) > LONGEST else self.match(file.name)
        if found is None or not found[_ID]:
            self._leave_out(file)
            return
        entry_id = found[_ID]
        if entry_id not in self._rows and (wrong := wrong_name(entry_id)):
            problems.add(file.place, *wrong, row=entry_id, field=_ID)
        # Absent parts of a name are empty: optional groups are the user's own idea.
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
        if len(kinds := self._values()) > _MOST_KINDS:
            message = (
                f"its groups have {len(kinds)} different values, {self._called(next(iter(kinds)))} among them"
            )
            cure = "let the group id take in what tells rows apart, or collect the files with --list NAME"
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
        """Give what the other groups were, over all rows."""
        return dict.fromkeys(values for files in self._rows.values() for values in files)

    def incomplete(self) -> dict[str, tuple[Place, list[str]]]:
        """Give the rows that lack what others have, with their place and what they lack."""
        if self.naming.is_list and len(self.naming.groups) > 1:
            lacks = ((entry_id, self._gaps(files)) for entry_id, files in self._rows.items())
        else:
            everything = self._values()
            if len(everything) > _MOST_KINDS:
                return {}
            lacks = (
                (entry_id, [v for v in everything if v not in files])
                for entry_id, files in self._rows.items()
            )
        return {
            entry_id: (
                next(iter(self._rows[entry_id].values())).place,
                [self._called(one) for one in missing],
            )
            for entry_id, missing in lacks
            if missing
        }

    def _gaps(self, files: dict[Groups, File]) -> list[Groups]:
        """Give what lacks where each of a row's lanes, say, should have each of its reads."""
        columns = [
            dict.fromkeys(values[index] for values in files) for index in range(len(self.naming.groups))
        ]
        # Invariant: no more is looked at than twice what is there; sparse names are no grid.
        size = 1
        for column in columns:
            size *= len(column)
        if size > 2 * len(files):
            return []
        return [values for values in itertools.product(*columns) if values not in files]

    def rows(self, leave_out: frozenset[str] = frozenset()) -> Iterator[Row]:
        """Give the rows, in the order of their first files."""
        for entry_id, files in self._rows.items():
            if entry_id not in leave_out:
                yield Row(id=entry_id, fields={"parameters": self._parameters(files)})

    def _parameters(self, files: dict[Groups, File]) -> dict[str, Json]:
        parameters: dict[str, Json] = {}
        for values in sorted(files, key=lambda values: [natural(value) for value in values]):
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
