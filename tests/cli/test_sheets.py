"""Sheets on the command line: options alone, and what is said of them."""

from __future__ import annotations

import json
import shlex

import pytest
import yaml

from tests.cli.conftest import DEFAULTS, Shell
from tests.cli.manual import TOPIC, blocks, commands

LANES = """\
sample,fastq_1,fastq_2,strandedness
WT,s3://lab/1_1.fq.gz,s3://lab/1_2.fq.gz,auto
WT,s3://lab/2_1.fq.gz,s3://lab/2_2.fq.gz,auto
KO,s3://lab/3_1.fq.gz,,reverse
"""
READS = 'reads:json=[{"r1":"{fastq_1}","r2":"{fastq_2}"}]'
FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")


@pytest.fixture
def sheet(shell: Shell) -> list[str]:
    shell.write("lab.yaml", DEFAULTS)
    shell.write("samplesheet.csv", LANES)
    return ["samplesheet.csv", "--defaults", "lab.yaml"]


def rows_of(shell: Shell, *arguments: str, **environment: str) -> dict[str, dict[str, object]]:
    done = shell.run("manifest", "convert", *arguments, "-o", "-", "--to", "jsonl", **environment)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["id"]: row.get("parameters") for row in rows}


def test_the_command_of_the_contract_runs_and_a_lane_more_is_told(shell: Shell, simulate, sheet: list[str]):
    url = simulate("--time-scale", "0.0002").url
    command = [*sheet, "--id", "sample", "--group-by", "sample", "--parameter", READS]
    done = shell.run("run", *command, "--endpoint-url", url, *FAST)
    assert done.returncode == 0, done.stderr
    assert [row["id"] for row in shell.results("samplesheet.results.csv")] == ["WT", "KO"]
    shell.write("samplesheet.csv", LANES + "KO,s3://lab/4_1.fq.gz,,reverse\n")
    planned = shell.run("plan", *command)
    assert "1 unchanged, 1 changed" in planned.stdout
    assert "  KO: parameters.reads is a list of 2, was a list of 1" in planned.stdout
    *warnings, told = map(json.loads, shell.run("plan", *command, "--json").stdout.splitlines())
    assert [(one["kind"], one["row"]) for one in warnings] == [("mate_missing", "KO")] * 2
    change = {"field": "parameters.reads", "was": "a list of 1", "now": "a list of 2"}
    assert told["changes"] == {"KO": [change]}
    again = shell.run("run", *command, "--endpoint-url", url, *FAST)
    assert again.returncode == 2
    assert "KO (parameters.reads is a list of 2, was a list of 1)" in again.stderr


def test_the_message_alone_followed_to_the_letter_runs_the_batch(shell: Shell, simulate, sheet: list[str]):
    place = ["--endpoint-url", simulate("--time-scale", "0.0002").url]
    told = shell.run("run", *sheet, *place, *FAST)
    assert told.returncode == 2
    assert "1 problem; nothing was submitted" in told.stderr
    typed = shlex.split(told.stderr.splitlines()[0].partition(", run: ")[2])
    assert typed[:3] == ["batchrun", "run", "samplesheet.csv"]
    done = shell.run(*typed[1:], *place, *FAST)
    assert done.returncode == 0, done.stderr
    assert [row["id"] for row in shell.results("samplesheet.results.csv")] == ["WT", "KO"]
    assert rows_of(shell, *typed[2:])["WT"] == {
        "fastq_1": ["s3://lab/1_1.fq.gz", "s3://lab/2_1.fq.gz"],
        "fastq_2": ["s3://lab/1_2.fq.gz", "s3://lab/2_2.fq.gz"],
        "strandedness": "auto",
    }


def test_columns_as_parameters_needs_no_names(shell: Shell, sheet: list[str]):
    shell.write("samplesheet.csv", LANES.replace("WT,s3://lab/2", "W2,s3://lab/2"))
    whole = rows_of(shell, *sheet, "--id", "sample", "--columns-as-parameters")
    assert whole["KO"] == {"fastq_1": "s3://lab/3_1.fq.gz", "strandedness": "reverse"}
    some = rows_of(shell, *sheet, "--id", "sample", "--columns-as-parameters", "strandedness,fastq_1")
    assert some["W2"] == {"fastq_1": "s3://lab/2_1.fq.gz", "strandedness": "auto"}


def test_options_read_their_variables_but_parameter_does_not(shell: Shell, sheet: list[str]):
    environment = {"BATCHRUN_GROUP_BY": "sample", "BATCHRUN_PARAMETER": "p={no}"}
    assert rows_of(shell, *sheet, **environment) == {"WT": None, "KO": None}


def test_a_table_may_have_other_delimiters_and_no_header(shell: Shell, sheet: list[str]):
    shell.write("map.tsv", "NA1|s3://lab/1.g.vcf\n")
    command = ["map.tsv", *sheet[1:], "--header", "sample,gvcf", "--delimiter", "|", "--id", "sample"]
    assert rows_of(shell, *command, "--columns-as-parameters") == {"NA1": {"gvcf": "s3://lab/1.g.vcf"}}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--delimiter", ";;"], "--delimiter ';;': write one character, or tab,"),
        (["--header", '"a'], "--header '\"a': write names with commas between them"),
        (["--id", "smaple"], "there is no column 'smaple'; did you mean 'sample'?"),
        (
            ["--group-by", "sample", "--parameter", "r={fastq_1}"],
            "samplesheet.csv:2-3 (id WT): column 'fastq_1'",
        ),
    ],
)
def test_what_cannot_be_followed_is_a_usage_error(shell: Shell, sheet: list[str], options, said: str):
    done = shell.run("check", *sheet, *options)
    assert done.returncode == 2
    assert said in done.stderr


def test_problems_as_json_have_all_lines_of_a_run(shell: Shell, sheet: list[str]):
    done = shell.run("check", *sheet, "--group-by", "sample", "--parameter", "r={fastq_1}", "--json")
    (problem,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (problem["line"], problem["lines"]) == (2, [2, 3])


def test_what_has_sheets_of_its_own_is_not_converted(shell: Shell):
    shell.write("s.csv", "id\nA\n")
    shell.write("b.yaml", "sheet: s.csv\nsheet_out: s3://lab/{id}.csv\n")
    shell.write("lab.yaml", DEFAULTS)
    done = shell.run("manifest", "convert", "b.yaml", "--defaults", "lab.yaml", "-o", "b.json")
    assert done.returncode == 2
    assert "sheet_out" in done.stderr
    assert not (shell.folder / "b.json").exists()


def test_the_manuals_examples_are_what_they_say(shell: Shell, sheet: list[str]):
    (manifest,) = blocks("yaml", TOPIC["sheets"])
    shell.write("rnaseq.yaml", manifest)
    reads = [{"r1": f"s3://lab/{n}_1.fq.gz", "r2": f"s3://lab/{n}_2.fq.gz"} for n in (1, 2)]
    wanted = {"strandedness": "auto", "reads": reads}
    assert rows_of(shell, "rnaseq.yaml")["WT"] == wanted
    assert yaml.safe_load(manifest)["sheet"] == sheet[0]
    options = ["--group-by", "sample", "--parameter", READS, "--parameter", "strandedness={strandedness}"]
    assert rows_of(shell, *sheet, *options)["WT"] == wanted


EXAMPLES = TOPIC["sheets"].partition("## Five sheets")[2].split("\n### ")[1:]


@pytest.mark.parametrize("example", EXAMPLES, ids=[one.partition("\n")[0] for one in EXAMPLES])
def test_each_of_the_manuals_sheets_becomes_what_it_says(shell: Shell, example: str):
    shell.write("lab.yaml", DEFAULTS)
    (console,), (first,) = blocks("console", example), blocks("json", example)
    for command, shown in commands(console.replace("\\\n", "")):
        verb, *arguments = shlex.split(command)
        if verb == "cat":
            (shell.folder / arguments[0]).parent.mkdir(exist_ok=True)
            shell.write(arguments[0], "\n".join(shown) + "\n")
            continue
        checked = shell.run(*arguments)
        assert (checked.returncode, checked.stderr, checked.stdout.splitlines()) == (0, "", shown)
        assert next(iter(rows_of(shell, *arguments[1:]).values())) == json.loads(first)


def test_a_folder_does_not_take_a_manifests_sheet_for_another(shell: Shell, sheet: list[str]):
    shell.write("rnaseq.yaml", blocks("yaml", TOPIC["sheets"])[0])
    done = shell.run("check", ".", *sheet[1:])
    (warning,) = done.stderr.splitlines()
    assert "samplesheet.csv:4:3 (id KO): fastq_2: is empty beside fastq_1" in warning
    assert done.returncode == 0
    assert done.stdout == "rnaseq-run7: 2 rows, no problems found\n"
