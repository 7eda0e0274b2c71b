"""The lanes of one launch: connecting to each, and checking its account and region.

A lane whose login is missing or is of another account is reported with the reason and not used; the others
continue. Belongs here: connecting to several lanes, and finding the *home* lane, which has the runs from
before the batch had lanes; the account of a lane, and what runs there. Does not: which lanes a launch needs
(``needed_lanes``), connecting to one (``opening``), the launch (``engine``), asking for a login's account
(``service.calling.caller``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from batchrun.engine.parts import LaneLink
from batchrun.engine.recognition import Recognition
from batchrun.errors import (
    CredentialsError,
    InputError,
    LoginSettingError,
    ServiceError,
    ServiceUnusableError,
    UsageError,
)
from batchrun.model.entries.states import State
from batchrun.model.lanes import Lane
from batchrun.model.planning.limits import LaneLimits
from batchrun.ports.stored import Batch, Counts, LanePlace, Latest
from batchrun.side_by_side import in_groups

if TYPE_CHECKING:
    from batchrun.ports.batch import StoredBatch
    from batchrun.ports.held import HeldBatch
    from batchrun.ports.objects import SettingsPlace
    from batchrun.service.client import AwsHealthOmics

T = TypeVar("T")

#: Lanes that are connected to side by side.
AT_ONCE: Final = 8
#: Seconds after which a lane that is still connecting no longer holds up others.
_PATIENCE: Final = 2.0
#: Why rows that were sent to a lane that the manifest no longer has cannot be settled.
_NO_SUCH_LANE: Final = (
    "the manifest has no such lane any more; give it back, with the region and account that it had"
)
#: Most runs that are counted; more are "at least so many".
_COUNTED: Final = 1000


@dataclass(slots=True, kw_only=True)
class OpenLanes:
    """The lanes of a launch; a batch without lanes has one, named None."""

    services: dict[str | None, AwsHealthOmics] = field(default_factory=dict)
    limits: Mapping[str, LaneLimits] = field(default_factory=dict)  #: limits of active runs, by lane
    home: str | None = None
    stopped: dict[str, ServiceUnusableError] = field(default_factory=dict)  #: those that cannot be used
    #: The same, of lanes without rows.
    unwanted: dict[str, ServiceUnusableError] = field(default_factory=dict)

    @property
    def first(self) -> AwsHealthOmics:
        """The service of the first usable lane. Raises ServiceUnusableError if there is none."""
        for service in self.services.values():
            return service
        raise ServiceUnusableError("; ".join(f"lane {name}: {why}" for name, why in self.stopped.items()))

    def stop(self, lane: str, why: str) -> None:
        """Do not use a lane, for a reason."""
        self.services.pop(lane, None)
        self.stopped[lane] = ServiceUnusableError(why)


class Places:
    """A limit on lanes that connect at the same time.

    Making a lane's clients takes a whole CPU for a moment; with many at once, answers would be read after
    their timeouts. A lane that takes longer waits for its login's helper or for an answer, and gives its
    place to the next.
    """

    def __init__(self) -> None:
        self._free = anyio.CapacityLimiter(AT_ONCE)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it for the block, but not longer than the limit."""
        whose = object()

        def leave() -> None:
            later.cancel()
            if whose in self._free.statistics().borrowers:
                self._free.release_on_behalf_of(whose)

        await self._free.acquire_on_behalf_of(whose)
        later = asyncio.get_running_loop().call_later(_PATIENCE, leave)
        try:
            yield
        finally:
            leave()


async def asked(
    lanes: Sequence[Lane], ask: Callable[[Lane], Awaitable[T]]
) -> tuple[Mapping[str, T], Mapping[str, InputError | ServiceError]]:
    """Ask each of *lanes*, some side by side: what came of it, or why nothing did, by lane in their order."""
    answers: dict[str, T] = {}
    failures: dict[str, InputError | ServiceError] = {}
    places = Places()

    async def one(lane: Lane) -> None:
        async with places.one():
            try:
                answers[lane.name] = await ask(lane)
            except (InputError, ServiceError) as error:
                failures[lane.name] = error

    async with anyio.create_task_group() as group:
        for lane in lanes:
            group.start_soon(one, lane)
    names = [lane.name for lane in lanes]
    return (
        {name: answers[name] for name in names if name in answers},
        {name: failures[name] for name in names if name in failures},
    )


async def opened(
    lanes: Sequence[Lane],
    connect: Callable[[Lane], Awaitable[AwsHealthOmics]],
    *,
    unwanted: Collection[str] = (),
) -> OpenLanes:
    """Connect to each of *lanes*, several at a time, and ask for the account of each login.

    Nothing is reported if an *unwanted* one, which no row is known to need, cannot be used.

    Raises:
        UsageError: A profile does not exist, or a lane has no region.
        ServiceUnusableError: No lane can be used.
    """
    found = OpenLanes(limits={lane.name: _limits(lane) for lane in lanes})
    services: dict[str, AwsHealthOmics] = {}
    places = Places()

    async def open_one(lane: Lane) -> None:
        try:
            async with places.one():
                service = await connect(lane)
                await service.ask_account()
        except (CredentialsError, ServiceUnusableError, UsageError) as error:
            is_bad_input = isinstance(error, UsageError) and not isinstance(error, LoginSettingError)
            if is_bad_input and lane.name not in unwanted:
                raise UsageError(f"lane '{lane.name}': {error}") from error
            found.stop(lane.name, error.message if isinstance(error, CredentialsError) else str(error))
        else:
            services[lane.name] = service

    await in_groups(open_one, lanes, at_once=len(lanes))
    found.services = {lane.name: services[lane.name] for lane in lanes if lane.name in services}
    for lane in (lane for lane in lanes if lane.name in services and lane.account is not None):
        _expect(found, lane.name, lane.account)
    found.unwanted = {name: found.stopped.pop(name) for name in unwanted if name in found.stopped}
    _ = found.first
    return found


def _limits(lane: Lane) -> LaneLimits:
    return LaneLimits(name=lane.name, max_active=lane.max_active, account_max_active=lane.account_max_active)


def _expect(lanes: OpenLanes, name: str, account: str | None) -> None:
    """Accept answers of one account only; a login of another account stops the lane."""
    if (why := why_not(lanes.services[name], account)) is not None:
        lanes.stop(name, why)


def lanes_named(lanes: Sequence[Lane], names: Collection[str | None]) -> Sequence[Lane]:
    """Return those of *lanes* that have these *names*; all where one is None, or none is named."""
    return lanes if not names or None in names else [lane for lane in lanes if lane.name in names]


async def find_home(
    lanes: OpenLanes, asked: Sequence[Lane], batch: Batch | None, stored: StoredBatch
) -> None:
    """Set the lane that has the runs from before the batch had lanes. Raises UsageError if none has."""
    if batch is None:
        lanes.home = asked[0].name
        return
    regions = {lane.name: lane.region for lane in asked}
    regions |= {name: service.region for name, service in lanes.services.items() if name is not None}
    accounts: dict[str, str | None] = {lane.name: lane.account for lane in asked}
    accounts |= {name: one.number for name, one in lanes.services.items() if name is not None and one.number}
    fits = (
        lane.name
        for lane in asked
        if regions[lane.name] == batch.region
        and (batch.account or accounts[lane.name]) == accounts[lane.name]
    )
    lanes.home = next(fits, None)
    if lanes.home in lanes.unwanted:
        lanes.stopped[lanes.home] = lanes.unwanted.pop(lanes.home)
    if lanes.home is None and not await stored.lanes() and await stored.latest_runs(Latest.CURRENT, limit=1):
        whose = "" if batch.account is None else f", account {batch.account}"
        raise UsageError(
            f"batch '{batch.name}' has runs from before it had lanes, in {batch.region}{whose}, and no lane "
            f"is there; add one, or give another --batch"
        )


async def kept(lanes: OpenLanes, held: HeldBatch, at: datetime) -> None:
    """Record where each lane is. Raises UsageError if a lane's runs are in another region."""
    for name, service in list(lanes.services.items()):
        if name is None:
            continue
        await held.keep_lane(name, region=service.region, account=service.number, at=at)
    held_against(lanes, await held.lanes())


def held_against(lanes: OpenLanes, places: Sequence[LanePlace]) -> None:
    """Stop each lane whose login is of another account than its runs.

    Raises:
        UsageError: A lane is in another region.
        ServiceUnusableError: No lane can be used.
    """
    for place in places:
        if service := lanes.services.get(place.name):
            _check_region(place, service)
            if place.account is not None:
                _expect(lanes, place.name, place.account)
    _ = lanes.first


def _check_region(place: LanePlace, service: AwsHealthOmics) -> None:
    if place.region != service.region:
        raise UsageError(
            f"lane '{place.name}' has its runs in {place.region}, but its region is {service.region} now; "
            f"give it {place.region} again, and another region a lane of its own"
        )


async def linked(
    lanes: OpenLanes, held: HeldBatch, places: Mapping[str | None, SettingsPlace]
) -> list[LaneLink]:
    """Return the link to each lane whose service knows some of the lane's ACTIVE runs, if it has any.

    *places* are where the rows of large submissions are kept, for lanes that have a place. Raises
    ServiceUnusableError if no lane is left.
    """

    async def recognise(link: LaneLink) -> None:
        try:
            await link.recognition.begin(is_active=True)
        except ServiceUnusableError as error:
            if link.name is None:
                raise
            lanes.stop(link.name, str(error))

    links = [_link(lanes, name, held, places.get(name)) for name in lanes.services]
    await in_groups(recognise, links)
    _ = lanes.first
    return [link for link in links if link.name in lanes.services]


def _link(lanes: OpenLanes, name: str | None, held: HeldBatch, place: SettingsPlace | None) -> LaneLink:
    service = lanes.services[name]
    is_home = name is not None and name == lanes.home
    return LaneLink(
        service=service,
        recognition=Recognition(held, service, lane=name, is_home=is_home),
        limits=lanes.limits.get(name or "", LaneLimits()),
        settings=place,
    )


async def has_runs(stored: StoredBatch, lane: str) -> bool:
    """Report whether a lane has, or may have, runs of the batch."""
    if (await stored.counts()).by_lane.get(lane, {}).get(State.SUBMITTING):
        return True
    which = (Latest.CURRENT, Latest.ENDED)
    return any([await stored.latest_runs(one, limit=1, lane=lane) for one in which])


def missing(lanes: OpenLanes, counts: Counts) -> dict[str, ServiceUnusableError]:
    """Return the lanes that have open rows and are not in the manifest any more, each with what helps."""
    known = {*lanes.services, *lanes.stopped}
    return {
        lane: ServiceUnusableError(_NO_SUCH_LANE)
        for lane in counts.by_lane
        if lane and lane not in known and counts.open_in(lane)[0]
    }


def why_not(service: AwsHealthOmics, account: str | None) -> str | None:
    """Return why a lane of *account* cannot be called with this login, or None.

    From then on answers of any other account do not count.
    """
    if account is not None and service.number not in {None, account}:
        return (
            f"{service.login.place} is of account {service.number}, and the lane is of account {account}; "
            "nothing is sent there: give the lane the profile or role of its account"
        )
    service.expect(account)
    return None


async def count_going(service: AwsHealthOmics) -> tuple[Counter[str], bool]:
    """Return the account's runs that have not ended, counted by status, and whether all were counted."""
    statuses: dict[str, str] = {}
    async with aclosing(service.going_runs()) as pages:
        async for page in pages:
            statuses |= {run.id: run.status for run in page}
            if len(statuses) >= _COUNTED:
                return Counter(statuses.values()), False
    return Counter(statuses.values()), True
