"""Which files of a folder are manifests, and how several are loaded: all, or none with every problem."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchrun.errors import ManifestError
from batchrun.manifest import Source, contents_of, loaded_together

SETS = ("workflowId=1234567", "roleArn=arn:aws:iam::123456789012:role/omics", "outputUri=s3://b/{id}/")


def made(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        stem, _, extension = name.rpartition("_")
        (folder / f"{stem}.{extension}").write_text(text, encoding="utf-8")
    return folder


def taken(folder: Path, *besides: str) -> list[str]:
    return [Path(path).name for path in contents_of(str(folder), besides=besides).manifests]


def sources(folder: Path) -> list[Source]:
    return [Source(path=path, sets=SETS) for path in contents_of(str(folder)).manifests]


def test_files_with_a_manifests_extension_are_taken_by_name(tmp_path):
    made(
        tmp_path,
        b_csv="",
        a_yaml="",
        d_jsonl="",
        c_JSON="",
        e_tsv="",
        f_yml="",
        g_txt="",
        h_db="",
        i_ndjson="",
    )
    (tmp_path / "deeper.csv").mkdir()
    (tmp_path / "deeper.csv" / "z.csv").write_text("id\n", encoding="utf-8")
    assert taken(tmp_path) == ["a.yaml", "b.csv", "c.JSON", "d.jsonl", "e.tsv", "f.yml", "i.ndjson"]


def test_what_is_hidden_or_ours_or_said_to_be_something_else_is_not(tmp_path):
    made(tmp_path, a_csv="", d_yaml="", l_json="")
    for name in (".a.csv", ".a.results.csv.x.new", "a.results.csv", "a.results.json", "a.results.jsonl"):
        (tmp_path / name).write_text("", encoding="utf-8")
    (tmp_path / "below").mkdir()
    assert taken(tmp_path, str(tmp_path / "below" / ".." / "d.yaml"), str(tmp_path / "l.json")) == ["a.csv"]


@pytest.mark.parametrize("by", ["a_yaml", "z_json"])
def test_a_file_of_rows_is_not_taken_by_itself(tmp_path, by):
    head = {"batch": "named", "defaults": {"name": "x"}, "runs": "m.csv"}
    made(tmp_path, m_csv="id\n", n_csv="id\n", **{by: json.dumps(head)})
    assert taken(tmp_path) == sorted([by.replace("_", "."), "n.csv"])


def test_what_a_broken_document_names_is_its_own_affair(tmp_path):
    made(tmp_path, a_yaml="runs: [\n", b_json='{"runs": ', c_yaml="runs: {x: y}\n", d_json="[1", e_csv="id\n")
    assert taken(tmp_path) == ["a.yaml", "b.json", "c.yaml", "d.json", "e.csv"]


@pytest.mark.parametrize(
    "text",
    [
        "workflowId: 1\nroleArn: arn:x\ntags: {a: b}\n",
        '{"parameters": {"runs": [1, 2]}, "outputUri": "s3://b/"}',
    ],
    ids=["yaml", "json"],
)
def test_defaults_are_told_from_a_manifest_by_what_is_in_them(tmp_path, text):
    made(tmp_path, a_csv="id\n", b_yaml=text, c_yaml="batch: c\nworkflowId: 1\n", d_yaml="workflwId: 1\n")
    made(tmp_path, e_json="{}", f_yaml="- workflowId: 1\n", g_yaml=f"{text[:-1]}\nid: x}}: [")
    names = {path.name for path in tmp_path.iterdir()}
    assert set(taken(tmp_path)) == names - {"b.yaml"}
    assert contents_of(str(tmp_path)).shared == {str(tmp_path / "b.yaml"): "--defaults"}
    assert contents_of(str(tmp_path), besides=[str(tmp_path / "b.yaml")]).shared == {}


def test_so_are_lanes(tmp_path):
    table = "lanes: {east: {}}\n"
    made(tmp_path, a_csv="id\n", b_yaml=table, c_yaml=f"{table}runs: []\n", d_json='{"lanes": {}}')
    assert set(taken(tmp_path)) == {"a.csv", "c.yaml"}
    lanes = {str(tmp_path / name): "--lanes" for name in ("b.yaml", "d.json")}
    assert contents_of(str(tmp_path)).shared == lanes


def test_workbooks_are_named_but_for_those_that_a_manifest_reads(tmp_path):
    made(tmp_path, a_yaml="sheet: rows.xlsx\n", b_csv="id\n")
    made(tmp_path, **{"rows_xlsx": "", "b_xlsx": "", "C_XLSM": "", "~$b_xlsx": "", "d_xls": ""})
    assert taken(tmp_path) == ["a.yaml", "b.csv"]
    found = contents_of(str(tmp_path), besides=[str(tmp_path / "C.XLSM")]).workbooks
    assert found == [str(tmp_path / "b.xlsx")]


def test_a_link_that_leads_nowhere_is_no_matter(tmp_path):
    made(tmp_path, a_csv="id\n")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert taken(tmp_path, str(tmp_path / "loop")) == ["a.csv"]


def problems_of(folder: Path) -> list[tuple[str, str]]:
    with pytest.raises(ManifestError) as caught, loaded_together(sources(folder)):
        pass
    return [(Path(problem.source).name, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("leads_to", "told"),
    [("nowhere.csv", "a link to nowhere.csv, which is not there"), ("b.csv", "Too many")],
)
def test_a_manifest_that_is_a_broken_link_is_not_passed_over(tmp_path, leads_to, told):
    """Seen: of a disk that was not mounted nothing was said, and the folder ended with 0."""
    made(tmp_path, a_csv="id\nx\n")
    (tmp_path / "b.csv").symlink_to(leads_to)
    (tmp_path / ".#a.csv").symlink_to("somebody@host.1")  # an editor's
    ((name, message),) = problems_of(tmp_path)
    assert (name, told in message) == ("b.csv", True)


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_one_manifest_by_two_names_is_refused(tmp_path, link):
    """Seen: latest.csv, a link to cohort.csv, ran each of its rows a second time."""
    made(tmp_path, cohort_csv="id\nx\n")
    link(tmp_path / "latest.csv", tmp_path / "cohort.csv")
    ((name, message),) = problems_of(tmp_path)
    assert name == "latest.csv"
    assert message == f"it is the same file as {tmp_path / 'cohort.csv'}, by a link"


def test_an_empty_folder_and_one_that_is_none_are_told(tmp_path):
    for folder, message in ((tmp_path, "there is no manifest"), (tmp_path / "nothing", "cannot be read")):
        with pytest.raises(ManifestError, match=message):
            contents_of(str(folder))


def test_several_are_loaded_together(tmp_path):
    made(tmp_path, a_csv="id\nx\n", b_csv="id\ny\nz\n")
    with loaded_together(sources(tmp_path)) as manifests:
        assert [(manifest.batch, manifest.count) for manifest in manifests] == [("a", 1), ("b", 2)]


def test_all_problems_of_all_are_told_at_once(tmp_path):
    made(tmp_path, a_csv="id\nx\nx\n", b_csv="id\ny\n", c_csv="id,nonsense\nz,1\n")
    with pytest.raises(ManifestError) as caught, loaded_together(sources(tmp_path)):
        pass
    assert [Path(problem.source).name for problem in caught.value.problems] == ["a.csv", "c.csv"]
    assert caught.value.total == 2


def test_warnings_are_of_all_whether_there_are_problems_or_not(tmp_path):
    made(tmp_path, a_csv="id,parameters.r\nx,/data/x.fq\n", b_csv="id,parameters.r\ny,/data/y.fq\nz\n")
    with pytest.raises(ManifestError) as caught, loaded_together(sources(tmp_path)):
        pass
    assert [Path(warning.source).name for warning in caught.value.warnings] == ["a.csv", "b.csv"]


def test_two_batches_of_one_name_are_refused(tmp_path):
    made(tmp_path, a_csv="id\nx\n", b_yaml="batch: a\nruns: [{id: y}]\n")
    with pytest.raises(ManifestError) as caught, loaded_together(sources(tmp_path)):
        pass
    (problem,) = caught.value.problems
    assert Path(problem.source).name == "b.yaml"
    assert "is also that of" in problem.message
    assert "a.csv" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        '{"P.bam": "s3://lab/a.bam", "P.n": 1}',
        '{"name": "x", "workflowId": "1", "parameters": {}}',
        '{"workflowId": "1", "requestId": "1"}',
    ],
)
def test_a_folder_of_files_of_one_run_each_is_one_problem_with_the_option(tmp_path, text: str):
    made(tmp_path, a_json=text, b_json=text)
    with pytest.raises(ManifestError) as caught:
        contents_of(str(tmp_path))
    (problem,) = caught.value.problems
    assert problem.message.endswith(", but 2 files of one run each, a.json first")
    assert problem.cure.endswith(f"--each-file '{tmp_path}/*.json'")
    made(tmp_path, m_csv="id\nA\n")
    assert "m.csv" in taken(tmp_path)


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["A/inputs.json", "A/options.json", "B/inputs.json", "B/options.json"], "{id}/inputs.json"),
        (["A/A.inputs.json", "B/B.inputs.json"], "*/*.json"),
        (["A/params.json", "A/z.json", "B/params.json", "B/z.json"], "{id}/params.json"),
        (["A/a.json", "B/a.json", "B/z.json"], "{id}/a.json"),
        (["A/run.json"], "{id}/run.json"),
    ],
)
def test_a_folder_for_each_run_is_one_problem_with_the_pattern(tmp_path, names: list[str], pattern: str):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"P.bam": "s3://lab/a.bam"}')
    with pytest.raises(ManifestError) as caught:
        contents_of(str(tmp_path))
    assert caught.value.problems[0].cure.endswith(f"--each-file '{tmp_path}/{pattern}'")
    made(tmp_path, m_csv="id\nA\n")
    assert taken(tmp_path) == ["m.csv"]


@pytest.mark.parametrize(
    "text", ['{"batch": "b", "defaults": {}, "runs": []}', '{"runs": []}', "{", '{"x": 1}']
)
def test_what_may_be_a_manifest_is_taken_for_one(tmp_path, text: str):
    assert taken(made(tmp_path, a_json=text)) == ["a.json"]
