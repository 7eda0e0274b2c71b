"""Places in S3, as people write them (``s3://BUCKET/KEY``), and patterns over keys.

A pattern has ``*``, ``?``, ``[...]`` and ``{a,b}``, as in Nextflow. One star stays within a folder, two do
not. A key may contain these characters, so a pattern also matches itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from itertools import product
from typing import Final

_S3: Final = "s3://"
#: With one slash too, as programs that take it for a path leave it.
_MEANT: Final = re.compile(r"s3:/", re.IGNORECASE)
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
#: Parts of a key that a client would normalise to another place.
_UPWARDS: Final = frozenset({".", ".."})
#: A key, in bytes.
_LONGEST: Final = 1024
_CURE: Final = "write s3://BUCKET/KEY"
#: The form of a folder for the rows of large submissions.
SUCH_AS: Final = "s3://BUCKET/PREFIX/"
_FILE: Final = f"{'0' * 64}.json"
#: Characters of ``s3UriSettings`` (service model of botocore 1.43.117).
_LONGEST_SETTINGS: Final = 750


def is_in_s3(path: str) -> bool:
    """Report whether *path* is meant as a place in S3 rather than on this machine."""
    return _MEANT.match(path) is not None


def split_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of ``s3://BUCKET/KEY``."""
    bucket, _, key = uri.removeprefix(_S3).partition("/")
    return bucket, key


def wrong_place(uri: str) -> tuple[str, str] | None:
    """Return message and cure for a bad place of a file in S3; None for a good one."""
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
    """Return the folder in S3 that *text* names, with a slash at its end.

    Raises:
        ValueError: It is not one; the message says why.
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
#: Most combinations of choices in one pattern.
_MOST: Final = 64


def before_wildcards(pattern: str) -> str:
    """Return the common beginning of all keys that *pattern* can match."""
    found = _FIRST_WILD.search(pattern)
    return pattern if found is None else pattern[: found.start()]


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return a test whether a key matches *pattern*.

    Its time is proportional to the key, whatever the pattern: ``fnmatch`` never tries a star twice.
    """
    matches = [_matcher(one) for one in _choices(pattern)]
    return lambda key: key == pattern or any(one(key) for one in matches)


def _choices(pattern: str) -> list[str]:
    """Expand ``{a,b}``; with too many combinations, each choice matches anything in a folder."""
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
