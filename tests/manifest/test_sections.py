"""Sections of an Illumina SampleSheet: which is read, which lines are its own, and what is said of others."""

from __future__ import annotations

import gzip
import json

import pytest

from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.table import TableOptions
from batchrun.manifest.tables.delimited import section_name

BY_SAMPLE = SheetOptions(id="Sample_ID", columns_as_parameters=("all",))
VERSION_1 = """\
[Header]
IEMFileVersion,4

[Reads]
151
151

[Data]
Sample_ID,Sample_Name,index
S1,one,ACGT

S2,two,TTTT
"""
VERSION_2 = """\

"[Header]",,
FileFormatVersion,2,
[BCLConvert_Data],,
Sample_ID,Lane,Note
S1,1,"two
lines"
[Cloud_Data],,
Sample_ID,ProjectName,
S1,P,
"""


def parameters(specs) -> dict[str, object]:
    return {spec.id: json.loads(spec.request)["parameters"] for spec in specs}


def test_the_section_of_samples_is_read_by_itself_in_either_version(load_text):
    assert parameters(load_text(VERSION_1, ".csv", sheet=BY_SAMPLE)) == {
        "S1": {"Sample_Name": "one", "index": "ACGT"},
        "S2": {"Sample_Name": "two", "index": "TTTT"},
    }
    assert parameters(load_text(VERSION_2, ".csv", sheet=BY_SAMPLE)) == {
        "S1": {"Lane": "1", "Note": "two\nlines"}
    }


@pytest.mark.parametrize(
    "packed",
    [
        VERSION_1.replace("\n", "\r\n").encode(),
        VERSION_1.replace(",", ";").encode(),
        VERSION_1.replace("\n\n", "\n||\n").replace("]\n", "]||\n").replace(",", "|").encode(),
        ("sep=;\n" + VERSION_1.replace(",", ";")).encode(),
        ("\ufeff" + VERSION_1).encode("utf-16"),
        ("\ufeff" + VERSION_1).encode(),
    ],
)
def test_it_is_read_however_it_is_written(load_text, packed: bytes):
    assert set(parameters(load_text(packed, ".csv", sheet=BY_SAMPLE))) == {"S1", "S2"}
    assert set(parameters(load_text(gzip.compress(packed), ".csv.gz", sheet=BY_SAMPLE))) == {"S1", "S2"}


def test_another_section_may_be_asked_for(load_text):
    said = TableOptions(worksheet="cloud_data")
    assert parameters(load_text(VERSION_2, ".csv", sheet=BY_SAMPLE, asked=said)) == {
        "S1": {"ProjectName": "P"}
    }


@pytest.mark.parametrize(
    ("text", "asked", "said", "cure"),
    [
        (
            VERSION_2,
            TableOptions(worksheet="Data"),
            "there is no section 'Data'",
            "Header, BCLConvert_Data, Cloud_Data",
        ),
        (
            "[Header]\na,b\n[Own_Data]\nid\nA\n",
            TableOptions(),
            "there is no Data section",
            "sections: Header, Own_Data",
        ),
        ("[Header]\n[Data]\n", TableOptions(), "the file is empty", "a header with id"),
        ("id\nA\n", TableOptions(worksheet="x"), "csv files have no worksheets", "leave --worksheet out"),
    ],
)
def test_what_has_no_such_section_is_one_problem(
    problems_of, text: str, asked: TableOptions, said: str, cure: str
):
    (problem,) = problems_of(text, ".csv", asked=asked)
    assert said in problem.message
    assert cure in problem.cure


def test_problems_are_told_with_the_lines_of_the_file(problems_of):
    text = VERSION_1 + "S1,again,A\nS3,short\n"
    found = problems_of(text, ".csv", sheet=BY_SAMPLE)
    assert {problem.line: problem.message[:7] for problem in found} == {13: "this id", 14: "2 cells"}


def test_the_command_keeps_the_section_that_was_asked_for(problems_of):
    (problem,) = problems_of(VERSION_2, ".csv", asked=TableOptions(worksheet="Cloud_Data"))
    assert "--worksheet Cloud_Data --id Sample_ID --columns-as-parameters" in problem.cure


@pytest.mark.parametrize(
    "line",
    ["[Data]", "[Data],,,\n", '"[Data]"\r\n', "[Data];;", "[Data]\t\t", "[ Data ]", "[Data]|", "[Data],,,x"],
)
def test_lines_that_begin_a_section(line: str):
    assert section_name(line) == "Data"


@pytest.mark.parametrize("line", ["", "[]", "[Data],x", "Data", "x[Data]", "[a,b]", '["a"]', "[Data]x"])
def test_lines_that_begin_none(line: str):
    assert section_name(line) is None
