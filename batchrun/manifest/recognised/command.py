"""
The command that reads a source once more, with options added, for a shell to take as it stands in a message.

Belongs here: its words, and quoting them. Does not: which options are added (``sheet``, ``documents``).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from batchrun.manifest.source import Source


def again(source: Source, options: Iterable[str]) -> str:
    """Write the command that reads the source once more, with options added."""
    path = ["--each-file", source.path] if source.is_each_file else [source.path]
    return " ".join(map(_quoted, ["batchrun", *source.verb.split(), *path, *_given(source), *options]))


def _quoted(word: str) -> str:
    """Write a word for a shell to take; what cannot be seen is escaped, as bash and zsh read it."""
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_escaped, word))}'"


def _escaped(character: str) -> str:
    if character.isprintable():
        return f"\\{character}" if character in "'\\" else character
    return f"\\U{ord(character):08x}"


def _given(source: Source) -> list[str]:
    """Return the options that it was read with."""
    given = [text for path in source.defaults for text in ("--defaults", path)]
    given += [text for path in source.parameters_from for text in ("--parameters-from", path)]
    given += [text for text in source.sets for text in ("--set", text)]
    given += [] if source.lanes is None else ["--lanes", source.lanes]
    given += [text for name in source.env for text in ("--env", name)]
    given += [] if source.batch is None else ["--batch", source.batch]
    given += [] if source.format is None else ["--format", source.format.value]
    given += [] if source.asked.delimiter is None else ["--delimiter", source.asked.delimiter]
    given += [] if source.asked.encoding is None else ["--encoding", source.asked.encoding]
    given += [] if source.asked.worksheet is None else ["--worksheet", source.asked.worksheet]
    given += [] if source.asked.header is None else ["--header", ",".join(source.asked.header)]
    return given
