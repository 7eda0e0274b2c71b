"""``batchrun lanes``: the accounts and regions that a manifest may use, as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from batchrun.api.objects import ObjectsOnce
from batchrun.cli.calling import login_to
from batchrun.cli.command import argument, group, verb
from batchrun.cli.completion import files
from batchrun.cli.exits import Exit, exit_code, worst
from batchrun.cli.options import LANES, NO_ACCOUNT, READ_RATE, TIMEOUT, Output
from batchrun.cli.signals import interruptible, run_async
from batchrun.cli.speak import complain, emit, printable, say
from batchrun.model.lanes import Lane
from batchrun.model.paces.rates import Rate
from batchrun.model.texts.foreign import masked
from batchrun.model.texts.words import counted
from batchrun.service.target import Target

if TYPE_CHECKING:
    from batchrun.api.lanes_now import LaneNow

#: Botocore's names for the sources of credentials, in words.
_KINDS: Final = {
    "env": "environment variables",
    "shared-credentials-file": "keys in a file",
    "config-file": "keys in a file",
    "custom-process": "credential_process",
    "sso": "IAM Identity Center (aws sso login)",
    "login": "aws login",
    "assume-role": "assumed role",
    "assume-role-with-web-identity": "web identity",
    "container-role": "container role",
    "iam-role": "machine role",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun lanes``."""

    manifest: str | None = argument(metavar="MANIFEST", required=False, shell_complete=files)
    lanes: str | None = LANES()
    read_rate: Rate = READ_RATE()
    timeout: float = TIMEOUT()
    output: Output = group(Output)


@verb(Options, epilog="Read on: 'batchrun help lanes', 'batchrun help iam'.")
def lanes(options: Options) -> Exit:
    """Show each lane of MANIFEST, or of --lanes, as it is now: account, credentials, quotas, active runs.

    Without either it shows where calls go that name no lane. Nothing is submitted. What is wrong with a lane
    is shown with the cure. Exits with 0 when all can be used, with 5 where credentials, a permission or the
    network are missing, and with 2 where only settings are wrong.
    """
    from batchrun.api.lanes_now import look  # noqa: PLC0415 (loads aiobotocore)
    from batchrun.cli.logs import configure  # noqa: PLC0415

    wanted = _lanes(options) or (Lane(name=""),)
    configure(options.output)
    found = run_async(look, wanted, Target(read_timeout=options.timeout), options.read_rate)
    for now in found:
        if options.output.as_json:
            emit("lane", **_facts(now))
        for line in () if options.output.as_json else _lines(now):
            say(line)
    if unusable := sum(now.error is not None for now in found):
        complain(f"{unusable} of {counted(len(found), 'lane')} cannot be used")
    return worst([Exit.OK, *(exit_code(now.error) for now in found if now.error is not None)])


def _lanes(options: Options) -> Sequence[Lane]:
    from batchrun.manifest.lanes.table import lanes_to_use  # noqa: PLC0415 (loads botocore)
    from batchrun.manifest.load import lanes_of  # noqa: PLC0415
    from batchrun.manifest.source import Source  # noqa: PLC0415

    with interruptible(), ObjectsOnce(login_to(NO_ACCOUNT, options.output)) as in_s3:
        if options.manifest is not None:
            return lanes_of(Source(path=options.manifest, lanes=options.lanes), objects=in_s3)
        return () if options.lanes is None else lanes_to_use(options.lanes, in_s3)


def _lines(now: LaneNow) -> Iterator[str]:
    """Yield what the manifest sets for a lane, then what was found."""
    where = ", ".join(filter(None, [now.region, now.account and f"account {now.account}"]))
    yield printable(f"{_title(now)}: {where or 'not known where'}{', cannot be used' if now.error else ''}")
    if now.credentials is not None:
        yield printable(f"  credentials: {_credentials(now)}")
    if allowed := "; ".join(_allowed(now)):
        yield f"  allowed: {allowed}"
    if now.runs is not None:
        yield f"  now: {_active(now)}"
    for warning in now.warnings:
        yield f"  warning: {warning}"
    if now.error is not None:
        yield printable(f"  wrong: {now.error}")


def _facts(now: LaneNow) -> dict[str, Any]:
    """Return a lane for JSON; unknown values are null."""
    credentials = {
        "kind": None if now.credentials is None else _kind(now),
        "place": now.credentials,
        "role": now.lane.role,
        "expires": None if now.expires is None else now.expires.isoformat(),
    }
    return {
        "lane": now.lane.name or None,
        "region": now.region,
        "account": now.account,
        "endpoint": None if now.endpoint is None else masked(now.endpoint),
        "credentials": credentials,
        "start_run_per_second": now.quotas.start_runs_per_second,
        "kept_runs": now.quotas.kept_runs,
        "active_run_quotas": dict(now.quotas.active_runs(())),
        "gpu_quota": now.quotas.gpus,
        "active_runs": now.runs,
        "is_whole": now.is_whole,
        "is_usable": now.error is None,
        "problem": None if now.error is None else str(now.error),
        "warnings": now.warnings,
    }


def _title(now: LaneNow) -> str:
    return f"lane {now.lane.name}" if now.lane.name else "no lanes, as AWS is configured"


def _credentials(now: LaneNow) -> str:
    if now.kind is None:
        role = "" if now.lane.role is None else f"role {now.lane.role}{_expiry(now)}; else "
        return f"{role}none, which a local service does not ask for"
    return f"{now.credentials}: {_kind(now)}{_expiry(now)}"


def _kind(now: LaneNow) -> str | None:
    kind = None if now.kind is None else _KINDS.get(now.kind, now.kind)
    return kind if now.lane.role is None else " by ".join(filter(None, ["a role", kind]))


def _expiry(now: LaneNow) -> str:
    return "" if now.expires is None else f", until {now.expires.astimezone():%d %b %H:%M %Z}"


def _allowed(now: LaneNow) -> Iterator[str]:
    if (rate := now.quotas.start_runs_per_second) is not None:
        yield f"StartRun {rate:g} per second"
    if at_once := now.quotas.active_runs(()):
        yield f"at most {' and '.join(f'{most} {kind}' for kind, most in at_once.items())} runs active"
    if (gpus := now.quotas.gpus) is not None:
        yield f"{gpus} GPUs"
    if (most := now.lane.max_active) is not None:
        yield f"max_active {most} of a batch"
    if (most := now.lane.account_max_active) is not None:
        yield f"account_max_active {most} of all batches"


def _active(now: LaneNow) -> str:
    runs = now.runs or {}
    number = sum(runs.values())
    by_status = ", ".join(f"{count} {status}" for status, count in runs.items())
    if not number:
        return "no active runs"
    more = "" if now.is_whole else "at least "
    return f"{more}{counted(number, 'active run')}: {by_status}"
