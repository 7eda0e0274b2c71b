"""
Places told from other text: what a parameter's value names, and whether that can be looked for.

Belongs here: reading one text. Does not: walking through a row (``mentions``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from batchrun.ports.inputs import Kind, Skip

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a place is to us.
Sort: TypeAlias = Kind | Skip

_S3: Final = "s3://"
#: What stands between two places in one text; what follows must begin with a scheme, since S3's keys may
#: have any of these characters themselves.
_BETWEEN: Final = re.compile(r"(?<![\s,;|])[\s,;|]++(?=[A-Za-z][A-Za-z0-9+.-]{1,20}://)")
#: White space, characters without width, and quotes, straight and curly.
AROUND: Final = " \t\r\n\u00a0\u200b\u200c\u200d\u2060\ufeff\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_UNFILLED: Final = re.compile(r"\$[({]|\{[^{},/]*\}|<[^<>/]+>")
_WILD: Final = frozenset("*?[{")
#: Each sort of place but those in S3, by how it begins; the first that fits counts.
_SORTS: Final = (
    (re.compile(r"omics://"), Skip.OMICS),
    (re.compile(r"s3:", re.IGNORECASE), Skip.MISSPELT),
    (re.compile(r"arn:aws[a-z-]*:(?:s3|omics)[a-z0-9-]*:"), Skip.ARN),
    (re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://\S"), Skip.OTHER_SCHEME),
    (re.compile(r"/mnt/workflow(?:/|\Z)"), Skip.WORKFLOW_PATH),
    (re.compile(r"(?:~|\.{1,2})?/[^/\s]+[/.]\S|[A-Za-z]:[\\/]\S|\\\\\S"), Skip.LOCAL_PATH),
)


def places_in(text: str) -> Iterator[tuple[str, Sort]]:
    """Return each place that *text* names, and what it is to us; nothing for text that names none."""
    pieces = [piece for piece in _BETWEEN.split(text) if piece]
    if len(pieces) > 1 and _sort(pieces[0]) is not None:
        yield from ((piece, sort) for piece in pieces if (sort := _sort(piece)) is not None)
    elif len(pieces) > 1:  # a command line, a sentence: who knows where a place ends there
        if _S3 in text:
            yield text, Skip.WITHIN_TEXT
    elif (sort := _sort(text)) is not None:
        yield text, sort


def _sort(piece: str) -> Sort | None:
    if piece.startswith(_S3):
        return _sort_in_s3(piece)
    bare = piece.strip(AROUND)
    if bare != piece and bare[: len(_S3)].lower() == _S3:
        return Skip.MISSPELT
    found = next((sort for begins, sort in _SORTS if begins.match(bare)), None)
    return Skip.WITHIN_TEXT if found is None and _S3 in piece else found


def _sort_in_s3(uri: str) -> Sort:
    bucket, _, key = uri.removeprefix(_S3).partition("/")
    if _UNFILLED.search(uri):
        return Skip.PLACEHOLDER
    if bucket.startswith("arn:"):
        return Skip.ARN
    if not _BUCKET.fullmatch(bucket):
        return Skip.MISSPELT
    if not _WILD.isdisjoint(key):
        return Kind.PATTERN
    return Kind.PREFIX if not key or key.endswith("/") else Kind.OBJECT
