"""
Patterns over keys: what ``*``, ``?``, ``[...]`` and ``{a,b}`` match, as Nextflow has it.

A star stays within a folder, two do not. A key may have any of these characters itself, so a pattern matches
itself too.
"""

from __future__ import annotations

import re
from fnmatch import translate
from itertools import product
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_WILD: Final = re.compile(r"[*?\[{]")
_CHOICE: Final = re.compile(r"\{([^{}]*,[^{}]*)\}")
#: Ways to read the choices of one pattern; more are nobody's.
_MOST: Final = 64


def before_wildcards(pattern: str) -> str:
    """Return what all keys begin with that *pattern* can match."""
    found = _FIRST_WILD.search(pattern)
    return pattern if found is None else pattern[: found.start()]


def matcher(pattern: str) -> Callable[[str], bool]:
    """
    Return what tells whether a key matches *pattern*.

    It takes time in proportion to the key, whatever the pattern: ``fnmatch`` never tries a star twice.
    """
    matches = [_matcher(one) for one in _choices(pattern)]
    return lambda key: key == pattern or any(one(key) for one in matches)


def _choices(pattern: str) -> list[str]:
    """Spell out ``{a,b}``; where there are too many ways, each choice matches anything in a folder."""
    parts = _CHOICE.split(pattern)
    ways = [part.split(",") if index % 2 else [part] for index, part in enumerate(parts)]
    total = 1
    for way in ways:
        total *= len(way)
    if total > _MOST:
        return [_CHOICE.sub("*", pattern)]
    return ["".join(way) for way in product(*ways)]


def _matcher(pattern: str) -> Callable[[str], bool]:
    if "**" in pattern:
        whole = re.compile(translate(pattern.replace("**/", "**").replace("**", "*")))
        return lambda key: whole.match(key) is not None
    folders = [re.compile(translate(part)) for part in pattern.split("/")]

    def matches(key: str) -> bool:
        parts = key.split("/")
        return len(parts) == len(folders) and all(
            folder.match(part) for folder, part in zip(folders, parts, strict=True)
        )

    return matches
