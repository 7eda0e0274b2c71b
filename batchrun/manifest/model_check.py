"""StartRun as botocore's own model describes it, compiled into quick checks.

Belongs here: whatever the model says about a value: type, length, range, enum, and pattern, most of which are
Python's too; the rest are Java's. The model is read at run time, so a field that botocore learns tomorrow is
checked tomorrow. Does not: rules that no model states (``rules``). Depth is limited where values are read, so
the recursion in here ends.

botocore's ParamValidator is not used: it ignores every maximum, pattern and enum, takes ``true`` for an
integer and NaN for a number, and does not ask that ``parameters`` is a table.
"""

from __future__ import annotations

import enum
import re
import sys
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from batchrun.manifest.problems import Path, instead, printable, shown, shown_instead
from batchrun.manifest.scalars import NumberSizeError, Plain, as_text, resolved, typed
from batchrun.model.entries.retrying import LANE
from batchrun.model.spec import Json

_JAVA_CLASS = re.compile(r"\[((?:\\p\{[A-Z][a-z]?\}|\|\||\\[tnr])+)\][+*]")
_CATEGORY = re.compile(r"\\p\{([A-Z][a-z]?)\}")
_ESCAPES = {r"\t": "\t", r"\n": "\n", r"\r": "\r"}
#: The Unicode categories of printable ASCII.
_PRINTABLE = frozenset("LNPSZ")


def matcher(pattern: str) -> Callable[[str], bool] | None:
    """Return a test for the pattern over a whole text; None if only the service understands the pattern."""
    if java := _JAVA_CLASS.fullmatch(pattern):
        return _by_category(java[1])
    try:
        match = re.compile(pattern).fullmatch
    except re.error:
        return None
    return lambda text: match(text) is not None


def _by_category(body: str) -> Callable[[str], bool]:
    categories = frozenset(_CATEGORY.findall(body))
    literals = frozenset(text for escape, text in _ESCAPES.items() if escape in body)
    takes_ascii = categories >= _PRINTABLE

    def matches(text: str) -> bool:
        if takes_ascii and text.isascii() and text.isprintable():
            return True
        return all(_is_in(character, categories) or character in literals for character in text)

    return matches


def _is_in(character: str, categories: frozenset[str]) -> bool:
    category = unicodedata.category(character)
    return category in categories or category[0] in categories


REQUEST_ID: Final = "requestId"
_LANE_CURE: Final = (
    "where an account and region is meant, say which there are: lanes: in the manifest, or --lanes FILE; a "
    "workflow's own names go under parameters"
)
#: Fields of StartRun that aiobotocore's botocore may not know, with the first botocore that does.
NEWER: Final = {
    "outputUriPrefixMode": "1.44.0",
    "parametersUri": "1.44.8",
    "requesterPaysEnabled": "1.44.8",
}


class Context(Protocol):
    """What a check needs from the row it works on."""

    def fill(self, text: str, path: Path) -> str | None:
        """Return the text with its placeholders filled in; None if that failed or is not possible yet."""

    def report(self, path: Path, message: str, cure: str) -> None:
        """Record a problem."""


#: Returns a value as it is sent, and reports what is wrong with it.
Check: TypeAlias = "Callable[[Json, Path, Context], Json]"


class FieldKind(enum.Enum):
    """The kind of value in a field, as far as a column's header depends on it."""

    TEXT = "text"
    INTEGER = "int"
    NUMBER = "float"
    BOOLEAN = "bool"
    TABLE = "table"  #: a table of the user's own keys, with values of any type
    TEXTS = "texts"  #: a table of the user's own keys, with text
    OTHER = "json"  #: anything else: in a cell it is JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One member of a request."""

    kind: FieldKind
    check: Check


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestModel:
    """The members of a request, and which are required."""

    fields: Mapping[str, Field]
    required: tuple[str, ...]

    def unknown(self, name: str, *, guess: bool = True) -> tuple[str, str]:
        """Return message and cure for an unknown field; a *guess* at what was meant takes time."""
        if name == REQUEST_ID:
            return "batchrun makes the requestId itself", "remove it: the same row always gets the same one"
        if name in NEWER:
            message = f"the installed botocore does not know {name}, which botocore {NEWER[name]} does"
            cure = "add a newer model with AWS_DATA_PATH, as 'batchrun help manifest' shows"
            return message, cure
        if name == LANE:
            return f"{shown(name)} is not a field of StartRun", _LANE_CURE
        known = ("id", *self.fields)
        own = f"parameters.{printable(name)}"
        cure = f"use a field of StartRun; the workflow's own names go under parameters: {own}"
        cure = instead(name, known, cure) if guess else cure
        return f"{shown(name)} is not a field of StartRun", cure


def compiled(shape: Any) -> RequestModel:
    """Compile the input of an operation, without ``requestId``, which batchrun makes."""
    return RequestModel(
        fields={name: _field(member) for name, member in shape.members.items() if name != REQUEST_ID},
        required=tuple(name for name in shape.required_members if name != REQUEST_ID),
    )


def _field(shape: Any) -> Field:
    if getattr(shape, "is_document_type", False):
        return Field(kind=FieldKind.TABLE, check=_document_table)
    if shape.type_name == "map" and shape.value.type_name == "string":
        return Field(kind=FieldKind.TEXTS, check=_map(shape))
    kinds = {"map": FieldKind.TABLE, "string": FieldKind.TEXT, "boolean": FieldKind.BOOLEAN}
    kinds |= dict.fromkeys(("integer", "long"), FieldKind.INTEGER)
    kinds |= dict.fromkeys(("float", "double"), FieldKind.NUMBER)
    kind = kinds.get(shape.type_name, FieldKind.OTHER)
    return Field(kind=kind, check=_check(shape))


def _check(shape: Any) -> Check:
    if getattr(shape, "is_document_type", False):
        return _document
    makers: dict[str, Callable[[Any], Check]] = {
        "string": _text,
        "integer": _integer,
        "long": _integer,
        "float": _number,
        "double": _number,
        "boolean": lambda _: _boolean,
        "structure": _structure,
        "list": _list,
        "map": _map,
    }
    return makers.get(shape.type_name, lambda _: _document)(shape)


def _text(shape: Any) -> Check:
    low = shape.metadata.get("min", 0)
    high = shape.metadata.get("max", sys.maxsize)
    allowed = frozenset(shape.enum)
    pattern = shape.metadata.get("pattern")
    matches = matcher(pattern) if pattern else None

    def check(value: Json, path: Path, context: Context) -> Json:
        text = value if type(value) is str else _written(value, path, context)
        if text is None or ("{" in text and (text := context.fill(text, path)) is None):
            return None
        if not text and (low or (matches and not matches(text))):
            context.report(path, "it is empty", "write it, or leave the field out")
        elif not low <= len(text) <= high:
            _report_length(text, (low, high), path, context)
        elif allowed and text not in allowed:
            cure = instead(text, allowed, f"use one of {', '.join(shape.enum)}")
            context.report(path, f"{shown(text)} is not one of its values", cure)
        elif matches and not matches(text):
            message = f"{shown(text)} has characters or a form that the service refuses"
            context.report(path, message, f"it must match {pattern} in full")
        return text

    return check


def _written(value: Json, path: Path, context: Context) -> str | None:
    text = as_text(value)
    if text is None:
        cure = "write it in quotes if that is the text, or leave the field out"
        context.report(path, f"{shown_instead(value)} where text is wanted", cure)
    return text


def _report_length(text: str, bounds: tuple[int, int], path: Path, context: Context) -> None:
    low, high = bounds
    wanted = f"{low} to {high}" if high < sys.maxsize else f"at least {low}"
    own = text.rpartition("/")[2]
    is_arn = text.startswith("arn:") and own.isdecimal() and low <= len(own) <= high
    cure = f"write its id alone: {shown(own)}" if is_arn else f"{wanted} are allowed: change its length"
    context.report(path, f"{shown(text)} has {len(text)} characters", cure)


def _integer(shape: Any) -> Check:
    def check(value: Json, path: Path, context: Context) -> Json:
        number = typed(value)
        if type(number) is not int:
            cure = "write a whole number without quotes" if isinstance(value, str) else "write a whole number"
            context.report(path, f"{shown(value)} is not a whole number", cure)
        else:
            _check_range(number, shape, path, context)
        return number

    return check


def _number(shape: Any) -> Check:
    def check(value: Json, path: Path, context: Context) -> Json:
        number = typed(value)
        if type(number) not in {int, float}:
            context.report(path, f"{shown(value)} is not a number", "write a number without quotes")
        else:
            _check_range(number, shape, path, context)  # type: ignore[arg-type]  # narrowed by type()
        return number

    return check


def _check_range(number: float, shape: Any, path: Path, context: Context) -> None:
    low = shape.metadata.get("min")
    high = shape.metadata.get("max")
    if (low is not None and number < low) or (high is not None and number > high):
        wanted = f"from {low} to {high}" if high is not None else f"of at least {low}"
        context.report(path, f"{shown(number)} is out of range", f"use a number {wanted}")


def _boolean(value: Json, path: Path, context: Context) -> Json:
    flag = typed(value)
    if not isinstance(flag, bool):
        context.report(path, f"{shown(value)} is not true or false", "write true or false without quotes")
    return flag


def _structure(shape: Any) -> Check:
    members = {name: _check(member) for name, member in shape.members.items()}
    required = tuple(shape.required_members)

    def check(value: Json, path: Path, context: Context) -> Json:
        if not isinstance(value, dict):
            context.report(path, f"{shown(value)} is not a table", "write a table of names and values")
            return None
        for name in required:
            if name not in value:
                context.report((*path, name), "it is missing", "add it")
        for name in value.keys() - members.keys():
            cure = instead(name, members, f"use one of {', '.join(members)}")
            context.report((*path, name), "there is no such field", cure)
        return {
            name: members[name](part, (*path, name), context)
            for name, part in value.items()
            if name in members
        }

    return check


def _list(shape: Any) -> Check:
    member = _check(shape.member)
    low = shape.metadata.get("min", 0)
    high = shape.metadata.get("max", sys.maxsize)

    def check(value: Json, path: Path, context: Context) -> Json:
        if not isinstance(value, list):
            context.report(path, f"{shown(value)} is not a list", "write a list")
            return None
        if not low <= len(value) <= high:
            context.report(path, f"{len(value)} elements", f"give {low} to {high} elements")
        return [member(part, (*path, index), context) for index, part in enumerate(value)]

    return check


def _map(shape: Any) -> Check:
    key_check = _check(shape.key)
    value_check = _check(shape.value)

    def check(value: Json, path: Path, context: Context) -> Json:
        if not isinstance(value, dict):
            context.report(path, f"{shown(value)} is not a table", "write a table of names and values")
            return None
        result: dict[str, Json] = {}
        for key, part in value.items():
            inner = (*path, key)
            # Nothing is filled in within keys: a brace in one is not a placeholder.
            key_check(key.replace("{", "("), inner, context)
            result[key] = value_check(part, inner, context)
        return result

    return check


def _document_table(value: Json, path: Path, context: Context) -> Json:
    if isinstance(value, dict):
        return _document(value, path, context)
    context.report(path, f"{shown(value)} is not a table", "write a table of names and values")
    return None


def _document(value: Json, path: Path, context: Context) -> Json:
    if type(value) is str:
        return context.fill(value, path) if "{" in value else value
    if isinstance(value, dict):
        # Most values are plain text: building a path for each would take longer than the check itself.
        return {
            key: part if type(part) is str and "{" not in part else _document(part, (*path, key), context)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [_document(part, (*path, index), context) for index, part in enumerate(value)]
    return _document_scalar(value, path, context) if isinstance(value, Plain) else value


def _document_scalar(value: Plain, path: Path, context: Context) -> Json:
    try:
        result = resolved(value)
    except NumberSizeError:
        message = f"{printable(value)} is a number that JSON cannot carry as it is"
        context.report(path, message, "use a finite number of up to 15 digits, or text in quotes")
        return None
    return context.fill(result, path) if isinstance(result, str) and "{" in result else result
