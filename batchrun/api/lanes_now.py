"""The present state of lanes: account, credentials, quotas and active runs of each.

Nothing is submitted and no ledger is read. Belongs here: what is asked in which order, and what makes a lane
unusable. Does not: connecting the lanes of a launch (``lanes``), words for people (``cli``).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from batchrun.api.lanes import asked, count_going, why_not
from batchrun.clock import SystemClock
from batchrun.errors import AccessDeniedError, BatchrunError, ServiceUnusableError
from batchrun.model.entries.states import GOING_STATUSES
from batchrun.model.lanes import Lane
from batchrun.model.paces.quotas import Quotas
from batchrun.model.paces.rates import UNLIMITED, Rate
from batchrun.service.calling.outage import Patience
from batchrun.service.client import connect
from batchrun.service.login import Login, Logins
from batchrun.service.target import Target, target_of

#: A look does not wait for a login, nor long for an answer.
_PATIENCE: Final = Patience(first_contact=10.0, outage=10.0, credentials=0.0)
_NO_LISTING: Final = (
    "no permission to list runs (omics:ListRuns): those that are active were not counted, and a launch needs "
    "it unless it has --trust-ledger"
)


@dataclass(slots=True, kw_only=True)
class LaneNow:
    """What was found out about a lane; unknown values are None."""

    lane: Lane
    region: str | None = None
    account: str | None = None
    endpoint: str | None = None  #: where calls go; it may hold a secret
    credentials: str | None = None  #: where they come from, in words
    kind: str | None = None  #: botocore's name of their provider
    expires: datetime | None = None  #: when they expire; None if unknown
    quotas: Quotas = field(default_factory=Quotas)
    runs: dict[str, int] | None = None  #: that have not ended, by status
    is_whole: bool = True  #: whether all of them were counted
    warnings: list[str] = field(default_factory=list)
    error: BatchrunError | None = None  #: why it cannot be used


async def look(lanes: Sequence[Lane], base: Target, read_rate: Rate) -> Sequence[LaneNow]:
    """Look at each of *lanes*, several at a time; an error of one is kept with it and stops no other."""
    found, logins = {lane.name: LaneNow(lane=lane) for lane in lanes}, Logins()

    async def one(lane: Lane) -> None:
        await _look(found[lane.name], Login(target_of(lane, base), among=logins), read_rate)

    _, failed = await asked(lanes, one)
    for name, error in failed.items():
        found[name].error = error
    return list(found.values())


async def _look(now: LaneNow, login: Login, read_rate: Rate) -> None:
    now.region = login.region
    connecting = connect(
        login.target,
        rate=UNLIMITED,
        read_rate=read_rate,
        clock=SystemClock(),
        rng=random.Random(),  # noqa: S311 (jitter is no secret)
        patience=_PATIENCE,
        login=login,
    )
    async with connecting as service:
        now.region, now.endpoint = service.region, service.endpoint
        now.credentials, now.kind, now.expires = login.place, login.kind, login.expires
        now.account = await service.ask_account()
        if (why := why_not(service, now.lane.account)) is not None:
            raise ServiceUnusableError(why)
        now.quotas = await service.quotas()
        try:
            counts, now.is_whole = await count_going(service)
            now.runs = {status: counts[status] for status in GOING_STATUSES if counts[status]}
        except AccessDeniedError:
            now.warnings.append(_NO_LISTING)
        now.account = service.number
