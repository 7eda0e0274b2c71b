"""Every way to write a manifest means the same."""

from __future__ import annotations

import io
import json

import pytest

from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, load
from batchrun.model.spec import Spec

HEAD = {
    "workflowId": "1234567",
    "roleArn": "arn:aws:iam::123456789012:role/omics",
    "outputUri": "s3://lab-results/{batch}/{id}/",
}
SETS = tuple(f"{name}={value}" for name, value in HEAD.items())

ROWS = [
    {
        "id": "0123456",
        "priority": 5,
        "parameters": {
            "reads": "s3://b/{id}_{1,2}.fq.gz",
            "threads": 8,
            "paired": True,
            "q": 0.5,
            "l": ["a", 1],
        },
        "tags": {"family": "1463", "note": 'x, "y"'},
    },
    {"id": "no", "storageType": "DYNAMIC", "parameters": {"reads": "s3://b/{id}.bam"}},
]

CSV = (
    "id,priority,storageType,parameters.reads,parameters.threads:int,parameters.paired:bool,"
    "parameters.q:float,parameters.l:json,tags.family,tags.note\n"
    '0123456,5,,"s3://b/{id}_{1,2}.fq.gz",8,TRUE,0.5,"[""a"",1]",1463,"x, ""y"""\n'
    "no,,DYNAMIC,s3://b/{id}.bam,,,,,,\n"
)
TSV = (
    "id\tpriority\tstorageType\tparameters:json\ttags:json\n"
    '0123456\t5\t\t"{""reads"":""s3://b/{id}_{1,2}.fq.gz"",""threads"":8,""paired"":true,""q"":0.5,""l"":[""a"",1]}"'
    '\t"{""family"":""1463"",""note"":""x, \\""y\\""""}"\n'
    'no\t\tDYNAMIC\t"{""reads"":""s3://b/{id}.bam""}"\t\n'
)
YAML_ROWS = """\
- id: 0123456
  priority: 5
  parameters:
    reads: s3://b/{id}_{1,2}.fq.gz
    threads: 8
    paired: true
    q: .5
    l: [a, 0x1]
  tags: {family: 1463, note: 'x, "y"'}
- id: no
  storageType: DYNAMIC
  parameters: {reads: "s3://b/{id}.bam"}
"""
INDENTED = YAML_ROWS.replace("\n", "\n  ").rstrip(" ")
NATIVE = json.loads(json.dumps(ROWS).replace('"id":', '"runSettingId":').replace('"tags":', '"runTags":'))

WRITTEN = {
    "csv": (".csv", CSV),
    "csv with a byte order mark and CRLF": (".csv", "\ufeff" + CSV.replace("\n", "\r\n")),
    "csv with blank lines, no end of line": (".csv", CSV.replace("\n", "\n\n").rstrip()),
    "csv with a spreadsheet's empty rows": (".csv", CSV + ",,,,,,,,,\n" * 3),
    "tsv": (".tsv", TSV),
    "jsonl": (".jsonl", "\n".join(map(json.dumps, ROWS))),
    "jsonl with a mark, CRLF and blank lines": (
        ".ndjson",
        "\ufeff" + "\r\n \r\n".join(map(json.dumps, ROWS)),
    ),
    "json array": (".json", json.dumps(ROWS, indent=1)),
    "json table": (".json", json.dumps({"runs": ROWS, "batch": "m"})),
    "json numbers for text": (".json", json.dumps(ROWS).replace('"1463"', "1463")),
    "yaml list": (".yaml", YAML_ROWS),
    "yaml with a mark and CRLF": (".yml", "\ufeff" + YAML_ROWS.replace("\n", "\r\n")),
    "yaml table": (".yaml", f"batch: m\nruns:\n  {INDENTED}"),
    "yaml anchors": (
        ".yaml",
        "runs:\n  " + INDENTED.replace("[a, 0x1]", "&l [a, 1]").replace("DYN", "&x DYN", 0),
    ),
    "native array": (".json", json.dumps(NATIVE)),
    "native request": (
        ".json",
        json.dumps(
            {
                "requestId": "x",
                "batchRunSettings": {"inlineSettings": NATIVE},
                "defaultRunSetting": HEAD,
                "batchName": "m",
            }
        ),
    ),
}


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> list[Spec]:
    path = tmp_path_factory.mktemp("expected") / "m.json"
    path.write_text(json.dumps({"defaults": HEAD, "runs": ROWS}))
    with load(Source(path=str(path))) as manifest:
        return list(manifest.specs())


@pytest.mark.parametrize("case", WRITTEN)
def test_every_format_gives_the_same_specs(load_text, expected, case):
    suffix, text = WRITTEN[case]
    assert load_text(text, suffix, sets=SETS, batch="m") == expected


def test_a_spec_has_the_whole_request(expected):
    first, second = expected
    assert (first.id, first.position, second.id, second.position) == ("0123456", 0, "no", 1)
    assert json.loads(first.request) == {
        "name": "m-0123456",
        "outputUri": "s3://lab-results/m/0123456/",
        "parameters": {
            "l": ["a", 1],
            "paired": True,
            "q": 0.5,
            "reads": "s3://b/0123456_{1,2}.fq.gz",
            "threads": 8,
        },
        "priority": 5,
        "roleArn": "arn:aws:iam::123456789012:role/omics",
        "tags": {"family": "1463", "note": 'x, "y"'},
        "workflowId": "1234567",
    }


def test_yaml_scalars_mean_what_they_look_like(load_text):
    text = """
- id: 2023-11-08
  workflowId: 0001
  tags: {a: no, b: 1_000, c: 1e3, d: 12:34:56, e: true, f: "null"}
  parameters:
    {a: no, b: 007, c: 1e3, d: 12:34:56, e: True, f: ~, g: 0x1F,
      h: 0o17, i: 2023-11-08, j: "8", k: -1.50, l: !!str 5}
"""
    (spec,) = load_text(text, ".yaml")
    request = json.loads(spec.request)
    assert spec.id == "2023-11-08"
    assert request["workflowId"] == "0001"
    assert request["tags"] == {"a": "no", "b": "1_000", "c": "1e3", "d": "12:34:56", "e": "true", "f": "null"}
    assert request["parameters"] == {
        "a": "no",
        "b": "007",
        "c": 1000.0,
        "d": "12:34:56",
        "e": True,
        "f": None,
        "g": 31,
        "h": 15,
        "i": "2023-11-08",
        "j": "8",
        "k": -1.5,
        "l": "5",
    }


def test_json_numbers_keep_their_text_where_text_is_wanted(load_text):
    (spec,) = load_text('[{"id": 1.50, "tags": {"n": 1e400}, "parameters": {"n": 1.50}}]', ".json")
    request = json.loads(spec.request)
    assert spec.id == "1.50"
    assert request["tags"] == {"n": "1e400"}
    assert request["parameters"] == {"n": 1.5}


def test_later_layers_win_and_tables_merge(tmp_path, load_text):
    one, two = tmp_path / "one.yaml", tmp_path / "two.json"
    one.write_text("workflowId: 1\nparameters: {a: one, b: one, c: one, d: one, list: [1, 2]}\n")
    two.write_text('{"parameters": {"b": "two", "c": "two", "d": "two"}}')
    text = """
runs:
  - {id: x, parameters: {d: row, list: [3]}}
defaults:
  roleArn: arn:x
  outputUri: s3://b/
  parameters: {c: own, d: own}
"""
    (spec,) = load_text(
        text, ".yaml", sets=("workflowId=2", "parameters.e:int=5"), defaults=(str(one), str(two))
    )
    request = json.loads(spec.request)
    assert request["workflowId"] == "2"
    assert request["parameters"] == {"a": "one", "b": "two", "c": "own", "d": "row", "e": 5, "list": [3]}


def test_a_set_text_is_all_that_follows_the_first_equals_sign_and_each_is_filled(load_text):
    sets = (
        *SETS,
        "parameters.uri=https://lab/?id={id}&x=1",
        "parameters.z=_{1,2}",
        "tags.a={id}",
        "tags.b=c",
    )
    for spec in load_text('{"id": "A"}\n{"id": "B"}\n', ".jsonl", sets=sets):
        request = json.loads(spec.request)
        assert request["parameters"] == {"uri": f"https://lab/?id={spec.id}&x=1", "z": "_{1,2}"}
        assert request["tags"] == {"a": spec.id, "b": "c"}


@pytest.mark.parametrize("after", [True, False])
def test_defaults_may_come_after_runs(load_text, after):
    head = "defaults: {workflowId: 1, roleArn: 'arn:x', outputUri: &out 's3://b/'}\n"
    runs = "runs:\n  - {id: x}\n"
    (spec,) = load_text(runs + head if after else head + runs, ".yaml", sets=())
    assert json.loads(spec.request)["outputUri"] == "s3://b/"


def test_defaults_may_use_an_anchor_of_a_row(load_text):
    text = "runs: [{id: x, parameters: &p {a: 1}}, {id: y}]\ndefaults: {parameters: *p}"
    assert '"a":1' in load_text(text, ".yaml")[1].request


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_runs_may_name_a_file_beside_the_manifest(tmp_path, load_text, suffix):
    rows = {".csv": "id,tags.a\nx,1\n", ".tsv": "id\ttags.a\nx\t1\n", ".jsonl": '{"id":"x","tags":{"a":"1"}}'}
    (tmp_path / "sub").mkdir()
    (tmp_path / f"sub/rows{suffix}").write_text(rows[suffix])
    text = f"runs: sub/rows{suffix}\ndefaults: {{tags: {{b: 2}}}}\n"
    (spec,) = load_text(text, ".yaml")
    assert json.loads(spec.request)["tags"] == {"a": "1", "b": "2"}
    assert json.loads(spec.request)["name"] == "m-x"


def test_standard_input_needs_a_format_and_a_name():
    def rows() -> io.BytesIO:
        return io.BytesIO(b"id\nx\n")

    with pytest.raises(ManifestError, match=r"<stdin>: .* --format"):
        load(Source(path="-", sets=SETS), stdin=rows())
    with pytest.raises(ManifestError, match="--batch"):
        load(Source(path="-", sets=SETS, format=Format.CSV), stdin=rows())
    with load(Source(path="-", sets=SETS, format=Format.CSV, batch="b"), stdin=rows()) as manifest:
        assert (manifest.batch, manifest.count) == ("b", 1)


def test_standard_input_is_left_open_and_read_once():
    class Pipe(io.BytesIO):
        def seek(self, *_):
            raise io.UnsupportedOperation

    stream = Pipe(b"runs: [{id: x}]\nbatch: piped")
    with load(Source(path="-", sets=SETS, format=Format.YAML), stdin=stream) as manifest:
        assert manifest.batch == "piped"
    assert not stream.closed


def test_the_batch_is_named_by_option_then_manifest_then_file(tmp_path):
    path = tmp_path / "file.name.yaml"
    names = []
    for text, batch in (("batch: 007\n", "option"), ("batch: 007\n", None), ("", None)):
        path.write_text(text + "runs: [{id: x}]")
        with load(Source(path=str(path), sets=SETS, batch=batch)) as manifest:
            names.append(manifest.batch)
    assert names == ["option", "007", "file.name"]


def test_long_run_names_are_cut_and_stay_different(load_text):
    ids = ["a" * 127 + end for end in "xy"]
    names = [json.loads(spec.request)["name"] for spec in load_text("id\n" + "\n".join(ids), ".csv")]
    assert [len(name) for name in names] == [127, 127]
    assert len(set(names)) == 2
    assert names[0].startswith("m-aaa")


def test_specs_can_be_read_again_and_side_by_side(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("id,parameters.x\n" + "".join(f"r{n},{'x' * 5000}\n" for n in range(300)))
    with load(Source(path=str(path), sets=SETS)) as manifest:
        path.write_text("gone")
        pairs = list(zip(manifest.specs(), manifest.specs(), strict=True))
        assert len(pairs) == manifest.count == 300
        assert all(one == two for one, two in pairs)
        assert [one.position for one, _ in pairs] == list(range(300))


def test_the_digest_is_of_the_meaning(tmp_path):
    digests = []
    for name, text in (
        ("m.csv", "id,tags.a\nx,1\n"),
        ("m.yaml", "[{id: x, tags: {a: 1}}]"),
        ("m.csv", "id\nx\n"),
    ):
        (tmp_path / name).write_text(text)
        with load(Source(path=str(tmp_path / name), sets=SETS)) as manifest:
            digests.append(manifest.digest)
    assert digests[0] == digests[1] != digests[2]


def test_an_export_called_txt_is_a_table_and_a_script_or_workflow_is_none(load_text, problems_of):
    for text in ("id\tname\nx\ty\n", "id;name\nx;y\n"):
        assert [json.loads(spec.request)["name"] for spec in load_text(text, ".txt")] == ["y"]
    for suffix, message in ((".sh", "this is a script"), (".wdl", "this is a workflow")):
        (problem,) = problems_of("id\n", suffix)
        assert problem.message.startswith(message)


def test_yaml_may_begin_with_the_comment_that_names_what_runs_it(load_text):
    text = "#!/usr/bin/env -S batchrun run\nbatch: b\nruns: [{id: x}]\n"
    assert [spec.id for spec in load_text(text, ".yaml")] == ["x"]
