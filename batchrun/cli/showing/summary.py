"""
The last word of a launch, on stdout.

Belongs here: how an end is told to people and programs. Does not: the results file (``report``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.cli.showing.overview_lines import changed
from batchrun.cli.showing.reporters import numbers
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.wording import printable, seconds

if TYPE_CHECKING:
    from batchrun.api.launch import Ended
    from batchrun.cli.options import Output
    from batchrun.cli.showing.progress import Progress, Snapshot
    from batchrun.model.proofs import TakenOver
    from batchrun.model.tally import Tally
    from batchrun.report.with_service import WithService


def tell_end(ended: Ended, progress: Progress, tally: Tally, results: str | None, output: Output) -> None:
    """Say how the batch stands at the end of a launch, and where its results are, if they are anywhere."""
    now = progress.snapshot(tally)
    if output.as_json:
        facts = {**numbers(now), "changed": ended.counts.changed, **_taken_over(ended.taken_over)}
        emit("summary", batch=ended.batch, stop=ended.stop.value, results=results, **facts)
    elif not output.quiet:
        _tell(ended, now, progress, tally)
        if results is not None:
            say(f"results: {results}")
    if not output.as_json:
        tell_taken_over(ended.batch, ended.taken_over)


def tell_taken_over(batch: str, found: TakenOver) -> None:
    """Say, even under -q, that runs of another ledger were met: the user may have wanted new ones."""
    if not found.rows:
        return
    times = sorted({f"{time:%Y-%m-%d %H:%M}" for time in (found.first, found.last) if time is not None})
    created = f", created {' to '.join(times)} UTC" if times else ""
    rows = "1 row already had its run" if found.rows == 1 else f"{found.rows} rows already had their runs"
    complain(
        f"{printable(batch)}: {rows} at the service{created}, started from another ledger: taken "
        "over, not started again; for new runs give another --batch",
        hang=2,
    )


def _taken_over(found: TakenOver) -> dict[str, object]:
    if not found.rows:
        return {}
    first, last = (time.isoformat() if time else None for time in (found.first, found.last))
    return {"taken_over": {"rows": found.rows, "first_created": first, "last_created": last}}


def _tell(ended: Ended, now: Snapshot, progress: Progress, tally: Tally) -> None:
    failures = list(progress.failures)
    say(f"{printable(ended.batch)}: {counts(now)} (of {now.total}, in {seconds(now.elapsed)})", hang=2)
    if ended.counts.changed:
        say(f"  {changed(ended.counts.changed)}", hang=4)
    for one in failures:
        say(f"  {one.line}", hang=4)
    if tally.failed > len(failures):
        say(f"  {tally.failed} in all did not succeed; 'batchrun status --failed' shows each")
    if now.ended < now.total:
        is_going = bool(now.queued or now.running)
        going = "; active runs continue" if is_going else ""
        left = f"{now.total - now.ended} left{going}.{_with_service(progress.there)}"
        say(f"{left} {_advice(ended, is_going=is_going)}", hang=2)
    if now.others and now.planned:
        say(
            f"{now.planned} planned wait for {now.others} active runs of others (--account-max-active). "
            "A batch that nobody launches keeps its places until it is run again.",
            hang=2,
        )


def _with_service(there: WithService) -> str:
    """Say what goes on with rows that were submitted together."""
    if not there.all_rows:
        return ""
    goes_on = ": it goes on to start them" if there.rows and not there.unknown else ""
    return f" {there.text[0].upper()}{there.text[1:]}{goes_on}."


def _advice(ended: Ended, *, is_going: bool) -> str:
    if not ended.is_held_back:
        return "Run the same command again to continue."
    watch = " The same command only watches active runs." if is_going else ""
    return (
        "Too many have failed (--stop-after), so no more are submitted: 'batchrun status --failed' says why; "
        f"then 'batchrun retry' what failed, or run again with a higher --stop-after.{watch}"
    )


def counts(now: Snapshot) -> str:
    """Return the counts that are not zero, in the order of a run's life."""
    return ", ".join(f"{number} {name}" for name, number in now.counts.items() if number) or "nothing to do"
