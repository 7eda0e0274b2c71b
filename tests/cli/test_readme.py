"""The commands of the README and of the topics are run, and say what is shown."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import click
import pytest
import yaml

from batchrun.cli.main import cli
from batchrun.cli.settings.names import verbs_of
from tests.cli.conftest import BATCHRUN, DEFAULTS, ROOT, Shell
from tests.cli.manual import HELP, PAGES, README, TOPIC, blocks, commands


def same_but_for_figures(shown: str, said: str) -> bool:
    return re.sub(r"\d+", "N", shown).strip() == re.sub(r"\d+", "N", said).strip()


@pytest.fixture
def checkout(shell: Shell, simulate, looks_often) -> Shell:  # noqa: ARG001
    """A folder with the manifests, where ``batchrun`` is a command and a simulator is the service."""
    shutil.copytree(ROOT / "manifests", shell.folder / "manifests")
    binary = shell.folder / "bin"
    binary.mkdir()
    (binary / "batchrun").write_text(f'#!/bin/sh\nexec {" ".join(BATCHRUN)} "$@"\n', encoding="utf-8")
    (binary / "batchrun").chmod(0o755)
    simulated = simulate("--time-scale", "0.002", "--seed", "0")
    shell.environment["PATH"] = f"{binary}:{shell.environment['PATH']}"
    shell.environment["AWS_ENDPOINT_URL_OMICS"] = simulated.url
    return shell


def typed(command: str, shell: Shell, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command],
        cwd=shell.folder,
        env={**shell.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
@pytest.mark.parametrize("block", blocks("console", README)[:3], ids=["first batch", "results", "killed"])
def test_a_console_block_is_true(checkout: Shell, block):
    if "samples.results.csv" in block and "batchrun run" not in block:
        prepare = "batchrun run manifests/samples.csv --defaults manifests/samples.defaults.yaml"
        assert typed(prepare, checkout).returncode == 0
    for command, shown in commands(block):
        done = typed(command, checkout)
        said = done.stdout.splitlines()
        if "kill" in command or command.startswith("batchrun status"):
            continue  # where it is killed is chance; that it goes on to the end is what counts
        assert done.returncode == 0, done.stderr
        if "results.csv" in command:
            assert [line.split(",")[:2] for line in said] == [line.split(",")[:2] for line in shown]
            continue
        assert len(said) == len(shown), said
        assert all(same_but_for_figures(*pair) for pair in zip(shown, said, strict=True)), said


def python(example: str, checkout: Shell) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", example],
        cwd=checkout.folder,
        env=checkout.environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
def test_the_python_example_in_short_runs_and_says_what_it_says(checkout: Shell):
    done = python(blocks("python", README)[0], checkout)
    assert done.returncode == 0, done.stderr
    *steps, last = done.stdout.splitlines()
    assert {line.split()[0] for line in steps if line.endswith(" completed")} == ids(checkout)
    assert last == "True"


def ids(checkout: Shell) -> set[str]:
    rows = (checkout.folder / "manifests" / "samples.csv").read_text(encoding="utf-8").splitlines()[1:]
    return {row.split(",")[0] for row in rows}


@pytest.mark.long
def test_the_python_example_runs_and_says_what_it_says(checkout: Shell):
    done = python(blocks("python", TOPIC["python"])[0], checkout)
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"NA12878", "NA12891", "NA12892"}
    rows = checkout.results("trio.results.csv")
    assert [(row["status"], row["tags.family"]) for row in rows] == [("COMPLETED", "CEU-1463")] * 3
    assert "<html" in (checkout.folder / "trio.report.html").read_text(encoding="utf-8")


def test_the_python_example_with_a_sheet_makes_one_row_of_two(checkout: Shell):
    done = python(blocks("python", TOPIC["python"])[1], checkout)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_the_examples_parse():
    assert yaml.safe_load(blocks("yaml", TOPIC["manifest"])[0])["batch"] == "cohort-2026-11"
    policy = json.loads(blocks("json", TOPIC["iam"])[0])
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert actions == {
        "omics:StartRun",
        "omics:TagResource",
        "omics:GetRun",
        "omics:ListRuns",
        "omics:ListRunTasks",
        "omics:GetRunTask",
        "iam:PassRole",
    }


def test_the_yaml_example_is_a_good_manifest(shell: Shell):
    shell.write("example.yaml", blocks("yaml", TOPIC["manifest"])[0])
    assert shell.run("check", "example.yaml").returncode == 0


def test_the_retry_example_is_good(shell: Shell):
    manifest = shell.write("cohort.yaml", blocks("yaml", TOPIC["retry"])[0] + "runs: [{id: a}]\n")
    shell.write("defaults.yaml", DEFAULTS)
    done = shell.run("check", manifest.name, "--defaults", "defaults.yaml")
    assert done.returncode == 0, done.stderr


def test_the_csv_example_is_good(shell: Shell):
    shell.write("cohort.csv", blocks("csv", TOPIC["manifest"])[0])
    shell.write("defaults.yaml", DEFAULTS)
    done = shell.run("check", "cohort.csv", "--defaults", "defaults.yaml")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("example", [0, 1])
def test_the_settings_examples_are_good(shell: Shell, example):
    text = blocks("toml", TOPIC["config"])[example]
    line = text.splitlines().index(next(one for one in text.splitlines() if "poll-interval" in one)) + 1
    shell.write("batchrun.toml", text)
    assert f"poll-interval\t30s\tfile batchrun.toml:{line}\trun" in shell.run("config", "run").stdout


@pytest.mark.long
@pytest.mark.parametrize("page", ["README.md", "cron"])
def test_the_crontab_line_is_quiet_for_what_is_normal_and_speaks_for_what_is_not(checkout: Shell, page):
    line = (
        blocks("crontab", PAGES[page])[0].split(None, 5)[5].replace("cd /srv/cohort && /usr/local/bin/", "")
    )
    shutil.copy(ROOT / "manifests" / "cohort.yaml", checkout.folder / "cohort.yaml")
    told = [typed(line, checkout), typed(line, checkout, BATCHRUN_RATE="nonsense")]
    assert (told[0].stdout, told[0].stderr) == ("", "")
    assert told[1].stdout == "cohort needs a look\n"


def test_every_script_is_told_of():
    scripts = {path.name for path in (ROOT / "scripts").iterdir()} - {"venv", "readme"}
    assert {name for name in scripts if f"scripts/{name}" in README} == scripts


def test_every_verb_and_topic_that_is_spoken_of_is_there():
    known = {*cli.list_commands(click.Context(cli)), "--help", "--version", "--config", "--no-config"}
    for page, text in PAGES.items():
        told = set(re.findall(r"[`'$] ?batchrun ([a-z][a-z0-9-]*)", text))
        assert told <= known, page
        topics = set(re.findall(r"batchrun help ([a-z][a-z-]*)", text))
        assert topics <= {*TOPIC, *known}, page


def test_every_option_that_is_spoken_of_is_there():
    names = {name for command in verbs_of(cli, click.Context(cli)).values() for name in longs(command)}
    known = {*names, *longs(cli), "--help"}
    for page, text in PAGES.items():
        assert {name for name in re.findall(r"`(--[a-z][a-z-]+)", text) if name not in known} == set(), page


def longs(command: click.Command) -> set[str]:
    return {
        name for option in command.params for name in (*option.opts, *option.secondary_opts) if "--" in name
    }


def test_every_file_that_is_linked_is_there():
    for page, text in PAGES.items():
        folder = ROOT if page == "README.md" else HELP
        linked = re.findall(r"\]\(([^)#:]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
        assert [path for path in linked if not (folder / path).exists()] == [], page
