"""The meaning of a scalar by the field that it is in: text as written, or a value of YAML 1.2's core schema.

Belongs here: reading scalars whose type the source does not fix. Does not: which type a field has
(``model_check``), and the formats' own syntax.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from typing import Final

from batchrun.manifest import limits
from batchrun.model.spec import Json


class Plain(str):
    """The source's own text of an unquoted scalar (a YAML plain scalar, a JSON number).

    It stays text until its field decides the type: so ``0123456`` is a fine id, which no reader has turned
    into an octal number.
    """

    __slots__ = ()


class NumberSizeError(ValueError):
    """A number that JSON cannot express: infinite, NaN, too large, or with too many digits."""


#: What no encoding can hold, and the cure.
HALF_A_CHARACTER: Final = (
    "half of a surrogate pair (\\ud800 to \\udfff) is not a character",
    "write the character itself, in UTF-8",
)
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_WORDS: Final[dict[str, Json]] = {
    **dict.fromkeys(NULLS),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# A number with a leading zero stays text: it is an identifier or a date more often than a count.
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_OTHER_BASE = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_REAL = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_STRICT_INTEGER = re.compile(r"[-+]?[0-9]+")
_STRICT_REAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_IN_JSON = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false")
_NUMBER_STARTS = frozenset("+-.0123456789")


def resolved(text: str) -> Json:
    """Return the value of a plain scalar under YAML 1.2's core schema.

    Raises:
        NumberSizeError: It is a number that JSON cannot express.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return str(text)
    return _number(str(text))


def _number(text: str) -> Json:
    if _INTEGER.fullmatch(text):
        return _integer(text, 10)
    if _OTHER_BASE.fullmatch(text):
        return _integer(text, 0)
    if _NOT_FINITE.fullmatch(text):
        raise NumberSizeError
    return _real(text) if _REAL.fullmatch(text) else text


def _integer(text: str, base: int) -> int:
    if len(text) > limits.DIGITS:
        raise NumberSizeError
    return int(text, base)


#: Digits that a double keeps of any number that is not tiny.
_DIGITS: Final = 15
_OFF: Final = Decimal(10) ** -_DIGITS


def _real(text: str) -> float:
    value = float(text)
    may_lose = len(text) > _DIGITS or "e" in text.lower()
    if not math.isfinite(value) or (may_lose and not _is_kept(text, value)):
        raise NumberSizeError
    return value


def _is_kept(text: str, value: float) -> bool:
    """Report whether a double is close to the number: exact for an integer, else up to the last digits."""
    try:
        number = Decimal(text)
    except InvalidOperation:  # the exponent has some nineteen digits
        return False
    written = Decimal(repr(value))
    if value == 0 or number == number.to_integral_value():
        return number in (written, Decimal(value))
    return int(value) == int(number) and abs(written - number) <= abs(number) * _OFF


def typed(value: Json) -> Json:
    """Return a scalar's value; its text if JSON cannot express the value."""
    try:
        return resolved(value) if isinstance(value, Plain) else value
    except NumberSizeError:
        return str(value)


def settled(value: Json) -> Json:
    """Return a value of YAML as JSON would have it; what JSON writes alike keeps the source's own text."""
    if isinstance(value, dict):
        return {name: settled(part) for name, part in value.items()}
    if isinstance(value, list):
        return [settled(part) for part in value]
    meant = typed(value)
    is_alike = isinstance(value, Plain) and not isinstance(meant, str) and _IN_JSON.fullmatch(value)
    return value if is_alike else meant


def as_text(value: Json) -> str | None:
    """Return a scalar as the source's own text; None for null, a list or a table."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Plain):
        return None if value in NULLS else str(value)
    if isinstance(value, str):
        return value
    return None if value is None or isinstance(value, list | dict) else str(value)


def strict_integer(text: str) -> int:
    """Return a cell as an integer. Raises ValueError if it is not one."""
    if not _STRICT_INTEGER.fullmatch(text):
        raise ValueError(text)
    return _integer(text, 10)


def strict_float(text: str) -> float:
    """Return a cell as a number. Raises ValueError if it is not one, or infinite."""
    if not _STRICT_REAL.fullmatch(text):
        raise ValueError(text)
    return _real(text)


def strict_bool(text: str) -> bool:
    """Return a cell as true or false. Raises ValueError if it is neither."""
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError as error:
        raise ValueError(text) from error
