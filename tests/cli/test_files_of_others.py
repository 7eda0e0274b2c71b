"""Files that other tools wrote, given as they are: what reaches the service."""

from __future__ import annotations

import json
import shlex
import urllib.request
from typing import Any

import pytest

from tests.cli.conftest import DEFAULTS, Shell, Simulated
from tests.manifest.workbooks import row, text, workbook

COLUMNS = ("Sample", "Bam file", "Depth")
FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")
START_RUN = """\
{
  "logLevel": "ALL",
  "name": "mutect-241002",
  "outputUri": "s3://lab-genomics/output/",
  "parameters": {"tumor": "s3://lab/t.bam", "normal": "s3://lab/n.bam"},
  "retentionMode": "RETAIN",
  "roleArn": "arn:aws:iam::123456789012:role/omics",
  "storageType": "DYNAMIC",
  "tags": {"project": "241002"},
  "workflowId": "1234567"
}
"""
SAMPLE_SHEET = """\
[Header],,,
FileFormatVersion,2,,
RunName,run7,,

[BCLConvert_Settings],,,
SoftwareVersion,4.2.7,,

[BCLConvert_Data],,,
Lane,Sample_ID,Index,OverrideCycles
1,S1,ACGT,Y151;I8;I8;Y151
2,S1,ACGT,Y151;I8;I8;Y151
1,S2,TTTT,Y151;I8;I8;Y151

[Cloud_Data],,,
Sample_ID,ProjectName,,
S1,P,,
"""
PARAMS = "input: s3://lab/sheets/run7.csv\ngenome: GRCh38\nskip_qc: true\nmax_memory: 128.GB\n"


def requests(simulated: Simulated) -> dict[str, dict[str, Any]]:
    """Return what the service says that each run was started with, by the row's id."""
    found: dict[str, dict[str, Any]] = {}
    for run in simulated.state()["runs"]:
        with urllib.request.urlopen(f"{simulated.url}/run/{run['id']}", timeout=10) as answer:
            found[run["tags"]["batchrun:id"]] = json.load(answer)
    return found


def launched(shell: Shell, simulated: Simulated, *arguments: str) -> dict[str, dict[str, Any]]:
    done = shell.run("run", *arguments, "--endpoint-url", simulated.url, *FAST)
    assert done.returncode == 0, done.stderr
    return requests(simulated)


def test_an_nf_core_params_file_reaches_every_run(shell: Shell, simulate):
    shell.write("lab.yaml", DEFAULTS)
    shell.write("params.yml", PARAMS)
    shell.write("rows.csv", "id,parameters.genome\nA,\nB,T2T\n")
    command = ["rows.csv", "--defaults", "lab.yaml", "--parameters-from", "params.yml"]
    found = launched(shell, simulate("--time-scale", "0.0002"), *command)
    sent = {"input": "s3://lab/sheets/run7.csv", "skip_qc": True, "max_memory": "128.GB"}
    assert found["A"]["parameters"] == {**sent, "genome": "GRCh38"}
    assert found["B"]["parameters"] == {**sent, "genome": "T2T"}
    assert found["A"]["outputUri"] == "s3://lab-results/rows/A/"


def test_a_start_run_json_runs_by_the_command_that_its_message_has(shell: Shell, simulate):
    shell.write("start-run.json", START_RUN)
    simulated = simulate("--time-scale", "0.0002")
    told = shell.run("run", "start-run.json", "--endpoint-url", simulated.url, *FAST)
    assert told.returncode == 2
    assert "1 problem; nothing was submitted" in told.stderr
    typed = shlex.split(told.stderr.splitlines()[0].partition(", run: ")[2])
    assert typed == ["batchrun", "run", "--each-file", "start-run.json"]
    found = launched(shell, simulated, *typed[2:])
    wanted = json.loads(START_RUN)
    tags = wanted.pop("tags")
    assert {name: found["start-run"].get(name) for name in wanted} == wanted
    assert found["start-run"]["tags"].items() >= tags.items()
    assert [row["name"] for row in shell.results("start-run.results.csv")] == ["mutect-241002"]


@pytest.mark.long
def test_several_inputs_jsons_are_one_run_each_and_the_same_command_resumes(shell: Shell, simulate):
    shell.write("lab.yaml", DEFAULTS)
    (shell.folder / "inputs").mkdir()
    for number in (1, 2, 10):
        shell.write(
            f"inputs/S{number}.inputs.json", json.dumps({"P.bam": f"s3://lab/{number}.bam", "P.n": number})
        )
    simulated = simulate("--time-scale", "0.0002")
    command = ["--each-file", "inputs/*.json", "--defaults", "lab.yaml"]
    found = launched(shell, simulated, *command)
    assert found["S10"]["parameters"] == {"P.bam": "s3://lab/10.bam", "P.n": 10}
    assert found["S10"]["name"] == "inputs-S10"
    assert [row["id"] for row in shell.results("inputs.results.csv")] == ["S1", "S2", "S10"]
    assert len(launched(shell, simulated, *command)) == 3
    planned = shell.run("plan", *command)
    assert "3 unchanged" in planned.stdout


def test_a_list_of_start_run_requests_runs_by_their_names(shell: Shell, simulate):
    request = {**json.loads(START_RUN), "requestId": "11111111-1111-1111-1111-111111111111"}
    shell.write("list.json", json.dumps([request, {**request, "name": "mutect-241003"}]))
    found = launched(shell, simulate("--time-scale", "0.0002"), "list.json")
    assert {id_: run["name"] for id_, run in found.items()} == {
        "mutect-241002": "mutect-241002",
        "mutect-241003": "mutect-241003",
    }
    assert all(run["tags"]["batchrun:request-id"] != request["requestId"] for run in found.values())


def test_lines_of_inputs_run_by_the_command_that_their_message_has(shell: Shell, simulate):
    shell.write("lab.yaml", DEFAULTS)
    rows = [
        {"P.base_name": name, "P.cram": f"s3://lab/{name}.cram", "P.n": 31} for name in ("HG002", "HG003")
    ]
    shell.write("inputs.jsonl", "\n".join(map(json.dumps, rows)))
    told = shell.run("run", "inputs.jsonl", "--defaults", "lab.yaml")
    assert told.returncode == 2
    typed = shlex.split(told.stderr.splitlines()[0].partition(", run: ")[2])
    found = launched(shell, simulate("--time-scale", "0.0002"), *typed[2:])
    assert {id_: run["parameters"] for id_, run in found.items()} == {row["P.base_name"]: row for row in rows}


def test_an_illumina_samplesheet_runs_by_the_command_that_its_message_has(shell: Shell, simulate):
    shell.write("lab.yaml", DEFAULTS)
    shell.write("SampleSheet.csv", SAMPLE_SHEET)
    simulated = simulate("--time-scale", "0.0002")
    told = shell.run("run", "SampleSheet.csv", "--defaults", "lab.yaml")
    assert (
        "SampleSheet.csv:9: id: this is not a manifest but a sheet of 4 columns, the section" in told.stderr
    )
    assert "ids are in 'Sample_ID' (repeated, differing in 'Lane'); rows that have the same" in told.stderr
    typed = told.stderr.splitlines()[0].partition(", run: ")[2]
    found = launched(shell, simulated, *shlex.split(typed)[2:])
    cycles = "Y151;I8;I8;Y151"
    assert {id_: run["parameters"] for id_, run in found.items()} == {
        "S1": {"Lane": ["1", "2"], "Index": "ACGT", "OverrideCycles": cycles},
        "S2": {"Lane": ["1"], "Index": "TTTT", "OverrideCycles": cycles},
    }


def test_a_variable_reaches_the_service_where_the_command_allows_it(shell: Shell, simulate):
    shell.write("lab.yaml", DEFAULTS.replace("{id}/", "{env.RUN_DATE}/"))
    shell.write("rows.csv", "id\nA\n")
    command = ["rows.csv", "--defaults", "lab.yaml"]
    told = shell.run("run", *command, RUN_DATE="2026-11-26")
    assert told.returncode == 2
    assert "lab.yaml:3:12: outputUri: {env.RUN_DATE} is not allowed" in told.stderr
    assert "give --env RUN_DATE" in told.stderr
    simulated = simulate("--time-scale", "0.0002")
    place = ["--endpoint-url", simulated.url, *FAST]
    done = shell.run("run", *command, "--env", "RUN_DATE", *place, RUN_DATE="2026-11-26")
    assert done.returncode == 0, done.stderr
    assert requests(simulated)["A"]["outputUri"] == "s3://lab-results/rows/2026-11-26/"
    other = shell.run("plan", *command, BATCHRUN_ENV="RUN_DATE", RUN_DATE="2026-11-27")
    assert "1 changed" in other.stdout


def test_a_file_that_merely_lies_there_allows_no_variable(shell: Shell):
    shell.write("lab.yaml", DEFAULTS.replace("{id}/", "{env.USER}/"))
    shell.write("rows.csv", "id\nA\n")
    shell.write("batchrun.toml", 'env = ["USER"]\n')
    command = ["check", "rows.csv", "--defaults", "lab.yaml"]
    done = shell.run(*command, USER="me")
    assert done.returncode == 2
    assert "batchrun.toml:1: 'env' puts variables of your environment into requests" in done.stderr
    assert shell.run("--config", "batchrun.toml", *command, USER="me").returncode == 0


def test_the_shell_that_made_several_of_a_pattern_is_told(shell: Shell):
    for name in "abc":
        shell.write(f"{name}.json", "{}")
    for arguments, said in (
        (["--each-file", "a.json", "b.json"], "--each-file replaces MANIFEST"),
        (["--each-file", "a.json", "b.json", "c.json"], "only one MANIFEST can be given, and there are 2"),
        ([], "give a MANIFEST, or files of one run each"),
    ):
        done = shell.run("check", *arguments)
        assert done.returncode == 2
        assert said in done.stderr


def test_a_workbook_reaches_the_service_as_a_person_reads_it(shell: Shell, simulate):
    header = row(1, *(text(f"{column}1", name) for column, name in zip("ABC", COLUMNS, strict=True)))
    cells = (text("A2", "0042"), text("B2", "s3://lab/0042.bam"), '<c r="C2"><v>30</v></c>')
    (shell.folder / "lims.xlsx").write_bytes(workbook({"Run 7": header + row(2, *cells)}))
    shell.write("lab.yaml", DEFAULTS)
    options = ("--id", "Sample", "--parameter", "bam={Bam file}", "--parameter", "depth={Depth:int}")
    runs = launched(
        shell, simulate("--time-scale", "0.0002"), "lims.xlsx", "--defaults", "lab.yaml", *options
    )
    assert {id: run["parameters"] for id, run in runs.items()} == {
        "0042": {"bam": "s3://lab/0042.bam", "depth": 30}
    }
