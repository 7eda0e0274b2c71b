"""Places in S3, as people write them: ``s3://BUCKET/KEY``."""

from __future__ import annotations

import re
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
