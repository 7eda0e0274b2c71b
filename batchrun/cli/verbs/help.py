"""``batchrun help``: the manual, topic by topic, and the --help of verbs.

The topics are Markdown files in ``batchrun/help``; ``scripts/readme`` fills their tables from the code. Does
not belong here: any text of the manual.
"""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass
from importlib import resources
from typing import Final

import click

from batchrun.cli.command import argument, typed_flag, verb
from batchrun.cli.speak import can_draw, hint, printable, say, write
from batchrun.errors import UsageError

#: Each topic, and what it is about.
TOPICS: Final = {
    "manifest": "What to run: formats, fields, placeholders; making and checking a manifest.",
    "sheets": "Use any table as it is: columns, rows that make one run, a sheet for each run.",
    "lanes": "Several accounts and regions in one batch.",
    "ledger": "The file that keeps everything; checking it, and rebuilding a lost one.",
    "results": "Results, status, one row's story, and the report.",
    "postgres": "A ledger in PostgreSQL, which several hosts share: address, roles, outages.",
    "serve": "A live page of the ledger, and who may see it.",
    "exit-codes": "What each exit code means, also for several batches.",
    "retry": "What failed, who should act, and how to retry it.",
    "cancel": "Stopping, cancelling runs, and deleting ended ones.",
    "costs": "What runs cost, and what the rest will.",
    "cron": "Unattended: cron, systemd, a folder of manifests, hooks, metrics.",
    "iam": "The permissions it needs, and credentials.",
    "reliability": "What can go wrong, what is done about it, and how that is tested.",
    "engines": "Many rows by one StartRunBatch, or each by StartRun: when to take which.",
    "pace": "How calls are paced, how runs are watched, and how fast it all is.",
    "config": "Defaults for options in a file, and what takes precedence.",
    "options": "Every option with its variable and default.",
    "json": "What --json writes: names, messages, and their schema.",
    "python": "The same from a program.",
    "simulator": "A local HealthOmics to test against, with faults.",
    "states": "The states of a row, and what leads from one to another.",
}

_MAKER: Final = re.compile(r"^<!-- .* -->\n", re.MULTILINE)
#: Longer lines are hard to read.
_WIDEST: Final = 110


def _names(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of topics and verbs, for completion."""
    return [name for name in dict.fromkeys([*TOPICS, *_verbs(context)]) if name.startswith(incomplete)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun help``."""

    name: tuple[str, ...] = argument(nargs=-1, shell_complete=_names, metavar="[TOPIC | VERB...]")
    schema: bool = typed_flag(help="Print the JSON Schema of what batchrun writes as JSON.")


@verb(
    Options,
    epilog="On a terminal it is formatted, and shown in PAGER if it is longer than the screen; "
    "elsewhere it is plain Markdown.",
)
def help(options: Options) -> None:  # noqa: A001 (the verb's own name)
    """Show TOPIC of the manual, or what VERB says to --help; without either, list the topics.

    Where a topic and a verb have one name, as 'retry', it is the topic that is shown.
    """
    if options.schema:
        say(_read("report", "assets", "json.schema.json").rstrip())
    elif not options.name:
        _show(_contents())
    elif len(options.name) == 1 and options.name[0] in TOPICS:
        _show(text_of(options.name[0]))
    else:
        say(_help_of_verb(click.get_current_context(), options.name))


def text_of(topic: str) -> str:
    """Return a topic's Markdown, without the markers of generated parts."""
    return _MAKER.sub("", _read("help", f"{topic}.md"))


def _read(*names: str) -> str:
    return resources.files("batchrun").joinpath(*names).read_text(encoding="utf-8")


def _contents() -> str:
    lines = "\n".join(f"- `{topic}`: {line}" for topic, line in TOPICS.items())
    return (
        f"# batchrun help TOPIC\n\n{lines}\n\n"
        "`batchrun --help` lists the verbs; `batchrun VERB --help` has all options of one.\n"
    )


def _verbs(context: click.Context) -> list[str]:
    group = context.find_root().command
    return group.list_commands(context) if isinstance(group, click.Group) else []


def _help_of_verb(context: click.Context, path: tuple[str, ...]) -> str:
    """Return the verb's --help. Raises UsageError if there is neither such a verb nor a topic."""
    within = context.find_root()
    for name in path:
        group = within.command
        command = group.get_command(within, name) if isinstance(group, click.Group) else None
        if command is None:
            typed, known = " ".join(path), [*TOPICS, *_verbs(context)]
            cure = hint(typed, known, f"the topics are: {', '.join(TOPICS)}")
            raise UsageError(f"there is no topic and no verb '{printable(typed)}'; {cure}")
        within = command.make_context(name, [], parent=within, resilient_parsing=True)
    return within.get_help()


def _show(markdown: str) -> None:
    """Print Markdown; on a terminal laid out, and in a pager if it is long."""
    if not can_draw(sys.stdout):
        write(sys.stdout, f"{markdown.rstrip()}\n")
        return
    from batchrun.cli.showing.drawn import laid_out  # noqa: PLC0415 (rich, for terminals only)

    size = shutil.get_terminal_size()
    text = laid_out(markdown, min(size.columns, _WIDEST))
    # A wider line of code takes several lines.
    taken = sum(max(1, -(-len(line) // size.columns)) for line in click.unstyle(text).splitlines())
    if taken < size.lines:
        write(sys.stdout, f"{text.rstrip()}\n")
    else:
        click.echo_via_pager(text)
