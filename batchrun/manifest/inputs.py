"""The places in S3 that rows want their runs to read.

Places are recognised in text, collected over all rows, and kept, each once, with what was seen of it;
missing ones become problems. Looking them up is not done here (``service.s3.input_lookup``).
"""

from __future__ import annotations

import errno
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import apsw

from batchrun.manifest import Manifest
from batchrun.manifest.problems import Path, dotted, not_written, printable
from batchrun.manifest.rows import Found
from batchrun.manifest.spool import RowPlaces
from batchrun.manifest.warned.places import is_local
from batchrun.model.spec import Json, Spec
from batchrun.ports.objects import InputPlace, PlaceKind, Sight, Skip

if TYPE_CHECKING:
    from batchrun.manifest.lane_rows import LaneRows


#: What is done about a place.
Sort: TypeAlias = PlaceKind | Skip
_S3: Final = "s3://"
#: Separators of two places in one text; a scheme must follow, since keys in S3 may have these characters
#: too.
_BETWEEN: Final = re.compile(r"(?<![\s,;|])[\s,;|]++(?=[A-Za-z][A-Za-z0-9+.-]{1,20}://)")
#: White space, zero-width characters, and quotes, straight and curly.
AROUND: Final = " \t\r\n\u00a0\u200b\u200c\u200d\u2060\ufeff\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_UNFILLED: Final = re.compile(r"\$[({]|\{[^{},/]*\}|<[^<>/]+>")
_WILD: Final = frozenset("*?[{")
#: Sorts of places outside S3, by their beginning; the first that fits counts.
_SORTS: Final = (
    (re.compile(r"omics://").match, Skip.OMICS),
    (re.compile(r"s3:", re.IGNORECASE).match, Skip.MISSPELT),
    (re.compile(r"arn:aws[a-z-]*:(?:s3|omics)[a-z0-9-]*:").match, Skip.ARN),
    (re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://\S").match, Skip.OTHER_SCHEME),
    (re.compile(r"/mnt/workflow(?:/|\Z)").match, Skip.WORKFLOW_PATH),
    (is_local, Skip.LOCAL_PATH),
)


def places_in(text: str) -> Iterator[tuple[str, Sort]]:
    """Return each place that *text* names, with what is done about it."""
    pieces = [piece for piece in _BETWEEN.split(text) if piece]
    if len(pieces) > 1 and _sort(pieces[0]) is not None:
        yield from ((piece, sort) for piece in pieces if (sort := _sort(piece)) is not None)
    elif (
        sort := _sort(text)
    ) is not None:  # of a command line or a sentence: where a place ends is not clear
        yield text, sort


def _sort(piece: str) -> Sort | None:
    if piece.startswith(_S3):
        return _sort_in_s3(piece)
    bare = piece.strip(AROUND)
    found = next((sort for is_one, sort in _SORTS if is_one(bare)), None)
    return Skip.WITHIN_TEXT if found is None and _S3 in piece else found


def _sort_in_s3(uri: str) -> Sort:
    bucket, _, key = uri.removeprefix(_S3).partition("/")
    if _UNFILLED.search(uri):
        return Skip.PLACEHOLDER
    if bucket.startswith("arn:"):
        return Skip.ARN
    if not _BUCKET.fullmatch(bucket):
        return Skip.MISSPELT
    if not _WILD.isdisjoint(key):
        return PlaceKind.PATTERN
    return PlaceKind.PREFIX if not key or key.endswith("/") else PlaceKind.OBJECT


#: The fields of StartRun that name what a run reads.
_FIELDS: Final = ("parameters", "parametersUri")
#: Names of parameters that say where a workflow writes.
_OUTPUT: Final = re.compile(
    r"(?:.*[._-])?(?:out(?:put)?s?[_-]?(?:dir|directory|path|uri|prefix|folder)?|publish[_-]?dir)",
    re.IGNORECASE | re.DOTALL,
)
_JSON_BEGINS: Final = ("[", "{")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A place that a row names."""

    text: str
    sort: Sort
    field: str  #: its path: ``parameters.reads[0]``
    pays: bool = False

    @property
    def place(self) -> InputPlace | None:
        """The place to look up; None if it is skipped."""
        if isinstance(self.sort, Skip):
            return None
        return InputPlace(kind=self.sort, uri=self.text, pays=self.pays)


def mentions(spec: Spec, own_sheet: str | None = None) -> Iterator[Mention]:
    """Return each mention of a place in a row; *own_sheet* is where its own sheet will be."""
    request: dict[str, Json] = json.loads(spec.request)
    pays = request.get("requesterPaysEnabled") is True
    for name in _FIELDS:
        for text, sort, path in _within(request.get(name), (name,)):
            skip = _skip(text, path, own_sheet) if isinstance(sort, PlaceKind) else sort
            yield Mention(text=text, sort=skip or sort, field=dotted(path), pays=pays and skip is None)


def _skip(text: str, path: Path, own_sheet: str | None) -> Skip | None:
    """Return why a place in S3 is skipped, or None."""
    if text == own_sheet:
        return Skip.OWN_SHEET
    name = str(path[1]) if len(path) > 1 else ""
    return Skip.OUTPUT if _OUTPUT.fullmatch(name) else None


def _within(value: Json, path: Path, *, is_parsed: bool = False) -> Iterator[tuple[str, Sort, Path]]:
    match value:
        case str():
            inner = None if is_parsed else _parsed(value)
            if inner is not None:
                yield from _within(inner, path, is_parsed=True)
            else:
                yield from ((text, sort, path) for text, sort in places_in(value))
        case dict():
            for name, part in value.items():
                yield from _within(part, (*path, name), is_parsed=is_parsed)
        case list():
            for index, part in enumerate(value):
                yield from _within(part, (*path, index), is_parsed=is_parsed)
        case _:
            pass  # a number is not a place


def _parsed(text: str) -> Json:
    """Return a text parsed as a list or table of JSON that may name places; else None."""
    if not text.lstrip().startswith(_JSON_BEGINS) or "://" not in text:
        return None
    try:
        read: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return read


#: SQLite's cache, in KiB.
_CACHE: Final = 16 * 1024
_AT_ONCE: Final = 500
_SCHEMA: Final = """
CREATE TABLE places (number INTEGER PRIMARY KEY, text TEXT, sort TEXT, pays INTEGER, sight TEXT,
                     UNIQUE (text, pays, sort))
"""
_ADD: Final = "INSERT INTO places (text, sort, pays) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_NEXT: Final = "SELECT number, text, sort, pays FROM places WHERE number > ? ORDER BY number LIMIT ?"
_SAW: Final = "UPDATE places SET sight = ? WHERE text = ? AND pays = ? AND sort = ?"
_OF: Final = "SELECT sight FROM places WHERE text = ? AND pays = ? AND sort = ?"
_SEEN: Final = "SELECT sight, count(*) FROM places WHERE sight IS NOT NULL GROUP BY sight"
_BY_SORT: Final = "SELECT sort, count(*) FROM places GROUP BY sort"
_EXAMPLE: Final = "SELECT text FROM places WHERE sort = ? ORDER BY number LIMIT 1"
_KINDS: Final = frozenset(kind.value for kind in PlaceKind)


class InputSurvey:
    """All places, and what was seen of each."""

    def __init__(self) -> None:
        self._file = apsw.Connection("")  # a temporary file of SQLite's, deleted with the connection
        for setting in (f"cache_size=-{_CACHE}", "journal_mode=OFF", "synchronous=OFF"):
            self._file.execute(f"PRAGMA {setting}")
        self._file.execute(_SCHEMA)

    def add(self, found: Iterable[Mention]) -> None:
        """Add places that were not named before. Raises ManifestError if they cannot be written to disk."""
        rows = ((one.text, one.sort.value, one.pays) for one in found)
        with _explained():
            self._file.execute("BEGIN")
            self._file.executemany(_ADD, rows)
            self._file.execute("COMMIT")

    @property
    def total(self) -> int:
        """How many places there are to look at."""
        return sum(count for sort, count in self._sorts() if sort in _KINDS)

    def places(self) -> Iterator[InputPlace]:
        """Return each place to look at, in the order in which they were found."""
        last = 0
        while rows := list(self._file.execute(_NEXT, (last, _AT_ONCE))):
            last = rows[-1][0]
            for _, text, sort, pays in rows:
                if sort in _KINDS:
                    yield InputPlace(kind=PlaceKind(sort), uri=str(text), pays=bool(pays))

    def saw(self, place: InputPlace, sight: Sight) -> None:
        """Record what was seen of a place. Raises ManifestError if it cannot be written to disk."""
        with _explained():
            self._file.execute(_SAW, (sight.value, place.uri, place.pays, place.kind.value))

    def sight(self, place: InputPlace) -> Sight | None:
        """Return what was seen of a place; None if it was not looked up."""
        found = self._file.execute(_OF, (place.uri, place.pays, place.kind.value)).get
        return None if found is None else Sight(found)

    @property
    def seen(self) -> dict[Sight, int]:
        """The number of places by what was seen."""
        return {Sight(sight): int(count) for sight, count in self._file.execute(_SEEN)}

    @property
    def skipped(self) -> dict[Skip, int]:
        """The number of texts that were skipped, by reason."""
        return Counter({Skip(sort): count for sort, count in self._sorts() if sort not in _KINDS})

    def example(self, skip: Skip) -> str:
        """Return the first text that was skipped for a reason."""
        return str(self._file.execute(_EXAMPLE, (skip.value,)).get)

    def close(self) -> None:
        """Close the file, which deletes it."""
        self._file.close()

    def _sorts(self) -> list[tuple[str, int]]:
        return [(str(sort), int(count)) for sort, count in self._file.execute(_BY_SORT)]


@contextmanager
def _explained() -> Iterator[None]:
    """Raise the error of all temporary files if SQLite cannot write."""
    try:
        yield
    except (apsw.FullError, apsw.IOError, apsw.CantOpenError) as error:
        number = errno.ENOSPC if isinstance(error, apsw.FullError) else errno.EIO
        raise not_written(OSError(number, str(error))) from error


#: Message and cure for what a run could not read.
TROUBLES: Final = {
    Sight.MISSING: ("is not there", "check the bucket and the key, letter by letter"),
    Sight.EMPTY: ("has nothing under it", "check the folder's name, or put the files there"),
    Sight.UNMATCHED: ("matches nothing that is there", "check the folder and the pattern"),
    Sight.NO_BUCKET: ("is in a bucket that does not exist", "check the bucket's name, letter by letter"),
    Sight.ARCHIVED: ("is archived, and cannot be read", "restore it first (aws s3api restore-object)"),
    Sight.RESTORING: (
        "is archived, and on its way back",
        "wait until it is restored: aws s3api head-object shows ongoing-request=false then",
    ),
}


def found_in(manifest: Manifest | LaneRows) -> Iterator[tuple[Spec, Mention]]:
    """Return each mention of a place, with its row."""
    for spec in manifest.specs():
        sheet = manifest.own_sheet(spec.id) if manifest.has_own_sheets else None
        for one in mentions(spec, None if sheet is None else sheet.uri):
            yield spec, one


def check_inputs(
    manifest: Manifest | LaneRows, survey: InputSurvey, places: RowPlaces, problems: Found
) -> None:
    """Record each place that a run could not read, with the rows that name it."""
    if survey.seen.keys().isdisjoint(TROUBLES):
        return
    for spec, one in found_in(manifest):
        place = one.place
        sight = None if place is None else survey.sight(place)
        if sight is not None and sight in TROUBLES:
            message, cure = _told(one.text, sight)
            problems.add(places.place(spec.position), message, cure, row=spec.id, field=one.field)


def _told(uri: str, sight: Sight) -> tuple[str, str]:
    what, cure = TROUBLES[sight]
    if uri != uri.rstrip(AROUND):
        return f"{uri[-200:]!r} ends in white space or a quote, and {what}", "remove what follows the key"
    return f"{printable(uri, 200)} {what}", cure
