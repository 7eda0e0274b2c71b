"""``s3://BUCKET/KEY`` wherever a file is read: the real command, against an S3 of the test's own."""

from __future__ import annotations

import gzip
import json
import shlex

import pytest

from tests.cli.conftest import DEFAULTS, Shell, end
from tests.cli.elsewhere import FAR, S3
from tests.cli.test_sheets import FAST, LANES, READS

ROWS = "id,parameters.x\nA,1\nB,2\n"
PARAMETERS = {"A": {"x": "1"}, "B": {"x": "2"}}


@pytest.fixture
def s3(shell: Shell, elsewhere) -> S3:
    """An S3 that the environment names, as people name theirs; nobody needs to log in for one on loopback."""
    made: S3 = elsewhere.s3()
    made.contents["in/lab.yaml"] = DEFAULTS.encode()
    shell.environment["AWS_ENDPOINT_URL_S3"] = made.url
    shell.write("lab.yaml", DEFAULTS)
    return made


def parameters_of(shell: Shell, *arguments: str) -> dict[str, object]:
    done = shell.run("manifest", "convert", *arguments, "-o", "-", "--to", "jsonl")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["id"]: row["parameters"] for row in rows}


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("in/cohort.csv", ROWS.encode()),
        ("in/cohort.csv.gz", gzip.compress(ROWS.encode(), mtime=0)),
        ("in/a b+ü.tsv", ROWS.replace(",", "\t").encode()),
        ("cohort.yaml", b"runs: [{id: A, parameters: {x: '1'}}, {id: B, parameters: {x: '2'}}]"),
    ],
)
def test_a_manifest_and_its_defaults_in_s3(shell: Shell, s3: S3, key: str, content: bytes):
    s3.contents[key] = content
    assert parameters_of(shell, f"s3://lab/{key}", "--defaults", "s3://lab/in/lab.yaml") == PARAMETERS
    assert s3.gets == {key: 1, "in/lab.yaml": 1}


def test_files_of_one_run_and_of_parameters_in_s3(shell: Shell, s3: S3):
    s3.contents |= {"in/A.inputs.json": b'{"x": "1", "y": 2}', "in/all.json": b'{"z": true, "y": 1}'}
    found = "s3://lab/in/A.inputs.json"
    told = shell.run("check", found, "--defaults", "lab.yaml")
    typed = shlex.split(told.stderr.splitlines()[0].partition("for one run, run: ")[2])
    assert typed[2:4] == ["--each-file", found]
    everything = ["--parameters-from", "s3://lab/in/all.json"]
    assert parameters_of(shell, *typed[2:], *everything) == {"A": {"x": "1", "y": 2, "z": True}}
    done = shell.run("check", "--each-file", "s3://lab/in/*.json")
    assert (done.returncode, "files in S3 are not found by a pattern" in done.stderr) == (2, True)


def test_a_sheet_in_s3_by_options_and_by_a_manifest(shell: Shell, s3: S3):
    s3.contents["s/sheet.csv"] = LANES.encode()
    expected = {
        "WT": {"reads": [{"r1": f"s3://lab/{n}_1.fq.gz", "r2": f"s3://lab/{n}_2.fq.gz"} for n in (1, 2)]},
        "KO": {"reads": [{"r1": "s3://lab/3_1.fq.gz"}]},
    }
    options = ("--defaults", "lab.yaml", "--group-by", "sample", "--parameter", READS)
    assert parameters_of(shell, "s3://lab/s/sheet.csv", *options) == expected
    shell.write("here.yaml", "sheet: s3://lab/s/sheet.csv")
    assert parameters_of(shell, "here.yaml", *options) == expected
    # Beside a manifest in S3 is in S3, too.
    for number, name in enumerate(("s3://lab/s/sheet.csv", "./s/sheet.csv")):
        s3.contents[f"m{number}.json"] = json.dumps({"sheet": name}).encode()
        assert parameters_of(shell, f"s3://lab/m{number}.json", *options) == expected
    assert s3.gets["s/sheet.csv"] == 4


def test_the_rows_that_a_manifest_names(shell: Shell, s3: S3):
    s3.contents |= {"r/rows.csv.gz": gzip.compress(ROWS.encode(), mtime=0), "r/m.yaml": b"runs: rows.csv.gz"}
    assert parameters_of(shell, "s3://lab/r/m.yaml", "--defaults", "lab.yaml") == PARAMETERS
    shell.write("m.yaml", "runs: s3://lab/r/rows.csv.gz")
    assert parameters_of(shell, "m.yaml", "--defaults", "lab.yaml") == PARAMETERS


@pytest.mark.parametrize("name", ["/etc/passwd.csv", "../lab/x.csv", "a/../../x.csv", "a//x.csv"])
def test_a_manifest_in_s3_names_nothing_on_this_machine_and_nothing_above(shell: Shell, s3: S3, name: str):
    s3.contents["r/m.yaml"] = f"runs: {name}".encode()
    done = shell.run("check", "s3://lab/r/m.yaml", "--defaults", "lab.yaml")
    assert done.returncode == 2
    assert f"s3://lab/r/m.yaml:1:7: runs: '{name}' is outside the manifest's folder" in done.stderr


def test_run_plan_retry_and_where_the_manifest_lay(shell: Shell, s3: S3, simulate):
    url = simulate("--time-scale", "0.0002", "--fail-first", "*=1:RUN_TASK_FAILED").url
    s3.contents |= {"in/cohort.csv": ROWS.encode(), "ids.txt": b"\xef\xbb\xbfB\n"}
    batch = ("s3://lab/in/cohort.csv", "--defaults", "s3://lab/in/lab.yaml")
    checked = shell.run("check", *batch)
    assert (checked.returncode, checked.stdout) == (0, "cohort: 2 rows, no problems found\n"), checked.stderr
    assert "2 new" in shell.run("plan", *batch).stdout
    done = shell.run("run", *batch, "--endpoint-url", url, *FAST, "--no-retry")
    assert done.returncode == 1, done.stderr
    assert [row["id"] for row in shell.results()] == ["A", "B"]
    again = shell.run("retry", "cohort", "--ids-from", "s3://lab/ids.txt", "--yes", "--endpoint-url", url)
    assert (again.returncode, "1 entry to retry" in again.stdout) == (0, True), again.stderr
    assert s3.gets["ids.txt"] == 1
    # Another place with the same name is another project's.
    s3.contents["other/cohort.csv"] = ROWS.replace("A", "C").replace("B", "D").encode()
    other = ("s3://lab/other/cohort.csv", "--defaults", "lab.yaml", "--endpoint-url", url, *FAST)
    refused = shell.run("run", *other)
    assert refused.returncode == 2
    assert "batch 'cohort' is that of s3://lab/in/cohort.csv" in refused.stderr


@pytest.mark.long
def test_a_verb_logs_in_once_whatever_it_calls(shell: Shell, s3: S3, simulate):
    """Seen: it asked for one MFA code to read a file of ids, and for another to cancel those rows' runs."""
    keys = json.dumps({"Version": 1, "AccessKeyId": "x", "SecretAccessKey": "y"})
    shell.write("helper.sh", f"echo run >> {shell.folder}/logins\necho '{keys}'\n")
    shell.write("config", f"[profile lab]\ncredential_process = sh {shell.folder}/helper.sh\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del shell.environment[name]
    served = simulate("--time-scale", "1").url
    shell.environment |= {"AWS_CONFIG_FILE": str(shell.folder / "config"), "AWS_PROFILE": "lab"}
    shell.environment["AWS_ENDPOINT_URL"] = served
    s3.contents |= {"in/cohort.csv": ROWS.encode(), "ids.txt": b"A\n"}
    rows = ("s3://lab/in/cohort.csv", "--defaults", "s3://lab/in/lab.yaml")
    ids = ("cohort", "--ids-from", "s3://lab/ids.txt")
    for number, command in enumerate(
        (
            ("check", *rows, "--online"),
            ("plan", *rows, "--online"),
            ("run", *rows, *FAST, "--detach"),
            ("cancel", *ids, "--yes", "--results", "s3://lab/out/cohort.results.csv"),
            ("delete", *ids, "--yes", "--listing-lag", "0s"),
            ("retry", *ids, "--yes"),
            ("ledger", "verify", "--online"),
        ),
        start=1,
    ):
        done = shell.run(*command)
        assert done.returncode in {0, 3}, done.stderr
        assert (shell.folder / "logins").read_text().count("run") == number, command


def test_a_folder_fetches_its_defaults_once(shell: Shell, s3: S3):
    (shell.folder / "d").mkdir()
    for name in ("a", "b", "c"):
        shell.write(f"d/{name}.csv", ROWS)
    assert shell.run("check", "d", "--defaults", "s3://lab/in/lab.yaml").returncode == 0
    assert s3.gets == {"in/lab.yaml": 1}


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("s3://lab/gone.csv", 2, "s3://lab/gone.csv: there is no such object in S3; check the key"),
        ("s3://nowhere/m.csv", 2, "s3://nowhere/m.csv: there is no such bucket; check its name"),
        ("s3://lab/cold.csv", 2, "s3://lab/cold.csv: it is archived, and cannot be read; restore it first"),
        ("s3://lost/m.csv", 2, f"s3://lost/m.csv: the bucket is in {FAR}, and S3 was asked elsewhere; give "),
        ("s3://secret/m.csv", 5, "s3://secret/m.csv may not be read, if it is there at all: GetObject: "),
        ("s3://lab/large.csv", 2, "s3://lab/large.csv: an object of more than 4096 MiB; check that"),
        ("s3://lab/cut.csv", 5, "s3://lab/cut.csv cannot be read: GetObject: "),
        ("s3://lab", 2, "s3://lab: the key is missing; write s3://BUCKET/KEY"),
        ("s3://lab/folder/", 2, "s3://lab/folder/: this is a folder; name a file in it"),
        ("s3://Lab_x/m.csv", 2, "s3://Lab_x/m.csv: no bucket has such a name; write s3://BUCKET/KEY"),
        (
            "s3:/lab/m.csv",
            2,
            "s3:/lab/m.csv: this is not how a place in S3 is written; write s3://BUCKET/KEY",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line_with_the_cure(
    shell: Shell, s3: S3, place: str, code: int, said: str
):
    s3.classes["cold.csv"] = "DEEP_ARCHIVE"
    s3.contents |= {"large.csv": ROWS.encode(), "cut.csv": ROWS.encode()}
    s3.said_sizes |= {"large.csv": 5 * 2**30, "cut.csv": 1000}
    done = shell.run("check", place, "--defaults", "lab.yaml")
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= (2 if code == 2 else 1), done.stderr


def test_a_bucket_of_another_region_is_found(shell: Shell, s3: S3):
    s3.contents["cohort.csv"] = ROWS.encode()
    shell.environment |= {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}
    assert parameters_of(shell, "s3://far/cohort.csv", "--defaults", "lab.yaml") == PARAMETERS


def test_the_profile_says_which_s3_and_a_lost_login_ends_with_5(shell: Shell, s3: S3):
    s3.contents["cohort.csv"] = ROWS.encode()
    del shell.environment["AWS_ENDPOINT_URL_S3"]
    config = (
        "[profile lab]\nregion = eu-west-1\nservices = ours\n"
        f"[services ours]\ns3 =\n  endpoint_url = {s3.url}\n"
        "[profile lost]\nregion = eu-west-1\ncredential_process = /bin/false\n"
    )
    shell.environment["AWS_CONFIG_FILE"] = str(shell.write("config", config))
    shell.environment["AWS_SHARED_CREDENTIALS_FILE"] = str(shell.write("credentials", ""))
    batch = ("s3://lab/cohort.csv", "--defaults", "lab.yaml")
    assert parameters_of(shell, *batch, "--profile", "lab") == PARAMETERS
    done = shell.run("check", *batch, "--profile", "lost")
    assert done.returncode == 5, done.stderr
    assert "profile 'lost'" in done.stderr
    assert "its credential_process (false) ended with exit code 1" in done.stderr
    assert shell.run("check", *batch, "--profile", "nobody").returncode == 2


def test_an_outage_ends_with_5_and_nothing_is_submitted(shell: Shell, s3: S3, simulate):
    s3.failures = 1000
    simulated = simulate()
    where = ("--endpoint-url", simulated.url)
    done = shell.hastened(10, "run", "s3://lab/x.csv", "--defaults", "lab.yaml", *where)
    assert done.returncode == 5
    assert "s3://lab/x.csv cannot be read: GetObject: 503" in done.stderr
    assert not simulated.state()["runs"]
    assert not (shell.folder / "batchrun.db").exists()


def test_ctrl_c_ends_a_fetch_that_hangs(shell: Shell, s3: S3):
    s3.is_hanging = True
    process = shell.start("check", "s3://lab/x.csv", "--defaults", "lab.yaml")
    s3.wait_for_a_call()
    code, said = end(process, 2)
    assert (code, "stopped; nothing is lost" in said) == (3, True), said


def test_problems_of_a_manifest_in_s3_name_it(shell: Shell, s3: S3):
    s3.contents["m.csv"] = b"id,parameters.x:int\nA,one\n"
    done = shell.run("check", "s3://lab/m.csv", "--defaults", "lab.yaml", "--json")
    assert done.returncode == 2
    (problem,) = map(json.loads, done.stdout.splitlines())
    assert (problem["source"], problem["line"]) == ("s3://lab/m.csv", 2)
