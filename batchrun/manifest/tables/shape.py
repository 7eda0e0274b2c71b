"""Rows as a table: the header, and whatever is wrong with rows below it.

Titles above the header, rows that were taken out, ragged rows and a header that comes again are recognised
here. Does not belong here: where rows come from (``delimited``, ``workbook``), what a column's name means.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from batchrun.manifest import limits
from batchrun.manifest.problems import Place, Problems, printable, shown, unreadable
from batchrun.manifest.table import Table, TableOptions, TableRow, has_text
from batchrun.model.texts.words import counted

DELIMITERS: Final = "\t,;|"  #: the least likely within a cell first
REMARK: Final = "#"
#: Names of columns follow the mark at once.
_SPACED_REMARK: Final = re.compile(r"#+\s")
#: Lines of remarks before a header, or before a row, that are reported as such.
MOST_REMARKS: Final = 200
#: Rows below a title in which a header is looked for.
_TITLES: Final = 20
#: The form of column names, fields among them; titles begin with a capital, or have several words.
_COLUMN: Final = re.compile(r"[a-z]\S*|[^\s_]*_\S*")
#: Names that only columns of ids have.
_OF_IDS: Final = re.compile(
    r"(?:.*[^a-z])?(?:(?:sample|run)[ -]?)?(?:id|name|sample|run|accession|patient)", re.IGNORECASE
)
#: Least number of parts of a text that are cells: two may be a list of files.
_DIVIDED: Final = 3
#: Characters of file names that column names hardly have.
_OF_FILES: Final = frozenset("./\\:")
#: What a spreadsheet has in place of a value, in whichever language.
_OF_FORMULAS: Final = re.compile(r"#(?:\w/\w|NV|#+|\S*[!?])")
_MARK: Final = "\ufeff"
_BEHIND_SPACE: Final = re.compile(r'\s+"')
_HEADER_AGAIN: Final = (
    "this is the line of names once more, and no row",
    "remove it; where several files are put together, the first one's is enough",
)


def shaped(
    rows: Iterator[TableRow],
    source: str,
    asked: TableOptions,
    problems: Problems,
    delimiter: str | None = None,
) -> Table:
    """Return rows as a table; the first of them is the header if none was given.

    Raises:
        ManifestError: There is no header, or it is too wide.
    """
    line, header = (1, asked.header) if asked.header else _header(rows, source)
    while header and not header[-1].strip():
        header = header[:-1]
    if asked.header:
        rows = _refuse_names(rows, asked.header, source)
    elif len(header) > 1 or not _OF_IDS.fullmatch(header[0].strip()):
        is_found = len(header) == 1 and delimiter is not None and asked.delimiter is None
        marks = {*DELIMITERS} - {delimiter} if is_found else ()
        rows = _refuse_title(rows, line, header, source, marks)
    place = Place(source=source, line=line)
    rows = _refuse_nameless(rows, len(header), place)
    if len(header) > limits.COLUMNS:
        raise unreadable(place, f"there are {len(header)} columns", f"use at most {limits.COLUMNS}")
    even = _even(_without_remarks(rows, source, problems), list(header), source, problems)
    return Table(source=source, line=line, header=header, rows=even, delimiter=delimiter)


def _refuse_title(
    rows: Iterator[TableRow], line: int, header: Sequence[str], source: str, marks: Collection[str]
) -> Iterator[TableRow]:
    """Return the rows below what is a header; *marks* may stand between cells too.

    What may be names is a title only above what are names, other than in the row below these.

    Raises:
        ManifestError: It is a title or a remark: wider rows follow, the first of which has the names.
    """
    ahead = list(itertools.islice(rows, _TITLES))
    parts = [_parts(row, marks) for row in ahead]
    widths = list(map(len, parts))
    at = widths.index(max(widths)) if widths else 0
    is_remark = len(header) > 1 and _SPACED_REMARK.match(header[0]) is not None
    may_be_name = len(header) > 1 or _is_name(header[0])
    # Without a row below it, it is one to which a cell was added, or a text that was not quoted.
    is_above = max(widths[at + 1 : at + 2], default=0) > len(header) - is_remark
    if is_above and (not may_be_name or (_are_names(parts[at]) and not _are_names(parts[at + 1]))):
        names = printable(", ".join(parts[at]), 100)
        message = (
            "this is a title, and no header; "
            f"the names of columns seem to be in line {ahead[at].line}: {names}"
        )
        raise unreadable(Place(source=source, line=line), message, "remove what is above them")
    return itertools.chain(ahead, rows)


def _refuse_names(rows: Iterator[TableRow], header: Sequence[str], source: str) -> Iterator[TableRow]:
    """Return the rows below a header that was given.

    Raises:
        ManifestError: The first of them has names too, one of these or above files.
    """
    ahead = list(itertools.islice(rows, 2))
    if len(ahead) > 1 and ahead[0].cells != list(header):
        first, second = (row.cells for row in ahead)
        are_above = any(not _OF_FILES.isdisjoint(cell) for cell in second)
        is_same = any(cell == name for cell, name in zip(first, header, strict=False))
        if _are_names(first) and (is_same or are_above):
            message = f"there is a line of names here too: {printable(', '.join(first), 100)}"
            cure = "leave --header (header:) out, or remove this line"
            raise unreadable(Place(source=source, line=ahead[0].line), message, cure)
    return itertools.chain(ahead, rows)


def _refuse_nameless(rows: Iterator[TableRow], names: int, header: Place) -> Iterator[TableRow]:
    """Return the rows, where not all have one cell more than there are names.

    Raises:
        ManifestError: They have: R writes the names of rows without a name for their column.
    """
    ahead = list(itertools.islice(rows, _TITLES))
    if len(ahead) > 1 and all(len(row.cells) == names + 1 and row.cells[-1].strip() for row in ahead):
        message = f"all rows have {names + 1} cells, and there are {counted(names, 'name')}"
        cure = (
            "name every column, the first too where R wrote names of rows there; "
            "write.table(..., row.names = FALSE) leaves them out; or quote cells that hold the separator"
        )
        raise unreadable(header, message, cure)
    return itertools.chain(ahead, rows)


def _without_remarks(rows: Iterator[TableRow], source: str, problems: Problems) -> Iterator[TableRow]:
    """Return the rows but those that begin with ``#``, unless all do: a row that was taken out is no run."""
    ahead: list[TableRow] = []
    for row in rows:
        ahead.append(row)
        if not _is_remark(row) or len(ahead) > MOST_REMARKS:
            break
    may_be_remarks = any(not _is_remark(row) for row in ahead[-1:])
    for row in itertools.chain(ahead, rows):
        if may_be_remarks and _is_remark(row):
            message = f"this is a remark, or a row that was taken out, and no row: {shown(row.cells[0])}"
            cure = "remove the line; if it is a run, remove the #, or move another column to the front"
            problems.add(Place(source=source, line=row.line), message, cure)
        else:
            yield row


def _is_remark(row: TableRow) -> bool:
    return row.cells[0].startswith(REMARK) and not _OF_FORMULAS.fullmatch(row.cells[0])


def _is_name(text: str) -> bool:
    bare = text.strip()
    return (_COLUMN.fullmatch(bare) or _OF_IDS.fullmatch(bare)) is not None


def _are_names(texts: list[str]) -> bool:
    """Report whether texts may be a line of column names rather than files."""
    return all(_is_name(text) and _OF_FILES.isdisjoint(text) for text in texts)


def _texts(row: TableRow) -> list[str]:
    return [cell for cell in row.cells if cell.strip()]


def _parts(row: TableRow, marks: Collection[str]) -> list[str]:
    """Return a row's texts; a single one is split at one of *marks*."""
    texts = _texts(row)
    mark = max(marks, key=texts[0].count, default=None)
    parts = texts if mark is None else texts[0].split(mark)
    return parts if len(texts) == 1 and len(parts) >= _DIVIDED else texts


def _header(rows: Iterator[TableRow], source: str) -> tuple[int, tuple[str, ...]]:
    if first := next(rows, None):
        return first.line, tuple(first.cells)
    place = Place(source=source, line=1)
    raise unreadable(place, "the file is empty", "write a header with id, and a row for each run")


def _even(rows: Iterator[TableRow], header: list[str], source: str, problems: Problems) -> Iterator[TableRow]:
    wanted = len(header)
    fold = _folded if wanted > 1 else _unmarked  # ids alone may differ from their header by capitals
    names = [*map(fold, header)]
    for row in rows:
        cells = row.cells
        if len(cells) > wanted and not has_text(cells[wanted:]):
            # Spreadsheets write empty columns at the right.
            cells = cells[:wanted]
        if len(cells) != wanted:
            _report_ragged(cells, wanted, Place(source=source, line=row.line), problems)
        elif fold(cells[-1]) == names[-1] and [*map(fold, cells)] == names:
            problems.add(Place(source=source, line=row.line), *_HEADER_AGAIN)
        else:
            yield row if cells is row.cells else TableRow(row.line, cells)


def _unmarked(name: str) -> str:
    return name.removeprefix(_MARK)


def _folded(name: str) -> str:
    """Return a name as files that were put together may spell it: ``parameters.reads``, `` Reads``."""
    text = name.strip().lower()
    if text[:1] == _MARK or "." in text:
        text = text.removeprefix(_MARK).removeprefix("parameters.").removeprefix("tags.")
    return text


def _report_ragged(cells: list[str], wanted: int, place: Place, problems: Problems) -> None:
    extra = next(filter(str.strip, cells[wanted:]), None)
    last = "" if extra is None else f" ({shown(extra)} is the first too many)"
    message = f"{counted(len(cells), 'cell')} under a header of {wanted}{last}"
    few = "add the missing cells, empty ones too"
    many = "quote cells that hold the separator, or remove the extra ones"
    if any(map(_BEHIND_SPACE.match, cells)):
        many = "remove the white space before each quote: only at the beginning of a cell does it quote"
    problems.add(place, message, few if len(cells) < wanted else many)
