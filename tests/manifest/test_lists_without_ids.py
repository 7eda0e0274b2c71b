"""Lists in JSON, YAML and JSON Lines whose rows have no id: StartRun requests, and tables of parameters."""

from __future__ import annotations

import json
import shlex

import pytest
import yaml

from batchrun.manifest.sheet_wishes import SheetOptions

REQUESTS: list[dict[str, object]] = [
    {"name": "mutect-1", "workflowId": "1", "parameters": {"tumor": "s3://lab/1.bam"}, "requestId": "1-1"},
    {"name": "mutect-2", "workflowId": "2", "parameters": {"tumor": "s3://lab/2.bam"}},
]
INPUTS: list[dict[str, object]] = [
    {"P.base_name": "HG002", "P.cram": "s3://lab/2.cram", "P.cushion": 1500, "P.beds": ["s3://lab/b.bed"]},
    {"P.base_name": "HG003", "P.cram": "s3://lab/3.cram", "P.cushion": 1500, "P.beds": ["s3://lab/b.bed"]},
]


def as_text(rows: list[dict[str, object]], ending: str) -> str:
    if ending == ".yaml":
        return yaml.safe_dump(rows)
    return json.dumps(rows, indent=1) if ending == ".json" else "\n".join(map(json.dumps, rows))


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".yaml"])
def test_requests_run_as_they_are_by_their_names(load_text, ending: str):
    found = load_text(as_text(REQUESTS, ending), ending)
    assert [spec.id for spec in found] == ["mutect-1", "mutect-2"]
    sent = json.loads(found[0].request)
    assert {name: sent[name] for name in ("name", "workflowId", "parameters")} == {
        name: value for name, value in REQUESTS[0].items() if name != "requestId"
    }


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".yaml"])
def test_parameters_alone_are_a_sheet_which_the_command_takes(problems_of, load_text, ending: str):
    (problem,) = problems_of(as_text(INPUTS, ending), ending)
    assert (
        "this is not a manifest but a sheet of 4 columns; ids are in 'P.base_name' (unique)"
        in problem.message
    )
    typed = shlex.split(problem.cure.partition(", run: ")[2])
    kept = "P.base_name={P.base_name}"
    assert typed[-5:] == ["--id", "P.base_name", "--columns-as-parameters", "--parameter", kept]
    sheet = SheetOptions(id="P.base_name", columns_as_parameters=("all",), parameters=(kept,))
    found = load_text(as_text(INPUTS, ending), ending, sheet=sheet)
    assert {spec.id: json.loads(spec.request)["parameters"] for spec in found} == {
        str(row["P.base_name"]): row for row in INPUTS
    }


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".yaml"])
def test_parameters_among_rows_are_one_problem_each(problems_of, ending: str):
    rows: list[dict[str, object]] = [{"id": "HG002", "parameters": INPUTS[0]}, INPUTS[1]]
    (problem,) = problems_of(as_text(rows, ending), ending)
    assert "parameters of a workflow" in problem.message
    assert '{"id": "NA12878", "parameters": {...}}' in problem.cure


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"workflowId": "1"}, "the row has no id"),
        ({"workflowId": "1", "name": "{batch}-x"}, "the row has no id"),
        ({"name": "x", "zebra": 1}, "the row has no id"),
        ({"ID": "x", "paramters": {}}, "the row has no id"),
        ({}, "the row has no id"),
        ({"id": None, "name": "x"}, "the row has no id"),
    ],
)
@pytest.mark.parametrize("ending", [".json", ".jsonl", ".yaml"])
def test_what_is_neither_is_told_row_by_row(problems_of, row, said: str, ending: str):
    assert problems_of(as_text([row], ending), ending)[0].message.startswith(said)


def test_names_that_requests_share_are_told_as_ids(problems_of):
    (problem,) = problems_of(as_text([REQUESTS[0], REQUESTS[0]], ".json"), ".json")
    assert "was given on line 2 already" in problem.message


def test_rows_under_runs_need_an_id_as_ever(problems_of):
    text = json.dumps({"runs": [{"name": "x", "workflowId": "1"}]})
    assert problems_of(text, ".json")[0].message == "the row has no id"


def test_a_manifest_may_name_a_list_as_its_sheet(tmp_path, load_text):
    (tmp_path / "rows.json").write_text(as_text(INPUTS, ".json"))
    each = '{id: "{P.base_name}", parameters: {n: "{P.cushion:int}", beds: "{P.beds:json}"}}'
    found = load_text(f"sheet: rows.json\neach: {each}\n", ".yaml")
    assert [spec.id for spec in found] == ["HG002", "HG003"]
    assert json.loads(found[0].request)["parameters"] == {"n": 1500, "beds": ["s3://lab/b.bed"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}', "a table where a sheet should be a list"),
        ("7", "'7' where a sheet should be a list"),
        ("[1]", "'1' is not a row"),
        ('[{"a": "x", "a": "y"}]', "given twice"),
        ("[{}]", "there are no rows"),
        ('[{"a": "x"}, 1]', "'1' is not a row"),
        ("[]", "where a sheet should be a list"),
    ],
)
def test_what_is_no_list_of_tables_is_no_sheet(tmp_path, problems_of, text: str, said: str):
    (tmp_path / "rows.json").write_text(text)
    (problem,) = problems_of('sheet: rows.json\neach: {id: "{a}"}\n', ".yaml")
    assert problem.source.endswith("rows.json")
    assert said in problem.message


#: A value in YAML, and what is sent where the column is a value, and where it is text.
IN_YAML = [
    ("auto", "auto", "auto"),
    ("3", 3, "3"),
    ("1.10", 1.1, "1.10"),
    ("True", True, "true"),
    (".5", 0.5, "0.5"),
    ("0x10", 16, "16"),
    ("0010", "0010", "0010"),
    ("1.2.3", "1.2.3", "1.2.3"),
    ("2026-11-08", "2026-11-08", "2026-11-08"),
    ("'3'", "3", "3"),
    ("[1, a, 1.10, ~]", [1, "a", 1.1, None], '[1,"a",1.10,null]'),
    ("{b: yes}", {"b": "yes"}, '{"b":"yes"}'),
    ("~", None, None),
]


@pytest.mark.parametrize(("written", "value", "text"), IN_YAML)
def test_a_list_in_yaml_is_a_sheet_whose_values_have_the_types_of_yaml(load_text, written: str, value, text):
    sheet = SheetOptions(id="s", columns_as_parameters=("v",), parameters=("t={v:text}", "is=1"))
    (spec,) = load_text(f"- s: 007\n  v: {written}\n", ".yaml", sheet=sheet)
    wanted = {"is": "1"} | ({} if text is None else {"t": text, "v": value})
    assert (spec.id, json.loads(spec.request)["parameters"]) == ("007", wanted)
