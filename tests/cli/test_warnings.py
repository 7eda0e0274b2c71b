"""What is no error and yet hardly meant, through the real command: told, counted, refused by --strict."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import DEFAULTS, Shell
from tests.cli.test_json import held

FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")
#: Sheets as people have them, made after public bug reports, and what each is warned of.
CASES: dict[str, tuple[str, list[str]]] = {
    "copied and pasted": (
        (
            "id,parameters.reads_1,parameters.reads_2\n"
            "p1,s3://lab/f1_R1.fastq.gz,s3://lab/f1_R2.fastq.gz\n"
            "p2,s3://lab/f1_R1.fastq.gz,s3://lab/f2_R2.fastq.gz\n"
            "p3,s3://lab/f3_R1.fastq.gz,s3://lab/f3_R1.fastq.gz\n"
        ),
        ["shared_file 3:2", "same_file 4:3"],
    ),
    "spaces at the ends": (
        ("id,parameters.reads_1,parameters.reads_2\nS1,s3://lab/S1_R1.fastq.gz , s3://lab/S1_R2.fastq.gz\n"),
        ["white_space 2:2", "white_space 2:3"],
    ),
    "characters of a word processor": (
        (
            "id,parameters.reads_1\n"
            "S1,s3://lab/S1_R1.fastq.gz\u00a0\n"
            "S2,\u201cs3://lab/S2_R1.fastq.gz\u201d\n"
            "S3,s3://lab/S3\u200b_R1.fastq.gz\n"
            "S4,s3\uff1a//lab/S4_R1.fastq.gz\n"
        ),
        ["invisible_character 2:2", "quotes 3:2", "invisible_character 4:2", "look_alike_character 5:2"],
    ),
    "arrays without a type": (
        (
            "id\tparameters.fastqs\n"
            'S1\t["s3://lab/a_L1.fq.gz","s3://lab/a_L2.fq.gz"]\n'
            "S2\ts3://lab/b_L1.fq.gz;s3://lab/b_L2.fq.gz\n"
            "S3\ts3://lab/c_L1.fq.gz,s3://lab/c_L2.fq.gz\n"
        ),
        ["untyped 2:2", "untyped 3:2", "untyped 4:2"],
    ),
    "numbers without a type": (
        (
            "id,parameters.reads,parameters.threads,parameters.expected_cells,parameters.skip\n"
            "S1,s3://lab/a.fq.gz,16,5000,false\n"
        ),
        ["untyped 2:3", "untyped 2:4", "untyped 2:5"],
    ),
    "cells unlike URIs": (
        (
            "id,parameters.reads_1,parameters.reads_2\n"
            "S1,/mnt/data/S1_R1.fastq.gz,C:\\data\\S1_R2.fastq.gz\n"
            "S2,gs://lab/S2_R1.fastq.gz,https://lab.s3.amazonaws.com/S2_R2.fastq.gz\n"
            "S3,s3:/lab/S3_R1.fastq.gz,S3://lab/S3_R2.fastq.gz\n"
            "S4,NA,NULL\n"
        ),
        [
            *("local_path 2:2", "local_path 2:3", "not_s3 3:2", "not_s3 3:3"),
            *("not_s3 4:2", "not_s3 4:3", "not_available 5:2", "not_available 5:3"),
        ],
    ),
}


@pytest.fixture
def sheet(shell: Shell, request) -> list[str]:
    """Write a sheet, and return the arguments that name it."""
    shell.write("lab.yaml", DEFAULTS)
    text = request.param
    name = "sheet.tsv" if "\t" in text else "sheet.csv"
    shell.write(name, text)
    return [name, "--defaults", "lab.yaml"]


@pytest.mark.parametrize(("sheet", "told"), CASES.values(), indirect=["sheet"], ids=CASES)
def test_check_tells_each_with_line_and_column_and_strict_refuses_it(shell: Shell, sheet: list[str], told):
    done = shell.run("check", *sheet)
    assert done.returncode == 0
    assert "no problems found" in done.stdout
    lines = done.stderr.splitlines()
    assert all(line.startswith("warning: sheet.") for line in lines)
    assert [line.split(" ")[1].split(":", 1)[1] for line in lines] == [one.split(" ")[1] for one in told]
    strict = shell.run("check", *sheet, "--strict", "--json")
    assert strict.returncode == 2
    found = held(strict.stdout)
    assert {one["message_type"] for one in found} == {"warning"}
    assert [f"{one['kind']} {one['line']}:{one['column']}" for one in found] == told
    assert strict.stderr.endswith(", treated as errors (--strict); nothing was submitted\n")


@pytest.mark.parametrize("sheet", [CASES["cells unlike URIs"][0]], indirect=True)
def test_run_tells_them_and_goes_on_and_strict_submits_nothing(shell: Shell, simulate, sheet: list[str]):
    simulated = simulate("--time-scale", "0.0002")
    command = ("run", *sheet, "--endpoint-url", simulated.url, *FAST)
    for strict in (("--strict",), ("--strict", "-q")):
        refused = shell.run(*command, *strict)
        assert refused.returncode == 2
        assert "8 warnings, treated as errors (--strict); nothing was submitted" in refused.stderr
        assert "'/mnt/data/S1_R1.fastq.gz' is a local path" in refused.stderr
        assert not (shell.folder / "batchrun.db").exists()
    assert simulated.state()["calls"] == {}
    done = shell.run(*command)
    assert done.returncode == 0
    assert done.stderr.count("warning: sheet.csv:") == 8
    sent = {run["tags"]["batchrun:id"] for run in simulated.state()["runs"]}
    assert sent == {"S1", "S2", "S3", "S4"}
    again = shell.run(*command, "-q")
    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.parametrize("sheet", [CASES["numbers without a type"][0]], indirect=True)
def test_json_tells_them_apart_from_what_is_wrong(shell: Shell, sheet: list[str]):
    for verb in ("check", "plan"):
        *warnings, last = held(shell.run(verb, *sheet, "--json").stdout)
        assert [one["message_type"] for one in warnings] == ["warning"] * 3
        assert last["message_type"] == verb
        assert warnings[0]["value"] == "'16'"
        assert "parameters.threads:int" in warnings[0]["cure"]
    wrong = shell.run("check", *sheet, "--set", "priority=high", "--json")
    assert wrong.returncode == 2
    kinds = [one["message_type"] for one in held(wrong.stdout)]
    assert kinds == ["warning"] * 3 + ["problem"]
    assert "1 problem; nothing was submitted" in wrong.stderr


@pytest.mark.parametrize("sheet", [CASES["numbers without a type"][0]], indirect=True)
def test_the_cure_followed_to_the_letter_leaves_nothing_to_say(shell: Shell, sheet: list[str]):
    told = shell.run("check", *sheet).stderr
    header, row = (shell.folder / "sheet.csv").read_text().splitlines()
    for name in re.findall(r"name the column (\S+?),", told):
        header = header.replace(name.rpartition(":")[0], name)
    shell.write("sheet.csv", f"{header}\n{row}\n")
    done = shell.run("check", *sheet, "--strict")
    assert (done.returncode, done.stderr) == (0, "")
    converted = shell.run("manifest", "convert", *sheet, "-o", "-", "--to", "jsonl")
    parameters = json.loads(converted.stdout)["parameters"]
    assert parameters == {"reads": "s3://lab/a.fq.gz", "threads": 16, "expected_cells": 5000, "skip": False}


@pytest.mark.parametrize("sheet", [CASES["numbers without a type"][0]], indirect=True)
def test_strict_can_be_set_for_all_verbs(shell: Shell, sheet: list[str]):
    shell.write("batchrun.toml", "strict = true\n")
    for verb in ("check", "plan"):
        assert shell.run(verb, *sheet).returncode == 2
    (shell.folder / "batchrun.toml").unlink()
    assert shell.run("check", *sheet, BATCHRUN_STRICT="1").returncode == 2


@pytest.mark.parametrize("sheet", [CASES["numbers without a type"][0]], indirect=True)
def test_convert_tells_them_too(shell: Shell, sheet: list[str]):
    done = shell.run("manifest", "convert", *sheet, "-o", "o.jsonl")
    assert done.returncode == 0
    assert done.stderr.count("warning: ") == 3
    assert shell.run("manifest", "convert", *sheet, "-o", "p.jsonl", "--strict").returncode == 2
    assert not (shell.folder / "p.jsonl").exists()


def test_what_convert_writes_is_sound(shell: Shell):
    parameters = {"a": "16", "b": "true", "c": "[1]", "d": "auto", "e": "0042", "f": 16}
    row = {"id": "S1", "parameters": parameters, "tags": {"lane": "16"}}
    shell.write("m.json", json.dumps([row]))
    shell.write("lab.yaml", DEFAULTS)
    for name in ("m.csv", "m.tsv"):
        assert (
            shell.run("manifest", "convert", "m.json", "--defaults", "lab.yaml", "-o", name).returncode == 0
        )
        done = shell.run("manifest", "convert", name, "--strict", "-o", "-", "--to", "jsonl")
        assert (done.returncode, "warning" in done.stderr) == (0, False)
        assert json.loads(done.stdout)["parameters"] == parameters
    header = (shell.folder / "m.csv").read_text().splitlines()[0]
    assert (
        "parameters.a:text,parameters.b:text,parameters.c:text,parameters.d,parameters.e,parameters.f:int,"
        in header
    )
    assert header.endswith(",tags.lane")


def test_a_folders_manifests_are_looked_at_each(shell: Shell):
    shell.write("lab.yaml", DEFAULTS)
    for name in ("a", "b"):
        shell.write(f"{name}.csv", f"id,parameters.threads\n{name},16\n")
    done = shell.run("check", ".", "--defaults", "lab.yaml")
    assert done.returncode == 0
    assert [line.split(":")[1] for line in done.stderr.splitlines()] == [" a.csv", " b.csv"]
    strict = shell.run("run", ".", "--defaults", "lab.yaml", "--strict")
    assert (strict.returncode, "2 warnings" in strict.stderr) == (2, True)


def test_the_shipped_samples_are_sound(shell: Shell):
    samples = Path(__file__).resolve().parents[2] / "manifests"
    shutil.copytree(samples, shell.folder / "manifests")
    for name in (
        "cohort.yaml",
        "native-batch.json",
        "nf-core.yaml",
        "panel.jsonl",
        "retries.yaml",
        "two-regions.yaml",
    ):
        done = shell.run("check", f"manifests/{name}", "--strict")
        assert (done.returncode, done.stderr) == (0, ""), name
    done = shell.run(
        "check", "manifests/samples.csv", "--defaults", "manifests/samples.defaults.yaml", "--strict"
    )
    assert (done.returncode, done.stderr) == (0, "")
