"""Places in S3: what is meant as one, and what can be one."""

from __future__ import annotations

import pytest

from batchrun.model.texts.places import is_in_s3, split_uri, wrong_place


@pytest.mark.parametrize("path", ["s3://lab/a.csv", "S3://lab/a.csv", "s3:/lab/a.csv", "s3://"])
def test_what_is_meant_is_never_a_path_on_this_machine(path: str):
    assert is_in_s3(path)


@pytest.mark.parametrize("path", ["a.csv", "/s3/a.csv", "s3.csv", "./s3:/a.csv", "https://s3/a", "-", ""])
def test_what_is_not_is_none(path: str):
    assert not is_in_s3(path)


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("s3://lab/a.csv", ("lab", "a.csv")),
        ("s3://my-lab.eu-1/a b/ü//{x}.csv", ("my-lab.eu-1", "a b/ü//{x}.csv")),
        ("s3://lab//a", ("lab", "/a")),
        (f"s3://{'b' * 63}/{'k' * 1024}", ("b" * 63, "k" * 1024)),
    ],
)
def test_a_place(uri: str, parts: tuple[str, str]):
    assert wrong_place(uri) is None
    assert split_uri(uri) == parts


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("S3://lab/a", "not how a place in S3 is written"),
        ("s3:/lab/a", "not how a place in S3 is written"),
        ("s3:///a", "no bucket"),
        ("s3://a", "no bucket"),
        ("s3://La/a", "no bucket"),
        ("s3://lab_1/a", "no bucket"),
        (f"s3://{'b' * 64}/a", "no bucket"),
        ("s3://lab", "the key is missing"),
        ("s3://lab/", "the key is missing"),
        ("s3://lab/a/", "a folder"),
        ("s3://lab/../a", "such a key"),
        ("s3://lab/a/./b", "such a key"),
        ("s3://lab/a\nb", "such a key"),
        ("s3://lab/a\ud800", "such a key"),
        ("s3://lab/" + "ü" * 513, "too long"),
    ],
)
def test_what_can_be_none_says_why(uri: str, why: str):
    wrong = wrong_place(uri)
    assert wrong is not None
    assert why in wrong[0]
    assert wrong[1]
