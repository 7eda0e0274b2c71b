"""Stricter JSON than Python's reader: no duplicate keys, no NaN, bounded nesting.

Belongs here: decoding one JSON value from text, and the depth of values. Does not: documents, rows.
"""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn

from batchrun.manifest import limits
from batchrun.manifest.problems import UnfitError, shown
from batchrun.manifest.scalars import Plain
from batchrun.model.spec import Json


def is_deep(value: Json) -> bool:
    """Report whether lists and tables are nested more than :data:`limits.DEPTH` deep."""
    level = [value]
    for _ in range(limits.DEPTH + 1):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


class JsonError(UnfitError):
    """Text that is not JSON, or JSON that is not accepted."""

    def __init__(self, message: str, cure: str, position: int | None = None) -> None:
        super().__init__(message, cure)
        self.position = position  #: index in the text, if known


class JsonSyntaxError(JsonError):
    """Not JSON, or only the beginning of a longer value."""


class JsonContentError(JsonError):
    """JSON that is not accepted, though its end is known."""


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    table = dict(pairs)
    if len(table) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise JsonContentError(f"the key {shown(twice)} is given twice", "keep one of the two")
    return table


def _refused(word: str) -> NoReturn:
    raise JsonContentError(f"{word} is not a JSON number", "use a finite number, or text in quotes")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=Plain, parse_float=Plain, parse_constant=_refused
)
_LENIENT = json.JSONDecoder(parse_int=Plain, parse_float=Plain, parse_constant=lambda _: None)


def decoded(text: str) -> Json:
    """Return the one value that *text* holds; numbers keep their own text.

    Raises:
        JsonError: It is not JSON, or JSON that is not accepted.
    """
    start = len(text) - len(text.lstrip(" \t\r\n"))
    value, end = decoded_at(text, start)
    if rest := text[end:].strip(" \t\r\n"):
        position = text.index(rest, end)
        raise JsonSyntaxError("there is more after the value", "leave one JSON value", position)
    return value


def decoded_at(text: str, start: int) -> tuple[Json, int]:
    """Return the value that begins at *start*, and where it ends.

    Raises:
        JsonError: It is not JSON, or JSON that is not accepted.
    """
    value: Json
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _explained(error) from error
    except RecursionError as error:
        raise _too_deep() from error
    if text.count("[", start, end) + text.count("{", start, end) > limits.DEPTH and is_deep(value):
        raise _too_deep()
    return value, end


def decoded_leniently(text: str, start: int) -> tuple[Json, int]:
    """Return a value that :func:`decoded_at` refused for its content, to continue reading after it."""
    value: Json
    value, end = _LENIENT.raw_decode(text, start)
    return value, end


def encoded(value: Json) -> str:
    """Return the JSON of a :func:`decoded` value; numbers keep their own text."""
    if isinstance(value, Plain):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{encoded(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(encoded, value)) + "]"
    return json.dumps(value)


#: How comments in JSON begin; a path (``/data/x``) and a spreadsheet's ``#N/A`` are not comments.
_REMARK: Final = re.compile(r"[,\s]*(?://|/\*|#\s)")
NO_REMARKS: Final = ("JSON has no remarks", "take it out, or write YAML, where # begins one")


_QUOTED: Final = ("in JSON texts and names stand in double quotes", "write \"...\" in place of '...'")
_SPELT: Final = ("JSON has true, false and null", "write these in place of True, False and None")
#: How Python, and what is copied from it, begins values that are not JSON.
_PYTHONS: Final = (("'", _QUOTED), ("True", _SPELT), ("False", _SPELT), ("None", _SPELT))


def is_remark(text: str, at: int) -> bool:
    """Report whether a comment begins there, or after a comma and white space there."""
    return _REMARK.match(text, at) is not None


def _explained(error: json.JSONDecodeError) -> JsonError:
    before = error.doc[: error.pos].rstrip()
    after = error.doc[error.pos :].lstrip(", \t\r\n")[:1]
    if after in {"]", "}"} and (before.endswith(",") or error.doc[error.pos] == ","):
        # Python 3.13 reports the comma's index, earlier versions the next.
        comma = len(before) - 1 if before.endswith(",") else error.pos
        return JsonSyntaxError("there is a comma before the end", "remove that comma", comma)
    if is_remark(error.doc, error.pos):
        return JsonSyntaxError(*NO_REMARKS, error.pos)
    if own := next((own for mark, own in _PYTHONS if error.doc.startswith(mark, error.pos)), None):
        return JsonSyntaxError(*own, error.pos)
    message = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
    return JsonSyntaxError(f"this is not JSON: {message}", "correct the JSON here", error.pos)


def _too_deep() -> JsonError:
    return JsonError(f"nested more than {limits.DEPTH} deep", "make the value flatter")
