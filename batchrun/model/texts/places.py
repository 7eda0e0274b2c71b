"""
Places in S3, as people write them (``s3://BUCKET/KEY``), and patterns over keys.

A pattern has ``*``, ``?``, ``[...]`` and ``{a,b}``, as Nextflow has it. A star stays within a folder, two do
not. A key may have any of these characters itself, so a pattern matches itself too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from itertools import product
from typing import Final

_S3: Final = "s3://"
#: With one slash too: a path that a program makes of it takes the other away.
_MEANT: Final = re.compile(r"s3:/", re.IGNORECASE)
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
#: What a client would make another place of.
_UPWARDS: Final = frozenset({".", ".."})
#: A key, in bytes.
_LONGEST: Final = 1024
_CURE: Final = "write s3://BUCKET/KEY"
#: How a folder is written in which rows of large submissions are kept for the service to read.
SUCH_AS: Final = "s3://BUCKET/PREFIX/"
_FILE: Final = f"{'0' * 64}.json"
#: Characters of ``s3UriSettings`` (service model of botocore 1.43.117).
_LONGEST_SETTINGS: Final = 750


def is_in_s3(path: str) -> bool:
    """Report whether *path* is meant as a place in S3, and not as one on this machine."""
    return _MEANT.match(path) is not None


def split_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of ``s3://BUCKET/KEY``."""
    bucket, _, key = uri.removeprefix(_S3).partition("/")
    return bucket, key


def wrong_place(uri: str) -> tuple[str, str] | None:
    """Say why no file in S3 can have this place, and the cure; None for a good one."""
    bucket, key = split_uri(uri)
    if not uri.startswith(_S3):
        return "this is not how a place in S3 is written", _CURE
    if not _BUCKET.fullmatch(bucket):
        return "no bucket has such a name", _CURE
    if not key:
        return "the key is missing", _CURE
    if key.endswith("/"):
        return "this is a folder", "name a file in it"
    if not _UPWARDS.isdisjoint(key.split("/")) or not key.isprintable():
        return "no file in S3 should have such a key", "give it one without . and .. and control characters"
    if len(key.encode(errors="replace")) > _LONGEST:
        return "this is too long", f"a key in S3 has at most {_LONGEST} bytes"
    return None


def settings_place(text: str) -> str:
    """
    Return the place that *text* names, with the slash at its end that may be left out.

    Raises:
        ValueError: It is none; says why.
    """
    prefix = text if text.endswith("/") else f"{text}/"
    wrong = wrong_place(prefix + _FILE)
    if wrong is not None:
        raise ValueError(wrong[0])
    if "{" in text or "}" in text:
        raise ValueError("nothing is filled in here: each file is named by what is in it")
    if len(prefix) + len(_FILE) > _LONGEST_SETTINGS:
        raise ValueError(f"it is too long: {_LONGEST_SETTINGS - len(_FILE)} characters at most")
    return prefix


_FIRST_WILD: Final = re.compile(r"[*?\[{]")
_CHOICE: Final = re.compile(r"\{([^{}]*,[^{}]*)\}")
#: Ways to read the choices of one pattern; no real pattern has more.
_MOST: Final = 64


def before_wildcards(pattern: str) -> str:
    """Return what all keys begin with that *pattern* can match."""
    found = _FIRST_WILD.search(pattern)
    return pattern if found is None else pattern[: found.start()]


def matcher(pattern: str) -> Callable[[str], bool]:
    """
    Return the test whether a key matches *pattern*.

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
