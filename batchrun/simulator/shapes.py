"""Botocore's shapes: checking values that come in, writing values that go out.

Each shape is compiled once into a function. All errors of a request are found, as by the service, including
limits that botocore's own client side does not check (max, pattern, enum).

What does not belong here: the place of a value in an HTTP message (``wire``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

#: Appends the errors of a value at a place to the list.
Check = Callable[[Any, str, list[str]], None]
Write = Callable[[Any], Any]

_JSON_NAMES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
}
_NUMBERS: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
}
_JAVA_CLASSES = re.compile(r"\[((?:\\p\{[A-Z]\}|\||\\[tnr])+)\]\+")


def compile_check(shape: Shape) -> Check:
    """Return a function that checks values against *shape*."""
    if getattr(shape, "is_document_type", False):
        return _of_type(dict, _nothing_more)
    match shape:
        case StructureShape():
            return _of_type(dict, _structure_check(shape))
        case ListShape():
            return _of_type(list, _list_check(shape))
        case MapShape():
            return _of_type(dict, _map_check(shape))
        case StringShape():
            return _of_type(str, _string_check(shape))
        case _:
            return _plain_check(shape)


def _plain_check(shape: Shape) -> Check:
    if shape.type_name in _NUMBERS:
        return _number_check(shape)
    if shape.type_name == "boolean":
        return _of_type(bool, _nothing_more)
    raise NotImplementedError(f"input of type {shape.type_name} ({shape.name})")


def _violates(place: str, constraint: str) -> str:
    return f"Value at '{place}' failed to satisfy constraint: {constraint}"


def _wrong_type(value: Any, place: str, wanted: str) -> str:
    got = _JSON_NAMES.get(type(value), "null")
    return _violates(place, f"Member must be of type {wanted}, not {got}")


def _of_type(kind: type, check: Check) -> Check:
    """Return *check* for values of this type; all others are wrong."""

    def checked(value: Any, place: str, problems: list[str]) -> None:
        if isinstance(value, kind):
            check(value, place, problems)
        else:
            problems.append(_wrong_type(value, place, _JSON_NAMES[kind]))

    return checked


def _nothing_more(_value: Any, _place: str, _problems: list[str]) -> None:
    """Accept every value of its type."""


def _number_check(shape: Shape) -> Check:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    types = _NUMBERS[shape.type_name]

    def check(value: Any, place: str, problems: list[str]) -> None:
        if isinstance(value, bool) or not isinstance(value, types):
            problems.append(_wrong_type(value, place, shape.type_name))
        elif low is not None and value < low:
            problems.append(_violates(place, f"Member must have value at least {low}"))
        elif high is not None and value > high:
            problems.append(_violates(place, f"Member must have value at most {high}"))

    return check


def _length_check(shape: Shape) -> Check:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max")

    def check(value: Any, place: str, problems: list[str]) -> None:
        if len(value) < low:
            problems.append(_violates(place, f"Member must have length at least {low}"))
        elif high is not None and len(value) > high:
            problems.append(_violates(place, f"Member must have length at most {high}"))

    return check


def _string_check(shape: StringShape) -> Check:
    check_length = _length_check(shape)
    pattern = shape.metadata.get("pattern")
    matches = compile_pattern(pattern) if pattern else None
    words = frozenset(shape.enum)

    def check(value: Any, place: str, problems: list[str]) -> None:
        check_length(value, place, problems)
        if words and value not in words:
            allowed = ", ".join(sorted(words))
            problems.append(_violates(place, f"Member must satisfy enum value set: [{allowed}]"))
        # An empty text is refused for its length only, not for its pattern too.
        if matches is not None and value and not matches(value):
            problems.append(_violates(place, f"Member must satisfy regular expression pattern: {pattern}"))

    return check


def _list_check(shape: ListShape) -> Check:
    check_length, check_member = _length_check(shape), compile_check(shape.member)

    def check(value: Any, place: str, problems: list[str]) -> None:
        check_length(value, place, problems)
        for number, item in enumerate(value, 1):
            check_member(item, f"{place}.{number}.member", problems)

    return check


def _map_check(shape: MapShape) -> Check:
    check_length = _length_check(shape)
    check_key, check_value = compile_check(shape.key), compile_check(shape.value)

    def check(value: Any, place: str, problems: list[str]) -> None:
        check_length(value, place, problems)
        for key, item in value.items():
            check_key(key, f"{place}.key", problems)
            check_value(item, f"{place}.{key}.member", problems)

    return check


def _structure_check(shape: StructureShape) -> Check:
    members = [(name, compile_check(member)) for name, member in shape.members.items()]
    required = tuple(shape.required_members)

    def check(value: Any, place: str, problems: list[str]) -> None:
        prefix = f"{place}." if place else ""
        problems.extend(
            _violates(prefix + name, "Member must not be null")
            for name in required
            if value.get(name) is None
        )
        for name, check_member in members:
            if value.get(name) is not None:
                check_member(value[name], prefix + name, problems)

    return check


def compile_pattern(pattern: str) -> Callable[[str], object]:
    r"""Return a function that matches a whole text against *pattern*, Java's Unicode classes included.

    Python's ``re`` knows no ``\p{L}``; the model uses them only as ``[\p{L}\p{M}...]+``.
    """
    java = _JAVA_CLASSES.fullmatch(pattern)
    if java is None:
        return re.compile(pattern).fullmatch
    classes = frozenset(re.findall(r"\\p\{([A-Z])\}", java[1]))
    escapes = {"t": "\t", "n": "\n", "r": "\r"}
    others = frozenset(escapes[letter] for letter in re.findall(r"\\([tnr])", java[1]))

    def matches(text: str) -> bool:
        return all(unicodedata.category(c)[0] in classes or c in others for c in set(text))

    return matches


def compile_write(shape: Shape) -> Write:
    """Return a function that converts values of *shape* to JSON values, without members that are None."""
    if getattr(shape, "is_document_type", False):
        return _as_is
    match shape:
        case StructureShape():
            return _structure_write(shape)
        case ListShape():
            write_member = compile_write(shape.member)
            return lambda value: [write_member(item) for item in value]
        case MapShape():
            write_value = compile_write(shape.value)
            return lambda value: {key: write_value(item) for key, item in value.items()}
        case _:
            return _timestamp_write(shape) if shape.type_name == "timestamp" else _as_is


def _as_is(value: Any) -> Any:
    return value


def _structure_write(shape: StructureShape) -> Write:
    members = [
        (name, member.serialization.get("name", name), compile_write(member))
        for name, member in shape.members.items()
    ]

    def write(value: Any) -> Any:
        return {
            wire_name: write_member(value[name])
            for name, wire_name, write_member in members
            if value.get(name) is not None
        }

    return write


def _timestamp_write(shape: Shape) -> Write:
    # REST-JSON's default for a timestamp in a body is epoch seconds.
    if shape.serialization.get("timestampFormat") == "iso8601":
        return write_iso8601
    return datetime.timestamp


def write_iso8601(moment: datetime) -> str:
    """Return *moment* in UTC, as the service writes it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
