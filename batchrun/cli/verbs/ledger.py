"""``batchrun ledger``: is it sound, and making a lost one again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from batchrun.cli.options import BATCH, CONCURRENCY, LEDGER, MANIFEST, OUTPUT, READ_RATE, SERVICE, option
from batchrun.cli.printable import printable
from batchrun.cli.signals import run_async
from batchrun.cli.speak import emit, say
from batchrun.errors import LedgerError, UsageError
from batchrun.report.json_names import with_old_names

if TYPE_CHECKING:
    from batchrun.ledger.verify import Finding, Verification


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Read on: 'batchrun help ledger'.",
)
def ledger() -> None:
    """
    Check a ledger, or make a lost one again.

    The ledger is the file in which batchrun keeps what it submitted: batchrun.db, or what --ledger says.
    """


@ledger.command(epilog="Read on: 'batchrun help ledger'.")
@BATCH
@option(
    "--online",
    is_flag=True,
    show_default=False,
    help="Then compare BATCH, or every batch, with the service, in its own region. A run that was taken for "
    "deleted and is there after all has its row again.",
)
@LEDGER
@READ_RATE
@CONCURRENCY
@SERVICE
@OUTPUT
@click.pass_context
def verify(context: click.Context, /, **options: Any) -> None:
    """
    Check the ledger; without --online it changes nothing and calls nobody.

    Asks SQLite whether the file is whole, and lives through every entry's history again: one requestId for
    each attempt, one entry for each run, nothing after an end, and that its events add up to what is stored.
    Works beside a running launcher. Exits with 5 where something is wrong, naming the entry and the cure.
    With --online it exits with 3 where something is left for 'batchrun run', such as runs that ended since.
    """
    if options["batch"] is not None and not options["online"]:
        raise UsageError("the file is checked whole: leave BATCH out, or give --online to compare that batch")
    _verify(options)
    if options["online"]:
        from batchrun.cli.verbs.compare import compare_online  # noqa: PLC0415 (imports the engine)

        context.exit(run_async(compare_online, options))


def _verify(options: dict[str, Any]) -> None:
    from batchrun.ledger.verify import Verification  # noqa: PLC0415

    verification = Verification(options["ledger"])
    as_json = options["as_json"]
    problems = 0
    for finding in verification.findings():
        problems += 1
        (_emit_finding if as_json else _tell_finding)(finding)
    _tell_verified(verification, problems, as_json=as_json)
    if problems:
        raise LedgerError(
            f"the ledger is damaged: {_number(problems, 'problem')} in {verification.path}; move it away "
            f"(and {verification.path.name}-wal, if there is one), then make it again with "
            "batchrun ledger rebuild"
        )


def _emit_finding(finding: Finding) -> None:
    facts = {"batch": finding.batch, "id": finding.id, "message": finding.what, "cure": finding.cure}
    emit("problem", **with_old_names("finding", facts))


def _tell_finding(finding: Finding) -> None:
    say(printable(str(finding)).replace("\n", " "))


def _tell_verified(verification: Verification, problems: int, *, as_json: bool) -> None:
    path, entries, events = str(verification.path), verification.entries, verification.events
    if as_json:
        emit("verify", ledger=path, entries=entries, events=events, problems=problems)
    elif not problems:
        counts = (
            f"{_number(entries, 'entry', 'entries')} in {_number(verification.batches, 'batch', 'batches')}"
        )
        say(f"{printable(path)}: {counts}, {_number(events, 'event')}: no problems found")


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


@ledger.command(
    epilog="A row without a run is planned, and 'batchrun run' will start it: runs that were deleted from "
    "the service cannot be found."
    "\n\nRead on: 'batchrun help ledger'."
)
@MANIFEST
@option(
    "--changed",
    type=click.Choice(["keep", "resubmit"]),
    help="What to do about runs that were started with other content than their rows have now: take them for "
    "the row's, or plan a new attempt after them.  [default: refuse]",
)
@READ_RATE
@LEDGER
@SERVICE
@OUTPUT
def rebuild(**options: Any) -> None:
    """
    Make a lost ledger again from MANIFEST and the service; start nothing.

    Lists the runs, looks at each that bears a name of the manifest, and finds each row's run by the tags that
    it was started with, or, with --no-tags, by its name, workflow, output place and parameters. Writes all
    of it, or nothing where a row is in doubt. 'batchrun run' goes on from there. Give the same MANIFEST and
    options as to 'batchrun run', a minute or more after it ended.
    """
    from batchrun.cli.verbs.recover import Recovery, recover  # noqa: PLC0415 (botocore takes half a second to import)

    run_async(recover, Recovery.of(options))
