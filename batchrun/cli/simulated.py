"""
Lanes of a user's table, as the simulator serves them: with the table as it is, a launch can be rehearsed.

Belongs here: which account, region and port each has, and whose the keys are that nobody knows. Does not: the
simulator's own settings (``verbs.simulate``), serving (``simulator``).
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from batchrun.model.addresses import is_loopback

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from batchrun.model.lanes import Lane
    from batchrun.simulator import Role, Settings, SimulatedLane

    class Behaviour(Protocol):
        """What says how a lane behaves, by its name and those of all."""

        def __call__(self, lane: str = "", lanes: Collection[str] = ()) -> Settings: ...  # noqa: D102


def simulated(lanes: Sequence[Lane], behaviour: Behaviour, account: str) -> Sequence[SimulatedLane]:
    """
    Return what to serve: each lane, or without any an account alone.

    Args:
        lanes: As the user says them.
        behaviour: What is set for each.
        account: Of lanes that do not say, and of credentials that a role is assumed with.
    """
    from batchrun.simulator import SimulatedLane  # noqa: PLC0415 (loads aiohttp)

    if not lanes:
        return [SimulatedLane(name="", settings=behaviour())]
    names = [lane.name for lane in lanes]
    roles = tuple(_role(lane) for lane in lanes if lane.role is not None)
    callers = {lane.profile: lane.account for lane in lanes if lane.role is None and lane.account}
    return [
        SimulatedLane(
            name=lane.name,
            settings=replace(
                behaviour(lane.name, names),
                account=_account(lane) or account,
                region=lane.region or os.environ.get("AWS_REGION") or "us-east-1",
                roles=roles,
            ),
            caller=None if lane.role is None else callers.get(lane.profile, account),
            port=_port(lane.endpoint_url),
        )
        for lane in lanes
    ]


def _account(lane: Lane) -> str | None:
    """Return the account that its runs are in: a role's is in its ARN."""
    return lane.account if lane.role is None else lane.role.split(":")[4]


def _role(lane: Lane) -> Role:
    from batchrun.simulator import Role  # noqa: PLC0415

    return Role(arn=str(lane.role), external_id=lane.external_id)


def _port(endpoint_url: str | None) -> int:
    """Return the port of a local address; 0, which is any free one, for every other."""
    if endpoint_url is None or not is_loopback(endpoint_url):
        return 0
    return urlsplit(endpoint_url).port or 80
