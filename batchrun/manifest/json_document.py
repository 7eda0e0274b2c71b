"""Documents, lists and lines of JSON, read element by element: memory grows with the largest element only.

Belongs here: the outer brackets; values are read by ``strict_json``. Does not: what the parts mean
(``document``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from batchrun.errors import ManifestError
from batchrun.manifest import strict_json
from batchrun.manifest.parts import MANIFEST, Layout, Part, Record
from batchrun.manifest.problems import Place, Problems, problem_at, shown, unreadable
from batchrun.manifest.source import Format
from batchrun.manifest.text_input import TextStream, TooLongError, lines
from batchrun.model.spec import Json

_BLANK = " \t\r\n"
_Key = tuple[str, ...]
_ONE_VALUE = "leave one JSON value in the file; where each line is a row, give --format jsonl"


def parts_of(
    form: Format, stream: BinaryIO, source: str, *, skip_rows: bool = False, layout: Layout = MANIFEST
) -> Iterator[Part]:
    """Return the parts of a document, in YAML without rows if *skip_rows*: JSON is read faster."""
    if form is Format.JSON:
        return parts(stream, source, layout=layout)
    from batchrun.manifest import yaml_document  # noqa: PLC0415 (yaml is for those who use it)

    return yaml_document.parts(stream, source, skip_rows=skip_rows, layout=layout)


def parts(stream: BinaryIO, source: str, *, layout: Layout = MANIFEST) -> Iterator[Part]:
    """Return the document's parts in their order.

    Raises:
        ManifestError: It is not JSON, or JSON that is not accepted.
    """
    cursor = _Cursor(TextStream(stream, source), source)
    if not cursor.peek():
        raise cursor.wrong("the document is empty", "write a table with runs, or a list of rows")
    yield from _value_parts(cursor, (), layout)
    if cursor.peek():
        raise cursor.wrong("there is more after the document", _ONE_VALUE)


def _value_parts(cursor: _Cursor, key: _Key, layout: Layout) -> Iterator[Part]:
    start = cursor.peek()
    if start == "[" and key in layout.streamed:
        yield from _elements(cursor, key)
    elif start == "{" and key in layout.opened:
        yield from _members(cursor, key, layout)
    else:
        yield cursor.part(key, is_element=False)


def _elements(cursor: _Cursor, key: _Key) -> Iterator[Part]:
    place = cursor.place()
    cursor.skip()
    if cursor.peek() == "]":
        cursor.skip()
        yield Part(key=key, value=[], place=place)
        return
    while True:
        cursor.peek()
        yield cursor.part(key, is_element=True)
        if cursor.next_or_end("]"):
            return


def _members(cursor: _Cursor, key: _Key, layout: Layout) -> Iterator[Part]:
    seen: dict[str, Place] = {}
    cursor.skip()
    if cursor.peek() == "}":
        cursor.skip()
        return
    while True:
        name = _name(cursor, seen)
        yield from _value_parts(cursor, (*key, name), layout)
        if cursor.next_or_end("}"):
            return


def _name(cursor: _Cursor, seen: dict[str, Place]) -> str:
    if cursor.peek() != '"':
        if cursor.is_at_remark():
            raise cursor.wrong(*strict_json.NO_REMARKS)
        raise cursor.wrong("a key in double quotes is missing", 'write keys as "runs"')
    place = cursor.place()
    name = str(cursor.value())
    if first := seen.get(name):
        message = f"the key {shown(name)} is given twice, first on line {first.line}"
        raise unreadable(place, message, "keep one of the two", field=name)
    seen[name] = place
    if cursor.peek() != ":":
        raise cursor.wrong("a colon is missing after the key", "correct the JSON here")
    cursor.skip()
    return name


class _Cursor:
    """A position in a document of which only a window is in memory."""

    def __init__(self, stream: TextStream, source: str) -> None:
        self._stream = stream
        self._source = source
        self._text = ""
        self._at = 0
        self._ended = False
        # Lines are counted up to here; the line may begin before the window.
        self._counted = 0
        self._line = 1
        self._line_start = 0

    def peek(self) -> str:
        """Skip white space and return the next character; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._stream.element_done()
            self._more()

    def is_at_remark(self) -> bool:
        """Report whether a comment begins at the next character."""
        return strict_json.is_remark(self._text, self._at)

    def skip(self) -> None:
        """Skip the next character."""
        self._at += 1

    def next_or_end(self, end: str) -> bool:
        """Skip a comma or the closing bracket; report whether it was the bracket."""
        found = self.peek()
        if found not in {",", end} or not found:
            what = "the document ends too early" if not found else f"unexpected {shown(found)}"
            raise self.wrong(what, f"write a comma or {end} here")
        self.skip()
        if found == "," and self.peek() == end:
            raise self.wrong("there is a comma before the end", "remove that comma")
        return found == end

    def part(self, key: _Key, *, is_element: bool) -> Part:
        """Read the part that begins here."""
        place = self.place()
        try:
            return Part(key=key, value=self.value(), place=place, is_element=is_element)
        except strict_json.JsonContentError as error:
            value, self._at = strict_json.decoded_leniently(self._text, self._at)
            wrong = (problem_at(place, error.message, error.cure, field=".".join(key) or None),)
            return Part(key=key, value=value, place=place, is_element=is_element, wrong=wrong)

    def value(self) -> Json:
        """Read the value that begins here.

        Raises:
            JsonContentError: It is not accepted; the cursor stays before it.
        """
        self._stream.element_done()
        while True:
            try:
                value, end = strict_json.decoded_at(self._text, self._at)
            except strict_json.JsonSyntaxError as error:
                self._more_or_wrong(error)
                continue
            except strict_json.JsonContentError:
                # The refused part may be within a value that goes on in the next piece.
                if self._is_whole():
                    raise
                self._more()
                continue
            except strict_json.JsonError as error:
                raise self.wrong(error.message, error.cure) from error
            if end < len(self._text) or self._ended:
                self._at = end
                return value
            # The next piece may continue a number.
            self._more()

    def _is_whole(self) -> bool:
        try:
            strict_json.decoded_leniently(self._text, self._at)
        except ValueError as error:
            if self._ended:
                raise self.wrong("this is not JSON", "correct the JSON here") from error
            return False
        except RecursionError as error:
            raise self.wrong("nested too deep", "make the value flatter") from error
        return True

    def place(self) -> Place:
        """Return the cursor's place."""
        return self._place_at(self._at)

    def wrong(self, message: str, cure: str) -> ManifestError:
        """Return the error for a problem at the cursor."""
        return unreadable(self.place(), message, cure)

    def _place_at(self, index: int) -> Place:
        self._line += self._text.count("\n", self._counted, index)
        last = self._text.rfind("\n", self._counted, index)
        self._line_start = last + 1 if last >= 0 else self._line_start
        self._counted = index
        return Place(source=self._source, line=self._line, column=index - self._line_start + 1)

    def _more_or_wrong(self, error: strict_json.JsonSyntaxError) -> None:
        """Read more, since the value may only be cut; at the end of the file raise *error* with its place."""
        if not self._ended:
            index = self._at
            try:
                self._more()
            except TooLongError:
                self._at = index
            else:
                return
        index = self._at if error.position is None else error.position
        raise unreadable(self._place_at(index), error.message, error.cure) from error

    def _more(self) -> None:
        self.place()
        # Twice as much each time, so that a long value is not decoded again and again.
        piece = self._stream.read(max(65536, len(self._text) - self._at))
        self._ended = not piece
        self._text = self._text[self._at :] + piece
        self._line_start -= self._at
        self._at = self._counted = 0


def of_list(found: Iterator[Part], problems: Problems) -> Iterator[Record]:
    """Return a row for each element of a document, read as a list; other elements become problems.

    Raises:
        ManifestError: It is not a list, or cannot be read further.
    """
    for part in found:
        if not part.is_element:
            cure = "write a list with a table of names for each row"
            message = f"{shown(part.value)} where a sheet should be a list"
            raise unreadable(part.place, message, cure, field="sheet")
        if part.wrong:
            problems.extend(part.wrong)
        elif isinstance(part.value, dict):
            yield Record(fields=part.value, place=part.place, places={})
        else:
            problems.add(part.place, f"{shown(part.value)} is not a row", "write a table of names")


def of_lines(stream: BinaryIO, source: str, problems: Problems) -> Iterator[Record]:
    """Return the row of each line that has one; blank lines are skipped."""
    for number, line in enumerate(lines(stream, source), start=1):
        if not line.isspace() and (record := _record(line, Place(source=source, line=number), problems)):
            yield record


def _record(line: str, place: Place, problems: Problems) -> Record | None:
    try:
        value = strict_json.decoded(line)
    except strict_json.JsonError as error:
        if place.line == 1 and line.strip() in {"{", "["}:
            cure = "write each row on one line, or give --format json"
            raise unreadable(place, "the first row goes on below its line", cure) from error
        column = None if error.position is None else error.position + 1
        place = Place(source=place.source, line=place.line, column=column)
        problems.add(place, error.message, error.cure)
        return None
    if not isinstance(value, dict):
        problems.add(place, f"{shown(value)} is not a row", 'write a table: {"id": "NA12878", ...}')
        return None
    return Record(fields=value, place=place, places={})
