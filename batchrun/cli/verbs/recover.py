"""
A rebuild from end to end: manifest, service, ledger, lease, engine, and what is said of it.

Belongs here: the order in which things are opened and closed, and the words. Does not: options (``ledger``),
what is whose (``model.recovery``).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from batchrun.api.objects import ObjectsOnce
from batchrun.cli.calling import login_of, session
from batchrun.cli.launching.manifests import loaded, refuse_beside_lanes
from batchrun.cli.logs import configure_as
from batchrun.cli.speak import emit, say
from batchrun.cli.wording import counted, printable
from batchrun.clock import SystemClock
from batchrun.engine.rebuild import Rebuilder, RunSearch
from batchrun.errors import UsageError
from batchrun.model.recovery import Match
from batchrun.model.spec import default_name

if TYPE_CHECKING:
    from batchrun.cli.calling import Calling
    from batchrun.engine.rebuild import Doubtful, Rebuilt
    from batchrun.manifest import Source
    from batchrun.model.limits import Changed

#: How long the batch stays held where we die on another host; renewed at a third of it.
_LEASE: Final = timedelta(seconds=30)


async def recover(told: Calling, wanted: Source, changed: Changed) -> None:
    """
    Make the ledger again and say what was found.

    Raises:
        UsageError: A row is in doubt, or the ledger has the batch already; nothing was written.
        BatchrunError: Something else ended it early; nothing was written.
    """
    configure_as(told.output)
    login, clock = login_of(told), SystemClock()
    with loaded(wanted, ObjectsOnce(login), replace(told.output, quiet=True)) as manifest:
        refuse_beside_lanes([manifest], told.service)
        async with session(told, login) as opened:
            search = RunSearch(
                specs=manifest.specs,
                default_name=partial(default_name, manifest.batch),
                place=manifest.place,
                changes=manifest.retry.changes,
                tagged=wanted.tags,
                changed=changed,
            )
            async with opened.rebuilding(manifest, _LEASE) as (held, reach):
                rebuilder = Rebuilder(reach=reach, held=held, ttl=_LEASE, search=search, clock=clock)
                rebuilt = await rebuilder.run()
        (_emit if told.output.as_json else _tell)(manifest.batch, rebuilt)
        if not rebuilt.is_written:
            raise UsageError(_refusal(rebuilt))


def _emit(batch: str, rebuilt: Rebuilt) -> None:
    emit(
        "rebuild",
        batch=batch,
        rows=rebuilt.rows,
        **{match.value: rebuilt.matches[match] for match in Match},
        by_status=dict(rebuilt.by_status),
        earlier_attempts=rebuilt.earlier,
        gone_from_manifest=rebuilt.gone,
        other_batches=dict(rebuilt.elsewhere),
        missing_ids=rebuilt.missing,
        changed_rows=[asdict(row) for row in rebuilt.changed],
        ambiguous_rows=[asdict(row) for row in rebuilt.ambiguous],
        written=rebuilt.is_written,
    )


def _tell(batch: str, rebuilt: Rebuilt) -> None:
    counts = ", ".join(f"{rebuilt.matches[match]} {match.value}" for match in Match if rebuilt.matches[match])
    say(f"{batch}: {counted(rebuilt.rows, 'row')}: {counts}")
    for status, count in rebuilt.by_status.most_common():
        say(f"  {printable(status):<10} {count:>7}")
    if rebuilt.earlier:
        say(f"  and runs of earlier attempts: {rebuilt.earlier}")
    _tell_doubtful("changed", rebuilt.matches[Match.CHANGED], rebuilt.changed)
    _tell_doubtful("ambiguous", rebuilt.matches[Match.AMBIGUOUS], rebuilt.ambiguous)
    if rebuilt.gone:
        say(f"runs of this batch whose rows the manifest does not have: {rebuilt.gone}; they were left out")
    for other, count in rebuilt.elsewhere.most_common(5):
        say(f"runs of these names that belong to batch '{other}': {count}; is it --batch {other}?")
    if rebuilt.missing:
        _tell_missing(rebuilt)


def _tell_doubtful(word: str, count: int, rows: list[Doubtful]) -> None:
    for row in rows:
        runs = ", ".join(row.run_ids[:5]) + (", ..." if len(row.run_ids) > 5 else "")  # noqa: PLR2004
        say(printable(f"  {word}: {row.id} (run {runs}): {row.why}").replace("\n", " "))
    if count > len(rows):
        say(f"  ... and {count - len(rows)} more")


def _tell_missing(rebuilt: Rebuilt) -> None:
    count = rebuilt.matches[Match.MISSING]
    more = ", ..." if count > len(rebuilt.missing) else ""
    say(f"without a run: {', '.join(rebuilt.missing)}{more}")
    say(
        "Such rows are planned, and 'batchrun run' will start them. A run that was deleted from the service "
        "cannot be found: take its row out of the manifest if it must not run again."
        if rebuilt.is_written
        else "Runs that were deleted from the service cannot be found."
    )


def _refusal(rebuilt: Rebuilt) -> str:
    changed, ambiguous = rebuilt.matches[Match.CHANGED], rebuilt.matches[Match.AMBIGUOUS]
    cures = []
    if changed:
        rows = counted(changed, "row")
        cures.append(
            f"runs of {rows} were started with other content: give --changed keep to take "
            "these runs for the rows', --changed resubmit to plan new ones, or the manifest that was run"
        )
    if ambiguous:
        rows = counted(ambiguous, "row")
        cures.append(f"runs of {rows} cannot be told apart: for each, do as said above")
    return f"nothing was written; {'; '.join(cures)}"
