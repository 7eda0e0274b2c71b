"""``batchrun plan``: what ``run`` would do now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import click

from batchrun.cli.options import LEDGER, MANIFEST, OUTPUT, PACE
from batchrun.cli.policy import retry_facts, tell_retries
from batchrun.cli.printable import printable
from batchrun.cli.speak import emit, say
from batchrun.cli.values import seconds
from batchrun.model.pace import USUAL_RATES
from batchrun.model.states import State
from batchrun.ports.ledger import Counts, Sync

if TYPE_CHECKING:
    from batchrun.manifest import Manifest


@click.command(epilog="Read on: 'batchrun help manifest', 'batchrun help pace'.")
@MANIFEST
@PACE
@LEDGER
@OUTPUT
def plan(**options: Any) -> None:
    """
    Say what 'batchrun run MANIFEST' would do now; call nothing, write nothing.

    Compares the manifest with the ledger: new, unchanged, changed and gone rows; the StartRun calls needed,
    and how long they take at --rate.
    """
    from batchrun.cli.manifests import loaded, source  # noqa: PLC0415 (loads botocore)

    with loaded(source(options), as_json=options["as_json"]) as manifest:
        sync, counts = anyio.run(_compare, manifest, options["ledger"])
        _tell(manifest, sync, counts, options)


async def _compare(manifest: Manifest, ledger_path: str) -> tuple[Sync, Counts]:
    from batchrun.api.reading import open_ledger  # noqa: PLC0415

    if not await anyio.Path(ledger_path).exists():
        return Sync(rows=manifest.count, new=manifest.count), Counts()
    async with open_ledger(ledger_path) as ledger:
        return await ledger.compare(manifest.batch, manifest.specs()), await ledger.counts(manifest.batch)


def _tell(manifest: Manifest, sync: Sync, counts: Counts, options: dict[str, Any]) -> None:
    waiting = sum(counts.by_state.get(state, 0) for state in (State.PLANNED, State.BACKOFF))
    unsettled = counts.by_state.get(State.SUBMITTING, 0)
    calls = sync.new + waiting + unsettled
    asked = options["rate"]
    rate = USUAL_RATES["StartRun"] if asked.is_auto else asked.most
    facts = {
        "rows": sync.rows,
        "new": sync.new,
        "unchanged": sync.unchanged,
        "changed": sync.changed,
        "gone": sync.gone,
        "to_submit": sync.new + waiting,
        "to_settle": unsettled,
        "to_watch": counts.by_state.get(State.ACTIVE, 0),
        "start_run_calls": calls,
        "seconds_to_submit": round(calls / rate, 1),
    }
    if options["as_json"]:
        samples = {"changedIds": list(sync.changed_ids), "goneIds": list(sync.gone_ids)}
        emit("plan", batch=manifest.batch, **retry_facts(manifest.retry), **samples, **facts)
        return
    say(
        f"{printable(manifest.batch)}: {sync.rows} rows: {sync.new} new, {sync.unchanged} unchanged, "
        f"{sync.changed} changed, {sync.gone} gone from the manifest"
    )
    for word, ids, count in (("changed", sync.changed_ids, sync.changed), ("gone", sync.gone_ids, sync.gone)):
        if ids:
            more = ", ..." if count > len(ids) else ""
            say(f"  {word}: {printable(', '.join(ids))}{more}")
    if sync.changed:
        say("  run refuses changed rows unless it is told --changed keep or --changed resubmit")
    say(f"to submit: {facts['to_submit']}, to settle: {unsettled}, to watch: {facts['to_watch']}")
    usual = "the usual " if asked.is_auto else ""
    say(f"StartRun calls: {calls}, {seconds(calls / rate)} at {usual}{rate:g} per second")
    tell_retries(manifest.retry)
