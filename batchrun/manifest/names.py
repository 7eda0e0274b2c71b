"""
Names that the user gives: batches and rows; and the run names made of them.

Belongs here: what such a name may be. Does not: where it is read from.
"""

from __future__ import annotations

import hashlib
from typing import Final

from batchrun.manifest import limits
from batchrun.manifest.problems import shown

_SHORT_HASH: Final = 8


def wrong_name(name: str) -> tuple[str, str] | None:
    """Tell what is wrong with an id or a batch's name, and the cure; None for a good one."""
    if not name:
        return "it is empty", "give a name"
    if len(name) > limits.NAME:
        return f"{shown(name)} has {len(name)} characters", f"use at most {limits.NAME}"
    if not name.isprintable():
        return f"{shown(name)} has characters that cannot be printed", "use printable characters alone"
    if name != name.strip():
        return f"{shown(name)} has white space at an end", "remove the white space"
    return None


def wrong_batch(name: str) -> tuple[str, str] | None:
    """Tell what is wrong with a batch's name: it also names the results file."""
    if wrong := wrong_name(name):
        return wrong
    if "/" in name or "\\" in name:
        return f"{shown(name)} has a slash", "use a name that a file can have"
    if (size := len(name.encode(errors="replace"))) > limits.FILE_NAME:
        return f"{shown(name)} has {size} bytes in UTF-8", f"use at most {limits.FILE_NAME}"
    if name[0] in ".-":
        return f"{shown(name)} begins with {name[0]!r}", "begin with a letter or a digit"
    return None


def run_name(batch: str, entry_id: str) -> str:
    """Return ``{batch}-{id}``; cut where the console would not take it, and then still its own."""
    name = f"{batch}-{entry_id}"
    if len(name) <= limits.RUN_NAME:
        return name
    # An id with half of a surrogate pair comes this far too: it was reported, and reading goes on.
    end = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:_SHORT_HASH]
    return f"{name[: limits.RUN_NAME - _SHORT_HASH - 1]}-{end}"
