"""What stands in place of a file."""

from __future__ import annotations

import pytest

from batchrun.model.texts.stand_ins import stand_in


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"\x1f\x8b\x08\x00", "a gzip file"),
        (b"BZh91AY", "a bzip2 file"),
        (b"\xfd7zXZ\x00", "an xz file"),
        (b"\x28\xb5\x2f\xfd\x04", "a zstd file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "what Git LFS keeps in place of the file"),
        (b"/annex/objects/SHA256E-s9--a.csv\n", "what git-annex keeps in place of the file"),
        (b"version,https\n", None),
        (b"id,parameters.reads\n", None),
        (b"", None),
    ],
)
def test_a_stand_in_is_told_by_its_first_bytes(head: bytes, what: str | None):
    found = stand_in(head)
    assert (found and found[0]) == what
