"""Sheets that came without a word of what they are: one problem, and the options that take them."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest

from batchrun.cli.command import made
from batchrun.cli.launching.manifests import source
from batchrun.cli.manifest_options import ManifestOptions
from batchrun.cli.verbs.check import check
from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, load
from batchrun.manifest.load import Manifest
from tests.manifest.conftest import SETS

RNASEQ = """\
sample,fastq_1,fastq_2,strandedness
WT,s3://lab/1_1.fq.gz,s3://lab/1_2.fq.gz,auto
WT,s3://lab/2_1.fq.gz,s3://lab/2_2.fq.gz,auto
KO,s3://lab/3_1.fq.gz,,reverse
"""
TERRA = "entity:sample_id\tcram\tparticipant\nNA1\ts3://lab/1.cram\tP\nNA2\ts3://lab/2.cram\tP\n"
DRAGEN = """\
RGID,RGSM,Lane,Read1File
A.1,S1,1,S1_L001.fastq.ora
A.2,S1,2,S1_L002.fastq.ora
"""
SAREK = """\
patient,sample,lane,fastq_1,fastq_2
P1,S1,L1,s3://lab/1_1.fq.gz,s3://lab/1_2.fq.gz
P1,S1,L2,s3://lab/2_1.fq.gz,
"""
#: Per kind: the sheet, its ending, what it is taken for, and the parameters of each run in the end.
SHEETS = {
    "nf-core, lanes": (
        RNASEQ,
        ".csv",
        "ids are in 'sample' (repeated, with differing files in 'fastq_1', 'fastq_2')",
        {
            "WT": {
                "fastq_1": ["s3://lab/1_1.fq.gz", "s3://lab/2_1.fq.gz"],
                "fastq_2": ["s3://lab/1_2.fq.gz", "s3://lab/2_2.fq.gz"],
                "strandedness": "auto",
            },
            "KO": {"fastq_1": ["s3://lab/3_1.fq.gz"], "strandedness": "reverse"},
        },
    ),
    "a mate that some lanes lack": (
        SAREK,
        ".csv",
        "an nf-core samplesheet; ids are in 'sample' (repeated,",
        {
            "S1": {
                "patient": "P1",
                "rows": [
                    {"lane": "L1", "fastq_1": "s3://lab/1_1.fq.gz", "fastq_2": "s3://lab/1_2.fq.gz"},
                    {"lane": "L2", "fastq_1": "s3://lab/2_1.fq.gz"},
                ],
            }
        },
    ),
    "Terra": (
        TERRA,
        ".tsv",
        "a Terra data table; ids are in 'entity:sample_id' (unique), 'participant' (repeated,",
        {
            "NA1": {"cram": "s3://lab/1.cram", "participant": "P"},
            "NA2": {"cram": "s3://lab/2.cram", "participant": "P"},
        },
    ),
    "Terra's pairs": (
        "entity:pair_id\tcase_sample\tcontrol_sample\nP1\tT1\tN\nP2\tT2\tN\n",
        ".tsv",
        "a Terra data table; ids are in 'entity:pair_id' (unique), 'case_sample' (unique)",
        {
            "P1": {"case_sample": "T1", "control_sample": "N"},
            "P2": {"case_sample": "T2", "control_sample": "N"},
        },
    ),
    "DRAGEN": (
        DRAGEN,
        ".csv",
        "a DRAGEN fastq_list; ids are in 'RGSM' (repeated, with differing files in 'Read1File')",
        {
            "S1": {
                "RGID": ["A.1", "A.2"],
                "Lane": ["1", "2"],
                "Read1File": ["S1_L001.fastq.ora", "S1_L002.fastq.ora"],
            }
        },
    ),
    "ids, and nobody's columns": (
        "id,lane,flow cell\nx,1,s3://lab/x\n",
        ".csv",
        "a sheet of 3 columns; ids are in 'id' (unique)",
        {"x": {"lane": "1", "flow cell": "s3://lab/x"}},
    ),
    "no name of an id": (
        "kind,file\na,s3://lab/1.bam\na,s3://lab/2.bam\n",
        ".csv",
        "a sheet of 2 columns; ids are in 'kind' (repeated, with differing files in 'file')",
        {"a": {"file": ["s3://lab/1.bam", "s3://lab/2.bam"]}},
    ),
    "names that options cannot have": (
        'sample,a{b},"say ""x""","a,b"\nx,1,2,3\n',
        ".csv",
        "ids are in 'sample' (unique); the command leaves out 'a{b}', 'say \"x\"', 'a,b'",
        {"x": None},
    ),
    "names that are given twice": (
        "sample,fastq,fastq,kit\nx,s3://lab/1.fq,s3://lab/2.fq,K\n",
        ".csv",
        "ids are in 'sample' (unique); the command leaves out 'fastq', 'fastq'",
        {"x": {"kit": "K"}},
    ),
    "numbers of rows, as pandas writes them": (
        ",sample,file\n0,a,s3://lab/1.bam\n1,b,s3://lab/2.bam\n",
        ".csv",
        "ids are in 'sample' (unique); the command leaves out column 1, which has no name",
        {"a": {"file": "s3://lab/1.bam"}, "b": {"file": "s3://lab/2.bam"}},
    ),
    "accessions alone, without a name": (
        "SRR9984183\nSRR13191702\nERR1160846\n",
        ".csv",
        "the first line names no columns, but ids; this is not a manifest but a sheet of 1 column; ids",
        {name: {"sample": name} for name in ("SRR9984183", "SRR13191702", "ERR1160846")},
    ),
    "ids alone, without a name": (
        "S1\nS2\n",
        ".csv",
        "the first line names no columns, but ids",
        {"S1": {"sample": "S1"}, "S2": {"sample": "S2"}},
    ),
    "accessions and counts, without names": (
        "SRR9984183,5\nSRR13191702,16\n",
        ".csv",
        "the first line names no columns, but ids; this is not a manifest but a sheet of 2 columns; ids",
        {"SRR9984183": {"column_2": "5"}, "SRR13191702": {"column_2": "16"}},
    ),
    "numbers without names, some of them twice": (
        "F1\tNA1\t0\t0\nF2\tNA3\tNA1\tNA2\n",
        ".tsv",
        "the first line names no columns, but numbers",
        {
            "F1": {"column_2": "NA1", "column_3": "0", "column_4": "0"},
            "F2": {"column_2": "NA3", "column_3": "NA1", "column_4": "NA2"},
        },
    ),
    "a year for two names": (
        "well,2024,2024,dose\nA1,x,y,d\n",
        ".csv",
        "ids are in 'well' (unique); the command leaves out '2024', '2024'",
        {"A1": {"dose": "d"}},
    ),
    "a year for a name": (
        "sample,assay,2024\na,x,5\nb,y,7\n",
        ".csv",
        "this is not a manifest but a sheet of 3 columns; ids are in 'sample' (unique)",
        {"a": {"assay": "x", "2024": "5"}, "b": {"assay": "y", "2024": "7"}},
    ),
    "numbered names": (
        "sample,lane1,lane2\na,x1,L1\nb,y2,L2\n",
        ".csv",
        "this is not a manifest but a sheet of 3 columns; ids are in 'sample' (unique)",
        {"a": {"lane1": "x1", "lane2": "L1"}, "b": {"lane1": "y2", "lane2": "L2"}},
    ),
    "a name like its ids": (
        "sample1,count\nsample2,5\nsample3,6\n",
        ".csv",
        "this is not a manifest but a sheet of 2 columns; ids are in 'sample1' (unique)",
        {"sample2": {"count": "5"}, "sample3": {"count": "6"}},
    ),
    "a usual name among accessions": (
        "cohort 2024,sample\ncohort 2025,x\n",
        ".csv",
        "this is not a manifest but a sheet of 2 columns; ids are in 'sample' (unique)",
        {"x": {"cohort 2024": "cohort 2025"}},
    ),
    "SRA": (
        "Run,Bases,BioSample,Center Name\nSRR1,10,SAMN1,GEO\nSRR2,11,SAMN2,GEO\n",
        ".csv",
        "an SRA run table; ids are in 'Run' (unique), 'Center Name' (repeated,",
        {f"SRR{n}": {"Bases": str(9 + n), "BioSample": f"SAMN{n}", "Center Name": "GEO"} for n in (1, 2)},
    ),
    "no names at all": (
        "S1,s3://lab/1.bam\nS2,s3://lab/2.bam\n",
        ".csv",
        "the first line names no columns, but files",
        {"S1": {"file_2": "s3://lab/1.bam"}, "S2": {"file_2": "s3://lab/2.bam"}},
    ),
}


def options_in(cure: str) -> dict[str, list[str]]:
    """Return the options of the command that a cure names, as the shell passes them on."""
    words = shlex.split(cure.partition("run: batchrun check ")[2].partition("; if they are")[0])[1:]
    found: dict[str, list[str]] = {}
    values: list[str] = []
    for word in words:
        if word.startswith("--"):
            values = found.setdefault(word, [])
        else:
            values.append(word)
    return found


def followed(path: str, options: dict[str, list[str]]) -> Manifest:
    """Load the sheet as the command line does with these options."""
    words = [path, *(part for name, values in options.items() for part in _words(name, values))]
    with check.make_context("check", words) as context:
        return load(source(made(ManifestOptions, context.params)))


def _words(name: str, values: list[str]) -> list[str]:
    return [part for value in values for part in (name, value)] or [name]


@pytest.mark.parametrize("case", SHEETS)
def test_a_sheet_is_one_problem_and_its_command_loads_it(problems_of, tmp_path, case):
    text, ending, said, wanted = SHEETS[case]
    (problem,) = problems_of(text, ending)
    assert (problem.line, problem.field) == (1, "id")
    assert said in problem.message
    with followed(str(tmp_path / f"m{ending}"), options_in(problem.cure)) as manifest:
        runs = {spec.id: json.loads(spec.request).get("parameters") for spec in manifest.specs()}
    assert runs == wanted


def test_the_command_has_what_the_source_has(tmp_path):
    path = tmp_path / "my sheet.txt"
    path.write_text(RNASEQ)
    (tmp_path / "lab.json").write_text('{"name": "x"}')
    wish = Source(
        path=str(path), verb="run", format=Format.CSV, batch="a b", defaults=(f"{tmp_path}/lab.json",)
    )
    with pytest.raises(ManifestError) as caught:
        load(wish)
    start = (
        f"run: batchrun run '{path}' --defaults {tmp_path}/lab.json --batch 'a b' --format csv --group-by s"
    )
    assert start in caught.value.problems[0].cure


def test_lanes_in_a_manifest_are_never_to_be_told_apart_by_ids(problems_of, tmp_path):
    rows = "S1,s3://lab/1.fq.gz,8,L1\nS1,s3://lab/2.fq.gz,8,L2\n"
    text = f"id,parameters.reads,parameters.n:int,parameters.unit\n{rows}"
    (problem,) = problems_of(text, ".csv")
    assert (problem.line, problem.row) == (3, "S1")
    assert "if these are sequencing lanes of one run" in problem.cure
    with followed(str(tmp_path / "m.csv"), options_in(problem.cure)) as manifest:
        (spec,) = manifest.specs()
    reads = ["s3://lab/1.fq.gz", "s3://lab/2.fq.gz"]
    assert json.loads(spec.request)["parameters"] == {"reads": reads, "n": 8, "unit": ["L1", "L2"]}


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("id,workflowId,parameters.r\nx,1,s3://lab/1.fq\nx,1,s3://lab/2.fq\n", ".csv"),
        ('{"id": "x"}\n{"id": "x"}\n', ".jsonl"),
    ],
)
def test_what_options_cannot_say_of_lanes_is_said_in_words(problems_of, text: str, ending: str):
    (problem,) = problems_of(text, ending)
    assert problem.cure.startswith("if these rows are one run, give it once, with lists of its files; else")


def test_a_column_with_gaps_is_no_id(problems_of):
    (problem,) = problems_of("sample,file\n,s3://lab/1.bam\n", ".csv")
    assert "no column tells its rows apart" in problem.message
    assert "the columns are sample, file" in problem.cure


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        (
            "FCID,Lane,SampleID\nC1,1,S1\nC1,2,S1\nC1,1,S2\nIEMVERSION_3_TruSeq LT,,\n",
            "'SampleID' (repeated, differing in 'Lane', but empty on line 5)",
            5,
        ),
        (
            "Sample ID,Conc.,BAM\n,ng/ul,\nS1,12.5,s3://b/1.bam\nS2,13.5,s3://b/2.bam\n",
            "'Sample ID' (unique, but empty on line 2)",
            2,
        ),
    ],
)
def test_a_line_without_an_id_is_told_instead_of_another_column_that_has_one(
    problems_of, tmp_path, text: str, said: str, line: int
):
    """Units below the names, or a remark below the table: its other cells would have made a run."""
    (problem,) = problems_of(text, ".csv")
    assert said in problem.message
    with pytest.raises(ManifestError) as caught:
        followed(str(tmp_path / "m.csv"), options_in(problem.cure))
    (problem,) = caught.value.problems
    assert problem.line == line
    assert problem.cure.endswith("; or remove the line")


def test_a_column_of_workflows_is_no_parameter(problems_of):
    """The rows would have been run with the workflow that is given for all."""
    (first, second) = problems_of("id,workflowId,bam,threads\nA,7654321,s3://b/a.bam,4\n", ".csv")
    assert (first.field, second.field) == ("bam", "threads")
    assert second.cure.endswith("the workflow's own names go under parameters: parameters.threads")
    (problem,) = problems_of(
        "id,status,runId,uuid,runOutputUri,attempt,workflowId,arn\nA,C,1,u,s3://o,1,1,a\n", ".csv"
    )
    assert problem.message == "this is not a manifest but the results of a batch"


def test_a_column_with_a_gap_is_told_behind_those_that_have_none(problems_of):
    (problem,) = problems_of("sample,run_id,bam\nA,R1,s3://b/1\n,R2,s3://b/2\nB,R3,s3://b/3\n", ".csv")
    assert "ids are in 'run_id' (unique), 'sample' (unique, but empty on line 3)" in problem.message
    (problem,) = problems_of("ref_name,bam\nA,s3://b/1\n,s3://b/2\n", ".csv")
    assert "ids are in 'ref_name' (unique, but empty on line 3)" in problem.message


def test_samples_of_other_patients_are_not_one(problems_of, tmp_path):
    """Each patient has a tumor and a normal: grouped by these, files of all patients would be in two runs."""
    lines = [f"P{n},{kind},s3://b/{n}_{kind}.bam" for n in (1, 2) for kind in ("tumor", "normal")]
    (problem,) = problems_of("\n".join(["patient,sample,bam", *lines]), ".csv")
    assert "ids are in 'patient' (repeated, with differing files in 'bam'); " in problem.message
    with followed(str(tmp_path / "m.csv"), options_in(problem.cure)) as manifest:
        runs = {spec.id: json.loads(spec.request)["parameters"] for spec in manifest.specs()}
    bams = {f"P{n}": [f"s3://b/{n}_tumor.bam", f"s3://b/{n}_normal.bam"] for n in (1, 2)}
    assert runs == {one: {"sample": ["tumor", "normal"], "bam": bams[one]} for one in ("P1", "P2")}


def test_a_sheet_of_files_alone_needs_ids(problems_of):
    (problem,) = problems_of(
        "fastq_1,fastq_2\ns3://b/1_1.fq,s3://b/1_2.fq\ns3://b/2_1.fq,s3://b/2_2.fq\n", ".csv"
    )
    assert (problem.message, problem.cure) == (
        "this is not a manifest but a sheet of 2 columns of files alone",
        "add a column with an id for each row",
    )


def test_a_verb_of_two_words_is_written_as_two(tmp_path):
    (tmp_path / "s.csv").write_text("sample,bam\nA,s3://b/a.bam\n")
    with pytest.raises(ManifestError) as caught:
        load(Source(path=str(tmp_path / "s.csv"), verb="manifest convert"))
    assert ", run: batchrun manifest convert /" in caught.value.problems[0].cure


def test_few_lines_with_an_id_that_is_there_already_are_named(problems_of):
    lines = [f"S{number},s3://b/{number}.bam\n" for number in range(100)]
    (problem,) = problems_of("".join(["sample,bam\n", *lines, "S7,s3://b/x.bam\n"]), ".csv")
    assert "'sample' (repeated on line 102 alone, with differing files in 'bam')" in problem.message


def test_lines_that_are_the_same_are_told(problems_of):
    (problem,) = problems_of("sample,bam\nA,s3://b/a.bam\nB,s3://b/b.bam\nA,s3://b/a.bam\n", ".csv")
    assert problem.message.endswith("; lines 2 and 4 are the same")


def test_a_line_that_is_there_twice_leaves_the_ids_where_they_are(problems_of):
    lines = ["4882-ML,A704,A501", "4883-ML,A704,A502", "4882-ML,A704,A501"]
    (problem,) = problems_of("\n".join(["Sample_ID,I7_Index_ID,I5_Index_ID", *lines]), ".csv")
    assert problem.message.endswith("a sheet of 3 columns; lines 2 and 4 are the same")
    assert problem.cure == "remove one of the two"


def test_of_lines_that_cannot_be_read_nothing_more_is_said(problems_of):
    *_, problem = problems_of("sample,bam\nA;s3://b/a.bam\n", ".csv")
    assert problem.message.endswith("a sheet of 2 columns, without a row that can be read")


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        (
            '"sample,bam"\n"A,s3://b/a.bam"\n',
            "each line stands in quotes, which make one cell of it: take them off",
        ),
        ("sample    bam\nA         s3://b/a.bam\n", "the header seems to be separated by spaces"),
        ("sample bam\nA s3://b/a.bam\nB s3://b/b.bam\n", "the header seems to be separated by spaces"),
        ("F1 S1 S2 S3 2 2\nF1 S2 0 0 1 1\nF1 S3 0 0 2 1\n", "the header seems to be separated by spaces"),
    ],
)
def test_cells_that_nothing_divides_are_no_column(problems_of, text: str, cure: str):
    (problem,) = problems_of(text, ".csv")
    assert problem.cure.startswith(cure)


@pytest.mark.parametrize("text", ["Sample ID\nA 1\nB 2\n", "Our own sample\nA\nB\n"])
def test_names_with_spaces_above_one_column_are_names(problems_of, text: str):
    (problem,) = problems_of(text, ".csv")
    assert "this is not a manifest but a sheet of 1 column" in problem.message


def test_a_name_that_cannot_be_seen_is_written_so_that_a_shell_takes_it(problems_of):
    (problem,) = problems_of("sa'mple\u00a0,bam\nA,s3://b/a.bam\nB,s3://b/b.bam\n", ".csv")
    command = problem.cure.partition(", run: ")[2]
    script = f'batchrun() {{ printf "%s\\n" "$@"; }}\n{command}\n'
    shell = ["bash", "-c", script]
    said = subprocess.run(shell, capture_output=True, env={"LC_ALL": "C.UTF-8"}, check=True).stdout.decode()
    assert "sa'mple\u00a0" in said.splitlines()


def test_a_sheet_that_runs_names_is_to_be_named_as_one(problems_of, tmp_path):
    (tmp_path / "s.csv").write_text(RNASEQ)
    (problem,) = problems_of("runs: s.csv\n", ".yaml")
    assert problem.cure.startswith("name it with 'sheet:' instead of 'runs:'; ")
    assert f"batchrun check {tmp_path / 'm.yaml'} " in problem.cure


def test_many_columns_take_no_long_command(problems_of):
    many = 3000
    header = ",".join(["sample", *(f"f{n}" for n in range(many))])
    rows = [",".join(["x", *(f"s3://lab/{row}-{n}" for n in range(many))]) for row in range(2)]
    (problem,) = problems_of("\n".join([header, *rows]), ".csv")
    assert len(str(problem)) < 3000


def test_names_of_any_length_take_no_long_command(problems_of):
    for text in (f"{'rioe' * 3000}\nao\n", f"sample,{'Which ' * 500}kit\nA,K\nB,L\n"):
        (problem,) = problems_of(text, ".csv")
        assert len(str(problem)) < 1000


def test_more_columns_than_a_command_names_are_told_to_be_missing(problems_of):
    names = [f"f{n}" for n in range(20)]
    rows = [",".join(["x", *(f"s3://lab/{row}-{name}" for name in names)]) for row in range(2)]
    (problem,) = problems_of("\n".join([",".join(["sample", *names]), *rows]), ".csv")
    assert problem.message.endswith(
        "; the command leaves out 'f12', 'f13', 'f14', 'f15', 'f16', 'f17' and 2 more"
    )


def test_a_column_without_a_cell_is_not_called_the_samples(problems_of):
    (problem,) = problems_of("s3://lab/1.fq,,WT,0\ns3://lab/2.fq,,KO,1\n", ".csv")
    assert " --header file_1,column_2,sample,column_4 --id sample " in problem.cure


def test_names_that_are_given_twice_are_to_be_told_apart(problems_of):
    (problem,) = problems_of("sample,fastq,fastq\nx,s3://lab/1.fq,s3://lab/2.fq\n", ".csv")
    assert problem.cure.startswith("give each column a name of its own; ")


def test_a_list_of_files_is_to_be_paired(problems_of, tmp_path):
    (problem,) = problems_of("s3://lab/A_R1.fastq.gz\ns3://lab/A_R2.fastq.gz\n", ".csv")
    assert problem.message == "this is a list of files, and no manifest"
    assert f"batchrun manifest from-s3 {tmp_path / 'm.csv'} -o runs.csv --pattern" in problem.cure


@pytest.mark.parametrize(("sep", "fill"), [(",", ",,"), ("\t", "\t\t"), (";", ""), (";", ";;")])
def test_a_title_above_the_header_is_told_with_where_the_header_is(problems_of, sep: str, fill: str):
    lines = [f"Order 17{fill}", f"Lab: X{fill}", fill, "sample,r1,kit".replace(",", sep), f"S1{sep}x{sep}K"]
    (problem,) = problems_of("\n".join(lines), ".csv")
    assert problem.line == 1
    assert problem.message.startswith(
        "this is a title, and no header; the names of columns seem to be in line 4: sample"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Project,ABC,\nDate,2026-11-01,\n,,\nsample,r1,kit\nS1,x,K\n", 4),
        ("Project,ABC,,\nsample,r1,kit\nS1,x,K\nS2,y,K\n", 2),
        ("# by LIMS, for lab 3, floor 2\nsample,r1,kit\nS1,x,K\n", 2),
    ],
)
def test_titles_may_have_several_cells_and_remarks_as_many_as_a_row(problems_of, text: str, line: int):
    (problem,) = problems_of(text, ".csv")
    assert problem.message.endswith(f"seem to be in line {line}: sample, r1, kit")


@pytest.mark.parametrize(
    "text",
    [
        "#Sample,Group,Kit\nwt_1,control,a\nKO1,treated,B\n",
        "# Sample,Group,Kit\nwt_1,control,a\nko_1,treated,b\n",
        "Sample,Group,,\nwt_1,control,,\nKO1,treated,,\n",
        "# Probe\nwt_1\nKO1\n",
    ],
)
def test_headers_with_a_mark_or_blank_cells_are_no_titles(problems_of, text: str):
    (problem,) = problems_of(text, ".csv")
    assert problem.message.startswith("this is not a manifest but a sheet of ")


@pytest.mark.parametrize("fill", ["", ";", ";;"])
def test_a_title_may_be_called_like_a_column(problems_of, fill: str):
    (problem,) = problems_of(
        f"probenliste{fill}\nprobe;datei;typ\nA;s3://b/a.bam;T\nB;s3://b/b.bam;N\n", ".csv"
    )
    assert problem.message.endswith("seem to be in line 2: probe, datei, typ")


@pytest.mark.parametrize(
    "cell", ["x/a_1.fq.gz;x/a_2.fq.gz", "a.bam;b.bam;c.bam\nS3.bam;S4.bam;S5.bam", '"one, two, three"']
)
def test_one_column_is_no_title(problems_of, cell: str):
    (problem,) = problems_of(f"fastq_ftp\n{cell}\n", ".csv")
    assert "a sheet of 1 column" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "id\na\nb,2\n",
        "id\nb,2\nc,3\n",
        "sample\na_1,b_2\nc_3,d_4\n",
        "workflowId\n1234567,x\n1234567,y\n",
        "parameters.reads\ns3://b/x,1\ns3://b/y,2\n",
        "Sample ID\nS1,x\nS2,y\n",
        "path\ns3://b/x.fastq.gz\ns3://b/a,b.fastq.gz\n",
        "Reads\ns3://b/x.fastq.gz\ns3://b/a,b.fastq.gz\n",
        "Lab Reads\ns3://b/a,b.fastq.gz\ns3://b/x.fastq.gz\n",
    ],
)
def test_a_header_above_a_row_with_a_cell_too_many_is_no_title(problems_of, text: str):
    found = [problem.message for problem in problems_of(text, ".csv")]
    assert found
    assert not any("title" in message for message in found)


def test_a_row_with_a_cell_too_many_is_told_by_itself(problems_of):
    (problem,) = problems_of("id\na\nb,2\n", ".csv")
    assert (problem.line, problem.message) == (3, "2 cells under a header of 1 ('2' is the first too many)")


def test_sets_are_in_the_command(problems_of):
    (problem,) = problems_of(RNASEQ, ".csv")
    assert options_in(problem.cure)["--set"] == list(SETS)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("Lane,Sample_ID,Index\n1,S1,A\n2,S1,A\n1,S2,C\n", ["--group-by", "Sample_ID"]),
        ("sample,library_id,n\nS1,L1,1\nS1,L2,2\n", ["--id", "library_id"]),
        ("sample,n\nS1,1\nS1,1\n", []),
    ],
)
def test_a_table_without_files_has_runs_by_what_is_unique_or_else_by_its_samples(problems_of, text, options):
    (problem,) = problems_of(text, ".csv")
    typed = shlex.split(problem.cure.partition(", run: ")[2])
    assert [part for part in typed if part in {"--id", "--group-by"}] == options[:1]
    assert all(option in typed for option in options)


def test_a_wide_table_without_names_is_told_in_few_words(problems_of):
    (problem,) = problems_of("S1," + ",".join(["s3://lab/1.bam"] * 1000) + "\n", ".csv")
    assert problem.message == "the first line names no columns, but files, in 1001 columns"
    assert len(str(problem)) < 500


def test_a_table_of_sets_is_one_run_for_each_set(problems_of, tmp_path):
    text = "membership:sample_set_id\tsample\nS1\tA\nS1\tB\nS2\tC\n"
    (problem,) = problems_of(text, ".tsv")
    assert (
        "; ids are in 'membership:sample_set_id' (repeated, differing in 'sample'), 'sample'"
        in problem.message
    )
    with followed(str(tmp_path / "m.tsv"), options_in(problem.cure)) as manifest:
        runs = {spec.id: json.loads(spec.request)["parameters"] for spec in manifest.specs()}
    assert runs == {"S1": {"sample": ["A", "B"]}, "S2": {"sample": ["C"]}}


def test_ids_that_alone_tell_rows_apart_are_parameters_too(problems_of, tmp_path):
    """Else runs would ask for the very same, and nothing in them would say which sample is meant."""
    (problem,) = problems_of("sample,condition\nA,wt\nB,wt\nC,ko\n", ".csv")
    with followed(str(tmp_path / "m.csv"), options_in(problem.cure)) as manifest:
        runs = [json.loads(spec.request)["parameters"] for spec in manifest.specs()]
        assert not manifest.warnings
    assert runs[:2] == [{"sample": "A", "condition": "wt"}, {"sample": "B", "condition": "wt"}]


@pytest.mark.parametrize("names", [("fastq_1", "fastq_2"), ("FQ1", "FQ2"), ("forwardReads", "reverseReads")])
def test_a_table_that_lies_on_its_side_is_told(problems_of, names):
    """A command was offered that made a run of each column."""
    first, second = names
    text = f"sample,A,B\n{first},s3://b/A_1.fq,s3://b/B_1.fq\n{second},s3://b/A_2.fq,s3://b/B_2.fq\n"
    (problem,) = problems_of(text, ".csv")
    assert problem.message.endswith(
        f"that lies on its side: its columns, such as '{first}' and '{second}', stand in lines 2 and 3"
    )
    assert problem.cure.startswith("turn it, so that each row is a sample")


@pytest.mark.parametrize("other", ["R2", "A"])
def test_samples_that_are_called_like_mates_are_samples(problems_of, other: str):
    (problem,) = problems_of(f"sample,bam\nR1,s3://b/1.bam\n{other},s3://b/2.bam\n", ".csv")
    assert "ids are in 'sample' (unique)" in problem.message
