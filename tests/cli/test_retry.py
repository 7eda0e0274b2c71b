"""Another attempt, by itself and on request, with the real command and the real simulator."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import end, until

pytestmark = pytest.mark.usefixtures("looks_often")


def failing(simulate, *failures: str, scale: str = "0.0002"):
    chances = ",".join(failures)
    return simulate("--time-scale", scale, "--failures", chances)


def test_nobody_is_asked_where_nobody_is_there(shell, simulate):
    service = failing(simulate, "WORKFLOW_RUN_FAILED=1")
    shell.run("run", *shell.cohort(3), "--endpoint-url", service.url)
    done = shell.run("retry", "cohort", stdin="")
    assert done.returncode == 2
    assert "give --yes" in done.stderr
    assert "WORKFLOW_RUN_FAILED (tasks: OUT_OF_MEMORY_ERROR): s000, s001, s002" in done.stdout


def test_what_failed_is_retried_on_request_with_all_attempts_kept(shell, simulate):
    service = failing(simulate, "WORKFLOW_RUN_FAILED=0.5")
    manifest = shell.cohort(12)
    assert shell.run("run", *manifest, "--endpoint-url", service.url).returncode == 1
    first = {row["id"]: row for row in shell.results()}
    failed = [id for id, row in first.items() if row["status"] == "FAILED"]
    assert 0 < len(failed) < 12
    looked = shell.run("retry", "cohort", "--dry-run", "--json")
    assert json.loads(looked.stdout) == {
        "message_type": "retry",
        "batch": "cohort",
        "ids": failed,
        "reappeared": [],
        "unknown": {},
        "dry_run": True,
        "dryRun": True,
    }
    done = shell.run("retry", "cohort", "--yes", "--json")
    assert json.loads(done.stdout)["ids"] == failed
    shell.run("run", *manifest, "--endpoint-url", service.url)
    again = {row["id"]: row for row in shell.results()}
    assert {id for id, row in again.items() if row["attempt"] == "2"} == set(failed)
    assert all(again[id]["uuid"] != first[id]["uuid"] for id in failed)
    assert len(service.state()["runs"]) == 12 + len(failed)


def test_passing_trouble_is_retried_by_run_itself(shell, simulate):
    service = failing(simulate, "SERVICE_ERROR=0.3")
    done = shell.run(
        "run", *shell.cohort(12), "--endpoint-url", service.url, "--retry-wait", "1s", "--retry", "*=9"
    )
    assert done.returncode == 0, done.stderr
    assert "run_retried" in done.stderr
    assert "FAILED" not in done.stdout
    assert {row["status"] for row in shell.results()} == {"COMPLETED"}


@pytest.mark.long
def test_a_launch_that_is_running_takes_note(shell, simulate):
    service = failing(simulate, "WORKFLOW_RUN_FAILED=0.4", scale="0.004")
    manifest = shell.cohort(20)
    running = shell.start("run", *manifest, "--endpoint-url", service.url, "--json")
    until(lambda: '"FAILED"' in shell.run("status", "--failed", "--json").stdout)
    done = shell.run("retry", "--yes", "--json")
    retried = json.loads(done.stdout)["ids"]
    assert retried
    code, said = end(running)
    assert code in {0, 1}
    again = {row["id"]: row for row in shell.results()}
    assert all(again[id]["attempt"] == "2" for id in retried)
    assert len(service.state()["runs"]) == 20 + len(retried)
    summary = json.loads(said.splitlines()[-1])
    assert summary["total"] == 20


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--ids", "s001"], ["s001"]),
        (["--ids", "s001,s002", "--where", "id=*2"], ["s002"]),
        (["--reason", "*MEMORY*"], ["s000", "s001", "s002"]),  # as their tasks' reasons say
        (["--reason", "*TIMED*"], []),
        (["--where", "status=FAILED", "--where", "id!=s000"], ["s001", "s002"]),
    ],
)
def test_some_of_them_can_be_chosen(shell, simulate, options, expected):
    service = failing(simulate, "WORKFLOW_RUN_FAILED=1")
    shell.run("run", *shell.cohort(3), "--endpoint-url", service.url)
    done = shell.run("retry", "--yes", "--json", *options)
    assert json.loads(done.stdout)["ids"] == expected
    from_file = shell.run("retry", "--yes", "--json", "--ids-from", "-", stdin="s000\n")
    assert json.loads(from_file.stdout)["ids"] == ([] if "s000" in expected else ["s000"])


def test_results_that_were_edited_are_a_file_of_ids(shell, simulate):
    service = failing(simulate, "WORKFLOW_RUN_FAILED=1")
    shell.run("run", *shell.cohort(3), "--endpoint-url", service.url)
    results = (shell.folder / "cohort.results.csv").read_text().splitlines()
    for mark in ",;":
        some = "\n".join(line.replace(",", mark) for line in (results[0], *results[2:]))
        done = shell.run("retry", "--dry-run", "--json", "--ids-from", "-", stdin=some)
        assert json.loads(done.stdout)["ids"] == ["s001", "s002"]
    for some, expected in (("id\n", []), ("\nid\ns001\n", ["s001"]), ("s001\n\ns002\n", ["s001", "s002"])):
        done = shell.run("retry", "--dry-run", "--json", "--ids-from", "-", stdin=some)
        assert (done.returncode, json.loads(done.stdout)["ids"]) == (0, expected)
    done = shell.run("retry", "--ids-from", "-", stdin="name,id\nx\n")
    assert (done.returncode, "no cell below id" in done.stderr) == (2, True)


def test_where_no_reason_fits_those_that_there_are_are_told(shell, simulate):
    service = failing(simulate, "WORKFLOW_RUN_FAILED=1")
    shell.run("run", *shell.cohort(1), "--endpoint-url", service.url)
    done = shell.run("retry", "--yes", "--reason", "WORKFLOW")
    assert done.stdout == "cohort: 0 entries to retry\n"
    assert done.stderr.startswith("it has: WORKFLOW_RUN_FAILED")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_of_ids_may_be_as_windows_writes_it(shell, simulate, encoding):
    service = failing(simulate, "WORKFLOW_RUN_FAILED=1")
    shell.run("run", *shell.cohort(3), "--endpoint-url", service.url)
    (shell.folder / "ids.txt").write_bytes("s001\r\n \r\ns002\r\n".encode(encoding))
    done = shell.run("retry", "--yes", "--json", "--ids-from", "ids.txt")
    assert json.loads(done.stdout)["ids"] == ["s001", "s002"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ids", "nobody"], "has no entry nobody"),
        (["--ids", "cohort-s000"], "has no entry cohort-s000; did you mean s000?"),
        (["--where", "stat=x"], "did you mean status?"),
        (["--ids-from", "nowhere.txt"], "cannot be read"),
        (["other"], "it has: cohort"),
        (["s000"], "it has: cohort; 's000' is a row of 'cohort': 'batchrun show s000'"),
    ],
)
def test_a_wrong_choice_is_told(shell, simulate, options, message):
    service = failing(simulate, "WORKFLOW_RUN_FAILED=1")
    shell.run("run", *shell.cohort(1), "--endpoint-url", service.url)
    done = shell.run("retry", "--yes", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
