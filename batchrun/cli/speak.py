"""
What the command says: text and JSON lines on stdout, complaints on stderr.

Belongs here: writing, and going on calmly when nobody reads any more: a launch must not end, nor exit
otherwise, because a pipe was closed. Does not: what is said.
"""

from __future__ import annotations

import json
import os
import sys
from typing import IO, Any


def say(text: str) -> None:
    """Write a line on stdout."""
    write(sys.stdout, text + "\n")


def complain(text: str) -> None:
    """Write a line on stderr."""
    write(sys.stderr, text + "\n")


def emit(message_type: str, **facts: Any) -> None:
    """Write one JSON object as a line on stdout; ``message_type`` says what it is."""
    say(json.dumps({"message_type": message_type, **facts}, ensure_ascii=False))


def write(stream: IO[str], text: str) -> None:
    """Write and flush; a stream that nobody reads swallows this and everything after it."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        swallow(stream)


def swallow(stream: IO[str]) -> None:
    """Let everything that is written to *stream* from now on go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
