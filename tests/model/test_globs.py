"""Patterns over keys, as Nextflow has them."""

from __future__ import annotations

import time

import pytest

from batchrun.model.texts.places import before_wildcards, matcher


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("a/*.fq", "a/x.fq", True),
        ("a/*.fq", "a/b/x.fq", False),
        ("a/**.fq", "a/b/x.fq", True),
        ("a/**/x.fq", "a/b/c/x.fq", True),
        ("*_{1,2}.fastq.gz", "s_2.fastq.gz", True),
        ("*_{1,2}.fastq.gz", "s_3.fastq.gz", False),
        ("{a,b}/{c,d}?", "b/c1", True),
        ("{a,b}/{c,d}?", "b/c", False),
        ("s[0-9].bam", "s7.bam", True),
        ("s[!0-9].bam", "s7.bam", False),
        ("S*", "s", False),
        ("odd[1].bam", "odd[1].bam", True),
        ("what?", "what?", True),
        ("x.y", "x-y", False),
    ],
)
def test_what_a_pattern_matches(pattern, key, matches):
    assert matcher(pattern)(key) is matches


def test_too_many_choices_match_anything_in_their_place():
    assert matcher("{a,b}" * 6 + "{a,b}.z")("xyzxyzx.z") is True
    assert matcher("{a,b}" * 6 + "{a,b}.z")("xyzxyzx.y") is False


@pytest.mark.parametrize(
    ("pattern", "begin"), [("a/b*c", "a/b"), ("a/{b}", "a/"), ("a?", "a"), ("[a]", ""), ("a/b", "a/b")]
)
def test_what_all_matches_begin_with(pattern, begin):
    assert before_wildcards(pattern) == begin


@pytest.mark.parametrize("pattern", ["*a" * 300 + "b", "{a,*}" * 200, "**a" * 300 + "b", "[" * 1000])
def test_no_pattern_takes_long(pattern):
    begun = time.process_time()
    matcher(pattern)("a" * 1024 + "c")
    assert time.process_time() - begun < 5
