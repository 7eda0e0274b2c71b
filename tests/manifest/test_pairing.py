"""Names into rows, and what is wrong with them."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.errors import ManifestError
from batchrun.manifest import pairing
from batchrun.manifest.listing import listed_files
from batchrun.manifest.pairing import Pairs, naming
from batchrun.manifest.problems import Problems

PAIRED = r"(?P<id>.+)_(?P<read>R[12])\.fq"


def paired(
    text: str, pattern: str = PAIRED, base: str | None = "s3://b", **options
) -> tuple[Pairs, list[str]]:
    how = naming(pattern, **{"parameter": None, "list_name": None, **options})
    pairs, problems = Pairs(naming=how, match=how.pattern.fullmatch), Problems()
    for file in listed_files(io.BytesIO(text.encode()), "ls", base=base, with_path=how.matches_path):
        pairs.add(file, problems)
    pairs.check(problems)
    try:
        problems.raise_any()
    except ManifestError as error:
        return pairs, [str(problem) for problem in error.problems]
    return pairs, []


def parameters(pairs: Pairs) -> dict[str, object]:
    return {row.id: row.fields["parameters"] for row in pairs.rows()}


IDS = st.text("ab_R12.é {}", min_size=1, max_size=8).filter(
    lambda t: t == t.strip() and not t.startswith("./")
)


@given(ids=st.lists(IDS, min_size=1, max_size=8, unique=True), data=st.data())
@settings(deadline=None)
def test_pairs_find_each_other_in_any_order(ids, data):
    names = data.draw(st.permutations([f"d/{one}_{read}.fq" for one in ids for read in ("R1", "R2")]))
    pairs, problems = paired("\n".join(names))
    assert problems == []
    assert pairs.incomplete() == {}
    assert parameters(pairs) == {
        one: {f"reads_{read}": f"s3://b/d/{one}_{read}.fq" for read in ("R1", "R2")} for one in ids
    }


@pytest.mark.parametrize(
    "line",
    [
        "s3://b/d/a_R1.fq",
        "d/a_R1.fq",
        "./d/a_R1.fq",
        "2026-01-01 10:00:00      12345 d/a_R1.fq",
        "2026-01-01 10:00:00    1.2 GiB d/a_R1.fq",
        "2026-01-01 10:00:00   12 Bytes d/a_R1.fq",
    ],
)
def test_lines_that_name_a_file(line):
    pairs, _ = paired(f"{line}\r\n\n   PRE d/\nd/\nTotal Objects: 3\n   Total Size: 1.2 GiB\n")
    assert (parameters(pairs), pairs.files) == ({"a": {"reads_R1": "s3://b/d/a_R1.fq"}}, 1)


def test_names_that_are_no_uris_need_a_base():
    with pytest.raises(ManifestError, match=r"ls:2: 'b_R1\.fq' is no URI; give --base"):
        paired("s3://b/a_R1.fq\nb_R1.fq\n", base=None)


def test_a_pattern_with_a_slash_is_about_the_path():
    pairs, _ = paired("x/s1/r.bam\nx/s2/r.bam\n", r"x/(?P<id>[^/]+)/.+", parameter="bam")
    assert parameters(pairs) == {"s1": {"bam": "s3://b/x/s1/r.bam"}, "s2": {"bam": "s3://b/x/s2/r.bam"}}


def test_twice_the_same_and_two_for_one_parameter():
    _, problems = paired("a_R1.fq\nx/a_R1.fq\n")
    (twice,) = problems
    assert twice.startswith(
        "ls:2 (id a): 's3://b/x/a_R1.fq' is read 'R1' of this row, and so is 's3://b/a_R1.fq'; remove one"
    )
    _, problems = paired(
        "a_L1_R1.fq\na_L2_R1.fq\n", r"(?P<id>.)_(?P<lane>L\d)_(?P<read>R\d).fq", parameter="{read}"
    )
    (clash,) = problems
    assert clash.startswith("ls:1 (id a): parameters.R1: there are 2 files for it, 's3://b/a_L1_R1.fq' among")


def test_lanes_may_differ_but_each_has_its_reads():
    names = ["a_L1_R1", "a_L1_R2", "a_L2_R1", "b_L3_R1", "b_L3_R2"]
    pairs, _ = paired(
        "\n".join(f"{name}.fq" for name in names), r"(?P<id>.)_L(?P<lane>\d)_(?P<read>R\d).fq", list_name="r"
    )
    lacking = pairs.incomplete()
    assert {one: missing for one, (_, missing) in lacking.items()} == {"a": ["lane '2', read 'R2'"]}
    assert [row.id for row in pairs.rows(frozenset(lacking))] == ["b"]


def test_a_group_that_takes_in_the_id_is_found_out():
    text = "\n".join(f"s{n}_x{n}.fq" for n in range(1001))
    pairs, problems = paired(text, r"(?P<id>s\d+)_(?P<what>.+)\.fq")
    assert "--pattern: its groups have 1001 different values" in problems[0]
    assert pairs.incomplete() == {}


def test_ids_must_be_ids():
    _, problems = paired("s3://b/x/ a_R1.fq", r"(?P<id>.+)_R1.fq")
    assert "ls:1 (id  a): id: ' a' has white space at an end" in problems[0]
    _, problems = paired("x" * 200 + "_R1.fq", r"(?P<id>.+)_R1.fq")
    assert "has 200 characters" in problems[0]


def test_there_is_an_end_to_files_and_to_names(monkeypatch):
    pairs, _ = paired("x" * 2000 + "_R1.fq")
    assert (pairs.count, pairs.unmatched) == (0, 1)
    monkeypatch.setattr(pairing, "MOST_FILES", 2)
    with pytest.raises(ManifestError, match="ls:3: there are more than 2 files"):
        paired("a_R1.fq\nb_R1.fq\nc_R1.fq\n")


@pytest.mark.parametrize(
    ("pattern", "options", "said"),
    [
        ("(?P<id>x" + "x" * 1024, {}, "has 1032 characters"),
        ("(?P<id>(x{9999999999})", {}, "no regular expression"),
        ("(?P<id>x)(?P<id>y)", {}, "no regular expression"),
        ("(?P<id>x)", {"parameter": "{read}"}, "no group 'read'; it has no group but id"),
        ("(?P<id>x)(?P<r>y)", {"list_name": "a{0}"}, "no group '0'; its groups are r"),
        ("(?P<id>x)", {"parameter": " "}, "it is empty"),
    ],
)
def test_what_cannot_name_anything(pattern, options, said):
    with pytest.raises(ManifestError, match=re.escape(said)):
        naming(pattern, **{"parameter": None, "list_name": None, **options})
