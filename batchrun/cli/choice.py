"""The options that choose entries of a batch, for every verb that changes some of them.

Belongs here: the options, showing the choice, reporting the search for runs of rows that are DELETED, and
asking for confirmation. Does not: iterating over the chosen entries (``report.chosen``), the search
(``api.retrying``), and the change itself.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from batchrun.cli.command import row_option, row_texts, typed_flag
from batchrun.cli.completion import conditions, rows
from batchrun.cli.signals import interruptible
from batchrun.cli.speak import complain, is_terminal, say
from batchrun.errors import ManifestError, UsageError
from batchrun.manifest.source import Beyond, name_of, opened
from batchrun.manifest.text_input import IN_UTF8, lines
from batchrun.model.entries.entry import Entry
from batchrun.ports.stored import Outcome
from batchrun.report.chosen import Selection, completed, first_ids
from batchrun.report.columns import TASK_REASON, Condition, View, read_condition
from batchrun.report.results import latest_row, status

if TYPE_CHECKING:
    from batchrun.api.objects import ObjectsOnce
    from batchrun.api.retrying import FirstLook, How
    from batchrun.cli.options import Output
    from batchrun.ports.ledger import Ledger

_ID: Final = "id"
_PAGE: Final = 500
#: With more rows than this, a line says that the search takes a while.
_MANY: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """The options that choose entries of a batch."""

    ids: tuple[str, ...] = row_texts(
        metavar="ID,...",
        shell_complete=rows,
        help="Only these rows, by id; repeatable.",
    )
    ids_from: str | None = row_option(
        metavar="FILE",
        help="Only the ids in this file, or s3://BUCKET/KEY, one a line, or in the column id of a "
        "table, such as results; - is standard input. A first line 'id' is the column's name: --ids id "
        "chooses a row that is called so.",
    )
    where: tuple[str, ...] = row_texts(
        metavar="COLUMN=GLOB",
        shell_complete=conditions,
        help="Only rows whose results match, such as status=FAILED or taskReason=*MEMORY*; repeatable.",
    )

    def choice(self, in_s3: ObjectsOnce, *more: Condition) -> Selection:
        """Return the choice of these options and *more* conditions; the file with ids may be *in_s3*."""
        named = [one for text in self.ids for one in text.split(",") if one]
        if self.ids_from:
            named += _listed(self.ids_from, in_s3)
        conditions = [read_condition(text) for text in self.where]
        is_named = bool(self.ids or self.ids_from)
        return Selection(ids=frozenset(named) if is_named else None, conditions=(*conditions, *more))


@dataclass(frozen=True, slots=True, kw_only=True)
class GoAhead:
    """The options that confirm a change, or only show it."""

    dry_run: bool = typed_flag(help="Show what would be done, and change nothing.")
    yes: bool = typed_flag(help="Do not ask for confirmation.")

    def is_agreed(self, question: str) -> bool:
        """Ask at a terminal. Raises UsageError if there is none and --yes is not given."""
        if self.yes:
            return True
        if not is_terminal(sys.stdin):
            raise UsageError("not a terminal, cannot ask: give --yes to go ahead, or --dry-run to look first")
        with interruptible():
            return click.confirm(question, err=True)

    def is_told(self, output: Output) -> bool:
        """Return whether to show the change: not in JSON, nor with both --quiet and --yes."""
        return not (output.as_json or (output.quiet and self.yes))


def tell_groups(groups: Mapping[str, Sequence[str]]) -> None:
    """Print the ids of each group, the largest group first."""
    for label, ids in sorted(groups.items(), key=lambda group: -len(group[1])):
        say(f"  {label}: {first_ids(ids)}", hang=4)


def by_status(entries: Sequence[Entry]) -> Mapping[str, Sequence[str]]:
    """Group ids by status."""
    groups: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        groups[status(entry)].append(entry.id)
    return groups


async def by_reason(ledger: Ledger, batch: str, entries: Sequence[Entry]) -> Mapping[str, Sequence[str]]:
    """Group ids by the reasons of their runs and tasks, or by status if no reason is known."""
    groups: dict[str, list[str]] = defaultdict(list)
    view = View(columns=(TASK_REASON,))
    for begin in range(0, len(entries), _PAGE):
        page = [Outcome(entry=entry) for entry in entries[begin : begin + _PAGE]]
        for outcome in await completed(ledger, batch, page, view):
            cells = latest_row(outcome, view.own)
            tasks = f" (tasks: {cells[TASK_REASON]})" if cells[TASK_REASON] else ""
            groups[f"{cells['failureReason'] or cells['status']}{tasks}"].append(outcome.entry.id)
    return groups


def _listed(path: str, in_s3: ObjectsOnce) -> list[str]:
    try:
        with interruptible(), in_s3, opened(path, Beyond(objects=in_s3)) as stream:
            return list(filter(None, map(str.strip, _ids(lines(stream, name_of(path), cure=IN_UTF8)))))
    except ManifestError as error:
        raise UsageError(f"--ids-from cannot be read: {error}") from error
    except (csv.Error, IndexError) as error:
        raise UsageError(f"--ids-from {path}: a line has no cell below id; give the ids alone") from error


def _ids(texts: Iterator[str]) -> Iterator[str]:
    """Yield each line, or the cells of a table's column ``id``, such as results that were edited.

    A single column counts as a table: ``results --columns id`` writes one, of no rows too.
    """
    first = next(filter(str.strip, texts), "")
    mark = max(",;\t", key=first.count)
    header = next(csv.reader([first.rstrip("\r\n")], delimiter=mark), [])
    if _ID not in header:
        yield first
        yield from texts
        return
    at = header.index(_ID)
    yield from (row[at] for row in csv.reader(texts, delimiter=mark) if row)


def how_to_look(concurrency: int, *, is_dry: bool) -> How:
    """Return how to search for runs of DELETED rows."""
    from batchrun.api.retrying import How  # noqa: PLC0415 (it loads the model)

    return How(at_once=concurrency, is_dry=is_dry, tell=_tell_looking)


def _tell_looking(number: int) -> None:
    if number > _MANY:
        complain(f"looking for the runs of {number} rows that are DELETED")


def tell_first_look(looked: FirstLook, *, is_done: bool) -> None:
    """Report rows whose runs were found again, and rows left out because that is unknown."""
    tell_back(looked, is_done=is_done)
    tell_by_reason("left out", looked.unknown.items())


def tell_by_reason(
    what: str, reasons: Collection[tuple[str, str]], cure: str = "try again in a minute"
) -> None:
    """Report ids with *what* did not come about for them, those of one reason together."""
    for why in sorted({reason for _, reason in reasons}):
        complain(f"{what}: {first_ids([id_ for id_, reason in reasons if reason == why])}: {why}; {cure}")


def tell_back(looked: FirstLook, *, is_done: bool) -> None:
    """Report the rows whose runs were found again."""
    there: defaultdict[str, list[str]] = defaultdict(list)
    for entry in looked.back.values():
        there[entry.run.status if entry.run else ""].append(entry.id)
    back = "given back" if is_done else "would be given back"
    for shown, ids in there.items():
        complain(f"found again, {shown}: the run of {first_ids(ids)}; {back} to its row")
