"""A YAML document, read event by event, so that no object is built but plain ones.

Belongs here: building plain lists, tables and text from the parser's events, with the places of fields, and
refusing what is dangerous or ambiguous in YAML: tags that build objects, alias bombs, merge keys, second
documents. Does not: what a plain scalar means (``scalars``), and what the parts mean (``document``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import yaml

from batchrun.errors import ManifestError, Problem
from batchrun.manifest import limits
from batchrun.manifest.parts import MANIFEST, Layout, Part
from batchrun.manifest.problems import Path, Place, printable, problem_at, shown, unreadable
from batchrun.manifest.scalars import Plain
from batchrun.manifest.strict_json import is_deep
from batchrun.manifest.text_input import TextStream
from batchrun.model.spec import Json

_Places = dict[Path, tuple[int, int]]

_CORE: Final = "tag:yaml.org,2002:"
_TEXT_TAGS: Final = frozenset({"!", _CORE + "str"})
_PLAIN_TAGS: Final = frozenset(_CORE + name for name in ("int", "float", "bool", "null"))
_TABLE_TAGS: Final = frozenset({"!", _CORE + "seq", _CORE + "map"})
#: Depth to which fields have places of their own; deeper ones would need too much memory.
_PLACED_DEPTH: Final = 2
_TOO_DEEP: Final = (f"nested more than {limits.DEPTH} deep", "make the value flatter")
_CURE: Final = (
    "correct the YAML here: indent with spaces, and put text that begins with { [ * & ! % @ in quotes"
)


def parts(
    stream: BinaryIO, source: str, *, skip_rows: bool = False, layout: Layout = MANIFEST
) -> Iterator[Part]:
    """Return the document's parts in their order, without rows if *skip_rows*.

    Raises:
        ManifestError: It is not YAML, or YAML that is not accepted.
    """
    with contextlib.closing(_Reader(TextStream(stream, source), source, skip_rows=skip_rows)) as reader:
        yield from _document_parts(reader, source, layout)


def _document_parts(reader: _Reader, source: str, layout: Layout) -> Iterator[Part]:
    reader.take()  # the stream's start
    if isinstance(reader.take(), yaml.StreamEndEvent):
        place = Place(source=source, line=1)
        raise unreadable(place, "the document is empty", "write a table with runs, or a list of rows")
    start = reader.take()
    yield from _node_parts(reader, start, (), layout)
    if reader.skip_rows:
        return
    reader.take()  # the document's end
    if not isinstance(last := reader.take(), yaml.StreamEndEvent):
        place = reader.place(last)
        raise unreadable(place, "a second document begins", "put each manifest in a file of its own")


def _explained(error: yaml.YAMLError, source: str) -> ManifestError:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = Place(source=source) if mark is None else _place(source, mark)
        reason = ", ".join(printable(part) for part in (error.context, error.problem) if part)
    else:
        place = Place(source=source)
        reason = printable(str(error).splitlines()[0])
    if "nesting depth" in reason:  # PyYAML from 6.0.4 on has a limit of its own, beyond this one
        return unreadable(place, *_TOO_DEEP)
    return unreadable(place, f"this is not YAML: {reason}", _CURE)


def _place(source: str, mark: Any) -> Place:
    return Place(source=source, line=mark.line + 1, column=mark.column + 1)


def _node_parts(reader: _Reader, event: Any, key: tuple[str, ...], layout: Layout) -> Iterator[Part]:
    if isinstance(event, yaml.SequenceStartEvent) and reader.skip_rows and not key:
        return
    if isinstance(event, yaml.SequenceStartEvent) and key in layout.streamed:
        reader.check_tag(event)
        yield from _elements(reader, event, key, are_rows=key in layout.rows)
    elif isinstance(event, yaml.MappingStartEvent) and key in layout.opened:
        reader.check_tag(event)
        for name, value_event in reader.members():
            yield from _node_parts(reader, value_event, (*key, name), layout)
    else:
        yield reader.part(event, key, is_element=False)


def _elements(reader: _Reader, start: Any, key: tuple[str, ...], *, are_rows: bool) -> Iterator[Part]:
    count = 0
    while not isinstance(event := reader.take(), yaml.SequenceEndEvent):
        count += 1
        if reader.skip_rows and are_rows:
            reader.skip(event)
        else:
            yield reader.part(event, key, is_element=True)
    if not count:
        yield Part(key=key, value=[], place=reader.place(start))


class _Reader:
    """Builds values from events, within limits."""

    def __init__(self, text: TextStream, source: str, *, skip_rows: bool) -> None:
        self.skip_rows = skip_rows
        # Only the loader's parser is used, never its constructors.
        self._loader: Any = (yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)(text)
        self._source = source
        self._text = text
        self._anchors: dict[str, tuple[Json, int]] = {}
        self._anchored = 0
        self._weight = 0
        self._has_alias = False
        self._wrong: list[Problem] = []

    def close(self) -> None:
        """Release the parser."""
        self._loader.dispose()

    def take(self) -> Any:
        """Return the next event. Raises ManifestError if the text is not YAML."""
        try:
            return self._loader.get_event()
        except yaml.YAMLError as error:
            raise _explained(error, self._source) from error

    def place(self, event: Any) -> Place:
        """Return the place where an event begins."""
        return _place(self._source, event.start_mark)

    def part(self, event: Any, key: tuple[str, ...], *, is_element: bool) -> Part:
        """Read the whole node that *event* begins."""
        places: _Places = {}
        self._weight = 0
        self._has_alias = False
        value = self._value(event, (), places)
        if self._has_alias and is_deep(value):
            raise self._too_deep(event)
        self._text.element_done()
        wrong, self._wrong = tuple(self._wrong), []
        place = self.place(event)
        return Part(key=key, value=value, place=place, places=places, is_element=is_element, wrong=wrong)

    def skip(self, event: Any) -> None:
        """Skip the node that *event* begins; only parts with an anchor are read."""
        self._weight = 0
        depth = 0
        while True:
            if not isinstance(event, yaml.AliasEvent) and getattr(event, "anchor", None) is not None:
                self._value(event, (), {})
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > limits.DEPTH:
                    # libyaml takes quadratic time for depth.
                    raise self._too_deep(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if not depth:
                self._text.element_done()
                return
            event = self.take()

    def members(self) -> Iterator[tuple[str, Any]]:
        """Return each key of the table that has just begun, with the event that begins its value."""
        seen: dict[str, Any] = {}
        while not isinstance(event := self.take(), yaml.MappingEndEvent):
            name = self._key(event)
            if first := seen.get(name):
                line = first.start_mark.line + 1
                message = f"the key {shown(name)} is given twice, first on line {line}"
                self._complain(event, message, "keep one of the two", field=name)
            seen[name] = event
            yield name, self.take()

    def check_tag(self, event: Any) -> None:
        """Refuse a list or table with a tag that would make another object of it."""
        if event.tag is not None and event.tag not in _TABLE_TAGS:
            self._complain_of_tag(event)

    def _value(self, event: Any, path: Path, places: _Places) -> Json:
        if isinstance(event, yaml.AliasEvent):
            return self._aliased(event)
        before = self._weight
        value = (
            self._scalar(event) if isinstance(event, yaml.ScalarEvent) else self._nested(event, path, places)
        )
        self._weigh(1, event)
        if event.anchor is not None:
            self._keep(event, value, self._weight - before)
        return value

    def _nested(self, event: Any, path: Path, places: _Places) -> Json:
        self.check_tag(event)
        if len(path) >= limits.DEPTH:
            raise self._too_deep(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(path, places)
        table: dict[str, Json] = {}
        for name, value_event in self.members():
            inner = (*path, name)
            if len(inner) <= _PLACED_DEPTH:
                mark = value_event.start_mark
                places[inner] = (mark.line + 1, mark.column + 1)
            self._weigh(len(name), value_event)
            table[name] = self._value(value_event, inner, places)
        return table

    def _list(self, path: Path, places: _Places) -> list[Json]:
        values: list[Json] = []
        while not isinstance(event := self.take(), yaml.SequenceEndEvent):
            values.append(self._value(event, (*path, len(values)), places))
        return values

    def _scalar(self, event: Any) -> Json:
        self._weigh(len(event.value), event)
        if event.tag in _TEXT_TAGS:
            return str(event.value)
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            self._complain_of_tag(event)
        is_plain = event.implicit[0] or event.tag is not None
        if not is_plain:
            return str(event.value)
        return Plain(event.value) if event.value else None

    def _key(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise unreadable(
                self.place(event),
                "a key must be text",
                "write keys as names; put text that begins with { in quotes",
            )
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            self._complain_of_tag(event)
        if event.value == "<<" and event.implicit[0]:
            cure = "write shared fields under defaults: they are merged into every row"
            self._complain(event, "merge keys (<<) are not taken", cure)
        return str(event.value)

    def _aliased(self, event: Any) -> Json:
        if event.anchor not in self._anchors:
            message = f"nothing complete is called &{printable(event.anchor)} before this alias"
            raise unreadable(self.place(event), message, "define the anchor first, outside of its own value")
        value, weight = self._anchors[event.anchor]
        self._has_alias = True
        self._weigh(weight, event)
        return value

    def _keep(self, event: Any, value: Json, weight: int) -> None:
        self._anchored += weight
        if self._anchored > limits.ANCHORED:
            message = "the values with anchors (&) are too large to be held"
            raise unreadable(self.place(event), message, "use anchors only for what is repeated")
        self._anchors[event.anchor] = (value, weight)

    def _weigh(self, weight: int, event: Any) -> None:
        self._weight += weight
        if self._weight > limits.RECORD:
            message = "this row or value grows beyond all measure, aliases (*) written out"
            raise unreadable(self.place(event), message, "use fewer aliases, or smaller ones")

    def _too_deep(self, event: Any) -> ManifestError:
        return unreadable(self.place(event), *_TOO_DEEP)

    def _complain_of_tag(self, event: Any) -> None:
        tag = printable(event.tag.replace(_CORE, "!!"))
        message = f"the tag {tag} asks for something other than text, numbers, lists and tables"
        self._complain(event, message, "remove the tag")

    def _complain(self, event: Any, message: str, cure: str, *, field: str | None = None) -> None:
        self._wrong.append(problem_at(self.place(event), message, cure, field=field))
