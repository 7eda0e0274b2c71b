"""A batch is more than its file's name: two projects' files of one name, and one project's rows under two."""

from __future__ import annotations

import json
import os
import threading

import pytest

from tests.cli.conftest import DEFAULTS, Shell, Simulated

FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")


def write(shell: Shell, path: str, *samples: str, column: str = "parameters.reads") -> list[str]:
    """Write a manifest of these samples, and return the arguments that name it."""
    (shell.folder / path).parent.mkdir(parents=True, exist_ok=True)
    shell.write("lab.yaml", DEFAULTS)
    rows = (f"{one.split('=')[0]},s3://lab/{one.split('=')[-1]}.fq.gz\n" for one in samples)
    shell.write(path, f"id,{column}\n{''.join(rows)}")
    return [path, "--defaults", "lab.yaml"]


def run(shell: Shell, simulated: Simulated, *arguments: str, **options: str):
    return shell.run("run", *arguments, "--endpoint-url", simulated.url, *FAST, **options)


@pytest.fixture
def simulated(simulate):
    return simulate("--time-scale", "0.0002")


def batches(shell: Shell) -> list[str]:
    said = [json.loads(line) for line in shell.run("status", "--json").stdout.splitlines()]
    return sorted(one["batch"] for one in said)


def test_a_second_projects_samplesheet_is_not_taken_for_the_first_ones(shell: Shell, simulated):
    first = write(shell, "runB/samplesheet.csv", "KO1=b/KO1", "WT1=b/WT1")
    assert run(shell, simulated, *first).returncode == 0
    second = write(shell, "runC/samplesheet.csv", "KO1=c/KO1", "WT2=c/WT2")
    planned = shell.run("plan", *second, "--json")
    for more in ((), ("--changed", "keep", "--once", "-q")):
        done = run(shell, simulated, *second, *more)
        assert done.stderr == f"batchrun: {json.loads(planned.stdout)['stop']}\n"
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.count("\n") == 1
        for word in ("'samplesheet'", "runB/samplesheet.csv", "2 of 2 rows", "runC/samplesheet.csv"):
            assert word in done.stderr
        assert "--batch NAME" in done.stderr
        assert "--batch samplesheet" in done.stderr
    assert simulated.calls("StartRun") == 2
    assert batches(shell) == ["samplesheet"]


def test_rows_of_another_batch_are_not_run_again_for_a_new_file_name(shell: Shell, simulated):
    assert run(shell, simulated, *write(shell, "samples.csv", "s1", "s2", "s3", "s4")).returncode == 0
    mended = write(shell, "samples_v2.csv", "s1", "s2", "s3", "s4=s4_mended")
    done = run(shell, simulated, *mended)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    for words in (
        "'samples_v2' would be new",
        "3 of its 4 rows",
        "'samples'",
        "--batch samples",
        "--batch samples_v2",
    ):
        assert words in done.stderr
    planned = shell.run("plan", *mended)
    assert planned.returncode == 0
    assert done.stderr.removeprefix("batchrun: ") in planned.stdout.replace("\n    ", " ")
    assert simulated.calls("StartRun") == 4
    assert batches(shell) == ["samples"]
    going_on = run(shell, simulated, *mended, "--batch", "samples", "--changed", "resubmit")
    assert going_on.returncode == 0, going_on.stderr
    assert simulated.calls("StartRun") == 5


@pytest.mark.long
def test_a_batch_whose_name_was_mistyped_is_not_begun_a_second_time(shell: Shell, simulated):
    manifest = write(shell, "samples.csv", "s1", "s2", "s3")
    assert run(shell, simulated, *manifest, "--batch", "control").returncode == 0
    assert run(shell, simulated, *manifest, "--batch", "cohrot").returncode == 0
    done = run(shell, simulated, *manifest, "--batch", "cohort")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    for words in ("'cohort' would be new", "3 of its 3 rows", "--batch cohrot,", "cohort --changed resubmit"):
        assert words in done.stderr
    planned = shell.run("plan", *manifest, "--batch", "cohort").stdout.replace("\n    ", " ")
    assert done.stderr.removeprefix("batchrun: ") in planned
    assert simulated.calls("StartRun") == 6
    again = run(shell, simulated, *manifest, "--batch", "cohort", "--changed", "resubmit")
    assert (again.returncode, simulated.calls("StartRun")) == (0, 9)
    going_on = run(shell, simulated, *manifest, "--batch", "cohort", "-q")
    assert (going_on.returncode, going_on.stderr) == (0, "")


def test_the_next_batch_of_a_series_is_begun_without_a_word(shell: Shell, simulated):
    """As cron does it, with the day in the name: its mail is for what needs attention."""
    manifest = write(shell, "samples.csv", "s1", "s2")
    for day in ("27", "28"):
        done = run(shell, simulated, *manifest, "--batch", f"nightly-2026-11-{day}", "-q")
        assert (done.returncode, done.stderr) == (0, "")
    assert simulated.calls("StartRun") == 4


@pytest.mark.long
def test_standard_input_and_pipes_are_never_asked(shell: Shell, simulated):
    assert run(shell, simulated, *write(shell, "samples.csv", "s1", "s2")).returncode == 0
    text = (shell.folder / "samples.csv").read_text()
    more = ("--format", "csv", "--defaults", "lab.yaml")
    given = run(shell, simulated, "-", "--batch", "given", *more, stdin=text)
    assert given.returncode == 0, given.stderr
    pipe = shell.folder / "pipe.csv"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_text, args=(text,))
    writing.start()
    assert run(shell, simulated, "pipe.csv", *more).returncode == 0
    writing.join()
    assert simulated.calls("StartRun") == 6


def test_of_a_folder_each_manifest_is_asked_for(shell: Shell, simulated):
    write(shell, "sheets/a.csv", "s1", "s2")
    assert run(shell, simulated, "sheets", "--defaults", "lab.yaml").returncode == 0
    write(shell, "sheets/b.csv", "s1", "s2", "s3")
    write(shell, "sheets/c.csv", "t1")
    done = run(shell, simulated, "sheets", "--defaults", "lab.yaml")
    assert done.returncode == 2
    assert "nothing was submitted" in done.stderr
    assert "b: batch 'b' would be new, but 2 of its 3 rows are in batch 'a'" in done.stderr
    assert simulated.calls("StartRun") == 2


def test_a_copy_beside_its_original_is_not_launched_with_it(shell: Shell, simulated):
    """Seen: a browser had saved a sheet twice, and the folder ran every row of it twice."""
    write(shell, "sheets/cohort.csv", "s1", "s2", "s3")
    write(shell, "sheets/cohort (1).csv", "s1", "s2", "s3", "s4")
    write(shell, "sheets/~$cohort.csv", "s1")
    write(shell, "sheets/other.csv", "t1", "s1")
    done = run(shell, simulated, "sheets", "--defaults", "lab.yaml")
    assert (done.returncode, simulated.calls("StartRun")) == (2, 0)
    assert "sheets/cohort.csv: 3 of its 3 rows are in sheets/cohort (1).csv too: by name" in done.stderr
    assert shell.run("plan", "sheets", "--defaults", "lab.yaml").stderr == done.stderr
    assert not (shell.folder / "batchrun.db").exists()
    (shell.folder / "sheets/cohort (1).csv").unlink()
    assert run(shell, simulated, "sheets", "--defaults", "lab.yaml").returncode == 0
    assert simulated.calls("StartRun") == 5
    assert run(shell, simulated, "sheets", "--defaults", "lab.yaml").returncode == 0


def test_manifests_of_one_folder_with_the_same_rows_and_names_of_their_own_are_launched(
    shell: Shell, simulated
):
    write(shell, "sheets/one.csv", "s1", "s2")
    write(shell, "sheets/two.csv", "s1", "s2")
    done = run(shell, simulated, "sheets", "--defaults", "lab.yaml")
    assert (done.returncode, simulated.calls("StartRun")) == (0, 4)


def test_a_kept_rows_run_is_told_from_a_success_of_what_the_row_asks_for(shell: Shell, simulated):
    manifest = write(shell, "samples.csv", "s1", "s2", "s3")
    assert run(shell, simulated, *manifest).returncode == 0
    write(shell, "samples.csv", "s1", "s2=other", "s3")
    assert run(shell, simulated, *manifest).returncode == 2
    kept = run(shell, simulated, *manifest, "--changed", "keep")
    assert kept.returncode == 0
    words = "1 row keeps a run of other content than the manifest has now"
    assert words in kept.stdout
    assert words in shell.run("status").stdout
    assert json.loads(shell.run("status", "samples", "--json").stdout)["changed"] == 1
    assert [row["changed"] for row in shell.results("samples.results.csv")] == ["", "true", ""]
    chosen = shell.run(
        "results", "samples", "--where", "changed=true", "--format", "jsonl", "--columns", "id,changed"
    )
    assert json.loads(chosen.stdout) == {"id": "s2", "changed": True}
    assert "asks for other content" in shell.run("show", "s2").stdout
    told = run(shell, simulated, *manifest, "--changed", "keep", "--json").stdout.splitlines()
    assert json.loads(told[-1])["changed"] == 1
    again = run(shell, simulated, *manifest, "--changed", "resubmit")
    assert again.returncode == 0
    assert words not in again.stdout
    assert {row["changed"] for row in shell.results("samples.results.csv")} == {""}


def test_runs_that_go_on_beside_the_new_ones_are_told_of(shell: Shell, simulated):
    """Seen: with an output place mended and ``--changed resubmit`` both runs of each row went on, unsaid."""
    manifest = write(shell, "samples.csv", "s1", "s2", "s3")
    assert run(shell, simulated, *manifest, "--detach").returncode == 3
    write(shell, "samples.csv", "s1", "s2=mended", "s3=mended")
    told = "2 rows have runs that are not over, and go on beside the new ones"
    assert told in shell.run("plan", *manifest).stdout
    refused = run(shell, simulated, *manifest, "--detach")
    assert refused.returncode == 2
    assert f"{told}: 'batchrun cancel --ids ID,...' ends runs first" in refused.stderr
    assert told not in run(shell, simulated, *manifest, "--detach", "--changed", "keep").stderr
    again = run(shell, simulated, *manifest, "--detach", "--changed", "resubmit", "-q")
    assert (again.returncode, simulated.calls("StartRun")) == (3, 5)
    assert told in again.stderr
