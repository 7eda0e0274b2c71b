"""Sheets: what is said of cells stands at the sheet's line and column, however rows are brought together."""

from __future__ import annotations

import pathlib
import shlex
import typing

import pytest
import yaml

from batchrun.manifest import Format, Source, load
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.table import TableOptions
from tests.manifest.conftest import SETS
from tests.manifest.warned.conftest import WarningsOf
from tests.manifest.workbooks import texts, workbook

LANES = """\
sample;fastq_1;fastq_2;threads;note
WT;s3://lab/1_R1.fq.gz;s3://lab/1_R2.fq.gz;8; x
KO;s3://lab/3_R1.fq.gz;s3://lab/3_R2.fq.gz ;8; y
WT;s3://lab/2_R1.fq.gz;/data/2_R2.fq.gz;8; z
"""
READS = 'reads:json=[{"r1": "{fastq_1}", "r2": "{fastq_2}"}]'


def options(*parameters: str, **others: typing.Any) -> dict[str, SheetOptions]:
    return {"sheet": SheetOptions(parameters=parameters, **others)}


def test_the_place_is_the_cells_own_in_a_group(warnings_of: WarningsOf):
    space, path = warnings_of(LANES, **options(READS, group_by=("sample",)))
    assert (space.kind, space.line, space.column, space.row) == ("white_space", 3, 3, "KO")
    assert (path.kind, path.line, path.column, path.row) == ("local_path", 4, 3, "WT")
    assert path.field == "fastq_2"


def test_a_delimiter_that_is_given_counts_columns(warnings_of: WarningsOf):
    text = LANES.replace(";", "|")
    found = warnings_of(text, asked=TableOptions(delimiter="|"), **options(READS, group_by=("sample",)))
    assert [one.column for one in found] == [3, 3]


def test_a_total_below_a_sheet_is_told(warnings_of: WarningsOf):
    text = "sample,kit\nS1,K\nS2,K\nTotal,\n"
    (warning,) = warnings_of(text, **options("k={kit}", id="{sample}"))
    assert (warning.kind, warning.line, warning.row) == ("bare_id", 4, "Total")


@pytest.mark.parametrize("text", ["fastq_1", "$fastq_1", "<fastq_1>", "{{fastq_1}}"])
def test_a_column_that_is_named_without_its_braces_is_told(warnings_of: WarningsOf, text: str):
    (warning,) = warnings_of(LANES, **options(f"r1={text}", group_by=("sample",)))
    assert (warning.kind, warning.value, warning.source) == ("placeholder", f"'{text}'", "--parameter r1")
    assert warning.cure.startswith("write --parameter 'r1={fastq_1}', or 'r1:json=\"")
    assert (
        warnings_of(
            LANES, **options(f'r1:json="{text}"' if "{" not in text else "r1=x", group_by=("sample",))
        )
        == ()
    )


def test_columns_that_nothing_names_are_not_looked_at(warnings_of: WarningsOf):
    assert warnings_of(LANES, **options("r=x", group_by=("sample",))) == ()


@pytest.mark.parametrize(
    ("parameters", "cure"),
    [
        (("threads={threads}",), "write {threads:int} for {threads}, or {threads:text} where text is meant"),
        (("threads={threads:int}",), None),
        (("threads={threads:text}",), None),
        (("label=lane {threads}",), None),
    ],
)
def test_numbers_are_told_with_the_placeholder_to_write(warnings_of: WarningsOf, parameters, cure):
    found = warnings_of(LANES, **options(*parameters, group_by=("sample",)))
    assert [one.cure for one in found] == ([] if cure is None else [cure])
    wanted = ("untyped", "threads", 2, 3, (3, 4))
    assert all((one.kind, one.field, one.line, one.count, one.also) == wanted for one in found)


def test_a_parameter_that_an_option_gives_as_text_is_told(warnings_of: WarningsOf):
    found = warnings_of(LANES, **options("threads=8", "paired=TRUE", "mode=auto", group_by=("sample",)))
    assert [(one.kind, one.source) for one in found] == [
        ("untyped", "--parameter threads"),
        ("untyped", "--parameter paired"),
    ]
    assert [one.cure for one in found] == [
        "write --parameter 'threads:json=8', or 'threads:json=\"8\"' where text is meant",
        "write --parameter 'paired:json=true', or 'paired:json=\"TRUE\"' where text is meant",
    ]
    typed = ("threads:json=8", 'lane:json="8"', "paired:json=true")
    assert warnings_of(LANES, **options(*typed, group_by=("sample",))) == ()


def test_columns_as_parameters_are_told_with_the_option_to_add(warnings_of: WarningsOf):
    (warning,) = warnings_of(LANES, **options(group_by=("sample",), columns_as_parameters=("threads",)))
    assert warning.cure == "add --parameter 'threads={threads:int}', or {threads:text} where text is meant"
    wanted = options(id="id", columns_as_parameters=("all",))
    (warning,) = warnings_of("id,5' UTR\nA,3\n", **wanted)  # as a shell takes it
    assert shlex.split(warning.cure.partition(", or ")[0]) == ["add", "--parameter", "5' UTR={5' UTR:int}"]


def test_what_is_no_text_at_its_source_is_sound(warnings_of: WarningsOf):
    rows = '{"sample": "A", "threads": 8, "paired": true}\n'
    wanted = options(id="{sample}", columns_as_parameters=("threads", "paired"))
    assert warnings_of(rows, ".jsonl", **wanted) == ()
    (warning,) = warnings_of(rows, ".jsonl", **options("threads={threads}", id="{sample}"))
    assert (warning.kind, warning.value) == ("untyped", "'8'")


@pytest.mark.parametrize("wanted", [{"id": "{sample}-{lane}"}, {"group_by": ("sample", "lane")}])
def test_what_makes_an_id_is_held_against_spreadsheets(warnings_of: WarningsOf, wanted):
    text = "sample,lane\n2.05E+11,1\nMAR-1,2\n0042,3\n"
    assert [(one.field, one.line) for one in warnings_of(text, **options(**wanted))] == [
        ("sample", 2),
        ("sample", 3),
    ]


def test_a_workbooks_cells_have_their_places(tmp_path: pathlib.Path):
    path = tmp_path / "m.xlsx"
    rows = ("sample", "bam"), ("S1", "s3://lab/1.bam"), ("S2", "gs://lab/2.bam")
    path.write_bytes(workbook({"Sheet": texts(*rows)}))
    wanted = SheetOptions(id="sample", columns_as_parameters=("bam",))
    with load(Source(path=str(path), sets=SETS, sheet=wanted)) as manifest:
        (warning,) = manifest.warnings
    assert (warning.kind, warning.line, warning.column, warning.row) == ("not_s3", 3, 2, "S2")


def test_a_mate_that_one_lane_lacks_is_told_at_its_line(warnings_of: WarningsOf):
    text = "sample,fastq_1,fastq_2\nWT,s3://l/1_1.fq.gz,s3://l/1_2.fq.gz\nWT,s3://l/2_1.fq.gz,\n"
    (warning,) = warnings_of(text, **options(READS, group_by=("sample",)))
    assert (warning.kind, warning.line, warning.column, warning.row) == ("mate_missing", 3, 3, "WT")


def test_a_list_within_a_list_is_gone_through(warnings_of: WarningsOf):
    text = "sample,fastq_1,fastq_2\nWT,s3://l/1_1.fq.gz,/data/1_2.fq.gz\n"
    pairs = options('reads:json=[["{fastq_1}", "{fastq_2}"]]', group_by=("sample",))
    (warning,) = warnings_of(text, **pairs)
    assert (warning.kind, warning.line, warning.column) == ("local_path", 2, 3)


def test_a_lane_that_stands_twice_is_told(warnings_of: WarningsOf):
    lane = "WT,s3://l/1_1.fq.gz,s3://l/1_2.fq.gz\n"
    found = warnings_of(f"sample,fastq_1,fastq_2\n{lane}{lane}", **options(READS, group_by=("sample",)))
    assert [(one.kind, one.line, one.column) for one in found] == [
        ("shared_file", 3, 2),
        ("shared_file", 3, 3),
    ]


def test_a_sheet_that_is_written_for_the_workflow_is_looked_at_as_a_whole(tmp_path: pathlib.Path):
    (tmp_path / "s.csv").write_text(LANES)
    document = {
        "sheet": "s.csv",
        "group_by": "sample",
        "sheet_out": "s3://lab/{id}.csv",
        "each": {"parameters": {"input": "{sheet}"}},
    }
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(document))
    with load(Source(path=str(tmp_path / "m.yaml"), sets=SETS, format=Format.YAML)) as manifest:
        kinds = [(one.field, one.kind) for one in manifest.warnings]
    assert ("fastq_2", "local_path") in kinds
    assert ("note", "white_space") in kinds
    assert all(kind != "untyped" for _, kind in kinds)


def test_what_all_runs_of_a_sheet_are_given_is_looked_at(warnings_of: WarningsOf, tmp_path: pathlib.Path):
    (tmp_path / "s.csv").write_text("sample\nA\n")
    text = "sheet: s.csv\neach:\n  id: '{sample}'\n  parameters: {ref: /data/ref.fa}\n"
    (warning,) = warnings_of(text, ".yaml")
    assert (warning.kind, warning.line, warning.row) == ("local_path", 4, None)


@pytest.mark.parametrize("name", ["sample", "Tumor BAM", "batchrun.id"])
def test_a_column_in_a_buckets_name_is_filled_in(warnings_of: WarningsOf, name: str):
    sheet = "sample,Tumor BAM\nwt,lab\nko,lab2\n"
    assert warnings_of(sheet, **options(f"out=s3://lab-{{{name}}}/k", id="sample")) == ()
