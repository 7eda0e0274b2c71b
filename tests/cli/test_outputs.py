"""Outputs never replace inputs, and are what their names say: of every verb that writes a file."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from batchrun.cli.main import cli
from batchrun.errors import UsageError
from batchrun.report.results import ResultsFormat
from tests.cli.conftest import DEFAULTS, Shell
from tests.cli.ledgers import make

BY_LETTER = ["--pattern", "(?P<id>.)"]
ROWS = "id,parameters.sample\na,x1\nb,x2\n"
DOCUMENT = "batch: cohort\ndefaults:\n{}runs: rows.csv\n".format(textwrap.indent(DEFAULTS, "  "))
SHEET = DOCUMENT.replace("runs: rows.csv", 'sheet: sheet.csv\neach: {id: "{sample}"}')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """A folder with a ledger, and files that may not be lost, some by a second name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    make(tmp_path)
    shell = Shell(tmp_path)
    shell.write("cohort.yaml", DOCUMENT)
    shell.write("rows.csv", ROWS)
    shell.write("sheet.csv", "sample\na\nb\n")
    shell.write("sheet.yaml", SHEET)
    shell.write("defaults.yaml", DEFAULTS)
    shell.write("page.html", "<!DOCTYPE html><title>Somebody's</title>")
    shell.write("gzip.csv", "\x1f\x8b\x08")
    os.link("rows.csv", "linked.csv")
    os.link("batchrun.db", "linked.html")
    (tmp_path / "led.csv").symlink_to("batchrun.db")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """Return what is there, but for what SQLite makes to read by."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.suffix not in {".db-wal", ".db-shm"}
    }


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["results", "-o", "batchrun.db"], "must end in .csv, .json, .jsonl or .parquet"),
        (["results", "-o", "batchrun.db-wal"], "must end in .csv, .json, .jsonl or .parquet"),
        (["results", "-o", "x.xlsx"], "must end in .csv, .json, .jsonl or .parquet"),
        (["results", "-o", "x.xlsx", "--format", "csv"], "must end in .csv, .json, .jsonl or .parquet"),
        (["results", "-o", "x.json", "--format", "csv"], "must end in .csv"),
        (["results", "-o", "led.csv"], "it is the ledger"),
        (["results", "-o", "rows.csv"], "is not results in CSV that batchrun wrote"),
        (["results", "-o", "linked.csv"], "is not results in CSV that batchrun wrote"),
        (["results", "-o", "gzip.csv"], "is not results in CSV that batchrun wrote"),
        (["results", "-o", "."], "it is not a file"),
        (["results", "--failed-manifest", "led.csv", "--force"], "it is the ledger"),
        (["results", "--failed-manifest", "rows.csv"], "give --force to replace it"),
        (["results", "--failed-manifest", "cohort.yaml", "-o", "x.csv"], "give --force to replace it"),
        (["report", "-o", "batchrun.db-lease-1-1"], "it is the ledger"),
        (["report", "-o", "x.pdf"], "must end in .html or .htm"),
        (["report", "-o", "linked.html"], "it is the ledger"),
        (["report", "-o", "page.html"], "is not a report that batchrun wrote"),
        (["run", "cohort.yaml", "--results", "led.csv"], "it is the ledger"),
        (["run", "cohort.yaml", "--results", "rows.csv"], "it is read by this command"),
        (["run", "cohort.yaml", "--results", "linked.csv"], "it is read by this command"),
        (["run", "sheet.yaml", "--results", "sheet.csv"], "it is read by this command"),
        (["run", "cohort.yaml", "--metrics-file", "batchrun.db-shm"], "it is the ledger"),
        (["run", "cohort.yaml", "--metrics-file", "cohort.yaml"], "it is read by this command"),
        (["run", "cohort.yaml", "--metrics-file", "cohort.results.csv"], "it is another output"),
        (["run", "rows.csv", "--defaults", "defaults.yaml", "--metrics-file", "defaults.yaml"], "is read"),
        (["cancel", "cohort", "--yes", "--results", "rows.csv"], "is not results in CSV"),
        (["manifest", "convert", "cohort.yaml", "-o", "rows.csv", "--force"], "it is read by this command"),
        (["manifest", "convert", "cohort.yaml", "-o", "x.csv", "--to", "json"], "must end in .json"),
        (["manifest", "from-s3", "rows.csv", *BY_LETTER, "-o", "linked.csv", "--force"], "is read by"),
        (["manifest", "init", "--workflow", "1", "-o", "x.txt"], "must end in .yaml, .yml, .csv or .tsv"),
        (["costs", "-o", "led.csv", "--force"], "it is the ledger"),
        (["costs", "-o", "x.xlsx"], "must end in .csv or .jsonl"),
        (["costs", "--save-prices", "x.csv"], "must end in .json"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_must_not_be_replaced_stays(folder: Path, words: list[str], told: str):
    before = contents(folder)
    done = CliRunner().invoke(cli, words)
    assert isinstance(done.exception, UsageError)
    assert told in str(done.exception)
    assert done.output == ""
    assert contents(folder) == before


@pytest.mark.long
@pytest.mark.parametrize("format_", [one.value for one in ResultsFormat])
@pytest.mark.parametrize("options", [[], ["--attempts"], ["--columns", "status,id"]], ids=str)
@pytest.mark.usefixtures("folder")
def test_our_own_are_replaced_whatever_was_asked_for(format_: str, options: list[str]):
    for again in (options, options, []):
        done = CliRunner().invoke(cli, ["results", "-o", f"x.{format_}", *again])
        rows = 11 if format_ == "csv" and again == ["--attempts"] else 10  # one was tried twice
        assert (done.exit_code, done.stdout) == (0, f"x.{format_}: {rows} rows\n")


@pytest.mark.usefixtures("folder")
def test_a_report_and_a_manifest_of_failed_rows_are_replaced():
    for words in (["report"], ["results", "--failed-manifest", "again.csv", "--force"]) * 2:
        assert CliRunner().invoke(cli, words).exit_code == 0


def test_what_is_open_already_is_written_and_not_replaced(shell: Shell):
    make(shell.folder)
    shell.write("log", "before\n")
    assert shell.type("batchrun results -o /dev/stdout --columns id >> log").returncode == 0
    assert (shell.folder / "log").read_text(encoding="utf-8").startswith("before\nid\n")


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1"])
@pytest.mark.parametrize("words", [["results"], ["report"]], ids=" ".join)
@pytest.mark.usefixtures("folder")
def test_stdout_by_its_name_gets_the_output_and_no_word_more(name: str, words: list[str]):
    """Seen: "/dev/stdout: 8 rows" as the last line of results in a file."""
    done, usual = (CliRunner().invoke(cli, [*words, "-o", place]) for place in (name, "-"))
    assert (done.exit_code, done.stdout.count("\n")) == (0, usual.stdout.count("\n"))


@pytest.mark.long
def test_what_comes_to_stand_in_the_way_of_results_is_not_replaced_after_a_launch(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005", "--failures", "SERVICE_ERROR=1")
    command = ("run", *shell.cohort(20), "--endpoint-url", simulated.url, "--poll-interval", "0.2s")
    # The first failure is told in the middle of a launch.
    hook = "printf 'id,parameters.sample\\n' > cohort.results.csv"
    done = shell.run(*command, "--rate", "4", "--no-retry", "--on-failure", hook)
    assert done.returncode == 5
    assert "the results cannot be written: cohort.results.csv is not replaced" in done.stderr
    assert "nothing was submitted" not in done.stderr
    assert (shell.folder / "cohort.results.csv").read_text(encoding="utf-8") == "id,parameters.sample\n"


def test_the_manifest_that_was_run_is_known_by_the_ledger_and_stays(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002", "--failures", "RUN_TASK_FAILED=1")
    command = ("run", *shell.cohort(2), "--endpoint-url", simulated.url, "--poll-interval", "0.2s")
    assert shell.run(*command, "--no-retry").returncode == 1
    (shell.folder / "again.csv").symlink_to("cohort.csv")
    before = (shell.folder / "cohort.csv").read_bytes()
    for name in ("cohort.csv", "again.csv"):
        done = shell.run("results", "--failed-manifest", name, "--force")
        assert (done.returncode, "it is the manifest of a batch" in done.stderr) == (2, True)
    assert (shell.folder / "cohort.csv").read_bytes() == before
