r"""
The service's patterns, most of which are Python's too; the rest are Java's ``[\p{L}||\p{M}]+``.

Belongs here: turning one pattern of botocore's model into a test. Does not: which field has which.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_JAVA_CLASS = re.compile(r"\[((?:\\p\{[A-Z][a-z]?\}|\|\||\\[tnr])+)\][+*]")
_CATEGORY = re.compile(r"\\p\{([A-Z][a-z]?)\}")
_ESCAPES = {r"\t": "\t", r"\n": "\n", r"\r": "\r"}
#: The categories that all printable ASCII is made of.
_PRINTABLE = frozenset("LNPSZ")


def matcher(pattern: str) -> Callable[[str], bool] | None:
    """Return the test that a whole text matches; None for a pattern that only the service understands."""
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
