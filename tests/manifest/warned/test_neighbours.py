"""What is doubtful only beside the others: mates, and reads that rows share."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from batchrun.manifest.sheet_wishes import SheetOptions
from tests.manifest.warned.conftest import WarningsOf, table

HEADER = "id,parameters.reads_1,parameters.reads_2\n"
PAIRED = "A,s3://lab/A_R1.fq.gz,s3://lab/A_R2.fq.gz\n"


def rows(*reads: tuple[str, str]) -> str:
    return HEADER + "".join(f"S{number},{one},{two}\n" for number, (one, two) in enumerate(reads))


def documents(*parameters: Mapping[str, object]) -> str:
    return json.dumps([{"id": f"S{number}", "parameters": one} for number, one in enumerate(parameters)])


@pytest.mark.parametrize(
    "text", ["s3://lab/f3_R1.fastq.gz", "s3://lab/f3.FASTQ", "s3://lab/f3", "s3://lab/f3.bam"]
)
def test_the_same_file_for_both_mates_is_told(warnings_of: WarningsOf, text: str):
    (warning,) = warnings_of(rows((text, text)))
    assert (warning.kind, warning.line, warning.column) == ("same_file", 2, 3)
    assert f"'{text}' is the file of parameters.reads_1 too" in warning.message
    (warning,) = warnings_of(documents({"reads_1": text, "reads_2": text}), ".json")
    assert (warning.kind, warning.row, warning.field) == ("same_file", "S0", "parameters.reads_2")


def test_mates_that_are_all_named_without_a_place_are_told(warnings_of: WarningsOf):
    reads = ("S1_L001_R1_001.fastq.ora", "S1_L001_R2_001.fastq.ora")
    alone = [(one.kind, one.line, one.column) for one in warnings_of(rows(reads))]
    assert alone == [("not_s3", 2, 2), ("not_s3", 2, 3)]
    found = warnings_of(documents({"r1": "data/S1_R1.fq.gz", "r2": "data/S1_R2.fq.gz"}), ".json")
    assert [(one.kind, one.field) for one in found] == [
        ("local_path", "parameters.r1"),
        ("local_path", "parameters.r2"),
    ]
    made = {"out_r1": "S1_R1.fq.gz", "out_r2": "S1_R2.fq.gz", "reads_1": "{id}/1.fq", "reads_2": "{id}/2.fq"}
    assert warnings_of(documents(made), ".json") == ()
    endings = {"r1_suffix": "_R1.fastq.gz", "r2_suffix": "_R2.fastq.gz", "fq_1": "*_1.fq", "fq_2": "*_2.fq"}
    assert warnings_of(documents(endings), ".json") == ()


def test_an_id_that_differs_in_capitals_alone_is_told(warnings_of: WarningsOf):
    (warning,) = warnings_of("id\nWT_REP1\nWT_REP2\nWT_Rep1\n")
    assert (warning.kind, warning.line, warning.row) == ("look_alike_character", 4, "WT_Rep1")
    assert "'WT_Rep1' is the id of an earlier row but for its capitals" in warning.message
    sheet = "sample,fq\nS1,s3://lab/1.fq\nS2,s3://lab/2.fq\ns1,s3://lab/3.fq\nS1,s3://lab/4.fq\n"
    (warning,) = warnings_of(
        sheet, sheet=SheetOptions(group_by=("sample",), parameters=('fq:json=["{fq}"]',))
    )
    assert (warning.line, warning.row) == (4, "s1")


def test_reads_that_stand_twice_in_a_list_are_told(warnings_of: WarningsOf):
    text = "s3://lab/a.fq.gz"
    for manifest, suffix in (
        (documents({"reads": [text, text]}), ".json"),
        (documents({"reads": [{"r1": "s3://lab/b.fq.gz", "r2": text}, {"x": text}]}), ".json"),
        (table(json.dumps([text, text]), column="parameters.reads:json"), ".csv"),
    ):
        found = warnings_of(manifest, suffix)
        assert [one.kind for one in found] == ["same_file"]
    (warning,) = warnings_of(documents({"reads": [text, text]}), ".json")
    assert warning.message == f"'{text}' is listed twice"


def test_reads_in_two_rows_are_told_with_the_line_of_the_first(warnings_of: WarningsOf):
    lines = rows(
        ("s3://lab/f1_R1.fq.gz", "s3://lab/f1_R2.fq.gz"), ("s3://lab/f1_R1.fq.gz", "s3://lab/f2_R2.fq.gz")
    )
    (warning,) = warnings_of(lines)
    assert (warning.kind, warning.line, warning.column, warning.row) == ("shared_file", 3, 2, "S1")
    assert "'s3://lab/f1_R1.fq.gz' is in line 2 too" in warning.message


def test_rows_on_one_line_are_told_apart(warnings_of: WarningsOf):
    one = {"reads": "s3://lab/*_{1,2}.fq.gz"}
    told = warnings_of(documents(one, one), ".json", are_apart=False)
    assert [found.kind for found in told] == ["shared_file"]


@pytest.mark.parametrize(
    "column",
    [
        "normal_fastq_1",
        "parameters.normal",
        "parameters.control_reads",
        "parameters.ref_reads",
        "parameters.spike_in",
    ],
)
def test_what_rows_share_on_purpose_is_sound(warnings_of: WarningsOf, column: str):
    column = f"parameters.{column.removeprefix('parameters.')}"
    assert warnings_of(table("s3://lab/n.fq.gz", "s3://lab/n.fq.gz", column=column)) == ()
    name = column.removeprefix("parameters.")
    assert warnings_of(documents({name: "s3://lab/n.fq.gz"}, {name: "s3://lab/n.fq.gz"}), ".json") == ()


def test_a_tumour_that_is_its_own_normal_is_told(warnings_of: WarningsOf):
    text = "id,parameters.tumor,parameters.normal\nS,s3://lab/t.fq.gz,s3://lab/t.fq.gz\n"
    assert [one.kind for one in warnings_of(text)] == ["same_file"]


@pytest.mark.parametrize(
    "text", ["s3://lab/GRCh38.fa", "s3://lab/panel.bed", "s3://lab/index/", "s3://lab/n.bam"]
)
def test_references_that_rows_share_are_sound(warnings_of: WarningsOf, text: str):
    assert warnings_of(table(text, text)) == ()


def test_reads_that_defaults_give_to_all_rows_are_sound(warnings_of: WarningsOf):
    assert warnings_of("id\nA\nB\n", sets=("parameters.extra=s3://lab/extra.fq.gz",)) == ()


def test_reads_of_placeholders_are_not_known_yet(warnings_of: WarningsOf):
    assert warnings_of(table("s3://lab/{id}.fq.gz", "s3://lab/{id}.fq.gz")) == ()
    one = {"reads": "s3://lab/{id}.fq.gz"}
    assert warnings_of(documents(one, one), ".json") == ()


NAMES = [
    ("reads_1", "reads_2"),
    ("fastq_1", "fastq_2"),
    ("R1", "R2"),
    ("Read1File", "Read2File"),
    ("sample_r1_fq", "sample_r2_fq"),
    ("forwardReads", "reverseReads"),
    ("FASTQ 1", "FASTQ 2"),
]


COPIED = "S1,s3://lab/a.bam,1\nS2,s3://lab/b.bam,2\nS3,s3://lab/a.bam,1\n"


def test_rows_that_ask_for_the_very_same_are_told_with_the_first(warnings_of: WarningsOf):
    (warning,) = warnings_of(f"id,parameters.bam,parameters.n:int\n{COPIED}", are_apart=False)
    assert (warning.kind, warning.line, warning.row, warning.field) == ("same_work", 4, "S3", "id")
    assert warning.message == "'S3' asks for the very same as 'S1', but for its id, name, output and tags"
    (warning,) = warnings_of(documents({"n": 1}, {"n": True}, {"n": 1}), ".json", are_apart=False)
    assert (warning.kind, warning.row, warning.count) == ("same_work", "S2", 1)
    wanted = SheetOptions(id="sample", parameters=("bam={bam}", "n={n:int}"))
    (warning,) = warnings_of(f"sample,bam,n\n{COPIED}", sheet=wanted, are_apart=False)
    assert (warning.kind, warning.line, warning.row) == ("same_work", 4, "S3")


def test_many_rows_that_ask_for_the_very_same_are_told_once_with_their_lines(warnings_of: WarningsOf):
    (warning,) = warnings_of(table(*(["s3://lab/a.bam"] * 9), "s3://lab/b.bam"), are_apart=False)
    assert (warning.kind, warning.line, warning.count) == ("same_work", 3, 8)
    assert warning.also == (4, 5, 6, 7, 8, 9, 10)
    (warning,) = warnings_of("id\nA\nB\nC\nD\nE\n", sets=("parameters.k=x",), are_apart=False)
    assert (warning.kind, warning.count) == ("same_work", 4)


@pytest.mark.parametrize(
    "text",
    [
        "id\nA\nB\n",
        "id,parameters.n:int\nA,1\nB,2\n",
        "id,parameters.n:int,parameters.sample\nA,1,{id}\nB,1,{id}\n",
        "id,parameters.n:int,tags.replicate\nA,1,1\nB,1,2\n",
        "id,parameters.n:int,workflowVersionName\nA,1,v1\nB,1,v2\n",
        "id,runId\nA,1\nB,1\n",
    ],
)
def test_rows_that_differ_in_anything_but_their_ids_are_sound(warnings_of: WarningsOf, text: str):
    assert warnings_of(text, are_apart=False) == ()


def test_rows_for_two_lanes_are_told_apart_by_them(warnings_of: WarningsOf):
    text = "lanes: {a: {region: us-east-1}, b: {region: us-west-2}}\ndefaults: {parameters: {n: 1}}\n"
    rows = "{id: A, lane: a}, {id: B, lane: b}"
    assert warnings_of(f"{text}runs: [{rows}]\n", ".yaml", are_apart=False) == ()
    (warning,) = warnings_of(f"{text}runs: [{rows}, {{id: C, lane: b}}]\n", ".yaml", are_apart=False)
    assert (warning.kind, warning.row, warning.line) == ("same_work", "C", 3)


def test_tags_that_have_the_id_alone_tell_no_rows_apart(warnings_of: WarningsOf):
    for tags in ("A\nB,1,B", "{id}-x\nB,1,{id}-x", "at A\nB,1,at B"):
        (warning,) = warnings_of(f"id,parameters.n:int,tags.sample\nA,1,{tags}\n", are_apart=False)
        assert warning.kind == "same_work"


@pytest.mark.parametrize(("first", "second"), NAMES)
def test_a_mate_that_is_missing_is_told_where_others_have_it(
    warnings_of: WarningsOf, first: str, second: str
):
    header = f"id,parameters.{first},parameters.{second}\n"
    (warning,) = warnings_of(f"{header}{PAIRED}B,s3://lab/B_R1.fq.gz,\n")
    assert (warning.kind, warning.line, warning.column, warning.value) == ("mate_missing", 3, 3, None)
    assert warning.message == f"is empty beside parameters.{first}, where other rows have both mates"
    (warning,) = warnings_of(f"{header}B,,s3://lab/B_R2.fq.gz\n{PAIRED}")
    assert (warning.kind, warning.line, warning.column) == ("mate_missing", 2, 2)
    both = {first: "s3://lab/A_R1.fq.gz", second: "s3://lab/A_R2.fq.gz"}
    (warning,) = warnings_of(documents({first: "s3://lab/B_R1.fq.gz"}, both), ".json")
    assert (warning.kind, warning.row, warning.field) == ("mate_missing", "S0", f"parameters.{second}")


def test_a_mate_within_lists_is_missed_too(warnings_of: WarningsOf):
    lane = {"r1": "s3://lab/A_L1_R1.fq.gz", "r2": "s3://lab/A_L1_R2.fq.gz"}
    (warning,) = warnings_of(documents({"reads": [lane, {"r1": "s3://lab/A_L2_R1.fq.gz"}]}), ".json")
    assert (warning.kind, warning.field) == ("mate_missing", "parameters.reads[].r2")


def test_mates_that_are_tables_are_passed_over(warnings_of: WarningsOf):
    one = {"reads_1": {"path": "s3://lab/a.fq.gz"}, "reads_2": "s3://lab/b.fq.gz"}
    other = {"reads_1": [{"path": "s3://lab/c.fq.gz"}], "reads_2": []}
    assert warnings_of(documents(one, other), ".json") == ()


def test_lists_of_mates_that_are_not_as_long_are_told(warnings_of: WarningsOf):
    text = (
        "id,parameters.reads_R1:json,parameters.reads_R2:json\n"
        'A,"[""s3://l/A1.fq.gz""]","[""s3://l/A2.fq.gz""]"\n'
        'B,"[""s3://l/B1.fq.gz"", ""s3://l/B3.fq.gz""]","[""s3://l/B2.fq.gz""]"\n'
        'C,"[""s3://l/C1.fq.gz""]",\n'
    )
    uneven, missing = warnings_of(text)
    assert (uneven.kind, uneven.line) == ("mate_missing", 3)
    assert uneven.message == "has 1 file, and parameters.reads_R1 has 2 files"
    assert (missing.kind, missing.line, missing.column) == ("mate_missing", 4, 3)


def fastq(sample: str, read: int) -> str:
    return f"s3://lab/{sample}_L001_R{read}_001.fastq.gz"


MATES = [(fastq(name, 1), fastq(name, 2)) for name in "ABCD"]


def test_mates_that_are_mixed_up_between_rows_are_told_with_the_line_of_the_other(warnings_of: WarningsOf):
    (a, b, c, d), (e, f, g, h) = zip(*MATES, strict=True)
    for seconds, line, other in (
        ((f, e, g, h), 3, 2),
        ((e, f, h, g), 5, 4),
        ((e, h, g, f), 5, 3),
    ):
        (warning,) = warnings_of(rows(*zip((a, b, c, d), seconds, strict=True)))
        assert (warning.kind, warning.line, warning.column) == ("mates_mixed", line, 3)
        assert (
            f"is not the mate of parameters.reads_1: the mates are mixed up with those of line {other}"
            in (warning.message)
        )
    shifted = warnings_of(rows(*zip((b, c, d, "s3://lab/E_1.fq.gz"), (e, f, g, h), strict=True)))
    assert [(one.kind, one.line) for one in shifted] == [
        ("mates_mixed", 3),
        ("mates_mixed", 4),
        ("mates_mixed", 5),
    ]


def test_mates_in_lists_may_be_mixed_up_too(warnings_of: WarningsOf):
    (a, b, *_), (e, f, *_) = zip(*MATES, strict=True)
    (warning,) = warnings_of(documents({"reads_1": [a, b], "reads_2": [f, e]}), ".json")
    assert (warning.kind, warning.field) == ("mates_mixed", "parameters.reads_2")
    (warning,) = warnings_of(documents({"r1": a, "r2": f}, {"r1": b, "r2": e}), ".json")
    assert (warning.kind, warning.row) == ("mates_mixed", "S1")


def test_mates_in_each_other_s_place_are_told_where_most_are_in_theirs(warnings_of: WarningsOf):
    first, second, third, (one, two) = MATES
    (warning,) = warnings_of(rows(first, (two, one), second))
    assert (warning.kind, warning.line, warning.column) == ("mates_mixed", 3, 3)
    assert warnings_of(rows(first, (two, one), *((b, a) for a, b in (second, third)))) == ()


def test_no_more_rows_are_remembered_than_may_be(warnings_of: WarningsOf, monkeypatch):
    monkeypatch.setattr("batchrun.manifest.warned.mates._STRAYS", 2)
    (a, b, c, d), (e, f, g, h) = zip(*MATES, strict=True)
    found = warnings_of(rows(*zip((a, b, c, d), (g, h, e, f), strict=True)))
    assert found == ()


@pytest.mark.parametrize(
    "text",
    [
        rows(*((f"s3://lab/{name}.1.fq", f"s3://lab/{name}.2.trimmed.fq") for name in "ABC")),
        rows(*((f"s3://lab/rep1_{name}.fq", f"s3://lab/rep2_{name}.fq") for name in "ABC")),
        rows(*((f"s3://lab/s_1_{name}_R1_1.fq", f"s3://lab/s_1_{name}_R1_2.fq") for name in "ABC")),
        rows(*((fastq(name, 1), fastq(name, 3)) for name in "ABC")),
        f"{HEADER.replace('reads', 'control_reads')}A,{fastq('C', 1)},s3://l/A.fq\nB,{fastq('C', 1)},s3://l/B.fq\n",
        f"{HEADER}A,s3://lab/A.fq.gz,\nB,s3://lab/B.fq.gz,\n",  # single-end, all of them
        "id,parameters.k_1,parameters.k_2\nA,s3://lab/a.bed,s3://lab/b.bed\nB,s3://lab/a.bed,\n",
        "id,parameters.read_group_1,parameters.read_group_2\nA,x,y\nB,x,\n",
        f"{HEADER}{PAIRED}B,,\n",
    ],
)
def test_what_is_no_pair_or_nowhere_paired_is_sound(warnings_of: WarningsOf, text: str):
    assert warnings_of(text) == ()


def test_rows_that_have_an_id_alone_are_told_where_most_have_more(warnings_of: WarningsOf):
    text = "id,parameters.n:int\nS1,1\nS2,2\nTotal: 2,\n"
    (warning,) = warnings_of(text)
    assert (warning.kind, warning.line, warning.column, warning.row) == ("bare_id", 4, 1, "Total: 2")
    assert warning.message == "'Total: 2' is all that this row has, and becomes a run"
    assert warnings_of("id,parameters.n:int\nS1,1\nS2,\n") == ()
    assert warnings_of("id\nS1\nS2\n") == ()


def test_rows_that_have_numbers_alone_are_told_where_most_have_more(warnings_of: WarningsOf):
    text = "id,parameters.n:int,parameters.bam\nS1,100,s3://lab/1.bam\nS2,200,s3://lab/2.bam\nSumme,%s,\n"
    for total in ("300", "1.300,5", "-"):
        (warning,) = warnings_of(text.replace(":int", ":text") % total)
        assert (warning.kind, warning.line, warning.row) == ("bare_id", 4, "Summe")
        assert warning.message.startswith("'Summe' has numbers alone beside it, where others have more")
    assert warnings_of("id,parameters.n:int,parameters.k\nS1,1,a\nS2,2,\n") == ()


def test_many_rows_that_have_an_id_alone_are_told_once(warnings_of: WarningsOf):
    text = "id,parameters.r\n" + "".join(f"S{at},x{at}\nT{at},\n" for at in range(9)) + "S9,x\n"
    (warning,) = warnings_of(text)
    assert (warning.kind, warning.line, warning.count) == ("bare_id", 3, 9)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('id,parameters.k,parameters.n\nA,"5,x\nB,b,y\nC,3",z\nD,d,w\n', (2, 2)),
        ('id;parameters.n\nD;w\nA;"5\nB;3"\n', (3, 2)),
        ('id\tparameters.k\tparameters.n\nA\ta\t"5\r\nB\tb\t3"\r\nD\td\te\r\n', (2, 3)),
    ],
)
def test_rows_between_two_quotes_are_told_as_lost(warnings_of: WarningsOf, text: str, place: tuple[int, int]):
    (warning,) = warnings_of(text)
    assert (warning.kind, warning.line, warning.column) == ("quotes", *place)
    assert "looks like rows that stand between two quotes" in warning.message


def test_rows_are_lost_in_columns_that_nothing_names_too(warnings_of: WarningsOf):
    text = 'sample,r,note\nA,a,"5\nB,b,3"\nC,c,"5\nD,d,3"\n'
    found = warnings_of(text, sheet=SheetOptions(id="sample", columns_as_parameters=("r",)))
    assert [(one.field, one.line) for one in found] == [("note", 2), ("note", 4)]


@pytest.mark.parametrize(
    "text",
    [
        'id,parameters.k,parameters.n\nA,"lysed, spun\nkept, sold",x\nB,b,y\n',
        'id,parameters.k,parameters.n:json\nA,"p\nq","{""a"":1,\n""b"":2,""c"":3}"\nB,b,1\n',
        'id,parameters.k,parameters.n\nA,"1,2,3\n4,5,6",x\nB,b,y\n',
        'id\n"A"\n"B"\n',
    ],
)
def test_cells_of_several_lines_hold_no_rows(warnings_of: WarningsOf, text: str):
    assert [one for one in warnings_of(text) if one.kind == "quotes"] == []
