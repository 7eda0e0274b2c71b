"""Doubts, the columns that they are about, and warnings in the order of the manifest.

A cause that many rows share is reported once, with a count. Belongs here: what a rule says of a value,
counting, and choosing what is shown. Does not: the rules (``texts``, ``mates``, ``untyped``).
"""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Final, TypeAlias

from batchrun.errors import ManifestWarning
from batchrun.manifest import limits
from batchrun.manifest.problems import Alike, Place, printable
from batchrun.model.texts.foreign import unsigned


class WarningKind(enum.Enum):
    """Kinds of warnings: their values are what ``--json`` calls them."""

    WHITE_SPACE = "white_space"  #: at the beginning or end
    INVISIBLE = "invisible_character"
    QUOTES = "quotes"
    LOOK_ALIKE = "look_alike_character"
    NOT_S3 = "not_s3"  #: looks like a URI in S3, but HealthOmics will not take it as one
    LOCAL_PATH = "local_path"
    SPREADSHEET_ERROR = "spreadsheet_error"
    NOT_AVAILABLE = "not_available"
    UNTYPED = "untyped"
    SPREADSHEET_ID = "spreadsheet_id"
    SAME_FILE = "same_file"  #: twice in one row
    SHARED_FILE = "shared_file"  #: in two rows
    SAME_WORK = "same_work"  #: two rows that compute the same
    MATE_MISSING = "mate_missing"
    MATES_MIXED = "mates_mixed"  #: reads beside another row's, or in the other one's place
    BARE_ID = "bare_id"  #: a row with only an id, such as a total or a remark below a table
    PLACEHOLDER = "placeholder"  #: a column's name in an option, or a WDL type, in place of a value
    REMARK = "remark"  #: a comment of a table or of a JSON of inputs, read as a row or a parameter
    ENGINE_VERSION = "engine_version"
    OTHER_ACCOUNT = "other_account"  #: a role that the row's lane cannot pass on


@dataclass(frozen=True, slots=True)
class Doubt:
    """A doubt about a value, which is the subject of the sentence."""

    kind: WarningKind
    says: str  #: such as "is a local path"
    cure: str
    _: KW_ONLY
    at: int = 0  #: the index in the text around which a long text is shown
    cause: str | None = None  #: doubts with the same cause are one; by default their words are the cause
    holds: Callable[[], bool] | None = None  #: called after all rows: whether it holds; None: always
    is_one: bool = False  #: whether one correction mends all rows, so that it is shown once even for few


@dataclass(slots=True)
class Company:
    """What was seen in a column and in its mate's, by which other values are judged."""

    s3: bool = False  #: a URI in S3, also a misspelt one
    are_mates: bool = False  #: whether they are columns of both mates, which are never made by a run
    files: bool = False  #: that, or anything else that looks like a URI or a path
    unmarked: bool = False  #: a text that does not begin with ``#``
    undated: bool = False  #: an id without a date in it
    fractions: bool = False  #: a number such as 1.5, beside which 1.0 is plausible


@dataclass(slots=True, kw_only=True)
class WatchedColumn:
    """A column of a table, or a field of a document."""

    name: str  #: as shown in messages
    number: int | None = None  #: of a table's column, counted from 1
    is_parameter: bool = False  #: whether it is a parameter of the workflow
    is_id: bool = False  #: whether the id is made from it
    is_shared: bool = False  #: whether rows may share reads in it, by its name
    company: Company = field(default_factory=Company)


_BEFORE: Final = 24
_AFTER: Final = 44
_CUT: Final = "..."


def visible(text: str, at: int = 0) -> str:
    """Return *text* quoted, cut around index *at*, with invisible characters as ``<U+00A0>``."""
    text = unsigned(text)
    longest = _BEFORE + _AFTER
    first = 0 if len(text) <= longest else max(0, min(at - _BEFORE, len(text) - longest))
    piece = text[first : first + longest]
    before = _CUT if first else ""
    after = _CUT if first + longest < len(text) else ""
    return f"'{before}{''.join(map(_seen, piece))}{after}'"


def named(character: str) -> str:
    """Return a character's name in messages: ``U+00A0``."""
    return f"U+{ord(character):04X}"


def _seen(character: str) -> str:
    return character if character.isprintable() else f"<{named(character)}>"


_NAME: Final = 120
_Cause: TypeAlias = "tuple[int, object, str]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Warnings:
    """The warnings about a manifest."""

    told: tuple[ManifestWarning, ...] = ()  #: in the order of the manifest
    total: int = 0  #: the number of all; of very many only some are shown


@dataclass(slots=True, kw_only=True)
class _Same(Alike[ManifestWarning]):
    """Warnings of one cause in one column."""

    holds: Callable[[], bool] | None
    source: str  #: of the first; lines are only of it


class Collected:
    """Collects doubts, of which only the end shows whether they hold, and makes warnings of them."""

    def __init__(self) -> None:
        self._same: dict[_Cause, _Same] = {}
        self._met = 0
        self._untold = 0

    def add(
        self,
        doubt: Doubt,
        column: WatchedColumn,
        place: Place,
        *,
        text: str | None,
        row: str | None,
        count: int = 1,
        also: Sequence[int] = (),
    ) -> None:
        """Record a doubt about a column's value *text*, or about a missing one (None), in a row or in none.

        It stands for *count* of them; *also* are the lines of those after the first.
        """
        cause = (id(column), doubt.kind, doubt.cause or doubt.says)
        same = self._same.get(cause)
        if same is None:
            if len(self._same) >= limits.CAUSES:
                self._untold += count
                return
            same = self._same[cause] = _Same(holds=doubt.holds, source=place.source)
        self._met += 1
        same.meet(place.line if place.source == same.source else None, count, also)
        if len(same.told) < (1 if doubt.is_one else limits.SAME):
            same.told[self._met] = _warning(doubt, column, place, text, row)

    def warnings(self) -> Warnings:
        """Return the warnings, after all rows were seen."""
        held = [same for same in self._same.values() if same.holds is None or same.holds()]
        found = [one for same in held for one in same.shown()]
        told = [one for _, one in sorted(found, key=operator.itemgetter(0))]
        sources = {one.source: number for number, one in reversed(list(enumerate(told)))}
        told.sort(key=lambda one: (sources[one.source], one.line or 0, one.column or 0))
        return Warnings(told=tuple(told[: limits.PROBLEMS]), total=self._untold + len(found))


def _warning(
    doubt: Doubt, column: WatchedColumn, place: Place, text: str | None, row: str | None
) -> ManifestWarning:
    value = None if text is None else visible(text, doubt.at)
    return ManifestWarning(
        source=printable(place.source, limit=None),
        message=doubt.says if value is None else f"{value} {doubt.says}",
        cure=doubt.cure,
        line=place.line,
        column=place.column,
        row=None if row is None else printable(row),
        field=printable(column.name, limit=_NAME),
        kind=doubt.kind.value,
        value=value,
    )
