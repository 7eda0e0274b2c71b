"""Bad manifests: each names the place, the field and the cure."""

from __future__ import annotations

import dataclasses
import json

import pytest

from batchrun.errors import ManifestError
from batchrun.manifest import Source, load

CSV_CASES = {
    # what is wrong: (text, line, field, part of the message)
    "no header": ("", 1, None, "empty"),
    "no rows": ("id\n", None, None, "no rows"),
    "no id column": ("name\nx\n", 1, "id", "no column id"),
    "spaces between cells": ("id  parameters.r1  parameters.r2\nS1  s3://a  s3://b\n", 1, "id", "tr -s ' '"),
    "id in capitals": ("ID,name\nx,y\n", 1, "id", "'ID'"),
    "doubled header": ("id,name,name\nx,y,z\n", 1, "name", "columns 2 and 3"),
    "table and entry": ("id,tags:json,tags.a\nx,{},1\n", 1, "tags.a", "columns 2 and 3"),
    "entry and table": ("id,tags.a,tags:json\nx,1,{}\n", 1, "tags:json", "columns 2 and 3"),
    "nameless column": ("id,,name\nx,y,z\n", 1, None, "column 2"),
    "nameless parameter": ("id,parameters.\nx,y\n", 1, "parameters.", "missing"),
    "unknown column": ("id,worflowId\nx,1\n", 1, "worflowId", "did you mean workflowId?"),
    "unknown type": ("id,parameters.n:integer\nx,1\n", 1, "parameters.n:integer", "'integer' is not a type"),
    "type of a text field": ("id,name:int\nx,1\n", 1, "name:int", "name is text"),
    "type of a tag": ("id,tags.n:int\nx,1\n", 1, "tags.n:int", "tags are text"),
    "table as a column": ("id,parameters\nx,1\n", 1, "parameters", "parameters.NAME"),
    "dots where no table is": ("id,name.first\nx,1\n", 1, "name.first", "not a table"),
    "requestId": ("id,requestId\nx,1\n", 1, "requestId", "batchrun makes"),
    "short row": ("id,name\nx,y\nz\n", 3, None, "1 cell under a header of 2"),
    "long row": ("id,name\nx,y,z\n", 2, None, "3 cells under a header of 2"),
    "quotes behind a blank": ('id,name\nx, "y, z"\n', 2, None, "remove the white space before each quote"),
    "a cell under no name": ("id,name,,\nx,y,,z\n", 2, None, "4 cells under a header of 2 ('z' is the first"),
    "UTF-16 without its mark": ("id,name\nx,y\n".encode("utf-16-le"), 1, None, "NUL at byte 1"),
    "the other UTF-16": ("id,name\nx,y\n".encode("utf-16-be"), 1, None, "or give --encoding utf-16-be"),
    "row after quoted newlines": ('id,parameters.n\nx,"a\nb\n"\ny\n', 5, None, "1 cell under"),
    "open quote": ('id,name\nx,"y\nz,1\n', 2, None, "not closed by line 3"),
    "text after a quote": ('id,name\nx,"y"z\n', 2, None, "after a closing quote"),
    "bare carriage returns": ("id,name\rx,y\rz,w", 1, None, "CRLF line ends: tr '\\r' '\\n' < "),
    "NUL": ("id,name\nx,y\0\n", 2, None, "NUL at byte 11"),
    "control character": ("id,name\nx,\x1b[2J\n", 2, None, "0x1b"),
    "not UTF-8": (b"id,name\nx,caf\xe9\n", 2, None, "0xe9 at byte 13"),
    "a pointer of Git LFS": ("version https://git-lfs.github.com/spec/v1\noid a\n", 1, None, "Git LFS"),
    "a pointer of git-annex": ("/annex/objects/SHA256E-s9--a.csv\n", 1, None, "git annex get"),
    "an answer of S3": (
        '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>',
        1,
        None,
        "an XML document",
    ),
    "a table of a web page": ("<table><tr><td>id</td></tr></table>", 1, None, "an export for a spreadsheet"),
    "a page for Excel": (
        '<html xmlns:x="urn:schemas-microsoft-com:office:excel"><body>',
        1,
        None,
        "save it there as XLSX",
    ),
    "a document": ("{\\rtf1\\ansi id,name\\par\nx,y}", 1, None, "save it as plain text"),
    "commas of a wide keyboard": (
        "id\uff0cname\nx\uff0cy\n",
        1,
        "id",
        "separated by '\uff0c': this format takes",
    ),
    "a script": ("#!/bin/sh\naws omics start-run\n", 1, None, "with --each-file the JSONs"),
    "what only looks like one": ("#!genome-build GRCh38\nid,name\nx,y\n", 1, None, "take it out: sed 1,1d"),
    "JSON": ('[\n  {"id": "x"}\n]\n', 1, None, "give --format json, or jsonl where"),
    "YAML": ("batch: b\nruns: [{id: x}]\n", 1, None, "this is YAML, and no table; give --format yaml"),
    "single quotes": ("'id','name'\n'x','y'\n", 1, None, "single quotes"),
    "a sign-in page": ("<!DOCTYPE html>\n<html><body>Sign in</body></html>", 1, None, "a web page"),
    "remarks": ("# LIMS 3.2\n# November\nid,name\nx,y\n", 1, None, "out: sed 1,2d"),
    "remarks with commas": ("# LIMS\n# by: A, B\nid,name\nx,y\n", 1, None, "out: sed 1,1d"),
    "remarks above a header with a mark": ("##LIMS\n##1\n#id,name\nx,y\n", 1, None, "out: sed 1,2d"),
    "remarks below what Excel reads": ("sep=;\n# LIMS\nid;name\nx;y\n", 2, None, "out: sed 2,2d"),
    "no id in the row": ("id,name\n,y\n", 2, "id", "no id"),
    "duplicate id": ("id\nx\ny\nx\n", 4, "id", "on line 2"),
    "spaces round the id": ("id\n x\n", 2, "id", "white space"),
    "endless id": ("id\n" + "x" * 129, 2, "id", "129 characters"),
    "not an integer": ("id,priority\nx,5.0\n", 2, "priority", "'5.0' is not a whole number"),
    "not a float": ("id,parameters.q:float\nx,nan\n", 2, "parameters.q:float", "'nan' is not a number"),
    "a comma": ("id;parameters.q:float\nx;1,5\n", 2, "parameters.q:float", "1.000 is read as 1"),
    "infinite": ("id,parameters.q:float\nx,1e999\n", 2, "parameters.q:float", "'1e999'"),
    "not a bool": ("id,parameters.q:bool\nx,yes\n", 2, "parameters.q:bool", "true or false"),
    "not JSON": ("id,parameters:json\nx,{a}\n", 2, "parameters:json", "not JSON"),
    "JSON but no table": ("id,parameters:json\nx,[1]\n", 2, "parameters", "a list of 1"),
    "out of range": ("id,priority\nx,100001\n", 2, "priority", "from 0 to 100000"),
    "not an enum value": ("id,storageType\nx,dynamic\n", 2, "storageType", "did you mean DYNAMIC?"),
    "bad pattern": ("id,workflowId\nx,abc\n", 2, "workflowId", r"[0-9]+"),
    "pattern in full": ("id,cacheId\nx,12a\n", 2, "cacheId", r"[0-9]+"),
    "too long": ("id,name\nx," + "n" * 129, 2, "name", "has 129 characters"),
    "not S3": ("id,outputUri\nx,/mnt/out\n", 2, "outputUri", "s3://BUCKET"),
    "no bucket": ("id,outputUri\nx,s3:///out\n", 2, "outputUri", "s3://BUCKET"),
    "expanded too long": ("id,outputUri\nx," + "s3://b/{id}" * 100, 2, "outputUri", "characters"),
    "AWS's tag": ("id,tags.AWS:x\nx,1\n", 2, "tags.AWS:x", "belong to AWS"),
    "our tag": ("id,tags.batchrun:id\nx,1\n", 2, "tags.batchrun:id", "batchrun's"),
    "an ARN for an id": (
        "id,workflowId\nx,arn:aws:omics:us-east-1:123456789012:workflow/1234567\n",
        2,
        "workflowId",
        "write its id alone: '1234567'",
    ),
    "a long ARN that has no id": (
        "id,roleArn\nx,arn:aws:iam::123456789012:role/" + "team/" * 30 + "lab\n",
        2,
        "roleArn",
        "change its length",
    ),
    "a session for a role": (
        "id,roleArn\nx,arn:aws:sts::123456789012:assumed-role/omics/me@lab\n",
        2,
        "roleArn",
        "no role; write the role that HealthOmics is to take, such as 'arn:aws:iam::123456789012:role/omics'",
    ),
    "a user for a role": (
        "id,roleArn\nx,arn:aws-cn:iam::123456789012:user/me\n",
        2,
        "roleArn",
        "is the ARN of a user, and no role; write the role that HealthOmics is to take: arn:aws:iam::",
    ),
    "an account for a role": (
        "id,roleArn\nx,arn:aws:iam::123456789012:root\n",
        2,
        "roleArn",
        "is the ARN of an account, and no role",
    ),
    "a list of Python": (
        "id,parameters.a:json\nx,\"['s3://b/1','s3://b/2']\"\n",
        2,
        "parameters.a:json",
        "in JSON texts and names stand in double quotes; write \"...\" in place of '...'",
    ),
    "a truth of Python": (
        "id,parameters.a:json\nx,[True]\n",
        2,
        "parameters.a:json",
        "in place of True, False",
    ),
    "nothing of Python": (
        "id,parameters.a:json\nx,None\n",
        2,
        "parameters.a:json",
        "JSON has true, false and null",
    ),
    "long tag value": ("id,tags.a\nx," + "v" * 257, 2, "tags.a", "257 characters"),
    "unknown placeholder": ("id,name\nx,{sample}\n", 2, "name", "{sample}"),
    "placeholder without a value": (
        "id,name,parameters.a\nx,{parameters.a},\n",
        2,
        "name",
        "no such parameter",
    ),
}


@pytest.mark.parametrize("case", CSV_CASES)
def test_csv(problems_of, case):
    text, line, field, part = CSV_CASES[case]
    (problem,) = problems_of(text, ".csv")
    assert (problem.line, problem.field) == (line, field)
    assert part in str(problem)
    assert problem.source.endswith("m.csv")


YAML_CASES = {
    # what is wrong: (text, line, column, field, part of the message)
    "nothing": ("# only a comment\n", 1, None, None, "empty"),
    "text": ("hello", 1, 1, None, "not a manifest"),
    "no runs": ("batch: x\n", None, None, None, "no rows"),
    "empty runs": ("runs: []\n", None, None, None, "no rows"),
    "runs is a table": ("runs: {id: x}\n", 1, 7, "runs", "not a list"),
    "row is text": ("runs:\n- x\n- id: y\n", 2, 3, None, "'x' is not a row"),
    "unknown key": ("run:\n- id: x\nruns: [{id: y}]", 2, 1, "run", "did you mean runs?"),
    "field at the top": ("workflowId: 1\nruns: [{id: x}]", 1, 13, "workflowId", "under defaults"),
    "syntax": ("runs:\n- id: [x\n", 3, 1, None, "not YAML"),
    "tab": ("runs:\n\t- id: x\n", 2, 1, None, "not YAML"),
    "unquoted placeholder": ("runs:\n- id: x\n  name: {id}\n", 3, 9, "name", "a table where text"),
    "duplicate key": ("runs:\n- id: x\n  name: a\n  name: b\n", 4, 3, "name", "twice, first on line 3"),
    "duplicate key at the top": ("runs: [{id: x}]\nbatch: a\nbatch: b\n", 3, 1, "batch", "first on line 2"),
    "merge key": ("runs:\n- id: x\n  <<: {name: a}\n", 3, 3, None, "merge keys"),
    "object": (
        "runs:\n- id: x\n  name: !!python/object/apply:os.system [ls]\n",
        3,
        9,
        None,
        "!!python/object",
    ),
    "own tag": ("runs: !mine\n- id: x\n", 1, 7, None, "!mine"),
    "second document": ("runs:\n- id: x\n---\nruns: []\n", 3, 1, None, "second document"),
    "unknown alias": ("runs:\n- id: *x\n", 2, 7, None, "&x"),
    "alias of itself": ("runs:\n- id: x\n  parameters: &p {p: *p}\n", 3, 22, None, "&p"),
    "key that is not text": ("runs:\n- {id: x, [a]: b}\n", 2, 11, None, "key must be text"),
    "null for text": ("runs:\n- id: x\n  cacheId: null\n", 3, 12, "cacheId", "in quotes"),
    "nothing for text": ("runs:\n- id: x\n  cacheId:\n", 3, 11, "cacheId", "no value"),
    "list for an id": ("runs:\n- id: [x]\n", 2, 7, "id", "not an id"),
    "not a number": ("runs:\n- id: x\n  parameters: {q: .nan}\n", 3, 19, "parameters.q", "JSON cannot carry"),
    "infinite": (
        "runs:\n- id: x\n  parameters: {q: [-.inf]}\n",
        3,
        19,
        "parameters.q[0]",
        "JSON cannot carry",
    ),
    "bool for an integer": ("runs:\n- {id: x, priority: true}\n", 2, 21, "priority", "not a whole number"),
    "quoted integer": ("runs:\n- {id: x, priority: '5'}\n", 2, 21, "priority", "without quotes"),
    "parameters as text": ("runs:\n- {id: x, parameters: y}\n", 2, 23, "parameters", "not a table"),
    "field beside rows": ("runs: [{id: x}]\ntags: {a: b}\n", 2, 7, "tags", "tags is a field of StartRun"),
    "misspelt field beside rows": (
        "runs: [{id: x}]\nroleARN: y\n",
        2,
        10,
        "roleARN",
        "did you mean roleArn?",
    ),
    "misspelt key": ("runs: [{id: x}]\ndefault: {}\n", 2, 10, "default", "did you mean defaults?"),
    "unknown field": ("runs:\n- {id: x, nam: y}\n", 2, 16, "nam", "did you mean name?"),
    "unknown default": ("runs: [{id: x}]\ndefaults: {nam: y}\n", 2, 17, "nam", "did you mean name?"),
    "default that no row can fill": ("runs: [{id: x}]\ndefaults: {name: '{run}'}\n", 2, 18, "name", "{run}"),
    "id as a default": ("runs: [{id: x}]\ndefaults: {id: y}\n", 2, 16, "id", "of its own"),
    "bad default": (
        "runs: [{id: x}, {id: y}]\ndefaults: {priority: -1}\n",
        2,
        22,
        "priority",
        "-1 is out of range",
    ),
    "defaults as text": ("runs: [{id: x}]\ndefaults: y\n", 2, 11, "defaults", "not a table"),
    "batch as a list": ("runs: [{id: x}]\nbatch: [y]\n", 2, 8, "batch", "not a name"),
    "batch with a slash": ("runs: [{id: x}]\nbatch: a/b\n", 2, 8, "batch", "slash"),
    "batch of many bytes": (f"runs: [{{id: x}}]\nbatch: {'é' * 101}\n", 2, 8, "batch", "202 bytes"),
    "batch with a dot": ("runs: [{id: x}]\nbatch: .a\n", 2, 8, "batch", "begins with"),
    "file outside": ("runs: ../x.csv\n", 1, 7, "runs", "outside the manifest's folder"),
    "absolute file": ("runs: /etc/passwd.csv\n", 1, 7, "runs", "outside the manifest's folder"),
    "file of another kind": ("runs: x.yaml\n", 1, 7, "runs", "CSV, TSV or JSONL"),
    "lone surrogate": ('runs: [{id: x, name: "\\ud800"}]\n', 1, 25, None, "not YAML"),
}


@pytest.mark.parametrize("case", YAML_CASES)
def test_yaml(problems_of, case):
    text, line, column, field, part = YAML_CASES[case]
    (problem,) = problems_of(text, ".yaml")
    assert (problem.line, problem.column, problem.field) == (line, column, field)
    assert part in str(problem)


JSON_CASES = {
    "nothing": (" \n", 2, 1, None, "empty"),
    "text": ('"x"', 1, 1, None, "not a manifest"),
    "no rows": ("[]", None, None, None, "no rows"),
    "trailing comma in a list": ('[{"id": "x"},\n]', 2, 1, None, "comma before the end"),
    "trailing comma in a row": ('[{"id": "x",\n }]', 1, 12, None, "comma"),
    "trailing comma at the top": ('{"runs": [{"id": "x"}],\n}', 2, 1, None, "comma before the end"),
    "missing colon": ('{"runs" [1]}', 1, 9, None, "colon"),
    "unquoted key": ("{runs: []}", 1, 2, None, "double quotes"),
    "cut off": ('[{"id": "x"}', 1, 13, None, "ends too early"),
    "more behind": ('[{"id": "x"}]\n[]', 2, 1, None, "more after the document"),
    "syntax in the third row": ('[{"id": "x"},\n {"id": "y"},\n {"id": z}]', 3, 9, None, "not JSON"),
    "duplicate key": ('[{"id": "x",\n "id": "y"}, {"id": "z"}]', 1, 2, None, "'id' is given twice"),
    "duplicate key at the top": (
        '{"batch": "x",\n "batch": "y", "runs": [{"id": "z"}]}',
        2,
        2,
        "batch",
        "line 1",
    ),
    "NaN": ('[{"id": "x", "parameters": {"q": NaN}}]', 1, 2, None, "NaN"),
    "Infinity": ('[{"id": "x", "parameters": {"q": -Infinity}}]', 1, 2, None, "-Infinity"),
    "1e-400": ('[{"id": "x", "parameters": {"q": 1e-400}}]', 1, 2, "parameters.q", "JSON cannot carry"),
    "1e400": ('[{"id": "x", "parameters": {"q": 1e400}}]', 1, 2, "parameters.q", "JSON cannot carry"),
    "10,000 digits": (
        '[{"id": "x", "priority": %s}]' % ("9" * 10000),
        1,
        2,
        "priority",
        "not a whole number",
    ),
    "lone surrogate": ('[{"id": "x", "parameters": {"q": "\\ud800"}}]', 1, 2, "parameters.q", "surrogate"),
    "lone surrogate in a key": ('[{"id": "x", "parameters": {"\\ud800": 1}}]', 1, 2, None, "surrogate"),
    "lone surrogate in a list": (
        '[{"id": "x", "parameters": {"q": ["\\udfff"]}}]',
        1,
        2,
        "parameters.q[0]",
        "surr",
    ),
    "duplicate key in a long row": (
        '[{"id": "x", "parameters": {"q": 1, "q": "%s"}}, {"id": ""}]' % ("x" * 300_000),
        1,
        2,
        None,
        "'q' is given twice",
    ),
    "duplicate key in a row cut off": (
        '[{"id": "x", "id": "y", "name": {"a": 1, "a": 2}',
        1,
        2,
        None,
        "not JSON",
    ),
    "lone surrogate in an id": ('[{"id": "\\ud800"}]', 1, 2, "id", "cannot be printed"),
    "S3 settings": ('{"batchRunSettings": {"s3UriSettings": "s3://b/x"}}', 1, 40, None, "as the manifest"),
    "owner": (
        '[{"runSettingId": "x", "outputBucketOwnerId": "1"}]',
        1,
        2,
        "outputBucketOwnerId",
        "no such field",
    ),
    "batch tags": ('{"batchName": "x", "tags": {}, "runs": [{"id": "x"}]}', 1, 28, "tags", "runTags"),
    "both ids": ('[{"id": "x", "runSettingId": "x"}]', 1, 2, "runSettingId", "not a field of StartRun"),
    "requestId": ('[{"id": "x", "requestId": "x"}]', 1, 2, "requestId", "batchrun makes"),
    "control characters in an id": ('[{"id": "x\\u001b[2J"}]', 1, 2, "id", "cannot be printed"),
    "empty id": ('[{"id": ""}]', 1, 2, "id", "empty"),
    "null id": ('[{"id": null}]', 1, 2, "id", "no id"),
}


@pytest.mark.parametrize("case", JSON_CASES)
def test_json(problems_of, case):
    text, line, column, field, part = JSON_CASES[case]
    problem = problems_of(text, ".json")[0]
    assert (problem.line, problem.column) == (line, column)
    assert field is None or problem.field == field
    assert part in str(problem)


JSONL_CASES = {
    "syntax": ('{"id": "x"}\n{"id": }\n', 2, 8, "not JSON"),
    "two in a line": ('{"id": "x"} {"id": "y"}\n', 1, 13, "more after"),
    "not a row": ('["x"]\n', 1, None, "not a row"),
    "duplicate key": ('{"id": "x", "id": "y"}\n', 1, None, "twice"),
    "not UTF-8": (b'{"id": "x"}\n\xff', 2, None, "0xff at byte 12"),
    "nothing": ("\n \n", None, None, "no rows"),
}


@pytest.mark.parametrize("case", JSONL_CASES)
def test_jsonl(problems_of, case):
    text, line, column, part = JSONL_CASES[case]
    (problem,) = problems_of(text, ".jsonl")
    assert (problem.line, problem.column) == (line, column)
    assert part in str(problem)


SET_CASES = {
    "workflowId": "no value",
    "=5": "no name",
    "worflowId=1": "did you mean workflowId?",
    "requestId=1": "batchrun makes",
    "priority=high": "not a whole number",
    "priority=-1": "out of range",
    "parameters.n:int=x": "not a whole number",
    "parameters.n:int=1,000": "write digits alone",
    "parameters.n:float=1,5": "write a point for the comma",
    "parameters.n:float=x": "write a finite number",
    "id=x": "of its own",
}


@pytest.mark.parametrize("text", SET_CASES)
def test_set(problems_of, text):
    sets = ("workflowId=1", "roleArn=arn:x", "outputUri=s3://b/", text)
    (problem,) = problems_of("id\nx\n", ".csv", sets=sets)
    assert problem.source.startswith("--set ")
    assert SET_CASES[text] in str(problem)


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("d.csv", "id\n", "YAML or JSON"),
        ("d.yaml", "[1]", "are a table"),
        ("d.yaml", "", "empty"),
        ("d.json", "{}", "no fields"),
        ("d.yaml", "name: a\nname: b", "twice"),
        ("d.yaml", "nam: a", "did you mean name?"),
        ("gone.yaml", None, "no such file"),
    ],
)
def test_defaults_files(tmp_path, problems_of, name, text, part):
    if text is not None:
        (tmp_path / name).write_text(text)
    problem = problems_of("id\nx\n", ".csv", defaults=(str(tmp_path / name),))[0]
    assert problem.source.endswith(name)
    assert part in str(problem)


def test_all_problems_come_at_once_in_the_order_of_the_file(problems_of):
    text = "id,priority,storageType\na,x,NO\na,1\nb,-1,STATIC\n"
    found = [(problem.line, problem.field) for problem in problems_of(text, ".csv")]
    assert found == [(2, "priority"), (2, "storageType"), (3, None), (4, "priority")]


def test_what_ends_the_reading_is_told_behind_what_was_wrong_before(problems_of):
    sound = "".join(f"c{number},1\n" for number in range(30))  # a header is told by more than one row
    for text, suffix in (
        (f'id,priority\na,x\n{sound}b,"1\n', ".csv"),
        ('{"id": "a", "priority": "x"}\n{"id": "b"}\n\x01', ".jsonl"),
        ("defaults: {name: n}\nruns:\n- {id: a, priority: x}\n- {id: b, [}\n", ".yaml"),
        ('{"defaults": {"name": "n"}, "runs": [{"id": "a", "priority": "x"}, {"id": "b", ]}', ".json"),
    ):
        before, *_, last = problems_of(text, suffix)
        assert (before.field, last.field) == ("priority", None)


def test_what_is_missing_is_named(problems_of):
    (problem,) = problems_of("id\nx\n", ".csv", sets=())
    assert (problem.row, problem.field) == ("x", "roleArn")
    assert problem.message == "it is missing, and so are outputUri and workflowId"
    assert "--defaults FILE" in problem.cure
    assert "--set roleArn=VALUE --set outputUri=VALUE --set workflowId=VALUE" in problem.cure


@pytest.mark.parametrize(
    ("row", "field", "message", "cure"),
    [
        ({"roleArn": "arn:x", "outputUri": "s3://lab/"}, "workflowId", "there is nothing to run", "runId"),
        (
            {"roleArn": "arn:x", "workflowId": "1"},
            "outputUri",
            "it is missing",
            "outputUri, or --set outputUri",
        ),
        ({"roleArn": "arn:x"}, "outputUri", "it is missing, and so is workflowId", "workflowId (or runId"),
    ],
)
def test_what_a_row_has_is_not_told_as_missing(problems_of, row, field: str, message: str, cure: str):
    (problem,) = problems_of(json.dumps({"id": "x", **row}), ".jsonl", sets=())
    assert (problem.field, problem.message) == (field, message)
    assert cure in problem.cure


def test_a_run_to_repeat_is_enough_to_run(load_text):
    (spec,) = load_text("id,runId\nx,1\n", ".csv", sets=("roleArn=arn:x", "outputUri=s3://lab/"))
    assert json.loads(spec.request)["runId"] == "1"


@pytest.mark.parametrize(
    "value", [{"description": 1}, {"description": "x", "value": 2}, {"optional": True}, "description"]
)
def test_tables_that_hold_more_than_a_template_are_values(load_text, value):
    (spec,) = load_text(json.dumps({"id": "x", "parameters": {"a": value}}), ".jsonl")
    assert json.loads(spec.request)["parameters"] == {"a": value}


def test_what_all_rows_lack_is_told_once(load_text):
    rows = "".join(f"r{n},s3://lab/{n}\n" for n in range(15_000))
    with pytest.raises(ManifestError) as caught:
        load_text(f"id,parameters.a\n{rows}", ".csv", sets=("workflowId=1", "outputUri=s3://lab/"))
    (problem,) = caught.value.problems
    assert (problem.line, problem.row, problem.field, problem.count) == (2, "r0", "roleArn", 15_000)
    assert problem.also == tuple(range(3, 102))
    assert caught.value.total == 1
    assert "it is missing (and 14999 more of the same, lines 3-101, ...); give for all" in str(caught.value)


def test_what_few_rows_have_in_common_is_told_of_each(problems_of):
    problems = problems_of("id,priority\na,x\nb,-1\nc,x\nd,x\n", ".csv")
    assert [(problem.line, problem.count) for problem in problems] == [(2, 1), (3, 1), (4, 1), (5, 1)]
    problems = problems_of("id,priority\na,x\nb,-1\nc,x\nd,x\ne,x\n", ".csv")
    assert [(problem.line, problem.count, problem.also) for problem in problems] == [
        (2, 4, (4, 5, 6)),
        (3, 1, ()),
    ]
    assert "(and 3 more of the same, lines 4-6)" in str(problems[0])
    assert "(and 1 more of the same, line 4)" in str(dataclasses.replace(problems[0], count=2, also=(4,)))
    assert "(and 2 more of the same, lines 4, ...)" in str(
        dataclasses.replace(problems[0], count=3, also=(4,))
    )


def test_where_no_more_are_told_what_is_the_same_is_counted_with_what_is(load_text):
    text = "id,priority\n" + "".join(f"r{n},x{n % 11}\n" for n in range(13))
    with pytest.raises(ManifestError) as caught:
        load_text(text, ".csv", sets=("roleArn=arn:x", "outputUri=s3://b/", "workflowId=1"))
    told = [(problem.count, problem.also) for problem in caught.value.problems]
    assert told == [(2, (13,)), (2, (14,)), *[(1, ())] * 8]
    assert caught.value.total == 11


def test_a_broken_default_is_told_once_and_not_as_missing(problems_of):
    text = "runs: [{id: a}, {id: b, name: '{parameters.x}'}]\ndefaults: {workflowId: x, parameters: 1}\n"
    problems = problems_of(text, ".yaml", sets=("roleArn=arn:x", "outputUri=s3://b/"))
    assert [problem.field for problem in problems] == ["workflowId", "parameters"]


def test_one_kind_of_mistake_does_not_hide_the_others(load_text):
    text = "id,priority\n" + "".join(f"r{n},x\n" for n in range(1000)) + "last,-1\n"
    with pytest.raises(ManifestError) as caught:
        load_text(text, ".csv")
    assert [problem.row for problem in caught.value.problems] == [None, "last"]
    assert caught.value.total == 2
    values = "id,priority\n" + "".join(f"r{n},x{n}\n" for n in range(1000)) + "last,-1\n"
    with pytest.raises(ManifestError) as caught:
        load_text(values, ".csv")
    assert caught.value.total == 1001
    assert len(caught.value.problems) == 11
    assert caught.value.problems[-1].row == "last"
    assert "and 990 more" in str(caught.value)


def test_tags_leave_room_for_our_own(load_text, problems_of):
    text = f"id,{','.join(f'tags.t{n}' for n in range(46))}\nx{',v' * 46}\n"
    assert load_text(text, ".csv")
    text = f"id,{','.join(f'tags.t{n}' for n in range(47))}\nx{',v' * 47}\n"
    (problem,) = problems_of(text, ".csv")
    assert problem.field == "tags"
    assert "at most 46" in problem.cure
    assert len(load_text(text, ".csv", tags=False)) == 1
    assert load_text("id,tags.batchrun:id\nx,1\n", ".csv", tags=False)


def test_parameters_have_a_size(load_text, problems_of):
    fits = "x" * (256_000 - len('{"a":""}'))
    assert load_text(f"id,parameters.a\nx,{fits}\n", ".csv")
    (problem,) = problems_of(f"id,parameters.a\nx,{fits}x\n", ".csv")
    assert (problem.field, problem.message) == ("parameters", "256001 bytes of JSON")


@pytest.mark.parametrize("batch", ["", "a/b", "a\\b", "..", "-x", " x", "x\n", "x" * 129, "\ud800"])
def test_batch_names(tmp_path, batch):
    path = tmp_path / "m.csv"
    path.write_text("id\nx\n")
    with pytest.raises(ManifestError) as caught:
        load(Source(path=str(path), batch=batch, sets=("workflowId=1", "roleArn=arn:x", "outputUri=s3://b/")))
    (problem,) = caught.value.problems
    assert (problem.source, problem.field) == ("--batch", "batch")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("m.parquet", b"PAR1\x15\x04", "this is a Parquet file; write it out as CSV or JSON Lines"),
        ("m.feather", b"ARROW1\0\0", "this is an Arrow file; write it out as CSV"),
        ("m.old", b"FEA1\0\0\0\0", "this is a Feather file; write it out as CSV"),
        ("m.h5", b"\x89HDF\r\n", "this is an HDF5 file; write it out as CSV"),
        (
            "m.rds",
            b"\x1f\x8b\x08",
            "this is a table of another program, and is not read; write it out as CSV",
        ),
        ("m.pdf", b"%PDF-1.7\n", "this is a PDF document; give the manifest itself"),
        ("m.docx", b"PK\x03\x04", "this is a zip archive or an Excel workbook; give the sheet itself"),
        ("m.rtf", b"{\\rtf1", "this is a document of a word processor; save it as plain text"),
        ("m.db", b"SQLite format 3\0", "this is an SQLite database; give the manifest, not the ledger"),
        ("m.html", b"<html><body>", "this is a web page; fetch the file itself"),
        ("m.ped", b"F1\tS1\t0\n", "the file's extension shows no format; give --format csv for a table"),
        ("m.empty", b"", "the file's extension shows no format; give --format csv for a table"),
    ],
)
def test_what_no_format_helps_is_told_by_its_content(tmp_path, name, content, says):
    """To a Parquet file it said to give --format csv, which then says that it is a Parquet file."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ManifestError) as caught:
        load(Source(path=str(tmp_path / name)))
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{tmp_path / name}: {says}")


def test_a_table_in_s3_is_told_by_its_extension():
    with pytest.raises(ManifestError, match="this is a table of another program, and is not read"):
        load(Source(path="s3://lab/m.parquet"))
