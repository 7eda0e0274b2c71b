"""
The options by which people choose entries of a batch, for every verb that changes some of them.

Belongs here: the options, how the choice is shown, and asking whether to go ahead. Does not: going through
what is chosen (``report.chosen``), and what is done to it.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import click

from batchrun.cli.completion import conditions, rows
from batchrun.cli.options import option, stacked
from batchrun.cli.printable import printable
from batchrun.cli.signals import interruptible
from batchrun.cli.speak import say
from batchrun.cli.storage import objects
from batchrun.cli.values import Lines
from batchrun.errors import ManifestError, UsageError
from batchrun.manifest.source import Beyond, name_of, opened
from batchrun.manifest.text_input import IN_UTF8, lines
from batchrun.ports.ledger import Outcome
from batchrun.report.chosen import Choice, completed, shortened
from batchrun.report.columns import TASK_REASON
from batchrun.report.results import latest_row, status
from batchrun.report.view import Condition, View, read_condition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrun.api.objects import ObjectsOnce
    from batchrun.model.entry import Entry
    from batchrun.ports.ledger import Ledger

_PAGE: Final = 500
CHOICE: Final = stacked(
    option(
        "--ids",
        type=Lines(),
        multiple=True,
        metavar="ID,...",
        shell_complete=rows,
        help="Only these; repeatable.",
    ),
    option(
        "--ids-from",
        metavar="FILE",
        help="Only the ids in this file, or s3://BUCKET/KEY, one a line; - is standard input.",
    ),
    option(
        "--where",
        type=Lines(),
        multiple=True,
        metavar="COLUMN=GLOB",
        shell_complete=conditions,
        help="Only those whose results say so, such as status=FAILED or taskReason=*MEMORY*; repeatable.",
    ),
)
GO_AHEAD: Final = stacked(
    option("--dry-run", is_flag=True, show_default=False, help="Only say what would be done."),
    option("--yes", is_flag=True, show_default=False, help="Do not ask."),
)


def choice(options: Mapping[str, Any], *more: Condition) -> Choice:
    """Make the choice that the options describe, and *more* conditions."""
    named = [one for text in options["ids"] for one in text.split(",") if one]
    if options["ids_from"]:
        named += _listed(options["ids_from"], objects(options))
    conditions = [read_condition(text) for text in options["where"]]
    is_named = bool(options["ids"] or options["ids_from"])
    return Choice(ids=frozenset(named) if is_named else None, conditions=(*conditions, *more))


def is_agreed(options: Mapping[str, Any], question: str) -> bool:
    """
    Ask, where there is somebody to ask.

    Raises:
        UsageError: There is nobody, and --yes was not given.
    """
    if options["yes"]:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            "not a terminal, so nobody can be asked: give --yes to go ahead, or --dry-run to look first"
        )
    with interruptible():
        return click.confirm(question, err=True)


def is_told(options: Mapping[str, Any]) -> bool:
    """Report whether people are told: not programs, nor who wants to hear of trouble alone, unasked."""
    return not (options["as_json"] or (options["quiet"] and options["yes"]))


def tell_groups(groups: Mapping[str, Sequence[str]]) -> None:
    """Say which ids are in each group, the largest first."""
    for label, ids in sorted(groups.items(), key=lambda group: -len(group[1])):
        say(printable(f"  {label}: {shortened(ids)}"), hang=4)


def by_status(entries: Sequence[Entry]) -> Mapping[str, Sequence[str]]:
    """Group ids by status."""
    groups: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        groups[status(entry)].append(entry.id)
    return groups


async def by_reason(ledger: Ledger, batch: str, entries: Sequence[Entry]) -> Mapping[str, Sequence[str]]:
    """Group ids by why their runs and tasks failed, or by status where no reason is known."""
    groups: dict[str, list[str]] = defaultdict(list)
    view = View(columns=(TASK_REASON,))
    for begin in range(0, len(entries), _PAGE):
        page = [Outcome(entry=entry) for entry in entries[begin : begin + _PAGE]]
        for outcome in await completed(ledger, batch, page, view):
            cells = latest_row(outcome, view.own)
            tasks = f" (tasks: {cells[TASK_REASON]})" if cells[TASK_REASON] else ""
            groups[f"{cells['failureReason'] or cells['status']}{tasks}"].append(outcome.entry.id)
    return groups


def counted(number: int, one: str, many: str) -> str:
    """Say how many there are."""
    return f"1 {one}" if number == 1 else f"{number} {many}"


def _listed(path: str, in_s3: ObjectsOnce) -> list[str]:
    try:
        with (
            interruptible(),
            in_s3,
            opened(path, Beyond(objects=in_s3)) as stream,
        ):
            texts = [line.strip() for line in lines(stream, name_of(path), cure=IN_UTF8)]
    except ManifestError as error:
        raise UsageError(f"--ids-from cannot be read: {error}") from error
    return [text for text in texts if text]
