"""Names into rows, and what is wrong with them."""

from __future__ import annotations

import io
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from batchrun.cli.making import pairing
from batchrun.cli.making import pairs as making
from batchrun.cli.making.name_patterns import compiled
from batchrun.cli.making.pairing import Pairs, naming
from batchrun.cli.making.pairs import listed_files
from batchrun.errors import ManifestError
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


def test_names_between_tabs_are_files_of_their_own():
    pairs, problems = paired("d/a_R1.fq\td/a_R2.fq\td/b_R1.fq\td/b_R2.fq\n")
    assert (pairs.files, problems) == (4, [])
    assert parameters(pairs)["a"] == {"reads_R1": "s3://b/d/a_R1.fq", "reads_R2": "s3://b/d/a_R2.fq"}


def test_names_that_are_no_uris_need_a_base():
    with pytest.raises(ManifestError, match=r"ls:2: 'b_R1\.fq' is not a URI; give --base"):
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
        ("(?P<id>(x{9999999999})", {}, "not a regular expression"),
        ("(?P<id>x)(?P<id>y)", {}, "not a regular expression"),
        ("(?P<id>x)", {"parameter": "{read}"}, "no group 'read'; it has no group but id"),
        ("(?P<id>x)(?P<r>y)", {"list_name": "a{0}"}, "no group '0'; its groups are r"),
        ("(?P<id>x)", {"parameter": " "}, "it is empty"),
    ],
)
def test_what_cannot_name_anything(pattern, options, said):
    with pytest.raises(ManifestError, match=re.escape(said)):
        naming(pattern, **{"parameter": None, "list_name": None, **options})


ILLUMINA = "{sample}_S*_L{lane}_R{read}_001.fq"


@pytest.mark.parametrize(
    ("pattern", "name", "parts"),
    [
        (ILLUMINA, "A_b_S12_L003_R2_001.fq", {"sample": "A_b", "lane": "003", "read": "2"}),
        ("{id}_R{read}.fq", "a_R_R1.fq", {"id": "a_R", "read": "1"}),
        ("{id}.(x+)[1]?.fq", "a.(x+)[1]?.fq", {"id": "a"}),
        ("{run}/{id}/{id}_{read}.fq", "r1/a/a_1.fq", {"run": "r1", "id": "a", "read": "1"}),
        ("*/{id}.bam", "x/a.bam", {"id": "a"}),
        (r"(?P<id>a{1})", "a", {"id": "a"}),
    ],
)
def test_a_pattern_of_parts(pattern: str, name: str, parts: dict[str, str]):
    match = compiled(pattern).fullmatch(name)
    assert match is not None
    assert match.groupdict() == parts


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{run}/{id}/{id}_{read}.fq", "r1/a/b_1.fq"),
        ("*/{id}.bam", "x/y/a.bam"),
        ("{id}.fq", "a_fq"),
        ("{id}.fq", ".fq"),
    ],
)
def test_what_a_pattern_of_parts_does_not_match(pattern: str, name: str):
    assert compiled(pattern).fullmatch(name) is None


def lacks(names: str, pattern: str, **options) -> dict[str, list[str]]:
    pairs, _ = paired("\n".join(f"{name}.fq" for name in names.split()), pattern, **options)
    return {one: missing for one, (_, missing) in pairs.incomplete().items()}


@pytest.mark.parametrize("options", [{"list_name": "reads_{read}"}, {"list_name": "r"}])
@pytest.mark.parametrize(
    ("names", "missing"),
    [
        ("A_L1_R1 A_L1_R2 B_L1_R1 B_L2_R1", {"B": ["lane '1', read 'R2'", "lane '2', read 'R2'"]}),
        ("A_L1_R1 A_L1_R2 B_L1_R1 B_L1_R2 B_L2_R2", {"B": ["lane '2', read 'R1'"]}),
        ("A_L1_R1 A_L2_R1 B_L1_R1", {}),
        ("A_L1_R1 A_L1_R2 B_L3_R1 B_L3_R2 B_L4_R1 B_L4_R2", {}),
    ],
)
def test_a_mate_that_others_have_is_missed_in_every_lane(names: str, missing, options):
    assert lacks(names, r"(?P<id>.)_L(?P<lane>\d)_(?P<read>R\d).fq", **options) == missing


def test_mates_are_told_by_their_part_or_by_what_it_says_and_lanes_are_none():
    assert lacks("A_1_x A_1_y B_2_x", "{id}_{n}_{mate}.fq", list_name="r") == {"B": ["n '2', mate 'y'"]}
    assert lacks("A_1_x A_2_x B_1_y", "{id}_{n}_{what}.fq", list_name="r") == {"B": ["n '2', what 'y'"]}
    assert lacks("A_1_x A_2_x B_1_y", "{id}_{lane}_{what}.fq", list_name="r") == {}


def test_a_mate_is_missed_where_each_file_is_a_parameter_too():
    found = lacks("A_L1_R1 A_L1_R2 B_L1_R1 B_L2_R1", r"(?P<id>.)_L(?P<lane>\d)_(?P<read>R\d).fq")
    assert found["B"] == ["lane '1', read 'R2'", "lane '2', read 'R2'"]


def sheet_of(names: str, pattern: str = ILLUMINA, **options) -> tuple[str, str]:
    how = {"group_by": ("sample",), **options}
    pairs, problems = paired("\n".join(names.split()), pattern, **how)
    assert problems == []
    parameters = making.parameters_of(pairs.naming, pairs.lines())
    written = making.sheet_lines(pairs.naming, pairs.lines(), parameters)
    return "".join(written), "".join(making.manifest_lines(pairs.naming, parameters, "s.csv"))


def test_lanes_are_lines_of_a_sheet_in_the_order_in_which_people_count():
    names = [f"A,x_S1_L{lane}_R{read}_001.fq" for lane in (10, 9) for read in (2, 1)]
    sheet, manifest = sheet_of(" ".join(names))
    assert sheet.splitlines() == [
        "sample,lane,reads_1,reads_2",
        *(f'"A,x",{n},"s3://b/A,x_S1_L{n}_R1_001.fq","s3://b/A,x_S1_L{n}_R2_001.fq"' for n in (9, 10)),
    ]
    assert yaml.safe_load(manifest) == {
        "sheet": "s.csv",
        "group_by": "sample",
        "each": {"parameters": {"reads_1": ["{reads_1}"], "reads_2": ["{reads_2}"]}},
    }


def test_several_parts_may_tell_runs_apart_and_parameters_have_other_names():
    sheet, manifest = sheet_of(
        "p1_t_L1_R1.fq p1_n_L1_R1.fq",
        "{patient}_{kind}_L{lane}_R{read}.fq",
        group_by=("patient", "kind"),
        parameter="id",
    )
    assert sheet.splitlines()[:2] == ["patient,kind,lane,read,id", "p1,t,1,1,s3://b/p1_t_L1_R1.fq"]
    assert yaml.safe_load(manifest)["group_by"] == ["patient", "kind"]
    assert yaml.safe_load(manifest)["each"] == {"parameters": {"id": ["{column.id}"]}}


@pytest.mark.parametrize(
    ("pattern", "options", "said"),
    [
        (
            "{sample}_L{lane}_R{read}.fq",
            {"parameter": "lane"},
            "'lane' would be a parameter, and is a part of",
        ),
        (
            "{sample}_L{lane}_R{read}.fq",
            {"parameter": "{read"},
            "'{read' is not a name that a column can have",
        ),
        (
            "{sample}_L{lane}_R{read}.fq",
            {"group_by": ("smaple",)},
            "--group-by: the pattern has no part 'smaple'",
        ),
        (
            "{sample}_L{lane}_R{read}.fq",
            {"group_by": ()},
            "say which of sample, lane, read it is with --group-by",
        ),
        (".+", {}, "name its parts"),
    ],
)
def test_what_makes_no_sheet(pattern: str, options, said: str):
    with pytest.raises(ManifestError, match=re.escape(said)):
        sheet_of("A_L1_R1.fq", pattern, **options)
