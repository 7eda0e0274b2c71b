"""Requests, defaults, parameters and SampleSheets given as a manifest: told for what they are."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

from batchrun.errors import ManifestError
from batchrun.manifest import Source, load

REQUEST: dict[str, object] = {"name": "x", "workflowId": "1", "roleArn": "arn:aws:iam::123456789012:role/o"}
REQUEST |= {"outputUri": "s3://lab/", "parameters": {"tumor": "s3://lab/t.bam"}}
WDL = {"P.bam": "s3://lab/a.bam", "P.threads": 8, "P.beds": ["s3://lab/b.bed"]}
SAMPLES = """\
[Header],,
FileFormatVersion,2,

[BCLConvert_Settings],,
AdapterRead1,CTGT,
[BCLConvert_Data],,
Lane,Sample_ID,Index
1,S1,ACGT
1,S2,TTTT
[Cloud_Data],,
Sample_ID,ProjectName,
S1,P,
"""
#: Per kind: text, ending, what it is told to be, and what the cure has.
DOCUMENTS = {
    "a request": (json.dumps(REQUEST), ".json", "a StartRun request", "batchrun check --each-file "),
    "with its requestId": (
        json.dumps({"requestId": "1", **REQUEST}),
        ".json",
        "a StartRun request",
        "batchrun check --each-file ",
    ),
    "defaults": ("workflowId: 1\nroleArn: x\n", ".yaml", "a file of defaults", "check MANIFEST "),
    "inputs": (json.dumps(WDL), ".json", "parameters of a workflow", " --parameters-from "),
    "a single row": ("id: A\nworkflowId: 1\nparameters: {r: x}\n", ".yaml", "a single row", "under runs"),
    "inputs, one of which is nearly a key": (
        "fastq1: s3://lab/a\nlane: 1\nsample: x\n",
        ".yaml",
        "parameters of a workflow",
        " --each-file ",
    ),
    "one input": ('{"fasta_path": "s3://lab/a.fasta"}', ".json", "parameters of a workflow", " --each-file "),
    "inputs in YAML": ("a: 1\nb: 2\n", ".yaml", "parameters of a workflow", " --parameters-from "),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_document_is_one_problem_and_told_for_what_it_is(problems_of, case: str):
    text, ending, said, cure = DOCUMENTS[case]
    (problem,) = problems_of(text, ending)
    assert problem.message.startswith("this is not a manifest but ")
    assert said in problem.message
    assert cure in problem.cure
    assert problem.line == 1


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("defualts: {}\nrnus: []\n", ["defualts", "rnus"]),
        ("workflowId: 1\nzebra: 2\n", ["workflowId", "zebra"]),
        ("zebra: 1\n", ["zebra"]),
        ("a: 1\nb: 2\nruns: [{id: x}]\nc: 3\n", ["a", "b", "c"]),
    ],
)
def test_slips_in_a_manifest_stay_slips(problems_of, text: str, fields: list[str]):
    problems = problems_of(text, ".yaml")
    assert [problem.field for problem in problems] == fields
    assert all("is not a key of a manifest" in problem.message for problem in problems)


def in_shell(command: str, folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    """Run what a cure says with the batchrun of these tests."""
    bin_ = str(pathlib.Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{bin_}:{os.environ['PATH']}"}
    return subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env=environment, text=True, capture_output=True, check=False
    )


@pytest.mark.parametrize("content", [REQUEST, WDL])
def test_the_command_for_one_run_is_one_that_runs(problems_of, tmp_path: pathlib.Path, content):
    (problem,) = problems_of(json.dumps(content), ".json")
    done = in_shell(problem.cure.rpartition(", run: ")[2], tmp_path)
    assert (done.returncode, done.stdout) == (0, "m: 1 row, no problems found\n"), done.stderr


def test_a_samplesheets_data_are_told_as_a_sheet(problems_of, tmp_path: pathlib.Path):
    (problem,) = problems_of(SAMPLES, ".csv")
    assert (problem.line, problem.field) == (7, "id")
    assert "a sheet of 3 columns, the section BCLConvert_Data of an Illumina SampleSheet" in problem.message
    assert "ids are in 'Sample_ID' (unique)" in problem.message
    done = in_shell(problem.cure.partition("run: ")[2], tmp_path)
    assert (done.returncode, done.stdout) == (0, "m: 2 rows, no problems found\n"), done.stderr


#: Each with what it is told to be, and where its parameters are.
OF_OTHERS = [
    ('{"arn": "a", "id": "1", "status": "ACTIVE", "creationTime": "t", "parameterTemplate": {}}',
     "an answer of GetWorkflow", None),
    ('{"arn": "a", "id": "1", "status": "COMPLETED", "creationTime": "t", "parameters": {}}',
     "an answer of GetRun", "parameters"),
    ('{"workflow_params": {"W.x": 1}, "workflow_type": "WDL", "tags": {}}',
     "a request to a WES service", "workflow_params"),
    ('{"workflowName": "W", "id": "1", "status": "Succeeded", "inputs": {"W.x": 1}, "calls": {}}',
     "Cromwell's metadata of a run", "inputs"),
    ('{"name": "t", "executors": [], "inputs": [], "outputs": []}', "a task of a TES service", None),
    ('{"$schema": "http://json-schema.org/draft-07/schema", "title": "x", "definitions": {}}',
     "a JSON Schema", None),
    ('{"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": {}}', "a JSON Schema", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "what", "key"), OF_OTHERS)
def test_documents_of_other_programs_are_neither_manifests_nor_parameters(
    problems_of, tmp_path, text, what, key
):
    (problem,) = problems_of(text, ".json")
    assert problem.message == f"this is not a manifest but {what}"
    path = tmp_path / "one.json"
    path.write_text(text)
    for options in ({"parameters_from": (str(path),)}, {"defaults": (str(path),)}):
        (problem,) = problems_of("id\nA\n", ".csv", **options)
        assert (problem.source, problem.message) == (str(path), f"this is {what}")
        if "defaults" in options:
            assert problem.cure == "write a table of StartRun fields"
        else:
            assert (key is None) == ("jq" not in problem.cure)
            assert key is None or f"jq .{key} " in problem.cure
    with pytest.raises(ManifestError) as caught:
        load(Source(path=str(path), is_each_file=True))
    assert [problem.message for problem in caught.value.problems] == [f"this is {what}"]


def test_a_list_of_runs_is_no_manifest(problems_of):
    (problem,) = problems_of('{"items": [{"id": "1", "status": "COMPLETED"}]}', ".json")
    assert problem.message == "this is not a manifest but an answer of ListRuns"


def test_parameters_among_which_one_is_called_like_a_field_are_parameters(problems_of):
    (problem,) = problems_of('{"input": "s3://l/s.csv", "outdir": "s3://l/o", "name": "x"}', ".json")
    assert "--parameters-from" in problem.cure


def test_json_on_many_lines_is_no_json_lines(problems_of):
    (problem,) = problems_of('[\n {"id": "A"}\n]\n', ".jsonl")
    assert problem.cure == "write each row on one line, or give --format json"


def test_lines_of_json_in_a_file_of_json_are_to_be_told_as_such(problems_of):
    (problem,) = problems_of('{"id": "A"}\n{"id": "B"}\n', ".json")
    assert "give --format jsonl" in problem.cure


@pytest.mark.parametrize(
    ("ending", "cure"),
    [
        *((ending, "save the sheet as XLSX or CSV") for ending in (".xls", ".ods", ".numbers")),
        *((ending, "unpack it, and give the file in it") for ending in (".csv.zip", ".BZ2", ".tar.gz")),
    ],
)
def test_files_of_another_kind_are_told_by_their_names(problems_of, ending: str, cure: str):
    (problem,) = problems_of("", ending)
    assert problem.cure == cure


def test_an_empty_skeleton_is_to_be_filled_in(problems_of):
    found = problems_of('[{"id": "A", "runGroupId": "", "workflowOwnerId": ""}]', ".json")
    assert {(one.field, one.message) for one in found} == {
        ("runGroupId", "it is empty"),
        ("workflowOwnerId", "it is empty"),
    }


def test_settings_of_a_batch_in_a_file_of_their_own_are_rows(load_text):
    """As --batch-run-settings file://... takes them."""
    settings = {
        "inlineSettings": [{"runSettingId": "A", "parameters": {"r": "s3://lab/a"}, "runTags": {"k": "v"}}]
    }
    (spec,) = load_text(json.dumps(settings), ".json")
    assert spec.id == "A"
    assert json.loads(spec.request)["tags"] == {"k": "v"}


def test_settings_that_lie_in_s3_are_to_be_given_as_they_are(problems_of):
    (problem, *_) = problems_of('{"s3UriSettings": "s3://lab/settings.json"}', ".json")
    assert problem.message == "the settings are in a file of their own"


@pytest.mark.parametrize(
    "text",
    [
        '{"WorkflowId": "1", "RoleArn": "x", "Parameters": {}}',
        '{"workflow_id": "1", "role_arn": "x", "parameters": {}}',
    ],
)
def test_fields_in_another_spelling_are_no_parameters(problems_of, tmp_path: pathlib.Path, text: str):
    first, *_ = problems_of(text, ".json")
    assert first.cure.startswith("did you mean workflowId? put it under defaults")
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(ManifestError) as caught:
        load(Source(path=str(tmp_path / "m.json"), is_each_file=True))
    assert caught.value.problems[0].cure == "did you mean workflowId?"


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ('{\n// a\n"runs": []}', 1),
        ('[{"id": "A",\n # b\n "parameters": {}}]', 2),
        ('[\n/* c */ {"id": "A"}]', 1),
    ],
)
def test_remarks_in_json_are_told_as_such(problems_of, text: str, column: int):
    problem, *_ = problems_of(text, ".json")
    assert (problem.message, problem.line, problem.column) == ("JSON has no remarks", 2, column)


@pytest.mark.parametrize("cell", ["/data/x", '"{""a"": /x}"', "#N/A"])
def test_a_path_or_an_error_of_a_spreadsheet_is_no_remark(problems_of, cell: str):
    (problem,) = problems_of(f"id,parameters.x:json\nA,{cell}\n", ".csv")
    assert "this is not JSON: " in problem.message
