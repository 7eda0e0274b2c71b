r"""Patterns for the names of files: regular expressions, and names with parts in braces.

    (?P<id>.+)_(?P<read>R[12])\.fastq\.gz        {sample}_S*_L{lane}_R{mate}_001.fastq.gz

In the second kind a part is any text, ``*`` is any text that is ignored, and everything else stands for
itself; a repeated part must be the same text. Belongs here: reading both kinds, the time limit of matching.
Does not: what is made of the parts (``pairing``).
"""

from __future__ import annotations

import re
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from batchrun.errors import ManifestError, UsageError
from batchrun.manifest.problems import Place, printable, unreadable

#: Most characters of a pattern, and of a name: S3 has no longer keys.
LONGEST: Final = 1024
EXAMPLE: Final = r"such as '(?P<id>.+)_(?P<read>R[12])\.fastq\.gz' or '{id}_R{read}.fastq.gz'"
_PIECE: Final = re.compile(r"\{([A-Za-z_]\w*)\}|\*")
_GROUP: Final = "(?P<"
#: Seconds of processor time for one name; a sane pattern takes microseconds.
_PATIENCE: Final = 2.0


def compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern as a regular expression. Raises ManifestError if it is not valid."""
    if len(pattern) > LONGEST:
        raise wrong(f"it has {len(pattern)} characters", f"use at most {LONGEST}")
    is_of_parts = _GROUP not in pattern and any(match[1] for match in _PIECE.finditer(pattern))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(_expression(pattern) if is_of_parts else pattern)
    except (re.error, OverflowError, RecursionError) as error:
        message = f"this is not a regular expression: {printable(str(error))}"
        raise wrong(message, f"correct it; {EXAMPLE}") from error


def wrong(message: str, cure: str, option: str = "--pattern") -> ManifestError:
    """Return the error for an option that cannot be used."""
    return unreadable(Place(source=option), message, cure)


def _expression(pattern: str) -> str:
    # A part does not reach beyond a slash; only a pattern with slashes is matched against paths.
    text = "[^/]" if "/" in pattern else "."
    pieces: list[str] = []
    seen: set[str] = set()
    end = 0
    for match in _PIECE.finditer(pattern):
        pieces.append(re.escape(pattern[end : match.start()]))
        end = match.end()
        name = match[1]
        if name is None:
            pieces.append(f"{text}*")
        else:
            pieces.append(f"(?P={name})" if name in seen else f"(?P<{name}>{text}+)")
            seen.add(name)
    return "".join([*pieces, re.escape(pattern[end:])])


@contextmanager
def limited(pattern: re.Pattern[str]) -> Iterator[Callable[[str], re.Match[str] | None]]:
    """Yield the pattern's ``fullmatch``, which raises UsageError if a name takes too long.

    Python's matcher can take exponential time, but checks for signals; hence only in the main thread.
    """

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise UsageError(
            "--pattern takes too long for a single name: it has repetitions within repetitions, such as "
            "(.+)+; write [^_]+ in place of .+ where a part ends at a known character"
        )

    def match(name: str) -> re.Match[str] | None:
        signal.setitimer(signal.ITIMER_VIRTUAL, _PATIENCE)
        try:
            return pattern.fullmatch(name)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    before = signal.signal(signal.SIGVTALRM, give_up)
    try:
        yield match
    finally:
        signal.signal(signal.SIGVTALRM, before)
