"""Which manifests have a fingerprint, what it follows from, and rows that are read after all."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import botocore
import pytest

from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, load
from batchrun.manifest.fingerprint import fingerprint_now
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.spool import Spool
from batchrun.manifest.table import TableOptions
from batchrun.manifest.unread import unread
from batchrun.manifest.warned import engine
from batchrun.model.entries.retrying import RetryPolicy
from batchrun.ports.stored import TakenFrom

DEFAULTS = "workflowId: '1234567'\nroleArn: arn:aws:iam::123456789012:role/omics\noutputUri: s3://lab/{id}/\n"
ROWS = "id,parameters.x\na,one\nb,two\n"


@pytest.fixture
def source(tmp_path, monkeypatch) -> Source:
    monkeypatch.chdir(tmp_path)
    Path("cohort.csv").write_text(ROWS)
    Path("defaults.yaml").write_text(DEFAULTS)
    return Source(path="cohort.csv", defaults=("defaults.yaml",))


def loaded(source: Source) -> TakenFrom | None:
    with load(source) as manifest:
        return manifest.taken_from


def seal_of(source: Source) -> str:
    seal = fingerprint_now(source)
    assert seal is not None
    return seal


def test_plain_files_have_one_which_stays(source):
    os.utime("cohort.csv", (1, 1))
    assert len(seal_of(source)) == 64
    assert loaded(source) == TakenFrom(fingerprint=seal_of(replace(source, verb="run")))


def other_rows(source: Source, _patch: pytest.MonkeyPatch) -> Source:
    Path(source.path).write_text(ROWS.replace("two", "three"))
    return source


def other_defaults(source: Source, _patch: pytest.MonkeyPatch) -> Source:
    Path("defaults.yaml").write_text(DEFAULTS.replace("lab", "lab2"))
    return source


def other_variable(source: Source, patch: pytest.MonkeyPatch) -> Source:
    patch.setenv("COHORT", "other")
    return source


def other_folder(source: Source, patch: pytest.MonkeyPatch) -> Source:
    folder = Path("moved")
    folder.mkdir()
    for path in (source.path, *source.defaults):
        (folder / path).write_bytes(Path(path).read_bytes())
    patch.chdir(folder)
    return source


def other_version(source: Source, patch: pytest.MonkeyPatch) -> Source:
    patch.setattr("batchrun.manifest.fingerprint.__version__", "0.0.1")
    return source


def other_botocore(source: Source, patch: pytest.MonkeyPatch) -> Source:
    patch.setattr(botocore, "__version__", "0.1")
    return source


def other_model(source: Source, patch: pytest.MonkeyPatch) -> Source:
    place = Path("[models]", "omics", "2022-11-28")
    place.mkdir(parents=True)
    (place / "service-2.json").write_text("{}")
    patch.setenv("MODELS", "[models]")
    patch.setenv("AWS_DATA_PATH", f"nowhere{os.pathsep}$MODELS")
    return source


def later_day(source: Source, patch: pytest.MonkeyPatch) -> Source:
    patch.setitem(engine.RETIRED, engine.USUAL, date(2020, 1, 1))
    return source


@pytest.mark.parametrize(
    "change",
    [
        other_rows,
        other_defaults,
        other_variable,
        other_folder,
        other_version,
        other_botocore,
        other_model,
        later_day,
    ],
)
def test_it_changes_with_all_that_rows_follow_from(source, monkeypatch, change):
    source = replace(source, env=("COHORT",))
    before = fingerprint_now(source)
    assert fingerprint_now(change(source, monkeypatch)) not in {None, before}


@pytest.mark.parametrize(
    "changes",
    [
        {"batch": "other"},
        {"sets": ("parameters.y=1",)},
        {"format": Format.TSV},
        {"tags": False},
        {"goes_together": True},
        {"asked": TableOptions(delimiter=";")},
        {"sheet": SheetOptions(id="sample")},
    ],
)
def test_it_changes_with_the_options(source, changes):
    assert fingerprint_now(replace(source, **changes)) not in {None, fingerprint_now(source)}


RUN = "runs: [{id: a, parameters: {x: 1}}]\n"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("lanes.yaml", f"lanes: {{one: {{region: us-east-1}}}}\n{RUN}"),
        (
            "sheets.yaml",
            "sheet: cohort.csv\nsheet_out: s3://lab/{id}.csv\neach: {parameters: {x: '{sheet}'}}\n",
        ),
    ],
)
def test_what_makes_more_than_rows_is_read_each_time(source, path, text):
    Path(path).write_text(text)
    wanted = replace(source, path=path)
    assert loaded(wanted) is None
    assert fingerprint_now(wanted) is not None  # it is by what is in the files


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "-"},
        {"path": "s3://lab/cohort.csv"},
        {"path": "gone.csv"},
        {"path": 5000 * "x"},
        {"path": "no\0path"},
        {"path": "/dev/stdin"},
        {"path": "*.csv", "is_each_file": True},
        {"lanes": "defaults.yaml"},
        {"defaults": ("s3://lab/defaults.yaml",)},
        {"defaults": ("gone.yaml",)},
    ],
)
def test_what_is_read_once_or_elsewhere_has_none(source, changes):
    assert fingerprint_now(replace(source, **changes)) is None


def test_rows_that_are_asked_for_after_all_are_read(source):
    with (
        load(source) as read,
        unread(source, known=TakenFrom(fingerprint=seal_of(source)), batch="cohort") as manifest,
    ):
        assert manifest.count == read.count
        assert (manifest.batch, manifest.read, manifest.place) == (read.batch, read.read, read.place)
        assert list(manifest.specs()) == list(read.specs())
        assert manifest.digest == read.digest


def test_its_retry_rules_are_kept(source):
    rule = "{reason: [A, B*], message: '*x', times: 2, wait: 1m, change: {storageType: STATIC}}"
    Path("retry.yaml").write_text(f"retry: {{wait: 60, rules: [{rule}]}}\n{RUN}")
    wanted = replace(source, path="retry.yaml")
    known = loaded(wanted)
    assert known is not None
    with load(wanted) as read, unread(wanted, known=known, batch="cohort") as manifest:
        assert manifest.retry == read.retry != RetryPolicy()


def test_rows_that_changed_meanwhile_are_not_taken_for_the_known_ones(source):
    with unread(source, known=TakenFrom(fingerprint=seal_of(source)), batch="cohort") as manifest:
        Path(source.path).write_text(ROWS.replace("two", "three"))
        with pytest.raises(ManifestError, match="run the same command again"):
            list(manifest.specs())


def test_rows_that_changed_for_a_moment_are_not_taken_for_the_known_ones(source, monkeypatch):
    known = loaded(source)
    assert known is not None
    seal = Spool.seal

    def changing_back(spool: Spool) -> None:
        Path(source.path).write_text(ROWS)
        seal(spool)

    monkeypatch.setattr(Spool, "seal", changing_back)
    with unread(source, known=known, batch="cohort") as manifest:
        Path(source.path).write_text(ROWS.replace("two", "three"))
        with pytest.raises(ManifestError, match="run the same command again"):
            list(manifest.specs())


def test_its_warnings_are_told_again(source):
    Path(source.path).write_text(ROWS.replace("one", "1").replace("two", "/mnt/two"))
    known = loaded(source)
    assert known is not None
    with load(source) as read, unread(source, known=known, batch="cohort") as manifest:
        assert len(read.warnings) == read.warning_count == 1
        assert (manifest.warnings, manifest.warning_count) == (read.warnings, read.warning_count)


NAMING = ("runs: rows.csv\n", "sheet: rows.csv\neach: {parameters: {x: '{x}'}}\n")


@pytest.mark.parametrize("text", NAMING)
def test_a_file_that_the_manifest_names_counts_as_its_own(source, text):
    Path("cohort.yaml").write_text(text)
    Path("rows.csv").write_text(ROWS.replace("parameters.", "" if "sheet" in text else "parameters."))
    source = replace(source, path="cohort.yaml")
    known = loaded(source)
    assert known is not None
    assert known.beside == (str(Path("rows.csv").absolute()),)
    assert fingerprint_now(source, known.beside) == known.fingerprint
    Path("rows.csv").write_text("id,x\n")
    assert fingerprint_now(source, known.beside) != known.fingerprint


@pytest.mark.parametrize("text", NAMING)
@pytest.mark.parametrize("link", ["rows.csv", "current"])
def test_a_link_to_another_file_counts_as_other_content(source, text, link):
    for version, rows in (("one", ROWS), ("two", ROWS.replace("two", "three"))):
        Path(version).mkdir()
        Path(version, "cohort.yaml").write_text(text)
        Path(version, "rows.csv").write_text(
            rows.replace("parameters.", "" if "sheet" in text else "parameters.")
        )
    Path("cohort.yaml").write_text(text)
    target = "{}" if link == "current" else "{}/rows.csv"
    Path(link).symlink_to(target.format("one"))
    source = replace(source, path="current/cohort.yaml" if link == "current" else "cohort.yaml")
    known = loaded(source)
    assert known is not None
    assert fingerprint_now(source, known.beside) == known.fingerprint
    Path(link).unlink()
    Path(link).symlink_to(target.format("two"))
    assert fingerprint_now(source, known.beside) not in {None, known.fingerprint}
    if link != "current":
        Path(link).unlink()
        Path(link).symlink_to(__file__)
        assert fingerprint_now(source, known.beside) is None  # outside, which is refused


def test_a_sheet_from_standard_input_is_read_each_time(source):
    Path("cohort.yaml").write_text("sheet: '-'\neach: {parameters: {x: '{x}'}}\n")
    with load(replace(source, path="cohort.yaml"), stdin=io.BytesIO(b"id,x\na,one\n")) as manifest:
        assert manifest.taken_from is None


@pytest.mark.parametrize("path", ["cohort.csv", "defaults.yaml", "cohort.yaml", "rows.csv"])
def test_files_that_change_while_they_are_read_are_not_known(source, monkeypatch, path):
    Path("cohort.yaml").write_text("runs: rows.csv\n")
    Path("rows.csv").write_text(ROWS)
    if path in {"cohort.yaml", "rows.csv"}:
        source = replace(source, path="cohort.yaml")
    seal = Spool.seal

    def changing(spool: Spool) -> None:
        Path(path).write_text(Path(path).read_text() + "\n")
        seal(spool)

    monkeypatch.setattr(Spool, "seal", changing)
    assert loaded(source) is None
