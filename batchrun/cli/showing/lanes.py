"""
A lane as it is now, in lines for people and in facts for JSON.

Belongs here: the words. Does not: finding out (``api.lanes_now``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchrun.cli.wording import counted, printable
from batchrun.model.foreign import masked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrun.api.lanes_now import LaneNow

#: What botocore calls where credentials come from, in words.
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


def lines(now: LaneNow) -> Iterator[str]:
    """Tell it: what it is, then what was found out."""
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


def facts(now: LaneNow) -> dict[str, Any]:
    """Return it for JSON; what nobody could say is null."""
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
