"""Values written as YAML that means the same to every reader.

PyYAML's emitters are not used: they quote text that YAML 1.1 would read as another type, but not text that
only YAML 1.2 would, by which manifests are read: ``0o17`` and ``1e5``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchrun.model.spec import Json

#: Text that every version of YAML reads as text, apart from some words.
_PLAIN: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9_./@+-]|:(?!$))*")
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
#: Longest key that YAML takes without a ``?`` before it, in characters.
_LONGEST_KEY: Final = 1000
_WIDTH: Final = 100
#: Depth of tables that get a line for each entry: fields and their entries.
_SPREAD: Final = 2


def text(value: str) -> str:
    """Return a text, quoted if necessary."""
    is_plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if is_plain else quoted(value)


def quoted(value: str) -> str:
    """Return a text in double quotes, with unprintable characters escaped."""
    return "".join(
        character if character.isprintable() else _escape(character)
        for character in json.dumps(value, ensure_ascii=False)
    )


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 (what four digits hold)


def flow(value: Json) -> str:
    """Return a value on one line."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow_key(key)}: {flow(part)}" for key, part in value.items()) + "}"
    return json.dumps(value)


def _flow_key(key: str) -> str:
    written = quoted(key)
    return f"? {written} " if len(written) > _LONGEST_KEY else written


def table(fields: Mapping[str, Json], indent: int, depth: int = 1) -> Iterator[str]:
    """Return a table's lines."""
    space = " " * indent
    for name, value in fields.items():
        key = text(name)
        if len(key) > _LONGEST_KEY:
            yield f"{space}? {key}"
            key = ""
        if isinstance(value, dict) and value and depth < _SPREAD and key:
            yield f"{space}{key}:"
            yield from table(value, indent + 2, depth + 1)
        else:
            yield from _entry(f"{space}{key}:", value, indent)


def _entry(key: str, value: Json, indent: int) -> Iterator[str]:
    line = f"{key} {text(value) if isinstance(value, str) else flow(value)}"
    if len(line) <= _WIDTH or not isinstance(value, list) or not value:
        yield line
        return
    yield key
    for part in value:
        yield from element(part, indent + 2)


def element(value: Json, indent: int) -> Iterator[str]:
    """Return the lines of a list's element; a table has a line for each entry."""
    space = " " * indent
    if isinstance(value, dict) and value:
        first, *others = table(value, indent + 2)
        yield f"{space}- {first.strip()}"
        yield from others
    else:
        yield f"{space}- {text(value) if isinstance(value, str) else flow(value)}"
