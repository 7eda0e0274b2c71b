"""The command's output: text and JSON lines on stdout, problems on stderr, and words for people.

Belongs here: writing, and going on when nothing can be written: a launch must not end, nor exit with another
code, because a pipe is closed or a log's disk is full; making foreign text safe to show; times of day. Does
not: the text itself.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import logging
import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import IO, Any, Final, TextIO

from batchrun.errors import StorageError
from batchrun.model.texts.foreign import TOLD, shortened
from batchrun.model.texts.words import spelt_out
from batchrun.report.json_names import with_old_names

#: Libraries that log, with tracebacks, what we report in a line of our own.
_LIBRARIES: Final = ("botocore", "aiobotocore")
#: Stands for stdin or stdout instead of a file's name.
STDOUT: Final = "-"


def spell_out() -> None:
    """Make stdout and stderr accept every character: those not in their encoding are escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, *, hang: int | None = None) -> None:
    """Write a line on stdout; control characters in it are escaped.

    With *hang*, a line that is too long for a terminal is broken between words, and continues at that column.
    Leave it out for text to be copied as a whole, such as a command.
    """
    write(sys.stdout, _for_whom(sys.stdout, printable(text), hang) + "\n")


@dataclass(slots=True)
class _Stderr:
    as_json: bool = False


_stderr: Final = _Stderr()
#: How words for people begin that tell their level.
_BEGINNING: Final = re.compile(r"(batchrun|warning|note)(?: [^ :]+)?: ")
_LEVELS: Final = {"batchrun": "error", "warning": "warning", "note": "info"}


def complain_in_json(is_wanted: bool) -> None:  # noqa: FBT001 (as an option's callback has it)
    """Write what follows on stderr as the logs there: each line an object."""
    _stderr.as_json = is_wanted


def complain(text: str, *, hang: int | None = None, level: str = "info") -> None:
    """Write a line on stderr, as ``say`` does on stdout; *level* is for JSON, if the words do not tell it."""
    words = printable(text)
    line = _event(words.strip(), level=level) if _stderr.as_json else _for_whom(sys.stderr, words, hang)
    write(sys.stderr, line + "\n")


def _event(text: str, *, level: str) -> str:
    begun = _BEGINNING.match(text)
    return json.dumps(
        {
            "message": text[begun.end() :] if begun else text,
            "event": "said",
            "level": _LEVELS[begun[1]] if begun else level,
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        },
        ensure_ascii=not _is_utf8(sys.stderr),
    )


#: A command within a text, up to the text about another.
_COMMAND: Final = re.compile(r"(?<=run: )(batchrun .*?)(?:; (?=for one run, |if they are )|$)")


def explain(text: str) -> None:
    """Write problems on stderr, one per line; on a terminal they are broken between words.

    There a command has a line of its own, unbroken, so that it can be copied.
    """
    for line in text.split("\n"):
        if _stderr.as_json or not is_terminal(sys.stderr):
            complain(line, level="error")
            continue
        first, *others = filter(None, map(str.strip, _COMMAND.split(line)))
        complain(first, hang=2)
        for part in others:
            complain(f"  {part}", hang=None if part.startswith("batchrun ") else 2)


def emit(message_type: str, **facts: Any) -> None:
    """Write one JSON object as a line on stdout; ``message_type`` says what it is.

    Fields of the API keep its names, others are in snake_case; old names are written too.
    """
    told = {"message_type": message_type, **with_old_names(message_type, facts)}
    write(sys.stdout, json.dumps(told, ensure_ascii=not _is_utf8(sys.stdout)) + "\n")


def _is_utf8(stream: TextIO | None) -> bool:
    return stream is not None and (stream.encoding or "").lower().replace("_", "-") in {"utf-8", "utf8"}


#: Errors that lost output to stdout, such as a full disk; not a closed pipe or stream.
_unwritten: list[OSError] = []


def write(stream: IO[str] | None, text: str) -> None:
    """Write and flush; if the stream cannot be written, drop this and everything after it."""
    try:
        if stream is not None:
            stream.write(text)
            stream.flush()
    except (OSError, ValueError) as error:  # no reader, a full disk, or a closed stream
        lose(stream, error)


def lose(stream: IO[str] | None, error: OSError | ValueError) -> None:
    """Take note that *stream* cannot be written, and drop everything after this."""
    if stream is sys.stdout and isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        _unwritten.append(error)
    swallow(stream)


def raise_unwritten() -> None:
    """Raise StorageError if output to stdout was lost; for verbs that do nothing else."""
    write(sys.stdout, "")
    for error in _unwritten:
        why = error.strerror or error
        raise StorageError(f"stdout cannot be written: {why}; free the place, or send it elsewhere")


def swallow(stream: IO[str] | None) -> None:
    """Discard everything written to *stream* from now on."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        os.close(nowhere)


@contextlib.contextmanager
def poured(failure: Callable[[str, OSError], Exception]) -> Iterator[TextIO]:
    """Yield stdout in place of a file: in UTF-8 as that would be, except on a terminal.

    Errors are raised as *failure*.
    """
    if sys.stdout is None:
        raise failure("stdout", OSError(errno.EBADF, os.strerror(errno.EBADF)))
    if isinstance(sys.stdout, io.TextIOWrapper) and not is_terminal(sys.stdout):
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe
        swallow(sys.stdout)
    except OSError as error:
        swallow(sys.stdout)
        raise failure("stdout", error) from error


class ForTerminal(io.TextIOWrapper):
    """A text file for a terminal that makes foreign text safe to show."""

    def write(self, text: str, /) -> int:
        """Write *text* with its control characters escaped."""
        return super().write(printable(text))


def is_terminal(stream: IO[str] | None) -> bool:
    """Return whether *stream* is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def can_draw(stream: IO[str] | None) -> bool:
    """Return whether *stream* is a terminal that can overwrite its lines."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def _for_whom(stream: IO[str] | None, text: str, hang: int | None) -> str:
    if hang is None or not is_terminal(stream):
        return text
    return fitted(text, shutil.get_terminal_size().columns, hang)


def fitted(text: str, width: int, hang: int) -> str:
    """Break a line between words so that it fits; words that are too long stay whole."""
    if len(text) <= width:
        return text
    lines = textwrap.wrap(
        text, width, subsequent_indent=" " * hang, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def let_libraries_log(handler: logging.Handler) -> None:
    """Send the logs of botocore and aiobotocore to *handler* only."""
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False


_WEEK: Final = timedelta(days=6)


def printable(text: str) -> str:
    r"""Return *text* with control, format and surrogate characters written as ``\x1b`` and the like."""
    if text.isprintable():
        return text
    spaced = "".join(" " if unicodedata.category(one) == "Zs" else one for one in text)
    return spelt_out(spaced, kept="\n")


def one_line(text: str) -> str:
    """Return foreign text as one line that is safe to show, and not too long."""
    return shortened(whole_line(text), TOLD)


def whole_line(text: str) -> str:
    """Return a foreign text, uncut, as one line that is safe to show."""
    return printable(text).replace("\n", " ").rstrip()


def until(at: datetime, seconds: float) -> str:
    """Return the time *seconds* after *at* in the machine's time zone, with the day if it differs."""
    now, then = at.astimezone(), (at + timedelta(seconds=seconds)).astimezone()
    day = "%a " if then - now < _WEEK else "%d %b "
    day = "" if then.date() == now.date() else day
    return then.strftime(f"{day}%H:%M %Z")


def hint(typed: str, known: Sequence[str], otherwise: str) -> str:
    """Return a question whether the nearest *known* word was meant; *otherwise* if none is near *typed*."""
    near = get_close_matches(typed, known, n=1)
    return f"did you mean '{near[0]}'?" if near else otherwise
