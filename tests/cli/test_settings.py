"""Defaults of options from a file: what it may say, and what is refused."""

from __future__ import annotations

import tomllib
from typing import Any

import click
import pytest

from batchrun.cli.command import Option, Risk
from batchrun.cli.main import cli
from batchrun.cli.settings.file import SettingsFile
from batchrun.cli.settings.names import default_map, options_of, settings_for, verbs_of
from batchrun.cli.values import Duration, OutputPath, PacedRate
from batchrun.errors import UsageError

ROOT_CONTEXT = click.Context(cli)
REAL_VERBS = verbs_of(cli, ROOT_CONTEXT)


def command(*options: Option) -> click.Command:
    return click.Command(None, params=list(options))


#: A small command line of our own: two verbs, and one in a group.
VERBS: dict[tuple[str, ...], click.Command] = {
    ("run",): command(
        Option(["--rate"], type=PacedRate(), default="auto"),
        Option(["--wait"], type=Duration(), default="1m"),
        Option(["--on-end"], risk=Risk.RUNS),
        Option(["--notify-url"], risk=Risk.RUNS),
        Option(["--endpoint-url"], risk=Risk.ADDRESS),
        Option(["--wake-queue"], risk=Risk.ADDRESS),
        Option(["--env"], multiple=True, risk=Risk.ENVIRONMENT),
        Option(["--results"], type=OutputPath()),
        Option(["--tags/--no-tags"], default=True),
        Option(["--set", "sets"], multiple=True),
        Option(["--concurrency"], type=click.IntRange(1, 9), default=3),
        Option(["--scale"], default=0.5),
        Option(["-v", "--verbose"], count=True),
        Option(["--yes"], is_flag=True, each_time="give it on the command line"),
        Option(["--kind"], type=click.Choice(["a", "b"])),
        Option(["--region"]),
    ),
    ("plan",): command(Option(["--rate"], type=PacedRate()), Option(["--kind"], envvar="BATCHRUN_PLAN_KIND")),
    ("make", "new"): command(Option(["--rate"], type=PacedRate()), Option(["--region"])),
}


def file_of(text: str, *, is_named: bool = False) -> SettingsFile:
    return SettingsFile(path="b.toml", is_named=is_named, table=tomllib.loads(text), text=text)


def problems_of(text: str, below: tuple[str, ...] = (), *, is_named: bool = False) -> list[str]:
    with pytest.raises(UsageError) as error:
        default_map(file_of(text, is_named=is_named), VERBS, below)
    return str(error.value).splitlines()


# What a file may say


def test_a_verb_takes_the_top_level_then_its_groups_table_then_its_own():
    text = 'rate = 1\nregion = "top"\n[run]\nrate = 2\n[make]\nrate = 3\n[make.new]\nregion = "new"\n'
    assert default_map(file_of(text), VERBS, ()) == {
        "run": {"rate": "2", "region": "top"},
        "plan": {"rate": "1"},
        "make": {"new": {"rate": "3", "region": "new"}},
    }


def test_each_kind_of_option_takes_the_toml_type_that_makes_sense_for_it():
    text = 'wait = "30s"\ntags = false\nset = ["a=1", "b=2"]\nconcurrency = 4\nscale = 1\nverbose = 2'
    assert default_map(file_of(text), VERBS, ("run",))["run"] == {
        "wait": "30s",
        "tags": False,
        "sets": ["a=1", "b=2"],
        "concurrency": "4",
        "scale": "1",
        "verbose": "2",
    }


def test_a_number_is_read_as_if_it_had_been_typed_however_large():
    assert default_map(file_of("scale = 1" + "0" * 400), VERBS, ("run",))["run"]["scale"].startswith("10")


def test_an_option_with_a_variable_of_its_own_is_set_in_its_verbs_table_alone():
    text = 'kind = "a"\n[plan]\nkind = "anything"'
    file = file_of(text)
    assert default_map(file, VERBS, ()) == {
        "run": {"kind": "a"},
        "plan": {"kind": "anything"},
        "make": {"new": {}},
    }
    only_plan: dict[tuple[str, ...], click.Command] = {("plan",): VERBS[("plan",)]}
    with pytest.raises(
        UsageError, match=r"b.toml:1: 'kind' is not the same for all verbs: set it in \[plan\]"
    ):
        default_map(file, only_plan, ())


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('rate = "fast"', "rate: 'fast' is not a rate"),
        ("rate = 0", "rate: '0' is not a rate"),
        ("rate = true", "rate: write text, in quotes, or a number, not true or false"),
        ("rate = 2026-11-01", "not a date or time"),
        ("rate = [1]", "not a list"),
        ('wait = "soon"', "wait: 'soon' is not a duration"),
        ("tags = 0", "tags: write true or false, not a number"),
        ('tags = "no"', "tags: write true or false, not text"),
        ('set = "a=1"', "set: this option is repeatable: write a list, in brackets"),
        ("set = [1]", "set: write text, in quotes, not a number"),
        ("concurrency = 2.5", "concurrency: write a whole number, not a number with a fraction"),
        ("concurrency = true", "concurrency: write a whole number, not true or false"),
        ("concurrency = 10", "concurrency: 10 is not in the range"),
        ("concurrency = 1" + "0" * 400, "is not in the range"),
        ('scale = "1"', "scale: write a number, not text"),
        ('kind = "c"', "kind: 'c' is not one of"),
        ("region = 1", "region: write text, in quotes, not a number"),
        ('region = "a\\u0000b"', "region: text must not hold a NUL"),
        ("region = {a = 1}", "'region' is a value, not a table"),
    ],
)
def test_a_value_that_the_option_refuses_is_told_with_file_line_and_key(line, problem):
    (told,) = problems_of(f"# a comment\n{line}\n", ("run",))
    assert told.startswith("b.toml:2: ")
    assert problem in told


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("rat = 1", "there is no option 'rat'; did you mean 'rate'?"),
        ("make_new = 1", "there is no option 'make_new'"),
        ('"--rate" = 1', "did you mean 'rate'?"),
        ("zzz = 1", "see 'batchrun config --init'"),
        ("no-tags = true", "there is no option 'no-tags'; write tags = false"),
        ("plan = 1", "'plan' is a verb: its settings go into a table, [plan]"),
        ("yes = true", "'yes' cannot be set in a file: give it on the command line"),
        ('on-end = "rm -rf /"', "'on-end' runs a command or sends a notice"),
        ('notify-url = "https://evil.example"', "'notify-url' runs a command or sends a notice"),
        ('endpoint-url = "http://127.0.0.1:9"', "'endpoint-url' decides where calls go"),
        ('wake-queue = "https://evil.example"', "'wake-queue' decides where calls go"),
        ('env = ["HOME"]', "'env' puts variables of your environment into requests"),
        ('results = "/tmp/x.csv"', "'results' writes outside this folder, to /tmp/x.csv"),
        ('results = "../x\\u0007\\n.csv"', "'results' writes outside this folder, to ../x"),
        ('results = "below/../../x.csv"', "'results' writes outside this folder"),
        ("[[run]]", "'run' is a verb: its settings go into a table, [run]"),
        ("[runn]", "there is no option 'runn'; did you mean 'run'?"),
    ],
)
def test_a_name_that_is_wrong_is_told_whichever_verb_it_is_for(line, problem):
    for below in [(), ("plan",), ("make", "new")]:
        (told,) = problems_of(f"\n{line}\n", below)
        assert told.startswith("b.toml")
        assert problem in told


def test_all_problems_come_at_once_and_values_never_with_an_unknown_name():
    told = problems_of('aws_secret_access_key = "wJalr"\nrate = "x"\n[run]\nwait = "y"\n')
    assert len(told) == 3
    assert "wJalr" not in "".join(told)
    assert told[0].startswith("b.toml:1: there is no option 'aws_secret_access_key'")


def test_the_values_of_other_verbs_are_theirs_to_complain_of():
    text = '[run]\nwait = "y"\n'
    assert default_map(file_of(text), VERBS, ("plan",)) == {"plan": {}}
    assert len(problems_of(text, ("run",))) == 1


def test_a_hook_is_taken_from_a_file_that_was_named():
    text = 'on-end = "./tell"\n[run]\n'
    assert default_map(file_of(text, is_named=True), VERBS, ("run",)) == {"run": {"on_end": "./tell"}}
    assert "--config" in problems_of('[run]\non-end = "./tell"\n')[0]


@pytest.mark.parametrize("link", ["out.csv", "out"])
def test_a_link_that_leads_out_of_the_folder_is_followed(tmp_path, monkeypatch, link):
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    monkeypatch.chdir(folder)
    (folder / link).symlink_to("../" if link == "out" else "../nothing-yet.csv")
    (folder / "in.csv").symlink_to("below/x.csv")
    text = f'results = "{link}/x.csv"\n' if link == "out" else f'results = "{link}"\n'
    (told,) = problems_of(text, ("run",))
    assert "writes outside this folder" in told
    assert "--config FILE" in told
    for inside in ("below/x.csv", "in.csv", "x.csv", "./x.csv"):
        assert default_map(file_of(f'results = "{inside}"'), VERBS, ("run",))["run"] == {"results": inside}
    assert default_map(file_of(text, is_named=True), VERBS, ("run",))["run"]["results"].startswith(link)


def test_each_option_with_a_file_is_known_to_write_or_to_read_it():
    """One that writes must be an OutputPath, or a folder that one only got could have it write anywhere."""
    read = {"config", "defaults", "parameters-from", "lanes", "ids-from", "prices", "objects", "token-file"}
    for path, verb in REAL_VERBS.items():
        for key, one in options_of(verb).items():
            if "FILE" in (one.metavar or "") and key not in read:
                assert isinstance(one.type, OutputPath), f"--{key} of {path}"


# The real options


def test_every_option_can_be_set_but_those_that_are_refused_by_name():
    for path, verb in REAL_VERBS.items():
        for key, one in options_of(verb).items():
            if one.each_time is None and not key.startswith("on-"):
                table: Any = {key: None}
                for name in reversed(path):
                    table = {name: table}
                file = SettingsFile(path="b.toml", is_named=False, table=table, text="")
                assert settings_for(file, path, verb)[key].keys == (*path, key)
                with pytest.raises(UsageError) as error:  # of its value alone: TOML has no null
                    default_map(file, REAL_VERBS, path)
                assert f"b.toml: {'.'.join((*path, key))}: " in str(error.value), one


def test_what_is_said_each_time_is_refused_for_every_verb():
    refused = {key for verb in REAL_VERBS.values() for key, one in options_of(verb).items() if one.each_time}
    assert refused == {
        *("dry-run", "each-file", "failed-manifest", "force", "ids", "ids-from", "init"),
        *("attempt", "cli", "follow", "sheet", "tail", "task"),
        *("json", "output", "reason", "save-prices", "schema", "where", "yes"),
    }
    for verb in REAL_VERBS.values():
        assert all(one.each_time for key, one in options_of(verb).items() if key in refused)


#: Who may see the live page.
PAGE = {"allow-host", "bind", "token-file", "trust-header", "trusted-proxy"}


def test_what_runs_calls_or_hands_something_on_is_known_by_its_risk():
    """By their names: so that one that is added is not forgotten."""
    for verb in REAL_VERBS.values():
        for key, one in options_of(verb).items():
            expected = (
                Risk.RUNS
                if key.startswith("on-") or key in {"notify-url", "notify-topic"}
                else Risk.ADDRESS
                if {"endpoint", "url", "queue", "lanes", "wake"} & set(key.split("-")) or key in PAGE
                else Risk.ENVIRONMENT
                if key == "env"
                else None
            )
            assert one.risk is expected, key
