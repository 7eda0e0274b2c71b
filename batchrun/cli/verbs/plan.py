"""``batchrun plan``: what ``run`` would do now."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from batchrun.api.objects import ObjectsOnce, OneLogin
from batchrun.cli import options as shared
from batchrun.cli.calling import login_to
from batchrun.cli.command import flag, group, option, verb
from batchrun.cli.costs.prices import DYNAMIC_GIB, dynamic_gib, read_prices
from batchrun.cli.costs.words import facts_to_come, forecast, lines_to_come
from batchrun.cli.manifest_options import ManifestOptions
from batchrun.cli.signals import run_async
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.verbs import planned
from batchrun.clock import SystemClock
from batchrun.errors import goes_on
from batchrun.model.entries.states import UNSENT, State
from batchrun.model.lanes import Lane, lanes_of
from batchrun.model.paces.quotas import Quotas
from batchrun.model.paces.rates import UNLIMITED, Rate
from batchrun.model.planning.limits import Limits
from batchrun.model.spec import Spec
from batchrun.model.submissions.grouping import Engine
from batchrun.model.texts.words import counted, seconds, some
from batchrun.ports.stored import Batch, Sync
from batchrun.report.bill import AlikeRows
from batchrun.report.overview import with_service

if TYPE_CHECKING:
    from batchrun.api.opening import Opening
    from batchrun.manifest import Manifest
    from batchrun.ports.batch import StoredBatch
    from batchrun.ports.ledger import Ledger


#: Most changes that are shown per row.
_CHANGES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun plan``."""

    manifest: ManifestOptions = group(ManifestOptions)
    strict: bool = shared.STRICT()
    rate: Rate = shared.RATE()
    read_rate: Rate = shared.READ_RATE()
    concurrency: int = shared.CONCURRENCY()
    max_active: int | None = shared.MAX_ACTIVE()
    together: shared.EngineOptions = group(shared.EngineOptions)
    prices: str | None = option(
        metavar="FILE", help="Estimate what the rows to submit will cost, at these prices per hour."
    )
    dynamic_gib: float | None = DYNAMIC_GIB()
    online: bool = flag(help="Ask Service Quotas for the account's own limits.")
    ledger: str = shared.LEDGER()
    service: shared.Service = group(shared.Service)
    output: shared.Output = group(shared.Output)

    @property
    def limits(self) -> Limits:
        """The limits that decide how a row is submitted."""
        return Limits(
            engine=self.together.kind,
            batch_rows=self.together.batch_rows,
            max_active=self.max_active,
            tag=self.manifest.tags,
        )


@verb(Options, epilog="Read on: 'batchrun help manifest', 'batchrun help engines', 'batchrun help pace'.")
def plan(options: Options) -> None:
    """Say what 'batchrun run MANIFEST' would do now, for a folder's each; start nothing, write nothing.

    Compares the manifest with the ledger: new, unchanged, changed and gone rows; the StartRun calls needed,
    and how long they take at --rate; how many runs may be active at once. With --prices, what they may cost,
    by what 'batchrun costs' has learned of their workflows' runs. With --online it asks for the account's
    quotas, and goes by them in place of the usual ones; where there are lanes, each lane's. With --engine it
    says which rows would go which way, and why.
    """
    from batchrun.api.engines import sized  # noqa: PLC0415
    from batchrun.cli.launching.manifests import refuse_beside_lanes, taken  # noqa: PLC0415 (loads botocore)

    login = login_to(options.service, options.output)
    with taken(
        options.manifest, ObjectsOnce(login), options.output, strict=options.strict, besides=[options.ledger]
    ) as manifests:
        refuse_beside_lanes(manifests, options.service)
        for manifest in manifests:
            sized(options.limits, manifest, options.together.batch_settings)
        for manifest in manifests:
            found = run_async(_compare, manifest, login, options)
            if options.online and not manifest.lanes:
                found = replace(found, quotas=run_async(_own_quotas, login, options.output))
            ahead = planned.Ahead.of(manifest, found, options.rate)
            (_emit if options.output.as_json else _tell)(manifest, found, ahead)
            if options.online and not manifest.lanes and not ahead.bearing.is_own:
                complain(
                    "warning: the account's quotas could not be read, so these are the usual ones; "
                    "it takes servicequotas:GetServiceQuota, and a login at AWS"
                )


async def _own_quotas(login: OneLogin, output: shared.Output) -> Quotas:
    async with _opened(login, output) as opened:
        return await (await opened.service()).quotas()


def _opened(login: OneLogin, output: shared.Output) -> Opening:
    from batchrun.api import opening  # noqa: PLC0415 (it loads the client)
    from batchrun.cli.logs import configure  # noqa: PLC0415

    configure(output, usual=-1)
    return opening.Opening(None, login=login, rate=UNLIMITED, read_rate=UNLIMITED)


async def _quotas_of(lanes: Sequence[Lane], login: OneLogin, output: shared.Output) -> Mapping[str, Quotas]:
    """Return the account quotas of each lane; report and leave out lanes that cannot be asked."""
    from batchrun.api.lanes import asked  # noqa: PLC0415 (loads the engine)

    async def ask(lane: Lane) -> Quotas:
        return await (await opened.service(lane=lane)).quotas()

    async with _opened(login, output) as opened:
        found, failed = await asked(lanes, ask)
    for name, error in failed.items():
        complain(f"warning: lane {name} cannot be asked for its quotas: {error}")
    return found


async def _compare(manifest: Manifest, login: OneLogin, options: Options) -> planned.Compared:
    from batchrun.api.namesakes import changes, mistaken  # noqa: PLC0415
    from batchrun.api.reading import open_ledger  # noqa: PLC0415
    from batchrun.ledger import LedgerPlace  # noqa: PLC0415

    if not LedgerPlace(options.ledger).is_there():
        sync = Sync(rows=manifest.count, new=manifest.count)
        return planned.Compared(
            sync=sync,
            to_come=await _to_come(manifest, None, (), options),
            to_look_for=sync.new,
            lanes=await _lanes(manifest, (), login, options),
            engine=planned.PlannedEngine.of(manifest, options.limits, options.together.batch_settings),
        )
    async with open_ledger(options.ledger, for_once=True) as ledger:
        stored, now = ledger.batch(manifest.batch), SystemClock().utcnow()
        batch = await ledger.find_batch(manifest.batch)
        home = None if batch is None else _home(manifest, batch)
        sync, counts = await stored.compare(manifest.specs(), home=home), await stored.counts()
        sent = await _sent(stored, options, manifest)
        return planned.Compared(
            sync=sync,
            counts=counts,
            changes=await changes(stored, manifest, sync.changed_ids, home),
            to_come=await _to_come(manifest, ledger, sent, options),
            stop=await mistaken(ledger, batch, counts, manifest),
            to_look_for=sync.new + await stored.unproven(since=now, at=now),  # each launch looks anew
            lanes=await _lanes(manifest, sent, login, options),
            engine=planned.PlannedEngine.of(
                manifest,
                options.limits,
                options.together.batch_settings,
                sent=sent,
                there=await with_service(stored, counts.by_state),
            ),
        )


async def _sent(stored: StoredBatch, options: Options, manifest: Manifest) -> Collection[str]:
    """Return the ids of rows that are not to be submitted; empty if nothing depends on them."""
    if not manifest.lanes and options.prices is None and options.together.kind is Engine.STARTRUN:
        return ()
    others = [state for state in State if state not in UNSENT]
    return {entry.id async for page in stored.pages_in(*others) for entry in page}


def _home(manifest: Manifest, batch: Batch) -> str | None:
    """Return the lane of rows that were sent before there were lanes; None if no lane fits."""
    fits = (
        lane.name
        for lane in manifest.lanes
        if lane.region == batch.region and lane.account in {None, batch.account}
    )
    return next(fits, None)


async def _lanes(
    manifest: Manifest, sent: Collection[str], login: OneLogin, options: Options
) -> planned.PlannedLanes | None:
    if not manifest.lanes:
        return None
    quotas = await _quotas_of(manifest.lanes, login, options.output) if options.online else {}
    return planned.PlannedLanes.of(manifest, sent, options.rate.most, quotas)


async def _to_come(
    manifest: Manifest, ledger: Ledger | None, sent: Collection[str], options: Options
) -> planned.ToCome | None:
    """Return what the rows to submit may cost; None without prices."""
    if options.prices is None:
        return None
    batch = await ledger.find_batch(manifest.batch) if ledger else None
    regions = {lane.name: lane.region for lane in manifest.lanes}
    own = None if batch is None or manifest.lanes else batch.region
    prices = read_prices(options.prices, [one for one in (own, *regions.values()) if one is not None])
    rows = Counter(_alike(spec, regions) for spec in manifest.specs() if spec.id not in sent)
    return planned.ToCome(
        currency=prices.currency,
        rows=await forecast(ledger, rows, prices, dynamic_gib(options.dynamic_gib)),
    )


def _alike(spec: Spec, regions: Mapping[str, str | None]) -> AlikeRows:
    """Return the key of rows that cost the same as this one in its preferred lane."""
    lane = next(iter(lanes_of(spec.content)), None)
    region = None if lane is None else regions[lane]
    return AlikeRows(workflow_id=json.loads(spec.request).get("workflowId"), region=region)


def _emit(manifest: Manifest, found: planned.Compared, ahead: planned.Ahead) -> None:
    sync, to_come = found.sync, found.to_come
    costs = {} if to_come is None else {"to_come": facts_to_come(to_come.rows), "currency": to_come.currency}
    emit(
        "plan",
        batch=manifest.batch,
        **planned.retry_facts(manifest.retry),
        changed_ids=list(sync.changed_ids),
        changes={entry_id: [asdict(one) for one in many] for entry_id, many in found.changes.items()},
        gone_ids=list(sync.gone_ids),
        rows=sync.rows,
        new=sync.new,
        unchanged=sync.unchanged,
        changed=sync.changed,
        gone=sync.gone,
        to_submit=ahead.to_submit,
        to_settle=ahead.to_settle,
        to_watch=ahead.to_watch,
        start_run_calls=ahead.calls,
        to_look_for=found.to_look_for,
        seconds_to_submit=round(ahead.seconds, 1),
        stop=found.why_stopped,
        active_run_quotas=dict(ahead.bearing.at_once),
        quotas_from="account" if ahead.bearing.is_own else "usual",
        **({} if ahead.lanes is None else {"lanes": ahead.lanes.facts}),
        **costs,
        **({} if ahead.engine is None else ahead.engine.facts),
    )


def _tell(manifest: Manifest, found: planned.Compared, ahead: planned.Ahead) -> None:
    sync, to_come = found.sync, found.to_come
    say(
        f"{manifest.batch}: {counted(sync.rows, 'row')}: {sync.new} new, "
        f"{sync.unchanged} unchanged, {sync.changed} changed, {sync.gone} gone from the manifest",
        hang=2,
    )
    _tell_differences(found)
    _tell_calls(ahead)
    if found.to_look_for:
        say(
            f"ListRuns calls before: {found.to_look_for} at most, one for each 100 runs of the account: rows "
            "that another ledger has started are not started again",
            hang=2,
        )
    for line in lines_to_come(to_come.rows, to_come.currency) if to_come else ():
        say(f"cost: {line}")
    planned.tell_retries(manifest)


def _tell_differences(found: planned.Compared) -> None:
    sync = found.sync
    for word, ids, count in (("changed", sync.changed_ids, sync.changed), ("gone", sync.gone_ids, sync.gone)):
        if ids:
            say(f"  {word}: {some(ids, count)}")
    for entry_id, many in found.changes.items():
        more = f", and {len(many) - _CHANGES} more" if len(many) > _CHANGES else ""
        say(f"  {entry_id}: {', '.join(map(str, many[:_CHANGES]))}{more}")
    if (stop := found.why_stopped) is not None:
        say(f"  run stops: {stop}", hang=4)
    if sync.changed:
        say("  run refuses changed rows unless given --changed keep or --changed resubmit", hang=4)
        if sync.active:
            say(f"  with --changed resubmit: {goes_on(sync.active)}", hang=4)


def _tell_calls(ahead: planned.Ahead) -> None:
    say(f"to submit: {ahead.to_submit}, to settle: {ahead.to_settle}, to watch: {ahead.to_watch}", hang=2)
    if ahead.lanes is not None:
        say(f"StartRun calls: {ahead.calls}, {seconds(ahead.seconds)} or more")
        _tell_engine(ahead)
        for line in ahead.lanes.lines:
            say(line, hang=2)
        return
    bearing = ahead.bearing
    pace = f"{ahead.whose_rate}{bearing.rate:g} per second"
    say(f"StartRun calls: {ahead.calls}, {seconds(ahead.calls / bearing.rate)} at {pace}", hang=2)
    _tell_engine(ahead)
    whose = "the account's quota" if bearing.is_own else "the usual quota; --online asks for the account's"
    most = f"{planned.at_most(bearing.at_once)}{_rounds(ahead.to_submit, bearing.at_once)}"
    say(f"active at once: at most {most} (by {whose})", hang=2)


def _tell_engine(ahead: planned.Ahead) -> None:
    for line in () if ahead.engine is None else ahead.engine.lines:
        say(line, hang=2)


def _rounds(rows: int, at_once: Mapping[str, int]) -> str:
    """Return how often *rows* fill the limit of active runs; empty unless there is one limit."""
    if len(at_once) != 1:
        return ""
    (limit,) = at_once.values()
    return f", so {rows} take {-(-rows // limit)} rounds or more" if rows > limit else ""
