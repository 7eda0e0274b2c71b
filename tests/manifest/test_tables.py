"""What its user says of a table is believed, whoever reads it."""

from __future__ import annotations

import io
import json
import pathlib
import subprocess
import time

import pytest

from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, load
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.table import TableOptions, encoding
from tests.manifest.conftest import SETS, LoadText, ProblemsOf


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id;parameters.r\nS1;a,b\n", TableOptions(delimiter=";")),
        ('S1,"a,b"\n', TableOptions(header=("id", "parameters.r"))),
        ("S1|a,b\n", TableOptions(header=("id", "parameters.r"), delimiter="|")),
    ],
)
def test_delimiter_and_header_may_be_given(load_text: LoadText, text: str, said: TableOptions):
    (spec,) = load_text(text, ".csv", asked=said)
    assert spec.id == "S1"
    assert '"parameters":{"r":"a,b"}' in spec.request


@pytest.mark.parametrize("ids", [["A", "a", "ID"], ["FEA1", "FEA2"], ["ARROW1", "ARROW2"]])
def test_ids_may_look_like_a_header_or_the_first_bytes_of_another_file(load_text: LoadText, ids: list[str]):
    specs = load_text("\n".join(ids), ".csv", asked=TableOptions(header=("id",)))
    assert [spec.id for spec in specs] == ids


def test_they_hold_for_the_file_that_a_document_names_too(tmp_path: pathlib.Path):
    (tmp_path / "rows.csv").write_text("S1;a\n")
    (tmp_path / "m.yaml").write_text("runs: rows.csv\n")
    said = TableOptions(header=("id", "parameters.r"), delimiter=";")
    with load(Source(path=str(tmp_path / "m.yaml"), sets=SETS, asked=said)) as manifest:
        assert [spec.id for spec in manifest.specs()] == ["S1"]


@pytest.mark.parametrize(
    "text",
    [
        "id;parameters.r\nS1;a,b\n",
        "id\tparameters.r\nS1\ta,b\n",
        "id|parameters.r\nS1|a,b\n",
        'id,parameters.r\nS1,"a,b"\n',
        '"id";"parameters.r"\n"S1";"a,b"\n',
        'parameters.r;id;"parameters.a,b,c,d"\na,b;S1;\n',  # what is in quotes does not count
        "parameters.r;id;parameters.a,b\na,b;S1;\n",  # more often than the comma
        '"parameters.two\nlines";id;parameters.r\n;S1;a,b\n',
        "\n;;\n\nid;parameters.r\nS1;a,b\n",
        "sep=;\nid;parameters.r\nS1;a,b\n",
        "\ufeffsep=;\r\nid;parameters.r\r\nS1;a,b\r\n",
        '"sep=|"\nid|parameters.r\nS1|a,b\n',
        "SEP=\t\nid\tparameters.r\nS1\ta,b\n",
        "sep=^\nid^parameters.r\nS1^a,b\n",
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_the_delimiter_is_found_by_the_header(load_text: LoadText, text: str, suffix: str):
    (spec,) = load_text(text, suffix)
    assert spec.id == "S1"
    assert '"r":"a,b"' in spec.request


def test_where_two_are_as_good_the_format_says_which(load_text: LoadText):
    (spec,) = load_text("id,parameters.a;b\nS1,x\n", ".csv")
    assert json.loads(spec.request)["parameters"] == {"a;b": "x"}
    (spec,) = load_text("id\tparameters.a;b\nS1\tx\n", ".tsv")
    assert json.loads(spec.request)["parameters"] == {"a;b": "x"}


@pytest.mark.parametrize("text", ["S1\ta;b,c,d\n", "sep=\t\nS1\ta;b,c,d\n"])
def test_without_a_header_the_delimiter_is_found_by_the_number_of_names(load_text: LoadText, text: str):
    (spec,) = load_text(text, ".csv", asked=TableOptions(header=("id", "parameters.r")))
    assert json.loads(spec.request)["parameters"] == {"r": "a;b,c,d"}


def test_what_is_given_goes_before_what_the_file_tells(load_text: LoadText):
    (spec,) = load_text("sep=,\nid;parameters.a,b\nS1;x,y\n", ".csv", asked=TableOptions(delimiter=";"))
    assert json.loads(spec.request)["parameters"] == {"a,b": "x,y"}


@pytest.mark.parametrize("header", ["id,parameters.r", "sample,fastq"])
def test_a_delimiter_that_is_given_and_does_not_fit_is_told_with_the_one_that_does(
    problems_of: ProblemsOf, header: str
):
    (problem,) = problems_of(f"{header}\nS1,x\n", ".csv", asked=TableOptions(delimiter=";"))
    assert problem.cure == "the header seems to be separated by ',': this format takes ';'"


@pytest.mark.parametrize("header", ["name", "run name,storageType"])
def test_where_no_column_is_the_id_one_is_to_be_added(problems_of: ProblemsOf, header: str):
    problem = problems_of(f"{header}\nx,y\n", ".csv")[-1]
    assert problem.cure == "add a column id with a name of its own for each run"


def test_a_tag_may_be_called_like_a_type(load_text: LoadText):
    (spec,) = load_text("id,tags.int,tags.a:b,parameters.a:b:int\nS1,x,y,7\n", ".csv")
    request = json.loads(spec.request)
    assert (request["tags"], request["parameters"]) == ({"int": "x", "a:b": "y"}, {"a:b": 7})


def test_the_line_that_tells_the_delimiter_is_counted(problems_of: ProblemsOf):
    (problem,) = problems_of("sep=;\nid;priority\nS1;x\n", ".csv")
    assert problem.line == 3


@pytest.mark.parametrize(
    "text",
    [
        "id,parameters.r,\nS1,a,\nS2,b,\n",
        "id,parameters.r,, ,\nS1,a,,,\nS2,b\n , ,,,\n\xa0\n",
        "id,parameters.r\nS1,a,\n  \n\t\nS2,b,,,\n, \n",
    ],
)
def test_blank_columns_at_the_right_and_blank_rows_are_passed_over(load_text: LoadText, text: str):
    specs = load_text(text, ".csv")
    assert [json.loads(spec.request)["parameters"] for spec in specs] == [{"r": "a"}, {"r": "b"}]


UMLAUTS = "id,parameters.r\nS1,s3://lab/Größe.fq\n"


@pytest.mark.parametrize(
    "encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le", "utf-8", "utf-8-sig", "cp437"]
)
def test_an_encoding_may_be_given(load_text: LoadText, encoding: str):
    (spec,) = load_text(UMLAUTS.encode(encoding), ".csv", asked=TableOptions(encoding=encoding))
    assert json.loads(spec.request)["parameters"] == {"r": "s3://lab/Größe.fq"}
    line = '{"id": "S1", "parameters": {"r": "Größe"}}\n'
    (spec,) = load_text(line.encode(encoding), ".jsonl", asked=TableOptions(encoding=encoding))
    assert json.loads(spec.request)["parameters"] == {"r": "Größe"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_mark_tells_the_encoding(load_text: LoadText, tmp_path: pathlib.Path, encoding: str):
    def marked(text: str) -> bytes:
        return (text if encoding in {"utf-16", "utf-8-sig"} else f"\ufeff{text}").encode(encoding)

    (tmp_path / "defaults.yaml").write_bytes(marked("name: größer\n"))
    row = '{"id": "S1", "parameters": {"r": "s3://lab/Größe.fq"}}'
    for text, suffix in [(UMLAUTS, ".csv"), (row, ".jsonl"), (f"[{row}]", ".json"), (f"- {row}", ".yaml")]:
        (spec,) = load_text(marked(text), suffix, defaults=(str(tmp_path / "defaults.yaml"),))
        request = json.loads(spec.request)
        assert (request["parameters"], request["name"]) == ({"r": "s3://lab/Größe.fq"}, "größer")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".yaml"])
def test_half_a_character_behind_the_mark_is_told_with_its_place(problems_of: ProblemsOf, suffix: str):
    problem = problems_of(UMLAUTS.encode("utf-16") + b"\x00", suffix)[-1]
    assert "at byte 76 is not utf-16" in problem.message


@pytest.mark.long
def test_a_large_file_in_another_encoding_is_read_whole():
    rows = "".join(f"S{n},s3://lab/Größe-{n}.fq\n" for n in range(5_000))
    text = io.BytesIO(f"id,parameters.r\n{rows}".encode("utf-16"))
    source = Source(path="-", format=Format.CSV, batch="b", sets=SETS, asked=TableOptions(encoding="utf-16"))
    with load(source, stdin=text) as manifest:
        assert manifest.count == 5_000
        assert [json.loads(spec.request)["parameters"]["r"] for spec in manifest.specs()] == [
            f"s3://lab/Größe-{n}.fq" for n in range(5_000)
        ]


@pytest.mark.parametrize(
    ("data", "said", "message", "cure"),
    [
        (
            UMLAUTS.encode("latin-1"),
            TableOptions(),
            "byte 0xf6 at byte 30 is not UTF-8",
            "--encoding cp1252 ('s3://lab/Größe.fq') or mac_roman (",
        ),
        (
            UMLAUTS.encode("mac_roman"),
            TableOptions(),
            "byte 0x9a at byte 30 is not UTF-8",
            "or mac_roman ('s3://lab/Größe.fq')",
        ),
        (
            b"id,parameters.r\nS1,\x8d\n",  # nothing in cp1252
            TableOptions(),
            "byte 0x8d at byte 19 is not UTF-8",
            "such as --encoding mac_roman ('ç')",
        ),
        (
            UMLAUTS.encode("utf-16-le"),
            TableOptions(encoding="utf-16"),
            "this is not utf-16, which begins with a byte order mark",
            "such as utf-16-le",
        ),
        (
            UMLAUTS.encode(),
            TableOptions(encoding="ascii"),
            "byte 0xc3 at byte 30 is not ascii",
            "another --encoding",
        ),
        (
            UMLAUTS.encode("utf-16")[:-1],
            TableOptions(encoding="utf-16"),
            "is not utf-16",
            "another --encoding",
        ),
        (
            UMLAUTS.encode(),
            TableOptions(worksheet="x"),
            "csv files have no worksheets",
            "leave --worksheet out",
        ),
    ],
)
def test_what_it_is_not_in_is_told_with_the_place(tmp_path: pathlib.Path, data, said, message, cure):
    (tmp_path / "m.csv").write_bytes(data)
    with pytest.raises(ManifestError) as caught:
        load(Source(path=str(tmp_path / "m.csv"), sets=SETS, asked=said))
    (problem,) = caught.value.problems
    assert message in problem.message
    assert cure in problem.cure


@pytest.mark.parametrize(
    "name", ["zlib", "base64", "rot13", "punycode", "idna", "undefined", "nothing", "x" * 9999, "\0"]
)
def test_what_no_file_is_written_in_is_no_encoding(name: str):
    with pytest.raises(ValueError, match="such as utf-8"):
        encoding(name)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("id,parameters.r\nA,x\nid,parameters.r\nB,y\n", 3),
        ("id,parameters.r,\nA,x,\n\nid,parameters.r,\nB,y\n", 4),
        ("\ufeffid,parameters.r\nA,x\n\ufeffid,parameters.r\nB,y\n", 3),
        ("id,parameters.r\nA,x\nid, parameters.r \nB,y\n", 3),
        ("id,parameters.r,tags.t\nA,x,1\nid,r,t\nB,y,2\n", 3),
        ("id,parameters.r\nA,x\nID,Parameters.R\nB,y\n", 3),
    ],
)
def test_the_line_of_names_is_no_row(problems_of: ProblemsOf, text: str, line: int):
    """As when files are put together by cat: it would be a run, called id."""
    (problem,) = problems_of(text, ".csv")
    assert (problem.line, problem.message) == (line, "this is the line of names once more, and no row")


def test_a_row_that_is_like_the_names_but_for_one_is_a_row(load_text: LoadText):
    specs = load_text(
        "id,parameters.r,parameters.s\nid,x,parameters.s\nsid,parameters.r,parameters.s\n", ".csv"
    )
    assert [spec.id for spec in specs] == ["id", "sid"]


@pytest.mark.parametrize(
    "text", ["sample,fastq\nA,s3://b/a.fq\n", "Run_ID,Fastq_1\nA,s3://b/a.fq\n", "id,fastq\nA,x\nB,y\n"]
)
def test_other_names_below_those_that_are_given_are_no_row(problems_of: ProblemsOf, text: str):
    (problem,) = problems_of(text, ".csv", asked=TableOptions(header=("id", "parameters.r")))
    assert problem.line == 1
    assert problem.message.startswith("there is a line of names here too: ")


@pytest.mark.parametrize(
    "text", ["a,fastq\nb,x\n", "A,parameters.r\nB,x\n", "a_1,\nb_1,\n", "sample,fastq\n"]
)
def test_a_row_may_look_like_names_below_those_that_are_given(load_text: LoadText, text: str):
    specs = load_text(text, ".csv", asked=TableOptions(header=("id", "parameters.r")))
    assert len(specs) == text.count("\n")


def test_names_that_are_given_although_the_file_has_them_are_no_row(problems_of: ProblemsOf):
    said = TableOptions(header=("id", "parameters.r"))
    (problem,) = problems_of("id,parameters.r\nA,x\n", ".csv", asked=said)
    assert problem.line == 1


def test_the_end_that_dos_writes_is_not_taken_for_utf_16(problems_of: ProblemsOf):
    *_, problem = problems_of("id,parameters.r\nA,x\n\x1a", ".csv")
    assert (problem.line, problem.cure) == (3, "save the file as plain text in UTF-8")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("id,parameters.r\n# sequenced later\nA,x\n", [2]),
        ("id,parameters.r\nA,x\n#B,y\n# a remark, with, commas\nC,z\n#D,w\n", [3, 4, 6]),
        ("#sample,parameters.r,id\n#A,x,1\n#B,x,2\nC,y,3\n", [2, 3]),
    ],
)
def test_rows_that_were_taken_out_are_no_runs(problems_of: ProblemsOf, text: str, lines: list[int]):
    """As ``#`` takes them out for Snakemake and pandas: nothing is sent for a sample that is not wanted."""
    found = [one for one in problems_of(text, ".csv") if one.message.startswith("this is a remark, or a row")]
    assert [one.line for one in found] == lines
    assert found[0].cure.startswith("remove the line; if it is a run, remove the #, or move another column")


def test_ids_that_all_begin_as_remarks_are_ids(load_text: LoadText):
    assert [spec.id for spec in load_text("id\n#1\n#2\n", ".csv")] == ["#1", "#2"]
    for value in (
        "#N/A",
        "#N/D",
        "#\u041d/\u0414",
        "#NV",
        "#WERT!",
        "#NAME?",
        "####",
    ):  # a warning alone, as in English
        assert [spec.id for spec in load_text(f"id\nA\n{value}\n", ".csv")] == ["A", value]


PRINTS = {
    "psql": " id | parameters.r | parameters.s \n----+---+---\n A  | x |  \n B  | y | z\n(2 rows)\n\n",
    "mysql": "+---+---+\n| id | parameters.r |\n+---+---+\n| A | x |\n| B | y |\n+---+---+\n1 row in set\n",
    "Markdown": "| id | parameters.r | parameters.s |\n|:--|:--:|---|\n| A | x | |\n| B | y | z |\n",
}


@pytest.mark.parametrize("line", ["-" * 100_000 + "x", " " * 100_000 + "x", "'x'" + "\t" * 100_000 + "x"])
def test_a_long_line_is_seen_at_once(problems_of: ProblemsOf, line: str):
    begun = time.process_time()
    assert problems_of(f"{line}\nid,parameters.r\nA,x\n", ".csv")
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "text", [PRINTS["psql"], "2026-11-08 07:06:05  1234 A_R1.fastq.gz\n", "id  parameters.r\nS1  x\n"]
)
def test_a_command_for_standard_input_reads_it(text: str):
    with pytest.raises(ManifestError) as caught:
        load(Source(path="-", format=Format.CSV, sets=SETS), stdin=io.BytesIO(text.encode()))
    (problem,) = caught.value.problems
    assert "<" not in problem.cure


@pytest.mark.parametrize("case", PRINTS)
def test_a_table_with_lines_drawn_is_told_with_a_command_that_takes_them_off(
    problems_of: ProblemsOf, load_text: LoadText, tmp_path: pathlib.Path, case: str
):
    (problem,) = problems_of(PRINTS[case], ".csv")
    assert problem.message.startswith("this is a table for people to read, with lines drawn")
    command = problem.cure.partition("take them off: ")[2].removesuffix(" > FILE.csv")
    said = subprocess.run(["sh", "-c", command], capture_output=True, check=True, cwd=tmp_path).stdout
    assert [json.loads(spec.request)["parameters"]["r"] for spec in load_text(said, ".csv")] == ["x", "y"]


def test_a_listing_of_s3_is_to_be_paired(problems_of: ProblemsOf):
    for text in ("2026-11-08 07:06:05  1234 A_R1.fastq.gz\n", f"{' ' * 27}PRE run7/\n"):
        (problem,) = problems_of(text, ".csv")
        assert problem.message.startswith("this is a list of files, as 'aws s3 ls' prints it")
        assert " --base s3://BUCKET/FOLDER/ --pattern " in problem.cure


@pytest.mark.parametrize("mark", ["\t", ",", " "])
def test_rows_that_r_has_named_are_one_problem(problems_of: ProblemsOf, mark: str):
    rows = ['"id","parameters.r"', '"1","A","x"', '"2","B","y"']
    (problem,) = problems_of("\n".join(rows).replace(",", mark), ".csv")
    assert (problem.line, problem.message) == (1, "all rows have 3 cells, and there are 2 names")
    assert "row.names = FALSE" in problem.cure
    assert problem.cure.endswith("or quote cells that hold the separator")


def test_a_line_that_was_copied_is_told_from_rows_of_one_run(problems_of: ProblemsOf):
    head = "id,parameters.reads\nA,s3://lab/a.fq.gz\nB,s3://lab/b.fq.gz\n"
    (problem,) = problems_of(head + "B,s3://lab/b.fq.gz\n", ".csv")
    assert (problem.line, problem.cure) == (4, "the two lines are the same: remove one of them")
    (problem,) = problems_of(head + "B,s3://lab/b_L2.fq.gz\n", ".csv")
    assert problem.cure.startswith("if these are sequencing lanes of one run")


@pytest.mark.parametrize("name", ["ID", "#id", " Id", "# id "])
def test_a_column_that_is_nearly_id_does_not_hide_the_other_mistakes(problems_of: ProblemsOf, name: str):
    case, near = problems_of(f"{name},Parameters.r\nA,x\n", ".csv")
    assert (case.field, near.field) == ("Parameters.r", "id")
    assert near.cure == f"did you mean {name!r} to be id?"


def test_a_line_above_the_names_is_told(problems_of: ProblemsOf):
    """As two lines of names are exported, whose upper one has merged cells."""
    (problem,) = problems_of("Sample,,Reads\nid,parameters.n,parameters.r\na,x,s3://lab/a.fq\n", ".csv")
    assert problem.message == "the names of columns seem to be in line 2: id, parameters.n, parameters.r"
    assert problem.cure == "remove what is above them"


def test_ids_that_look_the_same_are_the_same(problems_of: ProblemsOf):
    """As one lab writes an umlaut in one character, and the Mac of another in two."""
    (problem,) = problems_of("id,parameters.r\nM\u00fcller,x\nMu\u0308ller,y\n", ".csv")
    assert (problem.line, problem.message) == (3, "this id was given on line 2 already")


@pytest.mark.parametrize("cells", ["brca1;tp53;myc\nBRCA2;TP53;MYC", "a|b|c\nA|B|C"])
def test_a_column_of_ids_alone_is_no_title(load_text: LoadText, cells: str):
    assert [spec.id for spec in load_text(f"id\n{cells}\n", ".csv")] == cells.splitlines()


@pytest.mark.parametrize(
    "name", ["sample", "Sample ID", "sample-name", "RUN", "Run accession", "patient", "gene_id", "Our run"]
)
def test_a_column_whose_name_is_that_of_ids_is_no_title(load_text: LoadText, name: str):
    text = f"{name}\nbrca1;tp53;myc\nBRCA2;TP53;MYC\n"
    (one, two) = load_text(text, ".csv", sheet=SheetOptions(id=name))
    assert (one.id, two.id) == ("brca1;tp53;myc", "BRCA2;TP53;MYC")
