"""What an output may be written onto, and what it may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchrun.errors import UsageError
from batchrun.report.outputs import METRICS, REPORT, RESULTS, Kind, OutputFile, ProtectedFiles

CSV, JSON, JSONL = RESULTS["csv"], RESULTS["json"], RESULTS["jsonl"]
MANIFEST = Kind(what="a manifest", endings=(".csv",))


def refusal(
    path: Path, kind: Kind = CSV, protected: ProtectedFiles | None = None, *, force: bool = False
) -> str:
    """Say why *path* is refused; nothing where it is not."""
    made = OutputFile(
        path=path, kind=kind, option="-o FILE", protected=protected or ProtectedFiles(), force=force
    )
    try:
        made.check()
    except UsageError as error:
        return str(error)
    return ""


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Make a ledger whose name would do for results, so that nothing but what it is protects it."""
    path = tmp_path / "ledger.csv"
    path.touch()
    return path


@pytest.mark.parametrize(
    "name",
    ["ledger.csv", "ledger.csv-wal", "ledger.csv-shm", "ledger.csv-journal", "ledger.csv-lease-1-7"],
)
def test_neither_a_ledger_nor_what_is_or_comes_to_be_beside_it(ledger: Path, name: str):
    assert "it is the ledger, or belongs to it" in refusal(
        ledger.with_name(name), protected=ProtectedFiles(ledger=ledger)
    )
    (ledger.parent / "inner").mkdir()
    (ledger.parent / "link.db").symlink_to(ledger)
    roundabout = ledger.parent / "inner" / ".." / name
    for known_as in (ledger, ledger.parent / "link.db"):
        assert "it is the ledger" in refusal(
            roundabout, protected=ProtectedFiles(ledger=known_as), force=True
        )


@pytest.mark.parametrize("make", [os.link, os.symlink])
def test_an_input_is_known_by_any_of_its_names(ledger: Path, make):
    read, others = (str(ledger.with_name("m.csv")),), (ledger.with_name("o.csv"),)
    protected = ProtectedFiles(ledger=ledger, read=read, others=others)
    for name, role in [
        ("ledger.csv-wal", "ledger"),
        ("ledger.csv-lease-1-7", "ledger"),
        ("m.csv", "read by"),
        ("o.csv", "another output"),
    ]:
        ledger.with_name(name).touch()
        other = ledger.with_name(f"alias-of-{name.replace('.csv-', '-')}.csv")
        make(ledger.with_name(name), other)
        assert role in refusal(other, protected=protected)
        assert role in refusal(other, MANIFEST, protected, force=True)


def test_links_are_followed_a_few_times_however_many_manifests_the_ledger_knows(tmp_path: Path, monkeypatch):
    """Seen: a folder of 400 manifests took minutes, most of them for this."""
    manifests = [tmp_path / f"m{number}.csv" for number in range(200)]
    for one in manifests:
        one.touch()
    followed: list[Path] = []
    resolve = Path.resolve

    def noted(path: Path) -> Path:
        followed.append(path)
        return resolve(path)

    monkeypatch.setattr(Path, "resolve", noted)
    protected = ProtectedFiles(ledger=tmp_path / "a.db", manifests=tuple(map(str, manifests)))
    for name in ("new.csv", "old.csv"):
        (tmp_path / "old.csv").touch()
        assert not refusal(tmp_path / name, protected=protected)
    assert len(followed) < 20


def test_an_ending_that_is_not_written_is_refused_with_those_that_are(tmp_path: Path):
    assert "must end in .csv; give another -o FILE" in refusal(tmp_path / "x.xlsx")
    assert "must end in .html or .htm" in refusal(tmp_path / "x.pdf", REPORT)
    assert not refusal(tmp_path / "x.CSV")
    assert not refusal(tmp_path / "x")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (CSV, ""),
        (CSV, "id,status,runId\nx,FAILED,1\n"),
        (CSV, "status\n"),
        (CSV, '\ufeff"id";"status";"arn"\r\n'),
        (CSV, "id,status,parameters.reads,tags.family\n"),
        (JSON, "[]\n"),
        (JSON, '[\n{"id": "x", "status": "FAILED", "attempts": []}\n]\n'),
        (JSONL, '{"status": "FAILED"}\n{"status": "FAILED"}\n'),
        (REPORT, '<!DOCTYPE html>\n<meta name="generator" content="batchrun 1.0">\n'),
        (METRICS, "# HELP batchrun_info x\n"),
    ],
)
def test_what_is_ours_is_replaced(tmp_path: Path, kind: Kind, text: str):
    path = tmp_path / f"x{kind.endings[0]}"
    path.write_text(text, encoding="utf-8")
    assert not refusal(path, kind)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (CSV, "id,parameters.reads\nx,s3://b/x\n"),
        (CSV, "id,workflowId,name,runId\n"),
        (CSV, "id,status,sex\n"),
        (CSV, "id\n"),
        (CSV, "\x89PNG\r\n\x1a\n"),
        (CSV, '[\n{"id": "x", "status": "FAILED"}\n]\n'),
        (JSON, '[{"id": "x", "parameters": {}}]'),
        (JSON, '{"id": "x", "status": "FAILED"}'),
        (JSON, '[{"id": "x", "sta'),
        (JSON, "[" * 100_000),
        (JSON, "[1]"),
        (JSONL, '{"id": "x", "name": "x"}\n'),
        (REPORT, "<!DOCTYPE html>\n<title>Mine</title>\n"),
        (METRICS, "# HELP node_load1 x\n"),
    ],
)
def test_what_is_not_ours_stays(tmp_path: Path, kind: Kind, text: str):
    path = tmp_path / f"x{kind.endings[0]}"
    path.write_text(text, encoding="utf-8")
    assert "is not replaced" in refusal(path, kind)


def test_other_parquet_stays(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "x.parquet"
    for columns, is_ours in [({"id": ["x"], "status": ["FAILED"]}, True), ({"gene": ["x"]}, False)]:
        parquet.write_table(pyarrow.table(columns), path)
        assert (refusal(path, RESULTS["parquet"]) == "") is is_ours
    for content in (b"PAR1 and no more", b"other"):
        path.write_bytes(content)
        assert "is not replaced" in refusal(path, RESULTS["parquet"])


def test_what_is_only_replaced_by_force(tmp_path: Path):
    path = tmp_path / "m.csv"
    assert not refusal(path, MANIFEST)
    path.touch()
    assert "exists already; give --force to replace it, or give another -o FILE" in refusal(path, MANIFEST)
    assert not refusal(path, MANIFEST, force=True)


def test_a_place_that_cannot_be_is_told_with_its_reason(tmp_path: Path):
    assert "there is no folder" in refusal(tmp_path / "no" / "x.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "gone" / "x.csv")
    assert f"there is no folder {tmp_path / 'gone'};" in refusal(tmp_path / "link.csv")
    assert "it is not a file" in refusal(tmp_path)
    assert "File name too long" in refusal(tmp_path / ("x" * 300 + ".csv"))
    assert "it is not a valid path" in refusal(tmp_path / "x\0.csv")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    assert "cannot be written" in refusal(tmp_path / "loop.csv")
    (tmp_path / "file").touch()
    assert "cannot be written" in refusal(tmp_path / "file" / "x.csv")


def test_a_file_in_memory_is_a_file_and_what_is_open_already_is_none():
    assert not refusal(Path("/dev/null"))
    assert not refusal(Path("/proc/self/fd/1"))
    assert "must end in .csv" in refusal(Path("/dev/shm/results.txt"))
