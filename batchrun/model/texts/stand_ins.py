"""What stands in place of a file: a packed one, or a pointer to where it is kept.

Belongs here: telling them by their first bytes, with the cure. Does not: other kinds of files that are given
by mistake (``manifest.text_input``).
"""

from __future__ import annotations

from typing import Final

_STAND_INS: Final = (
    (b"\x1f\x8b", "a gzip file", "decompress it first"),
    (b"BZh", "a bzip2 file", "decompress it first"),
    (b"\xfd7zXZ", "an xz file", "decompress it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "decompress it first"),
    (b"version https://git-lfs", "what Git LFS keeps in place of the file", "fetch it: git lfs pull"),
    (b"/annex/objects/", "what git-annex keeps in place of the file", "fetch it: git annex get"),
)


def stand_in(head: bytes) -> tuple[str, str] | None:
    """Return what a file is by its first bytes, where that is a stand-in, and the cure."""
    return next(((what, cure) for magic, what, cure in _STAND_INS if head.startswith(magic)), None)
