"""CSV and TSV as tables: delimiters, sections, and all ways in which such files go wrong.

The csv module does not report the right line, or endless cells. Does not belong here: rows as a table
(``shape``), what a column's name means.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, Final

from batchrun.errors import ManifestError
from batchrun.manifest import limits
from batchrun.manifest.problems import Place, Problems, printable, redirected, shown, unreadable
from batchrun.manifest.table import Table, TableOptions, TableRow, has_text
from batchrun.manifest.tables.shape import DELIMITERS, MOST_REMARKS, REMARK, shaped
from batchrun.manifest.text_input import SCRIPT, lines

_QUOTED: Final = re.compile(r'"[^"]*(?:"|\Z)')
#: A header as R writes it by default.
_SPACED: Final = re.compile(r'\ufeff?"[^"]*"(?: "[^"]*")+\s*')
#: The line before the header by which Excel knows the delimiter.
_TOLD: Final = re.compile(r'"?sep=([^"\r\n])"?\s*', re.IGNORECASE)


def is_blank(line: str) -> bool:
    """Report whether a line has only delimiters and white space."""
    return not line.strip(DELIMITERS + '" \r\n\ufeff')


def told_by(line: str) -> str | None:
    """Return the delimiter that a line such as ``sep=;`` names; None for any other line."""
    told = _TOLD.fullmatch(line)
    return told[1] if told else None


def found_in(line: str, usual: str, width: int | None) -> str:
    """Return the delimiter of a header, or of the first row: the most frequent one outside of quotes.

    *usual* is the format's, which wins a tie; *width* is the number of cells, if known, which the row must
    have.
    """
    if _SPACED.fullmatch(line):
        return " "
    bare = _QUOTED.sub("", line)
    counts = {mark: bare.count(mark) for mark in DELIMITERS if mark in bare}
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


def table(stream: BinaryIO, source: str, usual: str, asked: TableOptions, problems: Problems) -> Table:
    """Read the header, and return the table; *usual* is the default delimiter.

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


#: How a script names what runs it; in YAML that is a comment.
_INTERPRETER: Final = re.compile("#! ?/")


def _refuse_remarks(meter: _Meter, source: str, usual: str) -> None:
    """Refuse scripts, and comments before the header, which may begin with ``#`` too and is as wide as a row.

    Raises:
        ManifestError: They do.
    """
    *marked, after = begin = meter.first(MOST_REMARKS, REMARK) or [""]
    if _INTERPRETER.match(begin[0]):
        what, cure = SCRIPT
        raise unreadable(Place(source=source, line=meter.line + 1), f"this is {what}", cure)
    mark = found_in(after, usual, None)
    wide = after.count(mark)
    remarks = list(itertools.takewhile(lambda text: text.count(mark) != wide, marked))
    if remarks and wide:
        count, line = len(remarks), meter.line + 1
        what = "a remark" if count == 1 else f"{count} lines of remarks"
        message = f"it begins with {what} (#), not with a header"
        lines = f"sed {line},{meter.line + count}d{redirected(source)} > FILE.csv"
        cure = f"take {'it' if count == 1 else 'them'} out: {lines}"
        raise unreadable(Place(source=source, line=line), message, cure)


#: What ``aws s3 ls`` prints, and what divides the lines of a table for people.
_LISTED: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +[\d.]+ |  +PRE ")
_RULER: Final = re.compile(r"(?=.*---)[\s|+:=-]++")
#: The beginning of a manifest in JSON, or in YAML; sections of an Illumina SampleSheet begin with [ too.
_DOCUMENT: Final = re.compile(r'\s*+\[?+\s*+\{\s*+"|(?:---\s+)?(batch|defaults|runs|sheet|lanes):\s')
#: Names, as programs without CSV write them.
_SINGLE_QUOTED: Final = re.compile(r"\s*+'[^']++'(?:[ ]*+[,;\t|][ ]*+'[^']++')++\s*+")
_FRAMELESS: Final = (
    r"sed -E '/^[-+|:= ]*$/d; /^\(?[0-9]+ rows?( in set.*)?\)?$/d; "
    r"s/^ *\|(.*)\| *$/\1/; s/^ *//; s/ *$//; s/ *\| */|/g'"
)


def _refuse_prints(meter: _Meter, source: str) -> None:
    """Refuse text pasted from a terminal: a listing of S3, or a table of psql, mysql or Markdown.

    Raises:
        ManifestError: It was.
    """
    first, place = meter.first(3), Place(source=source, line=meter.line + 1)
    if first and _LISTED.match(first[0]):
        how = "--base s3://BUCKET/FOLDER/ --pattern '{id}_R{read}.fastq.gz' --parameter 'reads_{read}'"
        cure = f"pair them into rows: batchrun manifest from-s3 - -o runs.csv {how}{redirected(source)}"
        raise unreadable(place, "this is a list of files, as 'aws s3 ls' prints it, and no manifest", cure)
    if found := _DOCUMENT.match("".join(first)):
        form = "yaml" if found[1] else "json, or jsonl where each line is a row"
        message = f"this is {'YAML' if found[1] else 'JSON'}, and no table"
        raise unreadable(place, message, f"give --format {form}")
    if first and _SINGLE_QUOTED.fullmatch(first[0]):
        message = "the names stand in single quotes, which are part of them: in CSV, double quotes surround"
        cure = f"take them off, or make them double: tr \\' '\"'{redirected(source)} > FILE.csv"
        raise unreadable(place, message, cure)
    if any(map(_RULER.fullmatch, first)):
        message = "this is a table for people to read, with lines drawn between its rows, and no CSV"
        command = f"{_FRAMELESS}{redirected(source)} > FILE.csv"
        cure = f"have CSV written (psql --csv, mysql --batch), or take them off: {command}"
        raise unreadable(place, message, cure)


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
        self._start = 0
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
        """Skip to a section, and return its name; None if there are no sections.

        Raises:
            ManifestError: There are only others.
        """
        if section_name(self.ahead().strip().rpartition("\n")[2]) is None:
            return None
        accepted = _SAMPLES if wanted is None else {wanted.lower()}
        others: list[str] = []
        for text in self._lines:
            self.line += 1
            if (name := section_name(text)) is None:
                continue
            if name.lower() in accepted:
                self._lines = itertools.takewhile(lambda text: section_name(text) is None, self._lines)
                return name
            others.append(name)
        raise _no_section(wanted, others, self._source)

    def begin(self) -> int:
        """Start a record, and return its line."""
        self._size = 0
        self._start = self.line + 1
        return self._start

    def __iter__(self) -> _Meter:
        return self

    def __next__(self) -> str:
        text = next(self._lines)
        self.line += 1
        self._size += len(text)
        if self._size > limits.RECORD:
            raise _never_closed(Place(source=self._source, line=self._start), self.line)
        return text


def _broken(error: csv.Error, place: Place, last: int) -> ManifestError:
    reason = str(error)
    if "unexpected end of data" in reason:
        return _never_closed(place, last)
    if "new-line character" in reason:
        cure = f"save the file with LF or CRLF line ends: tr '\\r' '\\n'{redirected(place.source)} > FILE.csv"
        return unreadable(place, "lines end in a bare carriage return", cure)
    message = "there is text after a closing quote" if "expected after" in reason else reason
    return unreadable(place, message, 'quote the whole cell; a quote within it is written ""')


def _no_section(wanted: str | None, others: list[str], source: str) -> ManifestError:
    told = printable(", ".join(others[:_NAMES_TOLD]), 300)
    what = "no Data section" if wanted is None else f"no section {shown(wanted)}"
    message = f"this is in sections, as an Illumina SampleSheet is, and there is {what}"
    cure = f"give --worksheet with one of its sections: {told}"
    return unreadable(Place(source=source, line=1), message, cure, field="worksheet")


def _never_closed(place: Place, last: int) -> ManifestError:
    message = f"a quote is opened in the row that begins here, and not closed by line {last}"
    return unreadable(place, message, 'close it; a quote within a quoted cell is written ""')
