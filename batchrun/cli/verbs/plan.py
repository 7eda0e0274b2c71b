"""``batchrun plan``: what ``run`` would do now."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import click

from batchrun.cli.choice import counted
from batchrun.cli.costs.prices import DYNAMIC_GIB, dynamic_gib, read_prices
from batchrun.cli.costs.words import facts_to_come, forecast, lines_to_come
from batchrun.cli.launching.policy import retry_facts, tell_retries
from batchrun.cli.options import LEDGER, MANIFEST, OUTPUT, PACE, SERVICE, STRICT, option
from batchrun.cli.printable import printable
from batchrun.cli.showing.quota_lines import limits, rounds
from batchrun.cli.signals import run_async
from batchrun.cli.speak import emit, say
from batchrun.cli.storage import objects
from batchrun.cli.values import is_folder, seconds
from batchrun.clock import SystemClock
from batchrun.model.limits import Limits
from batchrun.model.pace import USUAL_RATES
from batchrun.model.quotas import USUAL, Quotas, storage_types
from batchrun.model.states import State
from batchrun.ports.ledger import Counts, Sync
from batchrun.report.chosen import Choice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrun.manifest import Manifest
    from batchrun.model.differences import Difference
    from batchrun.ports.ledger import Ledger
    from batchrun.report.bill import Left


_WAITING: Final = (State.PLANNED, State.BACKOFF)
#: Changes that are told of a row.
_CHANGES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _ToCome:
    """What the rows to submit may cost."""

    currency: str
    rows: Sequence[Left]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """A manifest beside what the ledger has of its batch."""

    sync: Sync
    counts: Counts = field(default_factory=Counts)
    changes: Mapping[str, Sequence[Difference]] = field(default_factory=dict)  #: of some of the changed rows
    to_come: _ToCome | None = None
    stop: str | None = None  #: why ``run`` would ask for the batch's name
    to_look_for: int = 0  #: rows whose runs another ledger may have started, as far as this one knows
    quotas: Quotas = field(default_factory=Quotas)  #: the account's, where it was asked


@click.command(epilog="Read on: 'batchrun help manifest', 'batchrun help pace'.")
@MANIFEST
@STRICT
@PACE
@option("--prices", metavar="FILE", help="Say what the rows to submit may cost, at these prices per hour.")
@DYNAMIC_GIB
@option("--online", is_flag=True, show_default=False, help="Ask Service Quotas for the account's own limits.")
@LEDGER
@SERVICE
@OUTPUT
def plan(**options: Any) -> None:
    """
    Say what 'batchrun run MANIFEST' would do now, for a folder's each; start nothing, write nothing.

    Compares the manifest with the ledger: new, unchanged, changed and gone rows; the StartRun calls needed,
    and how long they take at --rate; how many runs may be active at once. With --prices, what they may cost,
    by what 'batchrun costs' has learned of their workflows' runs. With --online it asks for the account's
    quotas, and goes by them in place of the usual ones.
    """
    # Only now: it loads botocore.
    from batchrun.cli.launching.manifests import (  # noqa: PLC0415
        loaded,
        loaded_folder,
        refuse_for_folder,
        source,
    )

    wanted, in_s3 = source(options), objects(options)
    shown = {"as_json": options["as_json"], "quiet": options["quiet"]}
    if is_folder(options["manifest"]):
        refuse_for_folder(options, "batch", "manifest_format")
        besides = [options["ledger"]]
        with loaded_folder(wanted, in_s3, **shown, besides=besides) as manifests:
            for manifest in manifests:
                _plan(manifest, options)
    else:
        with loaded(wanted, in_s3, **shown) as manifest:
            _plan(manifest, options)


def _plan(manifest: Manifest, options: dict[str, Any]) -> None:
    found = run_async(_compare, manifest, options)
    if options["online"]:
        # Only now: it loads the client.
        from batchrun.cli.verbs.account import account_quotas  # noqa: PLC0415

        found = replace(found, quotas=run_async(account_quotas, options))
    _tell(manifest, found, options)


async def _compare(manifest: Manifest, options: dict[str, Any]) -> _Compared:
    from batchrun.api.changes import changes  # noqa: PLC0415
    from batchrun.api.namesakes import mistaken  # noqa: PLC0415
    from batchrun.api.reading import open_ledger  # noqa: PLC0415
    from batchrun.ledger import is_there  # noqa: PLC0415

    if not is_there(options["ledger"]):
        sync = Sync(rows=manifest.count, new=manifest.count)
        return _Compared(sync=sync, to_come=await _to_come(manifest, None, options), to_look_for=sync.new)
    async with open_ledger(options["ledger"]) as ledger:
        sync, now = await ledger.compare(manifest.batch, manifest.specs()), SystemClock().utcnow()
        since = now - Limits().trust.life
        return _Compared(
            sync=sync,
            counts=await ledger.counts(manifest.batch),
            changes=await changes(ledger, manifest, sync.changed_ids),
            to_come=await _to_come(manifest, ledger, options),
            stop=await mistaken(ledger, manifest),
            to_look_for=sync.new + await ledger.unproven(manifest.batch, since=since, at=now),
        )


async def _to_come(manifest: Manifest, ledger: Ledger | None, options: dict[str, Any]) -> _ToCome | None:
    """Say what the rows to submit may cost, where prices are given."""
    if options["prices"] is None:
        return None
    batch = await ledger.find_batch(manifest.batch) if ledger else None
    prices = read_prices(options["prices"], batch.region if batch else None)
    others = [state for state in State if state not in _WAITING]
    sent = {entry.id async for entry in Choice().entries(ledger, manifest.batch, others)} if ledger else set()
    requests = (json.loads(spec.request) for spec in manifest.specs() if spec.id not in sent)
    rows = Counter(request.get("workflowId") for request in requests)
    return _ToCome(currency=prices.currency, rows=await forecast(ledger, rows, prices, dynamic_gib(options)))


def _tell(manifest: Manifest, found: _Compared, options: dict[str, Any]) -> None:
    sync, counts, to_come = found.sync, found.counts, found.to_come
    waiting = sum(counts.by_state.get(state, 0) for state in _WAITING)
    unsettled = counts.by_state.get(State.SUBMITTING, 0)
    calls = sync.new + waiting + unsettled
    asked = options["rate"]
    own = found.quotas.start_runs_per_second
    rate = (own or USUAL_RATES["StartRun"]) if math.isinf(asked.most) else asked.most
    at_once, is_own = _at_once(manifest, found.quotas)
    facts: dict[str, Any] = {
        "rows": sync.rows,
        "new": sync.new,
        "unchanged": sync.unchanged,
        "changed": sync.changed,
        "gone": sync.gone,
        "to_submit": sync.new + waiting,
        "to_settle": unsettled,
        "to_watch": counts.by_state.get(State.ACTIVE, 0),
        "start_run_calls": calls,
        "to_look_for": found.to_look_for,
        "seconds_to_submit": round(calls / rate, 1),
        "stop": found.stop,
        "active_run_quotas": dict(at_once),
        "quotas_from": "account" if is_own else "usual",
    }
    if options["as_json"]:
        changes = {entry_id: [asdict(one) for one in many] for entry_id, many in found.changes.items()}
        samples = {"changed_ids": list(sync.changed_ids), "changes": changes, "gone_ids": list(sync.gone_ids)}
        costs = (
            {} if to_come is None else {"to_come": facts_to_come(to_come.rows), "currency": to_come.currency}
        )
        emit("plan", batch=manifest.batch, **retry_facts(manifest.retry), **samples, **facts, **costs)
        return
    say(
        f"{printable(manifest.batch)}: {counted(sync.rows, 'row', 'rows')}: {sync.new} new, "
        f"{sync.unchanged} unchanged, {sync.changed} changed, {sync.gone} gone from the manifest"
    )
    for word, ids, count in (("changed", sync.changed_ids, sync.changed), ("gone", sync.gone_ids, sync.gone)):
        if ids:
            more = ", ..." if count > len(ids) else ""
            say(f"  {word}: {printable(', '.join(ids))}{more}")
    for entry_id, many in found.changes.items():
        more = f", and {len(many) - _CHANGES} more" if len(many) > _CHANGES else ""
        say(printable(f"  {entry_id}: {', '.join(map(str, many[:_CHANGES]))}{more}"))
    if found.stop is not None:
        say(printable(f"  run stops: {found.stop}"), hang=4)
    if sync.changed:
        say("  run refuses changed rows unless it is told --changed keep or --changed resubmit")
    say(f"to submit: {facts['to_submit']}, to settle: {unsettled}, to watch: {facts['to_watch']}")
    usual = "" if math.isfinite(asked.most) else "the usual " if own is None else "the account's "
    say(f"StartRun calls: {calls}, {seconds(calls / rate)} at {usual}{rate:g} per second")
    whose = "the account's quota" if is_own else "the usual quota; --online asks for the account's"
    say(f"active at once: at most {limits(at_once)}{rounds(facts['to_submit'], at_once)} (by {whose})")
    if found.to_look_for:
        say(
            f"ListRuns calls before: {found.to_look_for} at most, one for each 100 runs of the account: rows "
            "that another ledger has started are not started again",
            hang=2,
        )
    for line in lines_to_come(to_come.rows, to_come.currency) if to_come else ():
        say(printable(f"cost: {line}"))
    tell_retries(manifest.retry)


def _at_once(manifest: Manifest, quotas: Quotas) -> tuple[Mapping[str, int], bool]:
    """Say how many runs may be active at once, by storage, and whether that is the account's own word."""
    asked_for = storage_types(manifest.specs())
    own = quotas.active_runs(asked_for)
    return own or USUAL.active_runs(asked_for), bool(own)
