"""Which lanes a launch needs, and connecting to those: for other lanes' accounts the user may have no login.

Does not belong here: connecting to each of some lanes (``lanes``), or to one (``opening``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from batchrun import points
from batchrun.api.lanes import OpenLanes, find_home, lanes_named, opened
from batchrun.api.opening import Opening
from batchrun.errors import UsageError
from batchrun.manifest import Manifest
from batchrun.model.entries.contents import LANES_AGAIN
from batchrun.model.entries.states import HOLDS_SLOT
from batchrun.model.lanes import Lane
from batchrun.points import Point
from batchrun.ports.stored import Batch

#: Cancellations that are read at once.
_PAGE: Final = 1000


async def lanes_of_manifest(
    opening: Opening, manifest: Manifest, *, waits: bool, is_whole: bool = False
) -> OpenLanes:
    """Connect to the manifest's lanes, and create the batch if necessary.

    Lanes that no row needs are left out, unless *is_whole*: a shared table of lanes may name accounts for
    which the user has no login.
    """
    batch, lanes = manifest.batch, manifest.lanes
    if not lanes:
        return await _without_lanes(opening, batch, waits=waits)
    names = {lane.name for lane in lanes}
    needed = names if is_whole else manifest.taken | await _kept(opening, batch)
    return await _connected(opening, batch, lanes, needed or {lanes[0].name}, waits=waits)


async def lanes_of_cancelled(opening: Opening, batch: str) -> OpenLanes:
    """Connect to the lanes with runs of *batch* to be cancelled.

    To all if there are none, or some from before the batch had lanes.
    """
    known = await (await opening.ledger()).find_batch(batch)
    lanes = () if known is None else await _of_cancelled(opening, known)
    if not lanes:
        return await _without_lanes(opening, batch, waits=True)
    return await _connected(opening, batch, lanes, [lane.name for lane in lanes], waits=True)


async def _of_cancelled(opening: Opening, batch: Batch) -> Sequence[Lane]:
    lanes, names, after = await opening.lanes_of(batch), set[str | None](), -1
    stored = (await opening.ledger()).batch(batch.name)
    while page := await stored.cancellations(limit=_PAGE, after=after):
        names |= {one.entry.lane for one in page if one.entry.state in HOLDS_SLOT}
        after = page[-1].entry.position
    return lanes_named(lanes, names)


async def _without_lanes(opening: Opening, batch: str, *, waits: bool) -> OpenLanes:
    service = await opening.service(waits=waits)
    try:
        await opening.open_batch(batch, service)
    except UsageError as error:
        lanes = sorted(await _kept(opening, batch))
        if not lanes:
            raise
        raise UsageError(f"{error}; it was run with lanes ({', '.join(lanes)}): {LANES_AGAIN}") from error
    return OpenLanes(services={None: service})


async def _kept(opening: Opening, batch: str) -> frozenset[str]:
    """Return the lanes that the ledger knows of a batch."""
    if not opening.has_ledger:
        return frozenset()
    return frozenset(place.name for place in await (await opening.ledger()).batch(batch).lanes())


async def _connected(
    opening: Opening, batch: str, all_lanes: Sequence[Lane], needed: Collection[str], *, waits: bool
) -> OpenLanes:
    """Connect to the lanes that rows need, and to those that may have runs from before the lanes."""
    before = await (await opening.ledger()).find_batch(batch) if opening.has_ledger else None
    asked = [
        lane
        for lane in all_lanes
        if lane.name in needed or (before is not None and _region(opening, lane) == before.region)
    ]
    unwanted = {lane.name for lane in asked} - {*needed}
    lanes = await opened(asked, lambda lane: opening.service(lane=lane, waits=waits), unwanted=unwanted)
    ledger, first = await opening.ledger(), lanes.first
    known, stored = await ledger.find_batch(batch), ledger.batch(batch)
    await find_home(lanes, asked, known, stored)
    if known is None:
        points.reached(Point.LEDGER_OPENED)
        at, account = opening.clock.utcnow(), first.number
        await ledger.open_batch(batch, region=first.region, account=account, at=at)
    return lanes


def _region(opening: Opening, lane: Lane) -> str | None:
    """Return a lane's region by its own setting or its profile's, or None. Nothing is called."""
    try:
        return opening.login(lane).region
    except UsageError:  # there is no such profile
        return None
