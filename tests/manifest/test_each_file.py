"""Several files, one run each: which files, which ids, and what each file is."""

from __future__ import annotations

import gzip
import json
import pathlib

import pytest

from batchrun.errors import ManifestError, Problem
from batchrun.manifest import Format, Source, load
from batchrun.manifest.sheet_wishes import SheetOptions
from tests.manifest.conftest import SETS

WDL = {"P.bam": "s3://lab/{id}.bam", "P.threads": 8}
REQUEST = {"workflowId": "7654321", "name": "mutect", "parameters": {"tumor": "s3://lab/t.bam"}}


@pytest.fixture
def files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    """Write files into the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(**texts: object) -> None:
        for name, content in texts.items():
            path = tmp_path / name.replace("__", "/").replace("_json", ".json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")

    return write


def source(pattern: str, **options) -> Source:
    return Source(path=pattern, is_each_file=True, **{"sets": SETS, **options})


def rows_of(pattern: str, **options) -> dict[str, dict[str, object]]:
    with load(source(pattern, **options)) as manifest:
        return {spec.id: json.loads(spec.request) for spec in manifest.specs()}


def problems(pattern: str, **options) -> list[Problem]:
    with pytest.raises(ManifestError) as caught:
        load(source(pattern, **options))
    assert all(problem.cure for problem in caught.value.problems)
    return list(caught.value.problems)


def test_each_file_is_a_run_with_its_names_id_in_the_order_people_count(files):
    files(inputs__S10_json=WDL, inputs__S9_json=WDL, **{"inputs__S2.inputs_json": WDL, "inputs__x.txt": ""})
    found = rows_of("inputs/*.json")
    assert list(found) == ["S2", "S9", "S10"]
    assert found["S9"]["parameters"] == {"P.bam": "s3://lab/S9.bam", "P.threads": 8}
    assert found["S9"]["outputUri"] == "s3://lab-results/inputs/S9/"


def test_a_request_is_taken_whole_without_its_request_id_and_over_what_all_share(files):
    files(a_json=REQUEST | {"requestId": "1"}, b_json={"roleArn": "arn:aws:iam::123456789012:role/b"})
    found = rows_of("*.json", batch="b")
    assert found["a"] == {
        **REQUEST,
        "roleArn": "arn:aws:iam::123456789012:role/omics",
        "outputUri": "s3://lab-results/b/a/",
    }
    assert found["b"]["workflowId"] == "1234567"
    assert found["b"]["roleArn"] == "arn:aws:iam::123456789012:role/b"


def test_the_files_win_over_what_is_given_for_all(files):
    files(a_json={"threads": 8}, all_json={"threads": 1, "genome": "hg38"})
    found = rows_of("a.json", parameters_from=("all.json",), sets=(*SETS, "parameters.threads=2"))
    assert found["a"]["parameters"] == {"threads": 8, "genome": "hg38"}


def test_the_id_may_stand_anywhere_in_the_pattern(files):
    files(run7__A__inputs_json=WDL, run7__B__inputs_json=WDL, run7__x__B_x_json=WDL)
    assert list(rows_of("run7/{id}/inputs.json")) == ["A", "B"]
    assert list(rows_of("./*/{id}/inputs.json", batch="b")) == ["A", "B"]
    assert list(rows_of("**/{id}/inputs.json", batch="b")) == ["A", "B"]
    assert list(rows_of("run7/*/{id}_x.json")) == ["B"]
    assert list(rows_of("{id}/**/*_x.json", batch="b")) == ["run7"]
    files(C__inputs_json=WDL, deep__er__D__inputs_json=WDL, run7__in_E_json=WDL)
    assert list(rows_of("**/{id}/inputs.json", batch="b")) == ["C", "D", "A", "B"]
    assert list(rows_of("run7/in_{id}.json")) == ["E"]


def test_the_id_is_the_files_name_without_a_customary_ending_in_natural_order(files):
    names = ["A.inputs", "B.PARAMS", "S9", "S010", "S10", "S11", "sample_12"]
    files(**{f"r__{name}_json": WDL for name in names})
    assert list(rows_of("r/*.json")) == ["A", "B", *names[2:]]
    files(**{".inputs_json": WDL})
    assert list(rows_of(".inputs.json", batch="b")) == [".inputs"]


@pytest.mark.parametrize("pattern", ["{id}/{id}.json", "run7/{id}*/inputs.json", "**/{id}/**/inputs.json"])
def test_a_pattern_that_does_not_tell_the_id_is_refused(files, pattern: str):
    files(run7__A__inputs_json=WDL, A__A_json=WDL)
    (problem,) = problems(pattern, batch="b")
    assert "does not show where {id} begins and ends" in problem.message


@pytest.mark.parametrize(
    ("pattern", "batch"),
    [
        ("run7/*.json", "run7"),
        ("run7/../run7/S?.json", "run7"),
        ("run7/{id}.json", "run7"),
        ("run7/S1.json", "S1"),
        ("./run7/S[1].json", "run7"),
    ],
)
def test_the_batch_is_called_as_the_folder_or_the_one_file(files, tmp_path, pattern: str, batch: str):
    files(run7__S1_json=WDL)
    with load(source(pattern)) as manifest:
        assert manifest.batch == batch
        assert manifest.is_named_by_place
        assert manifest.place == str(tmp_path / pattern)
        assert [pathlib.Path(path).resolve() for path in manifest.read] == [tmp_path / "run7/S1.json"]
    with load(source(pattern, batch="own")) as manifest:
        assert (manifest.batch, manifest.is_named_by_place) == ("own", False)


def test_wildcards_at_the_top_are_called_as_the_folder_one_is_in(files, tmp_path):
    files(S1_json=WDL)
    with load(source("*.json")) as manifest:
        assert manifest.batch == tmp_path.name


def test_a_file_is_found_whatever_its_name_looks_like(files):
    files(**{"a[1]_json": WDL, ".hidden_json": WDL})
    assert list(rows_of("a[1].json")) == ["a[1]"]
    assert list(rows_of("*.json", batch="b")) == ["a[1]"]


def test_yaml_gzip_and_a_format_that_the_name_does_not_say(files, tmp_path):
    files(**{"a.yaml": "threads: 8\n", "b": '{"threads": 9}'})
    (tmp_path / "c.json.gz").write_bytes(gzip.compress(b'{"threads": 10}'))
    assert [rows_of(name)[one]["parameters"] for name, one in (("a.yaml", "a"), ("c.json.gz", "c"))] == [
        {"threads": 8},
        {"threads": 10},
    ]
    assert rows_of("b", format=Format.JSON)["b"]["parameters"] == {"threads": 9}


def test_ids_that_several_files_have_are_one_problem_each(files):
    files(r__A__inputs_json=WDL, r__B__inputs_json=WDL, r__C__other_json=WDL)
    (problem,) = problems("r/*/*.json")
    assert (problem.source, problem.row) == ("r/A/inputs.json", "inputs")
    assert problem.message == "2 files have this id, r/B/inputs.json among them"
    assert problem.cure.endswith(" such as --each-file 'r/{id}/*.json'")
    assert list(rows_of("r/{id}/*.json")) == ["A", "B", "C"]
    (problem,) = problems("r/**/inputs.json")
    assert problem.cure.endswith(" such as --each-file 'samples/{id}/inputs.json'")


def test_what_is_no_file_is_passed_over_and_what_cannot_be_read_is_told(files, tmp_path):
    files(r__A_json=WDL)
    (tmp_path / "r/B.json").mkdir()
    assert list(rows_of("r/*.json")) == ["A"]
    (tmp_path / "r/C.json").symlink_to("gone.json")
    (tmp_path / "r/D.json").symlink_to("D.json")
    found = {problem.source: problem.message for problem in problems("r/*.json")}
    assert found.keys() == {"r/C.json", "r/D.json"}
    assert found["r/C.json"] == "it is a link to gone.json, which is not there"


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("pattern", ["a" * 300 + "*.json", "/*.json", "x" * 5000 + "[1]/{id}.json", "*"])
def test_a_pattern_that_no_file_can_have_is_an_error_like_any_other(pattern: str):
    assert problems(pattern)


@pytest.mark.usefixtures("files")
def test_no_file_is_one_problem_about_the_pattern():
    (problem,) = problems("s3://lab/run7/*.json")
    assert problem.cure.startswith("copy the files here (aws s3 sync)")
    for pattern in ("none/*.json", "none.json"):
        (problem,) = problems(pattern)
        assert "quotes" in problem.cure or problem.message == "there is no such file"


def test_all_that_is_wrong_is_told_with_file_and_line(files, tmp_path):
    files(r__A_json="{\n", r__B_json="[]", r__C_json={"name": "x"}, r__D_json='{"a": 1,\n"b": "{nobody}"}')
    files(r__E_json=REQUEST | {"id": "other"}, r__F_json="{}", r__G_json='{"workflowId": "1",\n"nmae": "x"}')
    (tmp_path / "r/H.json").write_bytes(b"\xff")
    found = {problem.source: problem for problem in problems("r/*.json")}
    said = {
        "A": "a key in double quotes is missing",
        "B": "a run is a table",
        "C": "may be fields of StartRun, or parameters",
        "D": "there is nothing called {nobody}",
        "E": "the id of a run that has a file is the file's name",
        "F": "there are no fields",
        "G": "'nmae' is not a field of StartRun",
        "H": "is not UTF-8",
    }
    assert {name[2:3]: said[name[2:3]] in one.message for name, one in found.items()} == dict.fromkeys(
        said, True
    )
    assert [found[f"r/{name}.json"].line for name in "DG"] == [2, 2]
    assert [found[f"r/{name}.json"].row for name in "CDEG"] == list("CDEG")


def test_options_of_a_sheet_and_formats_of_lines_are_refused(files):
    files(**{"a_json": WDL, "b.csv": "id\nA\n"})
    (problem,) = problems("a.json", sheet=SheetOptions(id="x"))
    assert "are for a sheet" in problem.message
    (problem,) = problems("b.csv")
    assert "a run is a table, which this format cannot hold" in problem.message


def test_a_run_keeps_its_digest_whichever_way_it_is_given(files, load_text):
    files(m__A_json=WDL)
    row = json.dumps({"id": "A", "parameters": WDL})
    (written,) = load_text(row, ".jsonl")
    with load(source("m/*.json")) as manifest:
        assert [spec.request for spec in manifest.specs()] == [written.request]


def test_a_manifest_or_a_template_is_no_run(files):
    """Either would have been sent as parameters."""
    files(
        r__A_json={"defaults": {"workflowId": "1"}, "runs": [{"id": "A"}]}, r__B_json={"inlineSettings": []}
    )
    files(r__E_json={"defaults": {}}, r__F_json={"defaultRunSetting": {}}, r__G_json={"batchRunSettings": {}})
    files(r__H_json={"runs": [{"id": "A"}]}, r__I_json={"runs": [{"id": "A"}], "bam": "x"})
    template = {"bam": {"description": "reads", "optional": False}, "ref": {"description": "reference"}}
    files(r__C_json=template, r__D_json={"runs": 5, "bam": "x"})
    assert [(problem.row, problem.message) for problem in problems("r/*.json")] == [
        ("A", "this is a manifest, and not of one run"),
        ("B", "this is a manifest, and not of one run"),
        ("C", "this is a workflow's parameter template, which has no values"),
        *((name, "this is a manifest, and not of one run") for name in "EFGH"),
    ]


def test_a_table_of_pandas_is_hardly_one_run(files):
    files(r__A_json={"sample": {"0": "x", "1": "y"}, "bam": {"0": "s3://lab/x.bam", "1": "s3://lab/y.bam"}})
    files(r__B_json={"columns": ["sample", "bam"], "index": [0], "data": [["x", "s3://lab/x.bam"]]})
    files(r__C_json={"by_chromosome": {"1": "s3://lab/1.vcf"}, "ploidy": {"0": "a", "1": "b"}})
    files(r__D_json={"none": {}, "no": {}}, r__E_json={"by_number": {"0": "s3://lab/0.vcf"}})
    with load(source("r/*.json")) as manifest:
        assert [(warning.row, warning.cure) for warning in manifest.warnings] == [
            (row, "write it by its rows: to_json(FILE, orient='records')") for row in "AB"
        ]


def test_a_parameter_that_is_described_is_no_template(files):
    files(r__A_json={"study": {"description": ["a", "b"]}, "panel": {"description": {"en": "c"}}})
    assert rows_of("r/*.json").keys() == {"A"}


def test_reads_in_two_files_are_told_with_the_file_of_the_first(files):
    files(**{f"r__{name}_json": {"reads": f"s3://lab/{reads}.fq.gz"} for name, reads in ("Ax", "Bx", "Cy")})
    with load(source("r/*.json")) as manifest:
        (warning,) = manifest.warnings
    assert (warning.source, warning.message) == ("r/B.json", "'s3://lab/x.fq.gz' is in r/A.json too")


def test_accessions_under_runs_are_a_parameter(files):
    files(r__A_json={"runs": ["SRR1", "SRR2"]})
    assert rows_of("r/*.json")["A"]["parameters"] == {"runs": ["SRR1", "SRR2"]}
