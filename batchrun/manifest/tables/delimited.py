"""
CSV and TSV as tables: delimiters, sections, and all ways in which such files go wrong.

The csv module does not report ragged rows, the right line, or endless cells. Does not belong here: what a
column's name means.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import BinaryIO, Final

from batchrun.errors import ManifestError
from batchrun.manifest import limits
from batchrun.manifest.problems import Place, Problems, printable, redirected, shown, unreadable
from batchrun.manifest.table import Table, TableOptions, TableRow, has_text
from batchrun.manifest.text_input import lines
from batchrun.model.texts.words import counted

_KNOWN: Final = "\t,;|"  #: the least likely within a cell first
_QUOTED: Final = re.compile(r'"[^"]*(?:"|\Z)')
#: A header as R writes it by default.
_SPACED: Final = re.compile(r'\ufeff?"[^"]*"(?: "[^"]*")+\s*')
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
_REMARK: Final = "#"
#: What a spreadsheet has in place of a value, in whichever language.
_OF_FORMULAS: Final = re.compile(r"#(?:\w/\w|NV|#+|\S*[!?])")
#: Lines of remarks before a header, or before a row, that are reported as such.
_MOST_REMARKS: Final = 200
#: The line before the header by which Excel knows the delimiter.
_TOLD: Final = re.compile(r'"?sep=([^"\r\n])"?\s*', re.IGNORECASE)


_MARK: Final = "\ufeff"
_HEADER_AGAIN: Final = (
    "this is the line of names once more, and no row",
    "remove it; where several files are put together, the first one's is enough",
)


def is_blank(line: str) -> bool:
    """Report whether a line has only delimiters and white space."""
    return not line.strip(_KNOWN + '" \r\n\ufeff')


def told_by(line: str) -> str | None:
    """Return the delimiter that a line such as ``sep=;`` names; None for any other line."""
    told = _TOLD.fullmatch(line)
    return told[1] if told else None


def found_in(line: str, usual: str, width: int | None) -> str:
    """
    Return the delimiter of a header, or of the first row: the most frequent one outside of quotes.

    *usual* is the format's, which wins a tie; *width* is the number of cells, if known, which the row must
    have.
    """
    if _SPACED.fullmatch(line):
        return " "
    bare = _QUOTED.sub("", line)
    counts = {mark: bare.count(mark) for mark in _KNOWN if mark in bare}
    if width is not None:
        counts = {mark: count for mark, count in counts.items() if count + 1 == width}
    return max(counts, key=lambda mark: (counts[mark], mark == usual), default=usual)


#: A cell that is not beside it may hold the name of a column.
_NAME: Final = re.compile(r'\ufeff?"?\[([^\[\]",;|\t]+)\]"?\s*(?:[,;|\t][\s"]*(?:[,;|\t].*)?)?', re.DOTALL)
#: Sections with a row for each sample, in either version.
_SAMPLES: Final = frozenset({"data", "bclconvert_data"})
#: Most names in a message.
_NAMES_TOLD: Final = 20


def section_name(line: str) -> str | None:
    """Return the name of the section that a line begins; None for any other line."""
    match = _NAME.fullmatch(line)
    return match[1].strip() if match else None


class Sections:
    """The sections of a file, line by line."""

    def __init__(self, lines: Iterator[str], source: str, asked: str | None) -> None:
        self._lines = lines
        self._source = source
        self._wanted = _SAMPLES if asked is None else frozenset({asked.lower()})
        self._asked = asked
        self.name = ""  #: of the one that was found
        self.passed = 0  #: lines up to it, including the one with its name

    def lines(self) -> Iterator[str]:
        """Find the requested section, and return its lines. Raises ManifestError if there is none."""
        names: list[str] = []
        for line in self._lines:
            self.passed += 1
            if (name := section_name(line)) is None:
                continue
            if name.lower() in self._wanted:
                self.name = name
                return self._rest()
            names.append(name)
        raise self._nothing(names)

    def _rest(self) -> Iterator[str]:
        for line in self._lines:
            if section_name(line) is not None:
                return
            yield line

    def _nothing(self, names: list[str]) -> ManifestError:
        told = printable(", ".join(names[:_NAMES_TOLD]), 300)
        what = "no Data section" if self._asked is None else f"no section {shown(self._asked)}"
        message = f"this is in sections, as an Illumina SampleSheet is, and there is {what}"
        cure = f"give --worksheet with one of its sections: {told}"
        return unreadable(Place(source=self._source, line=1), message, cure, field="worksheet")


def table(stream: BinaryIO, source: str, usual: str, asked: TableOptions, problems: Problems) -> Table:
    """
    Read the header, and return the table; *usual* is the default delimiter.

    Raises:
        ManifestError: There is no header, or the file cannot be read further.
    """
    meter = _Meter(lines(stream, source), source)
    told = told_by(meter.ahead())
    if told is not None:
        next(meter)  # it is not a row
    section = meter.enter(asked.worksheet)
    _refuse_remarks(meter, source, usual)
    width = len(asked.header) if asked.header else None
    mark = asked.delimiter or told or found_in(meter.ahead(), usual, width)
    _refuse_prints(meter, source)
    found = shaped(_rows(meter, source, mark), source, asked, problems, mark)
    return replace(found, section=section)


def _refuse_remarks(meter: _Meter, source: str, usual: str) -> None:
    """
    Refuse comments before the header; a header may begin with ``#`` too, and is as wide as a row.

    Raises:
        ManifestError: They do.
    """
    *remarks, after = meter.first(_MOST_REMARKS, _REMARK) or [""]
    mark = found_in(after, usual, None)
    wide = after.count(mark)
    if remarks and wide and all(remark.count(mark) != wide for remark in remarks):
        count, line = len(remarks), meter.line + 1
        what = "a remark" if count == 1 else f"{count} lines of remarks"
        message = f"it begins with {what} (#), not with a header"
        cure = f"take {'it' if count == 1 else 'them'} out: sed {line},{meter.line + count}d"
        raise unreadable(Place(source=source, line=line), message, cure)


#: What ``aws s3 ls`` prints, and what divides the lines of a table for people.
_LISTED: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +[\d.]+ |  +PRE ")
_RULER: Final = re.compile(r"(?=.*---)[\s|+:=-]++")
_FRAMELESS: Final = (
    r"sed -E '/^[-+|:= ]*$/d; /^\(?[0-9]+ rows?( in set.*)?\)?$/d; "
    r"s/^ *\|(.*)\| *$/\1/; s/^ *//; s/ *$//; s/ *\| */|/g'"
)


def _refuse_prints(meter: _Meter, source: str) -> None:
    """
    Refuse text pasted from a terminal: a listing of S3, or a table of psql, mysql or Markdown.

    Raises:
        ManifestError: It was.
    """
    first = meter.first(3)
    if first and _LISTED.match(first[0]):
        how = "--base s3://BUCKET/FOLDER/ --pattern '{id}_R{read}.fastq.gz' --parameter 'reads_{read}'"
        cure = f"pair them into rows: batchrun manifest from-s3 - -o runs.csv {how}{redirected(source)}"
        message = "this is a list of files, as 'aws s3 ls' prints it, and no manifest"
        raise unreadable(Place(source=source, line=meter.line + 1), message, cure)
    if any(map(_RULER.fullmatch, first)):
        message = "this is a table for people to read, with lines drawn between its rows, and no CSV"
        command = f"{_FRAMELESS}{redirected(source)} > FILE.csv"
        cure = f"have CSV written (psql --csv, mysql --batch), or take them off: {command}"
        raise unreadable(Place(source=source, line=meter.line + 1), message, cure)


def shaped(
    rows: Iterator[TableRow],
    source: str,
    asked: TableOptions,
    problems: Problems,
    delimiter: str | None = None,
) -> Table:
    """
    Return rows as a table; the first of them is the header if none was given.

    Raises:
        ManifestError: There is no header, or it is too wide.
    """
    line, header = (1, asked.header) if asked.header else _header(rows, source)
    while header and not header[-1].strip():
        header = header[:-1]
    if len(header) == 1 and not asked.header and not _OF_IDS.fullmatch(header[0].strip()):
        is_found = delimiter is not None and asked.delimiter is None
        marks = {*_KNOWN} - {delimiter} if is_found else ()
        rows = _refuse_title(rows, line, source, marks, may_be_name=_is_name(header[0]))
    place = Place(source=source, line=line)
    rows = _refuse_nameless(rows, len(header), place)
    if len(header) > limits.COLUMNS:
        raise unreadable(place, f"there are {len(header)} columns", f"use at most {limits.COLUMNS}")
    even = _even(_without_remarks(rows, source, problems), list(header), source, problems)
    return Table(source=source, line=line, header=header, rows=even, delimiter=delimiter)


def _refuse_title(
    rows: Iterator[TableRow], line: int, source: str, marks: Collection[str], *, may_be_name: bool
) -> Iterator[TableRow]:
    """
    Return the rows below one lonely cell, where that is a header; *marks* may stand between cells too.

    What *may_be_name* is a title only above what are names, other than in the row below these.

    Raises:
        ManifestError: It is a title: rows of several cells follow, the first of which has the names.
    """
    ahead = list(itertools.islice(rows, _TITLES))
    parts = [_parts(row, marks) for row in ahead]
    widths = list(map(len, parts))
    at = widths.index(max(widths)) if widths else 0
    # Without a row below it, it is one to which a cell was added, or a text that was not quoted.
    is_above = max(widths[at + 1 : at + 2], default=0) > 1
    if is_above and (not may_be_name or (_are_names(parts[at]) and not _are_names(parts[at + 1]))):
        names = printable(", ".join(parts[at]), 100)
        message = (
            "this is a title, and no header; "
            f"the names of columns seem to be in line {ahead[at].line}: {names}"
        )
        raise unreadable(Place(source=source, line=line), message, "remove what is above them")
    return itertools.chain(ahead, rows)


def _refuse_nameless(rows: Iterator[TableRow], names: int, header: Place) -> Iterator[TableRow]:
    """
    Return the rows, where not all have one cell more than there are names.

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
        if not _is_remark(row) or len(ahead) > _MOST_REMARKS:
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
    return row.cells[0].startswith(_REMARK) and not _OF_FORMULAS.fullmatch(row.cells[0])


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
    for row in rows:
        cells = row.cells
        if len(cells) > wanted and not has_text(cells[wanted:]):
            # Spreadsheets write empty columns at the right.
            cells = cells[:wanted]
        if len(cells) != wanted:
            _report_ragged(cells, wanted, Place(source=source, line=row.line), problems)
        elif cells[-1] == header[-1] and [cells[0].removeprefix(_MARK), *cells[1:]] == header:
            problems.add(Place(source=source, line=row.line), *_HEADER_AGAIN)
        else:
            yield row if cells is row.cells else TableRow(row.line, cells)


def _report_ragged(cells: list[str], wanted: int, place: Place, problems: Problems) -> None:
    extra = next(filter(str.strip, cells[wanted:]), None)
    last = "" if extra is None else f" ({shown(extra)} is the first too many)"
    message = f"{counted(len(cells), 'cell')} under a header of {wanted}{last}"
    few = "add the missing cells, empty ones too"
    many = "quote cells that hold the separator, or remove the extra ones"
    problems.add(place, message, few if len(cells) < wanted else many)


def _rows(meter: _Meter, source: str, delimiter: str) -> Iterator[TableRow]:
    """Yield each record with the line on which it starts."""
    # The setting is process-wide; raising it does no harm.
    csv.field_size_limit(max(csv.field_size_limit(), limits.RECORD))
    reader = csv.reader(meter, delimiter=delimiter, strict=True)
    while True:
        start = meter.begin()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise _broken(error, Place(source=source, line=start), meter.line) from error
        if cells is None:
            return
        # Spreadsheets end in rows of separators.
        if has_text(cells):
            yield TableRow(start, cells)


class _Meter:
    """Lines for the csv reader, counted, and limited for each record."""

    def __init__(self, source_lines: Iterator[str], source: str) -> None:
        self._lines = source_lines
        self._source = source
        self._size = 0
        self.line = 0

    def ahead(self) -> str:
        """Return the first record that is not blank, without consuming it."""
        taken: list[str] = []
        is_open, size = False, 0
        for text in self._lines:
            taken.append(text)
            size += len(text)
            is_open ^= text.count('"') % 2 == 1
            if size > limits.RECORD or not (is_open or is_blank(text)):
                break
        self._lines = itertools.chain(taken, self._lines)
        return "".join(taken)

    def first(self, most: int, while_: str = "") -> list[str]:
        """Return the first lines that begin so, and the first that does not, without taking any of it."""
        taken: list[str] = []
        for text in itertools.islice(self._lines, most):
            taken.append(text)
            if not text.startswith(while_):
                break
        self._lines = itertools.chain(taken, self._lines)
        return taken

    def enter(self, wanted: str | None) -> str | None:
        """
        Skip to a section, and return its name; None if there are no sections.

        Raises:
            ManifestError: There are only others.
        """
        first = self.ahead().strip().rpartition("\n")[2]
        if section_name(first) is None:
            return None
        sections = Sections(self._lines, self._source, wanted)
        self._lines = sections.lines()
        self.line += sections.passed
        return sections.name

    def begin(self) -> int:
        """Start a record, and return its line."""
        self._size = 0
        return self.line + 1

    def __iter__(self) -> _Meter:
        return self

    def __next__(self) -> str:
        text = next(self._lines)
        self.line += 1
        self._size += len(text)
        if self._size > limits.RECORD:
            place = Place(source=self._source, line=self.line)
            raise unreadable(
                place,
                f"a row of more than {limits.RECORD} characters",
                "close the quotes that were opened before",
            )
        return text


def _broken(error: csv.Error, place: Place, last: int) -> ManifestError:
    reason = str(error)
    if "unexpected end of data" in reason:
        message = f"a quote is opened in the row that begins here, and not closed by line {last}"
        return unreadable(place, message, 'close it; a quote within a quoted cell is written ""')
    if "new-line character" in reason:
        return unreadable(
            place, "lines end in a bare carriage return", "save the file with LF or CRLF line ends"
        )
    message = "there is text after a closing quote" if "expected after" in reason else reason
    return unreadable(place, message, 'quote the whole cell; a quote within it is written ""')
