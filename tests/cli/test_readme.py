"""The README's commands are run, and say what it shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
import yaml

from tests.cli.conftest import BATCHRUN, ROOT, Shell

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """Give each command of a console block with the lines that it is shown to print."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *shown = part.strip().splitlines()
        yield command.split("  #")[0].strip(), shown


def same_but_for_figures(shown: str, said: str) -> bool:
    return re.sub(r"\d+", "N", shown).strip() == re.sub(r"\d+", "N", said).strip()


@pytest.fixture
def checkout(shell: Shell, simulate) -> Shell:
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


@pytest.mark.parametrize("block", blocks("console")[:3], ids=["first batch", "results", "killed"])
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


def test_the_python_example_runs_and_says_what_it_says(checkout: Shell):
    done = subprocess.run(
        [sys.executable, "-c", blocks("python")[0]],
        cwd=checkout.folder,
        env=checkout.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *succeeded, last = done.stdout.splitlines()
    assert len({line.split()[0] for line in succeeded}) == 8
    assert last.startswith("True s3://lab-results/samples/NA12878/")


def test_the_examples_parse():
    assert yaml.safe_load(blocks("yaml")[0])["batch"] == "cohort-2026-11"
    policy = json.loads(blocks("json")[0])
    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert actions == {
        "omics:StartRun",
        "omics:TagResource",
        "omics:GetRun",
        "omics:ListRuns",
        "iam:PassRole",
    }


def test_the_yaml_example_is_a_good_manifest(shell: Shell):
    shell.write("example.yaml", blocks("yaml")[0])
    assert shell.run("check", "example.yaml").returncode == 0


def test_the_settings_example_is_good(shell: Shell):
    shell.write("batchrun.toml", blocks("toml")[0])
    assert "poll-interval\t30s\tfile batchrun.toml:3\trun" in shell.run("config", "run").stdout


def test_the_crontab_line_is_quiet_for_what_is_normal_and_speaks_for_what_is_not(checkout: Shell):
    line = blocks("crontab")[0].split(None, 5)[5].replace("cd /srv/cohort && /usr/local/bin/", "")
    shutil.copy(ROOT / "manifests" / "cohort.yaml", checkout.folder / "cohort.yaml")
    told = [typed(line, checkout), typed(line, checkout, BATCHRUN_RATE="nonsense")]
    assert (told[0].stdout, told[0].stderr) == ("", "")
    assert told[1].stdout == "cohort needs a look\n"


def test_every_script_is_told_of():
    scripts = {path.name for path in (ROOT / "scripts").iterdir()} - {"venv", "readme"}
    assert {name for name in scripts if f"scripts/{name}" in TEXT} == scripts
