"""``batchrun manifest`` and ``check --online``: the real command, against servers of the test's own."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import urllib.request

import pytest
import yaml

from batchrun.simulator import Limit, Workflow, parse_faults
from tests.cli.conftest import ROOT, Shell

PATTERN = r"(?P<id>.+)_(?P<read>R[12])\.fastq\.gz"
ROLE = "arn:aws:iam::123456789012:role/omics"


@pytest.mark.long
def test_convert_there_and_back_gives_the_same_rows(shell: Shell):
    sample = str(ROOT / "manifests" / "cohort.yaml")
    here = sample
    for there in ("cohort.csv", "cohort.jsonl", "cohort.tsv", "native.json", "cohort.json", "cohort.yaml"):
        options = ["--to", "native"] if there == "native.json" else []
        done = shell.run("manifest", "convert", here, "-o", there, *options)
        assert (done.returncode, done.stdout) == (0, f"{there}: 50 rows\n"), done.stderr
        here = there
    shell.write("again.jsonl", shell.run("manifest", "convert", here, "--to", "jsonl", "-o", "-").stdout)
    assert (shell.folder / "again.jsonl").read_text() == shell.run(
        "manifest", "convert", sample, "--to", "jsonl", "-o", "-"
    ).stdout
    assert yaml.safe_load((shell.folder / "cohort.yaml").read_text())["batch"] == "cohort"


def test_convert_keeps_what_is_there_unless_forced(shell: Shell):
    manifest = shell.cohort(2)
    shell.write("out.json", "mine")
    done = shell.run("manifest", "convert", *manifest, "-o", "out.json")
    assert done.returncode == 2
    assert "give --force" in done.stderr
    assert (shell.folder / "out.json").read_text() == "mine"
    assert shell.run("manifest", "convert", *manifest, "-o", "out.json", "--force").returncode == 0
    assert json.loads((shell.folder / "out.json").read_text())["batch"] == "cohort"


def test_convert_writes_into_a_pipe_and_leaves_it_one(shell: Shell):
    pipe = shell.folder / "out.json"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        done = shell.run("manifest", "convert", *shell.cohort(2), "-o", "out.json")
        assert done.returncode == 0, done.stderr
        assert json.loads(os.read(reader, 10_000))["batch"] == "cohort"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_convert_to_rows_and_defaults(shell: Shell):
    done = shell.run(
        "manifest", "convert", *shell.cohort(3), "-o", "o.csv", "--defaults-out", "d.yaml", "--batch", "b"
    )
    assert done.returncode == 0, done.stderr
    assert "give --batch b" in done.stderr
    assert yaml.safe_load((shell.folder / "d.yaml").read_text()) == {"workflowId": "1234567", "roleArn": ROLE}
    done = shell.run("check", "o.csv", "--defaults", "d.yaml")
    assert done.returncode == 0, done.stderr


def test_convert_to_native_names_the_rows_that_do_not_fit(shell: Shell):
    shell.write("m.csv", f"id,workflowId,roleArn,outputUri\na,1,{ROLE},s3://b/\nb,2,{ROLE},s3://b/\n")
    done = shell.run("manifest", "convert", "m.csv", "--to", "native", "-o", "n.json")
    assert done.returncode == 2
    assert "m.csv (id b): workflowId: '2', while row 'a' has '1'" in done.stderr
    assert not list(shell.folder.glob("n.json"))


def test_many_rows_become_settings_for_s3(shell: Shell):
    manifest = shell.cohort(101)
    done = shell.run("manifest", "convert", *manifest, "--to", "native", "-o", "n.json")
    assert "give --defaults-out FILE" in done.stderr
    done = shell.run(
        "manifest", "convert", *manifest, "--to", "native", "-o", "n.json", "--defaults-out", "d.json"
    )
    assert done.returncode == 0, done.stderr
    settings = json.loads((shell.folder / "n.json").read_text())
    assert settings[100]["runSettingId"] == "s100"
    assert json.loads((shell.folder / "d.json").read_text()).keys() == {"workflowId", "roleArn"}


def filled(text: str) -> str:
    text = text.replace("{ACCOUNT}", "123456789012").replace("{ROLE}", "omics").replace("{BUCKET}", "lab")
    return re.sub(r"- id:.*", "- id: NA12878", text).replace("{FILL_IN}", "s3://lab/x")


def test_init_writes_what_passes_the_check_once_it_is_filled_in(shell: Shell, elsewhere):
    url = elsewhere.healthomics().url
    done = shell.run("manifest", "init", "--workflow", "1234567", "--endpoint-url", url, "-o", "m.yaml")
    assert done.returncode == 0, done.stderr
    text = (shell.folder / "m.yaml").read_text()
    assert "\x1b" not in text
    assert "# optional: CPUs\n      # threads:" in text
    assert shell.run("check", "m.yaml").stderr.count("m.yaml:") == 5
    shell.write("m.yaml", filled(text))
    done = shell.run("check", "m.yaml", "--online", "--endpoint-url", url)
    assert done.returncode == 0, done.stderr
    uncommented = filled(text).replace("      # threads: ", "      threads: ")
    shell.write("m.yaml", uncommented)
    assert shell.run("check", "m.yaml", "--online", "--endpoint-url", url).returncode == 0


@pytest.mark.parametrize(("name", "delimiter"), [("m.csv", ","), ("m.tsv", "\t")])
def test_init_writes_a_table_where_its_name_says_so(shell: Shell, elsewhere, name: str, delimiter: str):
    url = elsewhere.healthomics().url
    command = ["manifest", "init", "--workflow", "1234567", "--endpoint-url", url, "-o"]
    done = shell.run(*command, name)
    assert done.returncode == 0, done.stderr
    assert "parameters.NAME:int" in done.stdout
    header, row = (shell.folder / name).read_text().splitlines()
    names = header.split(delimiter)
    assert names[:4] == ["id", "workflowId", "roleArn", "outputUri"]
    assert set(names[4:]) >= {"parameters.reads", "parameters.threads"}
    cells = dict(zip(names, row.split(delimiter), strict=True))
    assert (cells["parameters.reads"], cells["parameters.threads"]) == ("{FILL_IN}", "")
    told = shell.run("check", name)
    assert told.returncode == 2
    assert all(part in told.stderr for part in ("the row has no id", "{ACCOUNT}", "{BUCKET}", "{FILL_IN}"))
    shell.write(name, filled(f"{header}\nNA12878{row}\n"))
    done = shell.run("check", name, "--online", "--endpoint-url", url)
    assert done.returncode == 0, done.stderr
    refused = shell.run(*command, "m.json")
    assert refused.returncode == 2
    assert "must end in .yaml, .yml, .csv or .tsv" in refused.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workflow", "77"], "there is no PRIVATE workflow 77 in us-east-1"),
        (["--workflow", "1234567", "--workflow-version", "v9"], "workflow 1234567 version v9"),
        (["--workflow", "../x"], "--workflow '../x': give the workflow's id, digits alone"),
        (["--workflow", "1", "--workflow-owner-id", "x"], "an account's 12 digits"),
    ],
)
def test_init_of_what_is_not_there(shell: Shell, elsewhere, options, said):
    done = shell.run("manifest", "init", *options, "--endpoint-url", elsewhere.healthomics().url)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_init_of_a_version_of_which_all_is_optional(shell: Shell, elsewhere):
    url = elsewhere.healthomics().url
    done = shell.run(
        "manifest", "init", "--workflow", "1234567", "--workflow-version", "v2", "--endpoint-url", url
    )
    shell.write("m.yaml", filled(done.stdout))
    assert shell.run("check", "m.yaml", "--online", "--endpoint-url", url).returncode == 0


MANIFEST = f"""\
id,workflowId,workflowType,workflowVersionName,roleArn,outputUri,parameters.reads,parameters.thread:int
a,1234567,,,{ROLE},s3://lab/x/,s3://lab/r,
b,1234567,,,arn:aws:iam::1:role/x,s3://lab/x/,s3://lab/r,4
c,1234567,,v3,{ROLE},s3://lab/x/,s3://lab/r,
d,1234567,,old,{ROLE},s3://lab/x/,s3://lab/r,
e,9,READY2RUN,,{ROLE},s3://lab/x/,s3://lab/r,4
f,1234567,,,{ROLE},s3://lab/x/,s3://lab/r,
g,1234567,,,{ROLE},s3://lab/x/,s3://lab/r,
"""


def test_check_online_finds_everything_at_once(shell: Shell, elsewhere):
    simulator = elsewhere.healthomics()
    shell.write("m.csv", MANIFEST)
    done = shell.run("check", "m.csv", "--online", "--json", "--endpoint-url", simulator.url)
    assert done.returncode == 2
    told = [json.loads(line) for line in done.stdout.splitlines()]
    problems = [one for one in told if one["message_type"] == "problem"]
    assert [(one["line"], one["row"], one["field"], one["message"]) for one in problems] == [
        (2, "a", "parameters.reference: x", "the workflow requires it"),
        (3, "b", "roleArn", "'arn:aws:iam::1:role/x' is not a role"),
        (3, "b", "parameters.thread", "the workflow has no such parameter"),
        (4, "c", "workflowId", "there is no PRIVATE workflow 1234567 version v3"),
        (5, "d", "workflowId", "the PRIVATE workflow 1234567 version old is INACTIVE"),
        (6, "e", "workflowId", "the READY2RUN workflow 9 is FAILED"),
    ]
    assert all(one["cure"] for one in problems)
    assert (problems[0]["count"], problems[0]["also"]) == (4, [3, 7, 8])
    with urllib.request.urlopen(f"{simulator.url}/_simulator/state", timeout=10) as answer:
        calls = json.load(answer)["calls"]
    assert calls["GetWorkflow"]["calls"] == 2
    assert calls["GetWorkflowVersion"]["calls"] == 2
    assert "StartRun" not in calls


def test_check_online_knows_engines_that_ignore_a_version(shell: Shell, elsewhere):
    workflows = (Workflow(id="1234567", engine="WDL"),)
    url = elsewhere.healthomics(workflows=workflows).url
    head = "id,workflowId,roleArn,outputUri,engineSettings.engineVersion\n"
    shell.write("m.csv", f"{head}a,1234567,{ROLE},s3://lab/x/,25.10\n")
    assert shell.run("check", "m.csv").stderr == ""
    asked = ("check", "m.csv", "--online", "--endpoint-url", url)
    done = shell.run(*asked)
    assert done.returncode == 0
    assert "warning: m.csv:2 (id a): engineSettings.engineVersion: '25.10' is ignored" in done.stderr
    strict = shell.run(*asked, "--strict", "--json")
    assert strict.returncode == 2
    assert json.loads(strict.stdout)["kind"] == "engine_version"
    assert "1 warning, treated as errors (--strict)" in strict.stderr


def good(shell: Shell, *reads: str) -> None:
    rows = "".join(f"r{n},1234567,{ROLE},s3://lab/x/,{uri},y\n" for n, uri in enumerate(reads))
    head = "id,workflowId,roleArn,outputUri,parameters.reads,parameters.threads\n"
    shell.write("m.csv", head + rows)
    shell.write("d.yaml", "parameters: {'reference: x': s3://lab/ref}\n")


def test_no_permission_is_a_warning(shell: Shell, elsewhere):
    url = elsewhere.healthomics(
        faults=parse_faults("GetWorkflow:AccessDeniedException=1,ListRuns:AccessDeniedException=1")
    ).url
    good(shell, "s3://lab/a")
    done = shell.run("check", "m.csv", "--defaults", "d.yaml", "--online", "--json", "--endpoint-url", url)
    assert done.returncode == 0
    assert "warning: no permission to look at PRIVATE workflow 1234567" in done.stderr
    told = json.loads(done.stdout)
    assert (told["workflows"], told["activeRuns"], len(told["warnings"])) == (0, None, 2)


def test_check_tells_the_head_room(shell: Shell, elsewhere):
    url = elsewhere.healthomics(limits={"StartRun": Limit(rate=5, burst=5), "*": None}).url
    good(shell, "s3://lab/a")
    command = ["check", "m.csv", "--defaults", "d.yaml", "--online", "--endpoint-url", url]
    done = shell.run(*command, AWS_ENDPOINT_URL_SERVICE_QUOTAS=url)
    most = "at most 50 with DYNAMIC storage, 10 with STATIC storage at once; 12 GPUs at once"
    assert f"checked; 0 runs active in the account; {most}; StartRun 5 per second" in done.stdout
    command += ["--set", "storageType=STATIC", "--json"]
    told = json.loads(shell.run(*command, AWS_ENDPOINT_URL_SERVICE_QUOTAS=url).stdout)
    assert (told["active_run_quotas"], told["gpu_quota"]) == ({"STATIC": 10}, 12)
    unread = json.loads(shell.run(*command).stdout)
    assert (unread["active_run_quotas"], unread["gpu_quota"], unread["start_run_per_second"]) == (
        {},
        None,
        None,
    )


def test_plan_tells_how_many_may_run_by_the_usual_quotas_and_by_the_account_s(shell: Shell, elsewhere):
    url = elsewhere.healthomics(limits={"StartRun": Limit(rate=2, burst=2), "*": None}, max_active=3).url
    command = ["plan", *shell.cohort(20), "--set", "storageType=DYNAMIC"]
    asks = "(by the usual quota; --online asks for the account's)"
    told = shell.run(*command).stdout
    assert f"active at once: at most 50 with DYNAMIC storage {asks}\n" in told
    online = [*command, "--online", "--endpoint-url", url]
    told = shell.run(*online, AWS_ENDPOINT_URL_SERVICE_QUOTAS=url).stdout
    assert "StartRun calls: 20, 10 s at the account's 2 per second\n" in told
    most = "at most 3 with DYNAMIC storage, so 20 take 7 rounds or more (by the account's quota)"
    assert f"active at once: {most}\n" in told
    unread = shell.run(*online, "--json")
    assert "the account's quotas could not be read, so these are the usual ones" in unread.stderr
    facts = json.loads(unread.stdout)
    assert (facts["active_run_quotas"], facts["quotas_from"]) == ({"DYNAMIC": 50}, "usual")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_files_in_s3_become_rows(shell: Shell, elsewhere):
    s3 = elsewhere.s3(
        "run1/a_R1.fastq.gz", "run1/a_R2.fastq.gz", "run1/b {id}_R1.fastq.gz", "run1/md5", "run1/"
    )
    s3.keys = sorted([*s3.keys, "run1/b {id}_R2.fastq.gz", "run10/c_R1.fastq.gz"])
    done = shell.run("manifest", "from-s3", "s3://lab/run1", "--pattern", PATTERN, "--endpoint-url", s3.url)
    assert done.returncode == 0, done.stderr
    assert "1 files do not match the pattern, and were skipped: md5" in done.stderr
    first, second = rows_of(done.stdout)
    assert first == {
        "id": "a",
        "parameters.reads_R1": "s3://lab/run1/a_R1.fastq.gz",
        "parameters.reads_R2": "s3://lab/run1/a_R2.fastq.gz",
    }
    assert second["parameters.reads_R1"] == "s3://lab/run1/b {{id}}_R1.fastq.gz"
    assert s3.calls == 3
    shell.write("m.csv", done.stdout)
    shell.write("d.yaml", f"workflowId: 1\nroleArn: {ROLE}\noutputUri: s3://lab/x/\n")
    assert shell.run("check", "m.csv", "--defaults", "d.yaml").returncode == 0


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        ("s3://nowhere/x", 2, "there is no bucket 'nowhere'"),
        ("s3://secret/x", 5, "s3:ListBucket on secret is needed"),
        ("s3://lab/empty", 2, "there are no files"),
        ("s3://", 2, "the bucket's name is missing"),
    ],
)
def test_what_cannot_be_listed(shell: Shell, elsewhere, place, code, said):
    url = elsewhere.s3("a").url
    done = shell.run("manifest", "from-s3", place, "--pattern", PATTERN, "--endpoint-url", url)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def listed(*keys: str) -> str:
    return "".join(f"2026-01-01 10:00:00      12345 {key}\n" for key in keys)


def test_a_listing_on_stdin_into_lists(shell: Shell):
    text = "                           PRE x/\n" + listed(
        *(f"f/s_L{lane}_R{read}.fastq.gz" for lane in (10, 9) for read in (2, 1))
    )
    done = shell.run(
        *("manifest", "from-s3", "-", "--base", "s3://lab/", "--list", "fastq_{read}", "-o", "m.yaml"),
        *("--pattern", r"(?P<id>.+)_L(?P<lane>\d+)_R(?P<read>[12]).fastq.gz"),
        stdin=text + "\nTotal Objects: 4\n   Total Size: 123\n",
    )
    assert done.returncode == 0, done.stderr
    (row,) = yaml.safe_load((shell.folder / "m.yaml").read_text())["runs"]
    assert row["parameters"] == {
        "fastq_1": ["s3://lab/f/s_L9_R1.fastq.gz", "s3://lab/f/s_L10_R1.fastq.gz"],
        "fastq_2": ["s3://lab/f/s_L9_R2.fastq.gz", "s3://lab/f/s_L10_R2.fastq.gz"],
    }


def test_incomplete_rows_are_refused_skipped_or_kept(shell: Shell):
    shell.write("ls.txt", "s3://lab/a_R1.fastq.gz\ns3://lab/a_R2.fastq.gz\ns3://lab/b_R1.fastq.gz\n")
    command = ["manifest", "from-s3", "ls.txt", "--pattern", PATTERN]
    done = shell.run(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "ls.txt:3 (id b): there is no file for read 'R2'" in done.stderr
    assert [row["id"] for row in rows_of(shell.run(*command, "--incomplete", "skip").stdout)] == ["a"]
    assert [row["id"] for row in rows_of(shell.run(*command, "--incomplete", "keep").stdout)] == ["a", "b"]


LANES = "".join(f"s3://lab/{name}_S1_L00{lane}_R{read}.fq\n" for name, lane, read in (
    ("A", 1, 1), ("A", 1, 2), ("A", 2, 1), ("A", 2, 2), ("B", 1, 1), ("B", 1, 2),
))  # fmt: skip


def test_lanes_become_a_sheet_and_the_manifest_that_makes_runs_of_it(shell: Shell):
    shell.write("ls.txt", LANES)
    shell.write("lab.yaml", f"workflowId: 1\nroleArn: {ROLE}\noutputUri: s3://lab/x/\n")
    command = ["manifest", "from-s3", "ls.txt", "--pattern", "{sample}_S*_L{lane}_R{read}.fq"]
    done = shell.run(*command, "--group-by", "sample", "-o", "run7.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("run7.yaml: 2 runs of the files in run7.csv; ")
    done = shell.run("manifest", "convert", "run7.yaml", "--defaults", "lab.yaml", "-o", "-", "--to", "jsonl")
    assert json.loads(done.stdout.splitlines()[0])["parameters"] == {
        "reads_1": ["s3://lab/A_S1_L001_R1.fq", "s3://lab/A_S1_L002_R1.fq"],
        "reads_2": ["s3://lab/A_S1_L001_R2.fq", "s3://lab/A_S1_L002_R2.fq"],
    }
    again = shell.run(*command, "--group-by", "sample", "-o", "run7.yaml")
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    (shell.folder / "run7.yaml").unlink()
    again = shell.run(*command, "--group-by", "sample", "-o", "run7.yaml")
    assert (again.returncode, "run7.csv exists already" in again.stderr) == (2, True)
    assert not (shell.folder / "run7.yaml").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--group-by", "sample"], "give -o FILE.yaml"),
        (["--group-by", "sample", "-o", "x.csv"], "give -o FILE.yaml"),
        (["--group-by", "sample", "--list", "r", "-o", "x.yaml"], "--list is for rows"),
        (["-o", "x.yaml"], "with --group-by"),
    ],
)
def test_what_goes_with_a_sheet_of_files(shell: Shell, options, said: str):
    shell.write("ls.txt", LANES)
    done = shell.run("manifest", "from-s3", "ls.txt", "--pattern", "{sample}_S*_L{lane}_R{read}.fq", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert sorted(path.name for path in shell.folder.iterdir()) == ["ls.txt"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(a+", "--pattern: this is not a regular expression: missing )"),
        ("a", "--pattern: it has no group id"),
        ("(?P<id>x)", "none of 2 files matches the pattern: a_R1.fastq.gz"),
        ("(?P<id>.).*", "is a file of this row, and so is"),
        ("(?P<id>([a-zA-Z0-9_.]+)+)!", "--pattern takes too long for a single name"),
    ],
)
def test_patterns_that_do_not_do(shell: Shell, pattern, said):
    text = "s3://lab/a_R1.fastq.gz" + "\ns3://lab/" + "a" * 40 + "\n"
    done = shell.run("manifest", "from-s3", "-", "--pattern", pattern, stdin=text)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
