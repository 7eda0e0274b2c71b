"""``batchrun outputs``: the outputs of each row, as a list or as a sheet for another batch."""

from __future__ import annotations

import contextlib
import csv
import io
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

import click

from batchrun.api.objects import ObjectsOnce
from batchrun.api.reading import protected_files
from batchrun.cli.calling import Calling
from batchrun.cli.choice import RowOptions
from batchrun.cli.command import group, option, texts, typed_flag, verb
from batchrun.cli.exits import Exit
from batchrun.cli.naming import batch_to_read
from batchrun.cli.options import BATCH, CONCURRENCY, SAFE_CSV, WRITTEN
from batchrun.cli.showing.output_file import drafted, file_or_stdout
from batchrun.cli.speak import STDOUT, ForTerminal, complain, emit, is_terminal, say
from batchrun.errors import UsageError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import State
from batchrun.model.made import Made, NamedFiles, leaves, read_name
from batchrun.model.spec import Json
from batchrun.model.texts.places import is_in_s3
from batchrun.model.texts.words import counted
from batchrun.ports.stored import Batch
from batchrun.report.columns import ResultsRow, text_of
from batchrun.report.outputs import Kind, OutputFile
from batchrun.report.results import CsvSink

if TYPE_CHECKING:
    from batchrun.api.opening import Opening
    from batchrun.api.row_outputs import RowOutputs

_KIND: Final = Kind(what="outputs", endings=(".csv",))
#: Most reasons that are shown.
_TOLD: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Calling):
    """The options of ``batchrun outputs``."""

    batch: str | None = BATCH()
    rows: RowOptions = group(RowOptions)
    sheet: bool = typed_flag(
        help="Write a sheet that another batch can read: a row for each run, a column for each output."
    )
    files: tuple[str, ...] = texts(
        metavar="NAME=PATTERN",
        help="For a workflow that names no outputs, such as Nextflow's: output NAME is the file whose path "
        "below runOutputUri matches, such as bam='pubdir/**/*.bam'; NAME[]=PATTERN takes any number of "
        "files. Repeatable.",
    )
    most_files: int = option(
        type=click.IntRange(1, 100_000),
        default=1000,
        help="List at most this many files of a run that names no outputs.",
    )
    place: str | None = WRITTEN(help="Write them into this file, a CSV; - is stdout.  [default: stdout]")
    force: bool = typed_flag(help="Replace an existing file.")
    safe_csv: bool = SAFE_CSV()
    concurrency: int = CONCURRENCY()


@verb(
    Options,
    epilog="Outputs are what the engine wrote of them (logs/outputs.json below runOutputUri, with WDL and "
    "CWL), or else the files that lie there. Needs s3:GetObject and s3:ListBucket on the bucket."
    "\n\nRead on: 'batchrun help results', 'batchrun help sheets', 'batchrun help iam'.",
)
async def outputs(options: Options) -> Exit:
    """List what each succeeded row of BATCH made: files, and other values, by the workflow's output.

    A CSV with a row for each of them, JSON lines with --json, or with --sheet a sheet for the next batch.
    """
    names = [_name(text) for text in options.files]
    if options.output.as_json and (options.sheet or options.place not in {None, STDOUT}):
        raise UsageError("--json goes to stdout, and is no sheet; leave out --sheet and -o")
    login = options.login(options.concurrency)
    chosen_by = options.rows.choice(ObjectsOnce(login))
    async with options.opening(login) as opened:
        ledger = await opened.found_ledger()
        batch = await batch_to_read(ledger, options.batch)
        protected = await protected_files(ledger)
        output = file_or_stdout(options.place or STDOUT, _KIND, protected=protected, force=options.force)
        entries = chosen_by.entries(ledger, batch.name, [State.SUCCEEDED])
        async with contextlib.aclosing(_rows(opened, batch, entries, names, options)) as rows:
            missing = await _written(batch.name, rows, output, options)
    for why, count in missing.most_common(_TOLD):
        complain(f"not known of {counted(count, 'row')}: {why}")
    return Exit.WORK_LEFT if missing else Exit.OK


def _name(text: str) -> NamedFiles:
    if (name := read_name(text)) is None:
        raise UsageError(f"--files '{text}' is not NAME=PATTERN, such as bam='pubdir/**/*.bam'")
    return name


async def _rows(
    opened: Opening, batch: Batch, entries: AsyncIterator[Entry], names: list[NamedFiles], options: Options
) -> AsyncGenerator[RowOutputs]:
    from batchrun.api.row_outputs import OutputsReader  # noqa: PLC0415 (not where nothing has succeeded)

    reach = await opened.reach_of(batch)
    at_once, most = options.concurrency, options.most_files
    async with OutputsReader(reach=reach, names=names, at_once=at_once, most=most) as reader:
        async for row in reader.rows(entries):
            yield row


async def _written(
    batch: str, rows: AsyncGenerator[RowOutputs], output: OutputFile | None, options: Options
) -> Counter[str]:
    """Write the rows; return how many lack outputs, by reason."""
    missing: Counter[str] = Counter()
    count = 0
    if options.output.as_json:
        async for row in rows:
            _emit(batch, row)
            missing.update(_why(row, options))
        return missing
    is_shown = output is None and is_terminal(sys.stdout)
    writer = ForTerminal if is_shown else io.TextIOWrapper
    with drafted(output) as draft, writer(draft.open("wb"), encoding="utf-8", newline="") as file:
        sink = MadeSheet(file) if options.sheet else MadeList(file, is_safe=options.safe_csv)
        async for row in rows:
            why = list(_why(row, options))
            missing.update(why)
            if row.made is not None and not (options.sheet and why):
                sink.add(row.entry.id, row.run.id, row.made)
                count += 1
        sink.finish()
    if output is not None:
        say(f"{output.shown}: {counted(count, 'row') if count else 'no rows, only a header'}")
    if not (count or missing):
        complain("no row that was asked for has succeeded yet")
    return missing


def _why(row: RowOutputs, options: Options) -> Iterator[str]:
    """Yield why outputs of a row are missing."""
    if row.problem is not None and (row.made is None or options.sheet):
        yield row.problem
    elif row.made is not None and row.made.has_more:
        yield f"it has more than {counted(options.most_files, 'file')}; see --most-files"
    elif row.made is not None and options.sheet and not row.made.outputs:
        says = "the workflow gives its files no names"
        yield f"{says}; give --files NAME=PATTERN, such as bam='pubdir/**/*.bam'"


def _emit(batch: str, row: RowOutputs) -> None:
    made = row.made
    emit(
        "outputs",
        batch=batch,
        id=row.entry.id,
        runId=row.run.id,
        uuid=row.run.uuid,
        runOutputUri=row.run.output_uri,
        lane=row.entry.lane,
        outputs=None if made is None else made.outputs,
        files=[] if made is None else list(made.files),
        is_listed=made is not None and made.is_listed,
        has_more=made is not None and made.has_more,
        problem=row.problem,
    )


#: Columns of the list: a file has a ``uri``, any other output a ``value``.
COLUMNS: Final = ("id", "runId", "output", "uri", "value")
#: Columns of the sheet before the outputs; an output of the same name is renamed.
_ID: Final = "id"
_OTHER_ID: Final = "output.id"


class MadeList:
    """Writes a CSV with a row for each file, or other value, that a run made."""

    def __init__(self, file: IO[str], *, is_safe: bool) -> None:
        self._sink = CsvSink(file, COLUMNS, attempts=False, is_safe=is_safe)

    def add(self, entry_id: str, run_id: str, made: Made) -> None:
        """Write the outputs of a row."""
        for output, value in _values(made):
            is_file = isinstance(value, str) and is_in_s3(value)
            row: ResultsRow = {
                "id": entry_id,
                "runId": run_id,
                "output": output,
                "uri": value if is_file else None,
                "value": None if is_file else value,
            }
            self._sink.add(row, ())

    def finish(self) -> None:
        """Do nothing: a CSV just ends."""


class MadeSheet:
    """Writes a CSV with a row for each run and a column for each output: a sheet for another batch."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._rows: list[tuple[str, Mapping[str, Json]]] = []
        self._columns: dict[str, None] = {}

    def add(self, entry_id: str, _run_id: str, made: Made) -> None:
        """Keep the outputs of a row until all columns are known."""
        outputs = {_OTHER_ID if name == _ID else name: value for name, value in made.outputs.items()}
        self._columns |= dict.fromkeys(outputs)
        self._rows.append((entry_id, outputs))

    def finish(self) -> None:
        """Write all rows; lists and tables as JSON."""
        writer = csv.writer(self._file, lineterminator="\n")
        writer.writerow((_ID, *self._columns))
        for entry_id, outputs in self._rows:
            writer.writerow((entry_id, *(text_of(outputs.get(name)) for name in self._columns)))


def _values(made: Made) -> Iterator[tuple[str | None, Json]]:
    for name, value in made.outputs.items():
        for leaf in leaves(value):
            if leaf is not None:
                yield name, leaf
    for uri in made.files:
        yield None, uri
