"""How verbs reach the runs of a batch that has lanes: by its lanes, as --lanes or its manifest say them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.api.lanes import find_home, held_against, opened
from batchrun.engine.reach import Reach
from batchrun.errors import ManifestError, UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from batchrun.model.lanes import Lane
    from batchrun.ports.batch import StoredBatch
    from batchrun.ports.objects import Objects
    from batchrun.ports.stored import Batch
    from batchrun.service.client import AwsHealthOmics


async def lanes_of(
    batch: Batch, stored: StoredBatch, *, file: str | None, objects: Objects | None
) -> Sequence[Lane]:
    """
    Return the lanes of a batch; none where it has none.

    Args:
        batch: The batch.
        stored: The same, as the ledger has it.
        file: A table of lanes; where there is none its manifest is read again.
        objects: What is read from S3.

    Raises:
        UsageError: Nothing says how they are reached.
    """
    places = {place.name for place in await stored.lanes()}
    if not places:
        return ()
    asked = _read(batch, file, objects)
    if missing := sorted(places - {lane.name for lane in asked}):
        raise UsageError(
            f"batch '{batch.name}' has runs in {_named(missing)}, and {file or batch.place} does not say how "
            "to reach them; give --lanes FILE that does"
        )
    return [lane for lane in asked if lane.name in places]


def _read(batch: Batch, file: str | None, objects: Objects | None) -> Sequence[Lane]:
    from batchrun.manifest import Source  # noqa: PLC0415 (loads botocore)
    from batchrun.manifest.lanes.table import lanes_to_use  # noqa: PLC0415
    from batchrun.manifest.load import lanes_of as lanes_of_manifest  # noqa: PLC0415

    if file is not None:
        return lanes_to_use(file, objects)
    why = "its manifest is not known"
    if batch.place is not None:
        try:
            return lanes_of_manifest(Source(path=batch.place), objects=objects)
        except ManifestError as error:
            why = f"its manifest {batch.place} does not say: {error.problems[0]}"
    raise UsageError(f"batch '{batch.name}' has lanes, and {why}; give --lanes FILE that has them")


def _named(lanes: Sequence[str]) -> str:
    return f"lane {lanes[0]}" if len(lanes) == 1 else f"lanes {', '.join(lanes)}"


async def reach(
    batch: Batch,
    stored: StoredBatch,
    lanes: Sequence[Lane],
    connect: Callable[[Lane], Awaitable[AwsHealthOmics]],
) -> Reach:
    """
    Connect to each lane of a batch.

    Raises:
        UsageError: A lane is somewhere else than its runs.
        ServiceUnusableError: No lane can be used.
    """
    found = await opened(lanes, connect)
    await find_home(found, lanes, batch, stored)
    held_against(found, await stored.lanes())
    return Reach(services=found.services, home=found.home, stopped=found.stopped)
