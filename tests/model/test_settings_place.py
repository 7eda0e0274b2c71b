"""Where files of settings are kept in S3."""

from __future__ import annotations

import pytest

from batchrun.model.texts.places import settings_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://lab/settings/", "s3://lab/settings/"),
        ("s3://lab/settings", "s3://lab/settings/"),
        ("s3://lab", "s3://lab/"),
        (f"s3://lab/{'p' * 671}", f"s3://lab/{'p' * 671}/"),
    ],
)
def test_a_place_ends_with_a_slash(text, place):
    assert settings_place(text) == place


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lab/settings/", "not how a place in S3 is written"),
        ("s3://", "no bucket"),
        ("s3://lab/../x", "no file in S3"),
        ("s3://lab/{batch}/", "nothing is filled in here"),
        ("s3://lab/batch}/", "nothing is filled in here"),
        (f"s3://lab/{'p' * 672}", "it is too long: 681 characters at most"),
    ],
)
def test_anything_else_is_none(text, why):
    with pytest.raises(ValueError, match=why):
        settings_place(text)
