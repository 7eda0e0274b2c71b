"""Files for all rows: parameters as their workflows have them, and each kind given for the other."""

from __future__ import annotations

import io
import json
import pathlib

import pytest

from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, load
from batchrun.model.spec import Spec
from tests.manifest.conftest import SETS

WDL = {"P.bam": "s3://lab/a.bam", "P.threads": 8, "P.beds": ["s3://lab/{id}.bed"]}
NF_CORE = "genome: GRCh38\nskip_qc: true\nruns: [1, 2]\nretry: 3\nbatch: b\ncutoff: 0.5\n"
MANIFEST = """\
defaults: {parameters: {genome: hg19, aligner: star}}
runs:
  - id: A
  - {id: B, parameters: {genome: T2T}}
"""


@pytest.fixture
def written(tmp_path: pathlib.Path):
    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def parameters_of(path: str, **options) -> dict[str, object]:
    with load(Source(path=path, **{"sets": SETS, **options})) as manifest:
        return {spec.id: request_of(spec)["parameters"] for spec in manifest.specs()}


def request_of(spec: Spec) -> dict[str, object]:
    request: dict[str, object] = json.loads(spec.request)
    return request


def problems(path: str, **options) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load(Source(path=path, **{"sets": SETS, **options}))
    return [str(problem) for problem in caught.value.problems]


def test_a_wdl_inputs_json_is_every_rows_parameters_and_its_texts_are_filled(written):
    rows, inputs = written("m.jsonl", '{"id": "A"}\n'), written("inputs.json", json.dumps(WDL))
    assert parameters_of(rows, parameters_from=(inputs,)) == {"A": {**WDL, "P.beds": ["s3://lab/A.bed"]}}


def test_names_that_a_manifest_has_are_parameters_like_any_others(written):
    rows, params = written("m.jsonl", '{"id": "A"}\n'), written("params.yml", NF_CORE)
    wanted = {"genome": "GRCh38", "skip_qc": True, "runs": [1, 2], "retry": 3, "batch": "b", "cutoff": 0.5}
    assert parameters_of(rows, parameters_from=(params,)) == {"A": wanted}


@pytest.mark.parametrize("wanted", [{"name": "x"}, {"workflowId": "1", "roleArn": "x", "reads": "y"}])
def test_names_that_fields_of_startrun_have_too_are_parameters(written, wanted):
    rows, params = written("m.jsonl", '{"id": "A"}\n'), written("params.json", json.dumps(wanted))
    assert parameters_of(rows, parameters_from=(params,)) == {"A": wanted}


def test_the_row_wins_over_set_over_the_files_over_the_manifests_own_over_defaults(written):
    rows = written("m.yaml", MANIFEST)
    lab = written("lab.yaml", "parameters: {genome: lab, aligner: lab, depth: lab, cutoff: lab}\n")
    first = written("one.json", '{"genome": "one", "depth": "one", "cutoff": "one"}')
    second = written("two.json", '{"genome": "two", "depth": "two"}')
    sets = (*SETS, "parameters.depth=set")
    found = parameters_of(rows, defaults=(lab,), parameters_from=(first, second), sets=sets)
    assert found["A"] == {"genome": "two", "aligner": "star", "depth": "set", "cutoff": "one"}
    assert found["B"] == {"genome": "T2T", "aligner": "star", "depth": "set", "cutoff": "one"}


def test_what_is_wrong_with_a_value_has_the_files_place(written):
    rows, inputs = written("m.jsonl", '{"id": "A"}\n'), written("inputs.json", '{"a": 1,\n "b": "{nobody}"}')
    (problem,) = problems(rows, parameters_from=(inputs,))
    assert problem.startswith(f"{inputs}:2:7: parameters.b: there is nothing called {{nobody}}")
    inner = written("inner.yaml", "a: 1\nb:\n  c: 1\n  d: '{nobody}'\n")
    (problem,) = problems(rows, parameters_from=(inner,))
    assert problem.startswith(f"{inner}:4:6: parameters.b.d: there is nothing called {{nobody}}")
    shared = written("shared.yaml", "name: x\ntags:\n  c: x\n  d: '{nobody}'\n")
    (problem,) = problems(rows, defaults=(shared,))
    assert problem.startswith(f"{shared}:4:6: tags.d: there is nothing called {{nobody}}")


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("defaults", json.dumps(WDL), "parameters of a workflow; give the file with --parameters-from"),
        ("parameters_from", '{"workflowId": "1"}', "fields of StartRun; give the file with --defaults"),
        ("parameters_from", "[]", "parameters are a table; write a table of names and values"),
        ("parameters_from", "{}", "there are no fields"),
        ("parameters_from", "[1", ""),
        ("defaults", '{"retry": {}}', "retry is for all rows, and no field"),
        ("defaults", '{"lanes": {}}', "lanes is for all rows, and no field"),
        ("defaults", '{"Main.reads": "x"}', "parameters of a workflow; give the file with --parameters-from"),
        ("defaults", '{"reads": "x"}', "'reads' is not a field of StartRun"),
        ("defaults", '{"reads": "x", "name": "y"}', "'reads' is not a field of StartRun"),
        ("defaults", '{"worklfowId": "1", "rolArn": "x"}', "did you mean workflowId?"),
    ],
)
def test_what_was_given_for_the_other_is_one_problem_with_the_option(written, option: str, text: str, said):
    rows, file = written("m.jsonl", '{"id": "A"}\n'), written("file.json", text)
    first, *_ = problems(rows, **{option: (file,)})
    assert first.startswith(file)
    assert said in first


def test_a_table_is_no_larger_than_a_request_could_be(written):
    rows = written("m.jsonl", '{"id": "A"}\n')
    file = written("file.json", json.dumps({f"p{n}": "x" * 1000 for n in range(1100)}))
    (problem,) = problems(rows, parameters_from=(file,))
    assert "a table of more than 1 MiB" in problem


def test_a_format_of_lines_holds_no_table(written):
    rows, file = written("m.jsonl", '{"id": "A"}\n'), written("file.csv", "a,b\n")
    (problem,) = problems(rows, parameters_from=(file,))
    assert "parameters are a table, which this format cannot hold; write it as YAML or JSON" in problem


@pytest.mark.parametrize(
    "text", ["genome: GRCh38\n", '{"genome": "GRCh38"}\n', '{\n\t"genome": "GRCh38"\n}\n']
)
def test_a_file_whose_name_does_not_say_is_yaml_or_json(written, text: str):
    rows = written("m.jsonl", '{"id": "A"}\n')
    with load(
        Source(path=rows, sets=SETS, parameters_from=("-",)), stdin=io.BytesIO(text.encode())
    ) as manifest:
        assert [request_of(spec)["parameters"] for spec in manifest.specs()] == [{"genome": "GRCh38"}]
    assert parameters_of(rows, parameters_from=(written("params", text),)) == {"A": {"genome": "GRCh38"}}


def test_standard_input_is_read_once(written):
    rows = Source(path="-", format=Format.JSONL, batch="b", sets=SETS, defaults=("-",))
    with pytest.raises(ManifestError, match="standard input is given twice, and can be read once"):
        load(rows, stdin=io.BytesIO(b'{"id": "A"}\n'))
    sheet = written("b.yaml", "sheet: '-'\neach: {id: '{x}'}\n")
    with pytest.raises(ManifestError, match="standard input is read for all rows already"):
        load(Source(path=sheet, sets=SETS, defaults=("-",)), stdin=io.BytesIO(b"storageType: DYNAMIC\n"))
