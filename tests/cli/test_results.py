"""The results, in every format, whole and in part."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from pyarrow import parquet

from batchrun.ledger import open_ledger
from batchrun.manifest import Source, load
from batchrun.report.columns import COLUMNS
from tests.cli.conftest import BATCHRUN, Shell
from tests.cli.ledgers import BAD, IDS, make, make_long

FORMATS = ["csv", "json", "jsonl", "parquet"]
MANIFESTS = ["yaml", "yml", "json", "jsonl", "csv", "tsv"]


@pytest.fixture
def cohort(shell: Shell) -> Shell:
    make(shell.folder)
    return shell


def read(shell: Shell, format_: str) -> list[dict[str, Any]]:
    path = shell.folder / f"cohort.results.{format_}"
    match format_:
        case "csv":
            with path.open(encoding="utf-8", newline="") as file:
                return list(csv.DictReader(file))
        case "json":
            return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
        case "jsonl":
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        case _:
            return parquet.read_table(path).to_pylist()  # type: ignore[no-any-return]


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def ids(shell: Shell, *arguments: str) -> list[str]:
    done = shell.run("results", "--columns", "id", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[1:]


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_has_the_same_rows_and_columns(cohort: Shell, format_):
    done = cohort.run("results", "--format", format_)
    assert (done.returncode, done.stdout) == (0, f"cohort.results.{format_}: 10 rows\n")
    rows = read(cohort, format_)
    assert [row["id"] for row in rows] == IDS
    assert [name for name in rows[0] if name != "attempts"] == list(COLUMNS)
    assert [row["failureReason"] for row in rows if row["id"] in BAD] == [
        "OUT_OF_MEMORY_ERROR",
        "RUN_TASK_FAILED",
        "RUN_TASK_FAILED",
        "ValidationException",
        "" if format_ == "csv" else None,
    ]


@pytest.mark.parametrize("format_", FORMATS[1:])
def test_formats_that_nest_have_every_earlier_attempt(cohort: Shell, format_):
    cohort.run("results", "--format", format_)
    rows = {row["id"]: row["attempts"] for row in read(cohort, format_)}
    (past,) = rows.pop("twice")
    assert (past["attempt"], past["status"], past["uuid"]) == (1, "FAILED", "uuid-9")
    assert (past["failureReason"], past["statusMessage"]) == ("SERVICE_ERROR", "it\nbroke")
    assert not any(rows.values())


def test_a_csv_has_a_row_for_each_attempt_where_that_is_asked_for(cohort: Shell):
    rows = table(cohort.run("results", "--attempts", "--where", "id=t*").stdout)
    told = [(row["id"], row["attempt"], row["status"], row["name"]) for row in rows]
    assert told == [
        ("task", "1", "FAILED", "cohort-task"),
        ("task2", "1", "FAILED", "cohort-task2"),
        ("twice", "1", "FAILED", "cohort-twice"),
        ("twice", "2", "COMPLETED", "cohort-twice"),
    ]
    written = cohort.run("results", "--attempts", "--where", "id=t*", "-o", "all.csv")
    assert written.stdout == "all.csv: 4 rows\n"  # seen: 3, since entries were counted


def test_times_are_times_in_parquet(cohort: Shell):
    cohort.run("results", "--format", "parquet")
    row = next(row for row in read(cohort, "parquet") if row["id"] == "memory")
    assert row["stopTime"] == datetime(2026, 1, 1, 12, 4, tzinfo=UTC)
    assert row["attempt"] == 1


def test_the_extension_tells_the_format(cohort: Shell):
    assert cohort.run("results", "-o", "cohort.results.json").returncode == 0
    assert len(read(cohort, "json")) == 10


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["status=FAILED"], ["memory", "task", "task2"]),
        (["status!=COMPLETED", "runId!="], ["queued", "running", "memory", "task", "task2", "gone"]),
        (["failureReason=*MEMORY*"], ["memory"]),
        (["id=TASK*"], []),
        (["attempt=2"], ["twice"]),
        (["statusMessage=it*broke", "id!=task?"], ["memory", "task"]),
    ],
    ids=str,
)
def test_where_chooses_rows(cohort: Shell, conditions, expected):
    asked = [part for condition in conditions for part in ("--where", condition)]
    assert ids(cohort, *asked) == expected
    assert ids(cohort, "--where", "status=FAILED", "--format", "csv") == ["memory", "task", "task2"]


def test_a_part_does_not_take_the_place_of_the_whole(cohort: Shell):
    assert cohort.run("results", "--where", "status=FAILED").stdout.startswith("id,status,")
    assert not (cohort.folder / "cohort.results.csv").exists()


def test_columns_come_in_the_order_in_which_they_are_asked_for(cohort: Shell):
    asked = ["results", "--columns", "status, id", "--where", "id=twice"]
    assert cohort.run(*asked).stdout == "status,id\nCOMPLETED,twice\n"
    line = cohort.run(*asked, "--format", "jsonl").stdout
    assert json.loads(line) == {"status": "COMPLETED", "id": "twice"}
    (told,) = json.loads(cohort.run(*asked, "--format", "json", "--attempts").stdout)
    assert told == {"status": "COMPLETED", "id": "twice", "attempts": [{"status": "FAILED"}]}


def test_nothing_is_still_json(cohort: Shell):
    assert json.loads(cohort.run("results", "--where", "id=", "--format", "json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--columns", "id,statsu"], "did you mean status?"),
        (["--columns", "UUID"], "did you mean uuid?"),
        (["--columns", "id,id"], "column id is given twice"),
        (["--columns", ""], "the columns are: id, status"),
        (["--where", "statsu=FAILED"], "did you mean status?"),
        (["--where", "FAILED"], "write COLUMN=GLOB"),
        (["--where", "!=FAILED"], "write COLUMN=GLOB"),
        (["--format", "xml"], "'xml' is not one of"),
        (["--failed-manifest", "failed.txt"], "the name shows no format"),
        (["--failed-manifest", "-"], "the name shows no format"),
    ],
    ids=str,
)
def test_what_makes_no_sense_exits_with_two_and_says_why(cohort: Shell, arguments, word):
    done = cohort.run("results", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in cohort.folder.iterdir()] == ["batchrun.db"]


@pytest.mark.long
def test_without_pyarrow_it_says_what_to_install(cohort: Shell):
    cohort.write("pyarrow.py", "raise ImportError('it is not here')\n")
    path = f"{cohort.folder}:{cohort.environment['PYTHONPATH']}"
    done = subprocess.run(
        [*BATCHRUN, "results", "--format", "parquet"],
        cwd=cohort.folder,
        env={**cohort.environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'batchrun[parquet]'" in done.stderr
    assert not (cohort.folder / "cohort.results.parquet").exists()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_folder_that_is_not_there_is_told_as_run_tells_it(cohort: Shell, format_):
    done = cohort.run("results", "--format", format_, "-o", "nowhere/file")
    assert done.returncode == 2
    assert "there is no folder nowhere; create it" in done.stderr


@pytest.mark.parametrize("format_", FORMATS)
def test_a_disk_that_is_full_is_no_mistake_of_the_user(cohort: Shell, format_):
    done = cohort.run("results", "--format", format_, "-o", "/dev/full")
    assert done.returncode == 5
    assert "cannot be written to /dev/full" in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("options", [["--format", one] for one in FORMATS] + [["--attempts"]], ids=str)
def test_a_closed_pipe_ends_it_quietly(shell: Shell, options):
    make_long(shell.folder, 2_000)
    command = " ".join(["batchrun results -o -", *options])
    piped = shell.type(f"{{ {command}; echo $? >&2; }} | head -c 20 >/dev/null")
    assert piped.stderr == "0\n"


@pytest.mark.long
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("redirect", [">/dev/full", ">&-"])
def test_a_stdout_that_cannot_be_written_is_an_error(cohort: Shell, format_, redirect):
    done = cohort.type(f"batchrun results -o - --format {format_} {redirect}")
    assert done.returncode == 5
    assert done.stderr.startswith("batchrun: the results cannot be written to stdout")


@pytest.mark.long
@pytest.mark.parametrize("extension", MANIFESTS)
def test_failed_rows_become_a_manifest_that_asks_for_the_same(cohort: Shell, extension):
    done = cohort.run("results", "--failed-manifest", f"again.{extension}")
    assert (done.returncode, done.stdout) == (0, "")
    assert f"again.{extension}: 5 rows" in done.stderr
    assert not (cohort.folder / "cohort.results.csv").exists()
    checked = cohort.run("check", f"again.{extension}", "--json")
    *warnings, told = map(json.loads, checked.stdout.splitlines())
    assert told == {"message_type": "check", "batch": "again", "rows": 5, "problems": 0}
    # All of the ledger's rows ask for the same; where defaults can say so that is sound.
    assert {one["kind"] for one in warnings} <= {"shared_file"}

    async def requests() -> dict[str, str]:
        async with await open_ledger(cohort.folder / "batchrun.db", read_only=True) as ledger:
            return {one.entry.id: one.entry.request async for one in ledger.batch("cohort").story.outcomes()}

    stored = anyio.run(requests)
    with load(Source(path=str(cohort.folder / f"again.{extension}"))) as manifest:
        assert [(one.id, one.request) for one in manifest.specs()] == [(id_, stored[id_]) for id_ in BAD]


def test_where_chooses_what_is_written_as_a_manifest(cohort: Shell):
    chosen = ["--where", "failureReason=RUN_TASK*", "--failed-manifest", "again.jsonl"]
    done = cohort.run("results", *chosen, "-o", "part.csv")
    assert done.stdout == "part.csv: 2 rows\n"
    lines = (cohort.folder / "again.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["task", "task2"]


def test_no_failed_rows_make_no_manifest(cohort: Shell):
    done = cohort.run("results", "--where", "id=nobody", "--failed-manifest", "again.csv")
    assert (done.returncode, "again.csv was not written" in done.stderr) == (0, True)
    assert not (cohort.folder / "again.csv").exists()


def test_a_launch_writes_json_too(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0002")
    command = ["run", *shell.cohort(2), "--endpoint-url", simulated.url, "--rate", "unlimited"]
    done = shell.run(*command, "--results", "cohort.results.json")
    assert done.returncode == 0, done.stderr
    assert [row["status"] for row in read(shell, "json")] == ["COMPLETED", "COMPLETED"]
    assert shell.run(*command, "--results", "cohort.results.parquet").returncode == 2
