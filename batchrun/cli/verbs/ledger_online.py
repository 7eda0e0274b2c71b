"""What ``batchrun ledger`` does with the service: a rebuild from end to end, and ``verify --online``.

Belongs here: the order of opening and closing, which batches are compared, the messages. Does not: options
(``ledger``), which run is whose (``model.entries.recovery``), the comparison (``engine.upkeep.comparing``).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from batchrun.api.objects import ObjectsOnce, OneLogin
from batchrun.api.reading import find_batch
from batchrun.api.retrying import FirstLook, give_back
from batchrun.cli.choice import tell_back, tell_by_reason
from batchrun.cli.exits import Exit, worst
from batchrun.cli.launching.manifests import loaded, refuse_beside_lanes
from batchrun.cli.logs import configure
from batchrun.cli.speak import emit, printable, say
from batchrun.clock import SystemClock
from batchrun.engine.upkeep.comparing import Divergence, compare
from batchrun.engine.upkeep.rebuild import Doubtful, Rebuilder, Rebuilt, RunSearch
from batchrun.errors import UsageError
from batchrun.manifest import Source
from batchrun.model.entries.recovery import Match
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import default_name
from batchrun.model.texts.words import counted, some, stands
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Batch
from batchrun.report.chosen import first_ids

if TYPE_CHECKING:
    from batchrun.cli.calling import Calling

#: Calls of one kind that a rebuild has in flight at once.
_AT_ONCE: Final = 32
#: Most runs that are named for a row in doubt.
_RUNS: Final = 5
#: How long the batch stays held if we die on another host; renewed at a third of it.
_LEASE: Final = timedelta(seconds=30)


async def recover(options: Calling, wanted: Source, changed: Changed) -> None:
    """Rebuild the ledger and report what was found; nothing is written if an error ends it."""
    configure(options.output)
    login, clock = options.login(_AT_ONCE), SystemClock()
    with loaded(wanted, ObjectsOnce(login), replace(options.output, quiet=True)) as manifest:
        refuse_beside_lanes([manifest], options.service)
        async with options.session(login) as opened:
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
        (_emit if options.output.as_json else _tell)(manifest.batch, rebuilt)
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
    counts = {match.value: rebuilt.matches[match] for match in Match}
    say(f"{batch}: {counted(rebuilt.rows, 'row')}: {stands(counts)}")
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
        runs = some(row.run_ids, most=_RUNS)
        say(printable(f"  {word}: {row.id} (run {runs}): {row.why}").replace("\n", " "))
    if count > len(rows):
        say(f"  ... and {count - len(rows)} more")


def _tell_missing(rebuilt: Rebuilt) -> None:
    say(f"without a run: {some(rebuilt.missing, rebuilt.matches[Match.MISSING])}")
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
        cures.append(f"runs of {rows} cannot be told apart: do the above for each of them")
    return f"nothing was written; {'; '.join(cures)}"


async def compare_online(options: Calling, concurrency: int, name: str | None) -> Exit:
    """Compare this batch, or each, with the service; give runs that were found again back to their rows.

    Returns:
        WORK_LEFT if something is left for 'batchrun run' or for a second try.
    """
    login = options.login(concurrency)
    async with options.opening(login) as opened:
        ledger = await opened.ledger()
        batches = await ledger.batches() if name is None else [await find_batch(ledger, name)]
        codes = [await _compare(ledger, batch, login, options, concurrency) for batch in batches]
    return worst([Exit.OK, *codes])


async def _compare(ledger: Ledger, batch: Batch, login: OneLogin, options: Calling, concurrency: int) -> Exit:
    stored = ledger.batch(batch.name)
    # Each batch's runs are in its own region, unless the user names one; lanes have theirs.
    region = None if await stored.lanes() else batch.region
    async with options.opening(login, region=region) as opened:
        found = await compare(stored, reach=await opened.reach_of(batch), at_once=concurrency)
    looked = await give_back(ledger, batch, found.deleted, at=SystemClock().utcnow())
    tell_back(looked, is_done=True)
    (_emit_compared if options.output.as_json else _tell_compared)(batch.name, found, looked)
    return Exit.WORK_LEFT if _is_work_left(found, looked) else Exit.OK


def _is_work_left(found: Divergence, looked: FirstLook) -> bool:
    is_back = any(entry.state is State.ACTIVE for entry in looked.back.values())
    left = (found.ended, found.missing, found.doubtful, found.unknown, found.elsewhere)
    return is_back or any(left)


def _emit_compared(batch: str, found: Divergence, looked: FirstLook) -> None:
    emit(
        "online",
        batch=batch,
        going=found.going,
        ended=dict(found.ended),
        missing=found.missing,
        reappeared=list(looked.back),
        gone=found.gone,
        doubtful=found.doubtful,
        started_elsewhere=found.elsewhere,
        unknown=found.unknown,
    )


def _tell_compared(batch: str, found: Divergence, looked: FirstLook) -> None:
    numbers = {
        "active": found.going,
        "ended since": found.ended.total(),
        "not there": len(found.missing),
        "found again": len(looked.back),
        "deleted": found.gone,
        "in doubt": len(found.doubtful),
        "started from another ledger": len(found.elsewhere),
        "not known": len(found.unknown),
    }
    say(f"{batch}: {stands(numbers) or 'nothing to compare with the service'}")
    if found.ended:
        statuses = ", ".join(f"{number} {printable(status)}" for status, number in found.ended.most_common())
        say(f"  ended since: {statuses}; 'batchrun run' records it")
    if found.missing:
        say(f"  not there: {first_ids(found.missing)}; 'batchrun run' looks again before it believes that")
    if found.doubtful:
        say(f"  sent, and the answer was lost: {first_ids(found.doubtful)}; 'batchrun run' settles it")
    if found.elsewhere:
        say(
            f"  started from another ledger: {first_ids(found.elsewhere)}; 'batchrun run' takes their runs "
            "over, and so does 'batchrun ledger rebuild MANIFEST' without starting others",
            hang=4,
        )
    tell_by_reason("not known", found.unknown.items())
