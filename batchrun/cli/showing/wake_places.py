"""
Where lanes need a queue of wake-ups, and what is to be written into them.

Belongs here: the words. Does not: the queue itself (``assets``).
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchrun.model.lanes import Lane


def places(lanes: Sequence[Lane], name: str) -> Iterator[str]:
    """Return for each account and region of *lanes* who needs a queue called *name* there, line by line."""
    by_place: dict[tuple[str | None, ...], list[Lane]] = {}
    for lane in lanes:
        whose = (lane.account,) if lane.account is not None else (lane.profile, lane.role)
        by_place.setdefault((lane.region, *whose), []).append(lane)
    for sharing in by_place.values():
        first = sharing[0]
        region, account = first.region or "REGION", _account(first) or "ACCOUNT"
        china = ".cn" if region.startswith("cn-") else ""
        whom = f"{'lane' if len(sharing) == 1 else 'lanes'} {', '.join(lane.name for lane in sharing)}"
        yield f"{whom}: once in {region} of account {account}{_login(first)}; then write into the lane"
        yield f"    wake: sqs:https://sqs.{region}.amazonaws.com{china}/{account}/{name}"


def _account(lane: Lane) -> str | None:
    """Return the lane's account, which a role's ARN has too; None where it says neither."""
    return lane.account or (None if lane.role is None else lane.role.split(":")[4])


def _login(lane: Lane) -> str:
    said = [f"--region {lane.region}"] if lane.region else []
    if lane.profile is not None and lane.role is None:
        said.append(f"--profile {shlex.quote(lane.profile)}")
    return f" (aws ... {' '.join(said)})" if said else ""
