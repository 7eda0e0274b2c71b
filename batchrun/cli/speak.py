"""
What the command says: text and JSON lines on stdout, complaints on stderr, and words for people.

Belongs here: writing, and carrying on calmly when nobody reads any more: a launch must not end, nor exit
otherwise, because a pipe was closed or a log's disk is full; others' text made safe to show, times of
day. Does not: what is said.
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
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import IO, Any, Final, TextIO

from batchrun.errors import StorageError
from batchrun.model.texts.foreign import TOLD, shortened
from batchrun.model.texts.words import spelt_out
from batchrun.report.json_names import with_old_names

#: Libraries that log, with tracebacks, what we explain in a line of our own.
_LIBRARIES: Final = ("botocore", "aiobotocore")
#: What people give in place of a file's name.
STDOUT: Final = "-"


def spell_out() -> None:
    """Let stdout and stderr take every character: what their encoding does not have is spelt out."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, *, hang: int | None = None) -> None:
    """
    Write a line on stdout; control characters in it are escaped.

    With *hang*, a terminal gets a line that is too long for it as several, broken between words, all but the
    first beginning at that column. What people copy as a whole, such as a command, goes without.
    """
    write(sys.stdout, _for_whom(sys.stdout, printable(text), hang) + "\n")


def complain(text: str, *, hang: int | None = None) -> None:
    """Write a line on stderr, as ``say`` does on stdout."""
    write(sys.stderr, _for_whom(sys.stderr, printable(text), hang) + "\n")


#: A command within a text, up to what is said of another.
_COMMAND: Final = re.compile(r"(?<=run: )(batchrun .*?)(?:; (?=for one run, |if they are )|$)")


def explain(text: str) -> None:
    """
    Write problems on stderr, a line for each; a terminal gets them broken between words.

    A command there stands whole on a line of its own, so that it can be copied.
    """
    for line in text.split("\n"):
        if not is_terminal(sys.stderr):
            complain(line)
            continue
        first, *others = filter(None, map(str.strip, _COMMAND.split(line)))
        complain(first, hang=2)
        for part in others:
            complain(f"  {part}", hang=None if part.startswith("batchrun ") else 2)


def emit(message_type: str, **facts: Any) -> None:
    """
    Write one JSON object as a line on stdout; ``message_type`` says what it is.

    Names are the API's for its fields and ours in snake_case; old names are written too.
    """
    told = {"message_type": message_type, **with_old_names(message_type, facts)}
    write(sys.stdout, json.dumps(told, ensure_ascii=not _is_utf8(sys.stdout)) + "\n")


def _is_utf8(stream: TextIO | None) -> bool:
    return stream is not None and (stream.encoding or "").lower().replace("_", "-") in {"utf-8", "utf8"}


#: Why stdout took no more, the disk being full; not where its reader has seen enough, or it was closed.
_unwritten: list[OSError] = []


def write(stream: IO[str] | None, text: str) -> None:
    """Write and flush; a stream that cannot be written swallows this and everything after it."""
    try:
        if stream is not None:
            stream.write(text)
            stream.flush()
    except (OSError, ValueError) as error:  # the reader is gone, the disk is full, it was closed
        if stream is sys.stdout and isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            _unwritten.append(error)
        swallow(stream)


def raise_unwritten() -> None:
    """Raise StorageError if something for stdout was lost, for what is asked for nothing else."""
    write(sys.stdout, "")
    for error in _unwritten:
        why = error.strerror or error
        raise StorageError(f"stdout cannot be written: {why}; free the place, or send it elsewhere")


def swallow(stream: IO[str] | None) -> None:
    """Let everything that is written to *stream* from now on go nowhere."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[union-attr]
        os.close(nowhere)


@contextlib.contextmanager
def poured(failure: Callable[[str, OSError], Exception]) -> Iterator[TextIO]:
    """
    Return stdout, for what goes there in place of a file, and is UTF-8 as that would be, but on a terminal.

    What goes wrong is raised as *failure*.
    """
    if sys.stdout is None:
        raise failure("stdout", OSError(errno.EBADF, os.strerror(errno.EBADF)))
    if isinstance(sys.stdout, io.TextIOWrapper) and not is_terminal(sys.stdout):
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        swallow(sys.stdout)
    except OSError as error:
        swallow(sys.stdout)
        raise failure("stdout", error) from error


class ForTerminal(io.TextIOWrapper):
    """A file in which text of others becomes safe to show, for what goes to a terminal as it is."""

    def write(self, text: str, /) -> int:
        """Write *text* with its control characters spelt out."""
        return super().write(printable(text))


def is_terminal(stream: IO[str] | None) -> bool:
    """Report whether *stream* is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def can_draw(stream: IO[str] | None) -> bool:
    """Report whether *stream* is a terminal that can go back over its lines."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def _for_whom(stream: IO[str] | None, text: str, hang: int | None) -> str:
    if hang is None or not is_terminal(stream):
        return text
    return fitted(text, shutil.get_terminal_size().columns, hang)


def fitted(text: str, width: int, hang: int) -> str:
    """Break a line between words so that it fits; a word that is too long stays whole."""
    if len(text) <= width:
        return text
    lines = textwrap.wrap(
        text, width, subsequent_indent=" " * hang, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def let_libraries_log(handler: logging.Handler) -> None:
    """Pass what botocore and aiobotocore log to *handler* alone."""
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
    """Return the whole of a foreign text as one line that is safe to show."""
    return printable(text).replace("\n", " ").rstrip()


def until(at: datetime, seconds: float) -> str:
    """Say what time it is *seconds* after *at*, in the machine's zone, with the day where it is another."""
    now, then = at.astimezone(), (at + timedelta(seconds=seconds)).astimezone()
    day = "%a " if then - now < _WEEK else "%d %b "
    day = "" if then.date() == now.date() else day
    return then.strftime(f"{day}%H:%M %Z")


def hint(typed: str, known: Sequence[str], otherwise: str) -> str:
    """Ask whether the *known* word that is nearest to what was typed was meant; *otherwise* where none is."""
    near = get_close_matches(typed, known, n=1)
    return f"did you mean '{near[0]}'?" if near else otherwise
