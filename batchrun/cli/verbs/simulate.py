"""``batchrun simulate``: a local HealthOmics service, on loopback."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import anyio
import click

from batchrun.cli.command import Risk, duration, flag, option, verb
from batchrun.cli.signals import heard
from batchrun.cli.speak import printable, say
from batchrun.errors import UsageError, why_not_listened
from batchrun.model.texts.foreign import is_loopback

if TYPE_CHECKING:
    from batchrun.model.lanes import Lane
    from batchrun.simulator import Served, Settings, SimulatedLane, StoredBucket

    #: Returns the settings of a lane, given its name and those of all lanes.
    Behaviour = Callable[[str, Collection[str]], Settings]


T = TypeVar("T")
#: What is shown where an option cannot be read.
_SUCH: Final = {
    "--limits": "StartRun=100/20,*=unlimited",
    "--failures": "SERVICE_ERROR=0.1,RUN_TASK_FAILED=0.02",
    "--fail-first": "cohort-7*=1:RUN_TASK_FAILED",
    "--faults": "StartRun:drop_after=0.08,*:throttle=3x",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun simulate``."""

    host: str = option(
        default="127.0.0.1", envvar=None, help="Address to listen on; credentials are not checked."
    )
    port: int = option(
        type=click.IntRange(0, 65535), default=8765, envvar=None, help="Port to listen on; 0 is any free one."
    )
    lanes: str | None = option(
        metavar="FILE",
        envvar=None,
        risk=Risk.ADDRESS,
        help="Serve each lane of this table, or of a manifest that has one: an account and a region of its "
        "own, at the port of its endpoint_url or any free one. --limits east/StartRun=8 is for one lane, and "
        "so are --faults and --failures with its name and a / first.",
    )
    account: str = option(
        default="123456789012",
        metavar="NUMBER",
        envvar="BATCHRUN_SIMULATE_ACCOUNT",
        help="The account's number, in ARNs and as STS GetCallerIdentity answers; 12 digits.",
    )
    seed: int = option(
        default=0, envvar="BATCHRUN_SIMULATE_SEED", help="The same seed gives the same behaviour."
    )
    time_scale: float = option(
        default=0.002,
        help="The factor for every duration of a run: with 0.002 half an hour takes 3.6 seconds.",
    )
    limits: str = option(
        default="",
        metavar="OP=RATE[/BURST],...",
        help="Calls per second, such as StartRun=100/20,*=unlimited.  [default: as the service has them]",
    )
    failures: str = option(
        default="",
        metavar="REASON=CHANCE,...",
        help="Runs that fail, such as SERVICE_ERROR=0.1,RUN_TASK_FAILED=0.02.",
    )
    fail_first: str = option(
        default="",
        metavar="GLOB=TIMES[:REASON],...",
        help="Runs, by name or outputUri, that fail this many times and then succeed, such as "
        "'cohort-7*=1:RUN_TASK_FAILED'; takes precedence over --failures. The default reason is "
        "SERVICE_ERROR.",
    )
    faults: str = option(
        default="",
        metavar="OP:FAULT=CHANCE,...",
        help="Calls that fail, such as StartRun:drop_after=0.08,*:throttle=0.05; 3x is the next three calls.",
    )
    max_active: int = option(
        type=click.IntRange(min=1),
        default=50,
        envvar="BATCHRUN_SIMULATE_MAX_ACTIVE",
        help="Runs that are active at once; more wait as PENDING.",
    )
    objects: str | None = option(
        metavar="FILE",
        help="A list of the objects in S3: s3://BUCKET/KEY on each line, and GLACIER or the like after a "
        "tab.",
    )
    listing_lag: float = duration(
        default="0s", help="How long lists do not show a new run, batch, or row of a batch."
    )
    idempotency_window: float | None = duration(
        help="How long StartRun's requestId is remembered.  [default: for ever]"
    )
    batch_idempotency_window: float | None = duration(
        help="How long StartRunBatch's requestId is remembered.  [default: for ever]"
    )
    forget_failed_batches: bool = flag(
        help="Let the requestId of a FAILED batch start a new one; otherwise the answer is the failed one."
    )
    hang: float = duration(
        default="2m",
        envvar="BATCHRUN_SIMULATE_HANG",
        help="How long faults such as hang_after are silent, and show_late hides a row of a batch.",
    )


@verb(Options, epilog="Read on: 'batchrun help simulator'.")
async def simulate(options: Options) -> None:
    """Serve a simulated HealthOmics account, or with --lanes several, until Ctrl-C.

    It speaks the service's own protocol: batchrun, boto3 and the AWS CLI work with it unchanged. What really
    happened can be read from /_simulator/state as JSON.
    """
    from batchrun.simulator import serve_lanes  # noqa: PLC0415 (aiohttp is loaded only where it is needed)

    lanes: Sequence[Lane] = ()
    if options.lanes is not None:
        from batchrun.manifest.lanes.table import lanes_to_use  # noqa: PLC0415 (loads botocore)

        lanes = lanes_to_use(options.lanes, beside_rows=True)
    served = simulated(lanes, partial(_settings, options), options.account)
    with anyio.CancelScope() as scope, heard(lambda _number: scope.cancel()):
        try:
            async with serve_lanes(served, host=options.host, port=options.port) as everywhere:
                _tell(everywhere, options, lanes)
                await anyio.sleep_forever()
        except (OSError, UnicodeError) as error:  # the latter for a name that is too long
            place = f"{options.host}:{options.port}"
            raise UsageError(f"cannot listen on {place}: {why_not_listened(error)}; try --port 0") from error


def _tell(served: Served, options: Options, lanes: Sequence[Lane]) -> None:
    say(f"simulated HealthOmics on {served.url}; Ctrl-C ends it")
    if options.lanes is None:
        say(f"  batchrun:  batchrun run MANIFEST --endpoint-url {served.url}")
        say("  AWS CLI:   export AWS_DISABLE_HOST_PREFIX_INJECTION=true")
        say(f"             export AWS_ENDPOINT_URL_OMICS={served.url}")
        return
    for name, one in served.lanes.items():
        say(f"  lane {name}: account {one.settings.account}, {one.settings.region}, {one.url}")
    if not all(lane.endpoint_url and is_loopback(lane.endpoint_url) for lane in lanes):
        say(f"  lanes without a local endpoint_url: export AWS_ENDPOINT_URL={served.url}")
    say("  then as ever: batchrun run MANIFEST, which has these lanes,")
    say(f"             or any other with --lanes {options.lanes}, where that file has nothing but lanes")


def _settings(options: Options, lane: str, lanes: Collection[str]) -> Settings:
    """Return the settings of *lane*, one of several or the only one."""
    from batchrun import simulator  # noqa: PLC0415 (loads aiohttp)

    windows = {
        "idempotency_window": options.idempotency_window,
        "batch_idempotency_window": options.batch_idempotency_window,
    }
    own = partial(simulator.of_lane, lane=lane, lanes=lanes)
    return _valid(
        simulator.Settings,
        account=options.account,
        seed=f"{options.seed}/{lane}" if lane else options.seed,
        time_scale=options.time_scale,
        limits=_read("--limits", simulator.parse_limits, own(options.limits)),
        failures=_read("--failures", simulator.parse_failures, own(options.failures)),
        fail_first=_read("--fail-first", simulator.parse_fail_first, options.fail_first),
        faults=_read("--faults", simulator.parse_faults, own(options.faults)),
        max_active=options.max_active,
        max_active_static=options.max_active,
        listing_lag=options.listing_lag,
        failed_batch_again=not options.forget_failed_batches,
        hang=options.hang,
        storage=_objects(options.objects),
        **{name: window for name, window in windows.items() if window is not None},
    )


def _objects(path: str | None) -> tuple[StoredBucket, ...]:
    from batchrun.simulator import parse_objects  # noqa: PLC0415 (as above)

    if path is None:
        return ()
    try:
        with Path(path).open(encoding="utf-8") as lines:
            return parse_objects(lines)
    except (OSError, ValueError) as error:  # no such file, no such line, no UTF-8
        reason = error.strerror if isinstance(error, OSError) else None
        cure = "give a file with s3://BUCKET/KEY on each line"
        raise UsageError(f"--objects {path}: {reason or error}; {cure}") from error


def _read(option: str, read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise UsageError(f"{option}: {printable(str(error))}; write it as in {_SUCH[option]}") from error


def _valid(make: Callable[..., T], **settings: Any) -> T:
    try:
        return make(**settings)
    except ValueError as error:
        raise UsageError(printable(str(error))) from error


def simulated(lanes: Sequence[Lane], behaviour: Behaviour, account: str) -> Sequence[SimulatedLane]:
    """Return what to serve: each lane, or a single account without lanes.

    *account* is that of lanes without one, and of the credentials that assume roles.
    """
    from batchrun.simulator import Role, SimulatedLane  # noqa: PLC0415 (loads aiohttp)

    if not lanes:
        return [SimulatedLane(name="", settings=behaviour("", ()))]
    names = [lane.name for lane in lanes]
    roles = tuple(
        Role(arn=lane.role, external_id=lane.external_id) for lane in lanes if lane.role is not None
    )
    callers = {lane.profile: lane.account for lane in lanes if lane.role is None and lane.account}
    return [
        SimulatedLane(
            name=lane.name,
            settings=replace(
                behaviour(lane.name, names),
                account=lane.owner or account,
                region=lane.region or os.environ.get("AWS_REGION") or "us-east-1",
                roles=roles,
            ),
            caller=None if lane.role is None else callers.get(lane.profile, account),
            port=_port(lane.endpoint_url),
        )
        for lane in lanes
    ]


def _port(endpoint_url: str | None) -> int:
    """Return the port of a local address; 0, any free port, for all others."""
    if endpoint_url is None or not is_loopback(endpoint_url):
        return 0
    return urlsplit(endpoint_url).port or 80
