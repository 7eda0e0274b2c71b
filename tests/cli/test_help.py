"""The manual: topics, verbs, terminals, and that nothing is missing from it."""

from __future__ import annotations

import re

import click
import pytest

from batchrun.cli.main import _MEANT, cli
from batchrun.cli.settings.names import options_of, verbs_of
from batchrun.cli.showing.drawn import laid_out
from batchrun.cli.verbs.help import TOPICS, text_of
from tests.cli.conftest import Shell
from tests.cli.manual import HELP, TOPIC, blocks

VERBS = verbs_of(cli, click.Context(cli))
COLOURS = re.compile(r"\x1b\[(?:\d+;)*[34]\d(?:;\d+)*m")


def test_without_a_topic_it_lists_them(shell: Shell):
    said = shell.run("help").stdout
    assert [line for name, line in TOPICS.items() if f"- `{name}`: {line}" not in said] == []
    assert "batchrun VERB --help" in said


def test_there_is_a_file_for_each_topic_and_no_other():
    assert {path.name for path in HELP.iterdir()} == {f"{name}.md" for name in TOPICS}


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_plain_markdown_where_there_is_no_terminal(shell: Shell, topic):
    done = shell.run("help", topic)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("# ")
    assert "<!--" not in done.stdout
    assert "\x1b" not in done.stdout
    body = re.sub(r"<!-- .* -->\n", "", TOPIC[topic])
    assert done.stdout.strip() == body.strip()


@pytest.mark.long
@pytest.mark.parametrize(
    "path", [path for path in VERBS if path[0] not in TOPICS or len(path) > 1], ids=" ".join
)
def test_help_of_a_verb_is_what_the_verb_says_to_help(shell: Shell, path):
    assert shell.run("help", *path).stdout == shell.run(*path, "--help").stdout


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["manifst"], "did you mean 'manifest'?"),
        (["statsu"], "did you mean 'status'?"),
        (["xyzzy"], "the topics are: manifest, "),
        (["run", "nope"], "there is no topic and no verb 'run nope'"),
        (["a\x1b[31mb"], "'a\\x1b[31mb'"),
    ],
)
def test_a_wrong_topic_is_an_error_that_names_the_nearest(shell: Shell, asked, told):
    done = shell.run("help", *asked)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_a_file_of_settings_that_is_wrong_does_not_keep_help_away(shell: Shell):
    shell.write("batchrun.toml", "rate = [")
    assert shell.run("help", "config").returncode == 0


@pytest.mark.parametrize(
    "path", [*(path for path in VERBS if path != ("help",)), ("ledger",), ("manifest",)], ids=" ".join
)
def test_every_verb_says_where_to_read_on(shell: Shell, path):
    named = re.findall(r"'batchrun help\s+([a-z-]+)'", shell.run(*path, "--help").stdout)
    assert named
    assert set(named) <= set(TOPICS)


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_option_is_in_the_topic_of_options_with_its_variable(path):
    for key, option in options_of(VERBS[path]).items():
        assert f"`--{key}`" in TOPIC["options"]
        assert option.envvar is None or f"`{option.envvar}`" in TOPIC["options"]


def test_on_a_terminal_a_topic_is_laid_out(shell: Shell):
    said = shell.on_terminal("help", "exit-codes", LINES="60")
    assert COLOURS.search(said)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert not re.search(r"^# |\|---|`", plain, flags=re.MULTILINE)
    assert max(map(len, plain.splitlines())) <= 80
    assert "another launcher holds the batch" in plain


@pytest.mark.long
@pytest.mark.parametrize("topic", TOPIC)
def test_code_stays_whole_however_narrow_the_terminal_is(topic):
    """What is copied from the manual must run: a crontab line is wider than most terminals."""
    shown = [line.rstrip() for line in click.unstyle(laid_out(text_of(topic), 80)).splitlines()]
    code = [line.rstrip() for block in blocks(r"\w*", TOPIC[topic]) for line in block.splitlines()]
    spaced = {" ".join(line.split()) for line in shown}  # a terminal has no tabs
    assert [line for line in code if line not in shown and line.replace("\t", " ") not in spaced] == []
    assert max(len(line) for line in shown if line not in code) <= 80


def test_no_color_takes_the_colours_away(shell: Shell):
    said = shell.on_terminal("help", "exit-codes", LINES="60", NO_COLOR="1")
    assert "another launcher holds the batch" in said
    assert not COLOURS.search(said)


def test_a_dumb_terminal_gets_the_markdown(shell: Shell):
    assert shell.on_terminal("help", "retry", TERM="dumb").startswith("# Failures and retries\n")


def test_what_is_longer_than_the_screen_goes_through_the_pager(shell: Shell):
    pager = shell.write("pager", '#!/bin/sh\necho "paged"\nexec cat\n')
    pager.chmod(0o755)
    said = shell.on_terminal("help", "retry", PAGER=str(pager))
    assert said.startswith("paged\n")
    assert "ECR_PERMISSION_ERROR" in said
    assert "paged" not in shell.on_terminal("help", "exit-codes", LINES="60", PAGER=str(pager))


def test_topics_are_completed(shell: Shell):
    done = shell.run(_BATCHRUN_COMPLETE="bash_complete", COMP_WORDS="batchrun help ma", COMP_CWORD="2")
    assert done.stdout.split() == ["plain,manifest"]


def test_what_other_programs_call_a_verb_leads_to_one_that_is_there(shell: Shell):
    assert {tuple(verb.split()) for verb in _MEANT.values()} <= VERBS.keys()
    assert _MEANT.keys().isdisjoint(path[0] for path in VERBS)
    assert "there is no verb 'make'; did you mean 'manifest init'?" in shell.run("make").stderr
    shell.write("a b.csv", "")
    assert "for a file, write batchrun check 'a b.csv'" in shell.run("a b.csv").stderr
