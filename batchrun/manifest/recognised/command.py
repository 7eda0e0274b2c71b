"""The command that reads a source again with more options, to be pasted from a message into a shell.

Belongs here: its words, and quoting them. Does not: which options are added (``sheet``, ``documents``).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from batchrun.manifest.source import Source


def again(source: Source, options: Iterable[str]) -> str:
    """Return the command that reads the source again, with options added."""
    path = ["--each-file", source.path] if source.is_each_file else [source.path]
    return " ".join(map(_quoted, ["batchrun", *source.verb.split(), *path, *_given(source), *options]))


def _quoted(word: str) -> str:
    """Return a word quoted for bash and zsh, with invisible characters escaped."""
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_escaped, word))}'"


def _escaped(character: str) -> str:
    if character.isprintable():
        return f"\\{character}" if character in "'\\" else character
    return f"\\U{ord(character):08x}"


def _given(source: Source) -> list[str]:
    """Return the options that the source was read with."""
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
