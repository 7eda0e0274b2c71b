"""``batchrun config``, and what a file of settings does to the real verbs."""

from __future__ import annotations

import json
import subprocess
import tomllib
from typing import Any

import click
import pytest

from batchrun.cli.command import untyped
from batchrun.cli.main import cli
from batchrun.cli.settings.file import SettingsFile
from batchrun.cli.settings.names import default_map, example, options_of, settable, verbs_of
from batchrun.cli.verbs.config import shown
from tests.cli.conftest import Shell

REAL_VERBS = verbs_of(cli, click.Context(cli))


def values(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[Any, str, str | None]]:
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["message_type"] for row in rows} == {"setting"}
    return {row["option"]: (row["value"], row["source"], row["place"]) for row in rows}


SETTINGS = """\
rate = 3
tags = false
set = ["workflowId=1"]
[run]
poll-interval = "10s"
rate = 4
"""


def test_flag_over_environment_over_file_over_default(shell: Shell):
    shell.write("batchrun.toml", SETTINGS)
    found = values(
        shell.run("config", "run", "--json", "--deadline", "5m", BATCHRUN_CONCURRENCY="7", BATCHRUN_TAGS="1")
    )
    assert found["deadline"] == ("5m", "flag", None)
    assert found["concurrency"] == (7, "environment", "BATCHRUN_CONCURRENCY")
    assert found["tags"] == (True, "environment", "BATCHRUN_TAGS")
    assert found["poll-interval"] == ("10s", "file", "batchrun.toml:5")
    assert found["rate"] == ("4", "file", "batchrun.toml:6")
    assert found["set"] == (["workflowId=1"], "file", "batchrun.toml:3")
    assert found["lease"] == ("30s", "default", None)
    assert found["results"] == (None, "default", None)
    again = values(shell.run("config", "--json", "run", "--rate", "9", "--set", "a=1", BATCHRUN_RATE="8"))
    assert again["rate"] == ("9", "flag", None)
    assert again["set"] == (["a=1"], "flag", None)


def test_what_the_file_says_is_what_the_verb_does(shell: Shell):
    shell.write("plain.csv", "id\n" + "".join(f"s{n}\n" for n in range(20)))
    shell.write(
        "batchrun.toml",
        'rate = 2\nset = ["workflowId=1", "roleArn=arn:aws:iam::123456789012:role/omics", "outputUri=s3://b/"]\n',
    )
    assert "10 s at 2 per second" in shell.run("plan", "plain.csv").stdout
    assert "5 s at 4 per second" in shell.run("plan", "plain.csv", "--rate", "4").stdout
    assert "20 s at 1 per second" in shell.run("plan", "plain.csv", BATCHRUN_RATE="1").stdout
    assert shell.run("--no-config", "plan", "plain.csv").returncode == 2


@pytest.mark.parametrize(
    ("typed", "error", "seen"),
    [
        ([], "cohort.yaml: --id and --group-by are for a sheet", ["--id"]),
        ([], "gone.yaml: there is no such file", ["--defaults"]),
        ([], "--set NAME=VALUE", ["--set"]),
        ([], "batch 'b' has its runs in us-east-1; give --region us-east-1, or another --batch", []),
        (["--id", "sample"], "cohort.yaml: --id and --group-by are for a sheet", []),
    ],
)
def test_what_was_not_typed_is_named_where_an_error_is_about_it(monkeypatch, typed, error, seen):
    """Seen: variables left from a test made a verb complain of options that nobody had given."""
    monkeypatch.setenv("BATCHRUN_ID", "sample")
    monkeypatch.setenv("BATCHRUN_DEFAULTS", "lab.yaml\ngone.yaml")
    settings = {"sets": ["cohort=1"], "strict": True}
    context = REAL_VERBS["check",].make_context("check", ["m.csv", *typed], default_map=settings)
    told = [*untyped(context, error)]
    assert [line.split(" ", 1)[0] for line in told] == seen
    places = {"--id": "the variable BATCHRUN_ID", "--defaults": "the variable BATCHRUN_DEFAULTS"}
    assert all(f"was not typed: {places.get(one, 'the settings file')} sets it" in told[0] for one in seen)


def test_a_verb_ends_with_what_was_not_typed(shell: Shell):
    done = shell.run("check", *shell.cohort(1), BATCHRUN_LANES="gone.yaml")
    assert done.returncode == 2
    assert done.stderr.endswith(
        "nothing was submitted\n--lanes was not typed: the variable BATCHRUN_LANES sets it; see 'batchrun "
        "config check'\n"
    )


def test_a_launch_with_settings_alone(shell: Shell, simulate):
    simulated = simulate("--time-scale", "0.0005")
    shell.write(
        "pyproject.toml",
        '[tool.batchrun]\ndefaults = ["defaults.yaml"]\n'
        'ledger = "mine.db"\n[tool.batchrun.run]\npoll-interval = "0.2s"\nresults = "mine.json"\n',
    )
    manifest, *_ = shell.cohort(3)
    done = shell.run("run", manifest, BATCHRUN_ENDPOINT_URL=simulated.url)
    assert done.returncode == 0, done.stderr
    assert (shell.folder / "mine.json").exists()
    assert "cohort: 3 succeeded" in shell.run("status").stdout


def test_a_verb_in_a_group_takes_its_table(shell: Shell):
    shell.write(
        "batchrun.toml", '[manifest.from-s3]\npattern = "(?P<id>.+)[.]bam"\n[manifest]\nto = "jsonl"\n'
    )
    done = shell.run("manifest", "from-s3", "-", stdin="s3://b/x.bam\n")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["id"] == "x"


def test_what_a_file_that_was_found_may_not_say_stops_every_verb_and_is_shown(shell: Shell):
    text = 'region = "eu-central-1"\nledger = "/tmp/l.db"\nendpoint-url = "https://u:secret@evil.example"\n'
    shell.write("batchrun.toml", f'{text}[run]\nresults = "../x.csv"\n')
    for words in (["status"], ["run", "x.csv"], ["results"]):
        done = shell.run(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "batchrun.toml:3: 'endpoint-url' decides where calls go" in done.stderr
        assert "batchrun.toml:5: 'results' writes outside this folder, to ../x.csv" in done.stderr
        assert done.stderr.count("--config FILE") == 2
    done = shell.run("config", "run", "--json")
    assert (done.returncode, done.stderr.count("--config FILE")) == (2, 2)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    shown = {row["option"]: (row["source"], row["place"]) for row in rows}
    assert shown["endpoint-url"] == ("refused", "batchrun.toml:3")
    assert shown["results"] == ("refused", "batchrun.toml:5")
    assert shown["region"] == ("file", "batchrun.toml:1")
    assert shown["ledger"] == ("file", "batchrun.toml:2")
    assert "secret" not in done.stdout + done.stderr
    named = shell.run("--config", "batchrun.toml", "config", "run", "--json")
    assert named.returncode == 0
    assert '"refused"' not in named.stdout


def test_another_file_or_none(shell: Shell):
    shell.write("batchrun.toml", "rate = 3\n")
    shell.write("other.toml", "rate = 4\n")
    found = [
        values(shell.run(*before, "config", "plan", "--json", **environment))["rate"]
        for before, environment in [
            ([], {}),
            (["--config", "other.toml"], {}),
            ([], {"BATCHRUN_CONFIG": "other.toml"}),
            (["--no-config"], {}),
            (["--no-config"], {"BATCHRUN_CONFIG": "other.toml"}),
            (["--config", "other.toml"], {"BATCHRUN_NO_CONFIG": "1"}),
        ]
    ]
    assert [value for value, _, _ in found] == ["3", "4", "4", "auto", "auto", "4"]
    assert [place for _, _, place in found][1] == "other.toml:1"
    done = shell.run("--config", "other.toml", "--no-config", "status")
    assert (done.returncode, "cannot be combined" in done.stderr) == (2, True)


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rate = \n", "batchrun.toml:1:8: this is not TOML"),
        ("rat = 1", "batchrun.toml:1: there is no option 'rat'; did you mean 'rate'?"),
        ("rate = false", "batchrun.toml:1: rate: write text"),
        ('"\\u001b[31m" = 1', "there is no option '\\x1b[31m'"),
    ],
)
def test_a_file_that_is_wrong_stops_the_verb_but_not_its_help(shell: Shell, text, told):
    shell.write("batchrun.toml", text)
    for verb in (["run", "x.csv"], ["config"], ["plan", "x.csv"]):
        done = shell.run(*verb)
        assert done.returncode == 2
        assert told in done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
    for arguments in (
        ["--help"],
        ["run", "--help"],
        ["config", "-h"],
        ["config", "--init"],
        ["--no-config", "config"],
    ):
        assert shell.run(*arguments).returncode == 0
    assert shell.run(
        _BATCHRUN_COMPLETE="bash_complete", COMP_WORDS="batchrun run --ra", COMP_CWORD="2"
    ).stdout


def test_config_takes_the_same_arguments_as_the_verb_and_requires_none(shell: Shell):
    assert shell.run("config", "manifest", "convert").returncode == 0
    assert "cohort.csv" not in shell.run("config", "run", "cohort.csv", "-v").stdout
    for arguments, told in [
        (["run", "--rate", "x"], "'x' is not a rate"),
        (["run", "--nope"], "No such option '--nope'"),
        (["runn"], "did you mean 'run'?"),
        (["manifest", "conver"], "did you mean 'convert'?"),
    ]:
        done = shell.run("config", *arguments)
        assert done.returncode == 2
        assert told in done.stderr


def test_without_a_verb_all_are_shown_and_those_alike_together(shell: Shell):
    shell.write("batchrun.toml", "rate = 3\n[plan]\nrate = 4\n")
    lines = [line.split("\t") for line in shell.run("config").stdout.splitlines()]
    assert [line for line in lines if line[0] == "rate"] == [
        ["rate", "3", "file batchrun.toml:1", "run"],
        ["rate", "4", "file batchrun.toml:3", "plan"],
    ]
    assert {name for line in lines for name in line[3].split(", ")} == {
        " ".join(path) for path, verb in REAL_VERBS.items() if options_of(verb) and path != ("config",)
    }


def test_on_a_terminal_the_columns_are_aligned(shell: Shell):
    shell.write("batchrun.toml", "rate = 3\n")
    first, head, *rows = shell.on_terminal("config", "plan").splitlines()
    assert first == "settings file: batchrun.toml"
    assert head.split() == ["OPTION", "VALUE", "FROM", "VERBS"]
    assert {row.index(" plan") for row in rows} == {head.index(" VERBS")}


AWS_CONFIG = """\
[default]
region = eu-west-1
[profile lab]
region = us-west-2
aws_secret_access_key = wJalrXUtnFEMI
services = mine
[services mine]
omics =
  endpoint_url = https://me:secret@omics.example
"""


def test_a_service_with_nothing_indented_below_it_has_no_endpoint(shell: Shell):
    """Seen: that was a defect of batchrun, with code 70."""
    for name in [name for name in shell.environment if name.startswith("AWS_")]:
        del shell.environment[name]
    shell.write("aws.config", AWS_CONFIG.replace("omics =\n  ", "omics =\n"))
    shell.environment["AWS_CONFIG_FILE"] = str(shell.folder / "aws.config")
    shown = values(shell.run("config", "check", "--json", "--profile", "lab"))
    assert shown["endpoint-url"] == ("the region's own", "default", None)


@pytest.mark.parametrize(
    ("arguments", "environment", "found"),
    [
        (
            [],
            {},
            [
                ("default", "default", None),
                ("eu-west-1", "aws", "profile default"),
                ("the region's own", "default", None),
            ],
        ),
        (
            ["--profile", "lab"],
            {},
            [
                ("lab", "flag", None),
                ("us-west-2", "aws", "profile lab"),
                ("https://***@omics.example", "aws", "profile lab"),
            ],
        ),
        (
            ["--region", "eu-west-3"],
            {"AWS_PROFILE": "lab", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
            [
                ("lab", "environment", "AWS_PROFILE"),
                ("eu-west-3", "flag", None),
                ("http://127.0.0.1:1", "environment", "AWS_ENDPOINT_URL"),
            ],
        ),
        (
            [],
            {
                "AWS_REGION": "eu-west-2",
                "BATCHRUN_PROFILE": "lab",
                "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
            },
            [
                ("lab", "environment", "BATCHRUN_PROFILE"),
                ("eu-west-2", "environment", "AWS_REGION"),
                ("the region's own", "default", None),
            ],
        ),
    ],
)
def test_where_aws_has_profile_region_and_endpoint_from(shell: Shell, arguments, environment, found):
    for name in [name for name in shell.environment if name.startswith("AWS_")]:
        del shell.environment[name]
    shell.write("aws.config", AWS_CONFIG)
    shell.environment["AWS_CONFIG_FILE"] = str(shell.folder / "aws.config")
    done = shell.run("config", "check", "--json", *arguments, **environment)
    shown = values(done)
    assert [shown[key] for key in ("profile", "region", "endpoint-url")] == found
    assert "secret" not in done.stdout
    assert "wJalr" not in done.stdout


def test_a_profile_that_aws_does_not_have_is_told(shell: Shell):
    done = shell.run("config", "check", "--profile", "nope")
    assert done.returncode == 2
    assert "nope" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_example_has_every_option_and_all_of_it_can_be_set():
    text = example(REAL_VERBS)
    top, *tables = text.split("\n\n# [")
    keys = set()
    for part in [top, *("# [" + table for table in tables)]:
        bare = "\n".join(
            line.removeprefix("# ")
            for line in part.splitlines()
            if line.startswith("# [") or (" = " in line and line.split()[1].replace("-", "").isalnum())
        )
        table = tomllib.loads(bare)
        file = SettingsFile(path="b.toml", is_named=True, table=table, text=bare)
        default_map(file, REAL_VERBS, ("no verb",))  # names are checked, placeholders are no values
        while table and all(isinstance(value, dict) for value in table.values()):
            (table,) = table.values()
        keys |= set(table)
    wanted = {key for verb in REAL_VERBS.values() for key in settable(verb)}
    assert keys == wanted


def test_the_example_is_written_even_into_the_file_itself(shell: Shell):
    done = shell.type("batchrun config --init > batchrun.toml")
    assert done.returncode == 0
    assert "\n# poll-interval = " in (shell.folder / "batchrun.toml").read_text(encoding="utf-8")
    assert values(shell.run("config", "run", "--json"))["poll-interval"] == ("60s", "default", None)


@pytest.mark.parametrize(
    ("key", "typed", "seen"),
    [
        ("endpoint-url", "https://me:secret@h/x", "https://***@h/x"),
        ("on-end", "https://hooks.example/services/secret", "https://hooks.example ..."),
        ("on-end", "https://me:secret@hooks.example/", "https://***@hooks.example ..."),
        ("on-end", "curl -H 'Authorization: secret' https://h", "curl ..."),
        ("on-end", "TOKEN=secret ./tell", "TOKEN ..."),
        ("notify-url", "https://hooks.example/services/secret", "https://hooks.example ..."),
        ("set", "a=1", "a=1"),
    ],
)
def test_secrets_within_values_are_not_shown(key, typed, seen):
    option = options_of(REAL_VERBS[("run",)])[key]
    assert shown(option, typed, typed) == seen
    assert shown(option, [typed], (typed,)) == (seen,)


def test_a_value_of_several_lines_stays_on_one(shell: Shell):
    shell.write("batchrun.toml", 'region = "a\\nb\\tc"\n')
    lines = shell.run("config", "check").stdout.splitlines()
    assert "region\ta\\nb\\tc\tfile batchrun.toml:1\tcheck" in lines
