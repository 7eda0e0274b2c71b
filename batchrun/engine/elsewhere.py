"""Which rows that a ledger calls planned have runs at the service, started from another ledger."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from batchrun.engine.denied import not_permitted
from batchrun.engine.survey import UNSENT
from batchrun.errors import AccessDeniedError, NotFoundError
from batchrun.model.lanes import names_of
from batchrun.model.recovery import Evidence, Match

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batchrun.engine.reach import Reach
    from batchrun.model.entry import Entry
    from batchrun.model.listing import Listed
    from batchrun.ports.batch import StoredBatch
    from batchrun.ports.service import HealthOmics

_PAGE: Final = 500


async def started_elsewhere(batch: StoredBatch, *, reach: Reach) -> list[str]:
    """
    Return the ids of rows to be sent of which the service has tagged runs that the ledger does not know.

    Raises:
        CallError: Not all runs could be looked at.
        ServiceUnusableError: The service cannot be used, or a permission is missing.
    """
    rows: dict[str, list[Entry]] = {}
    evidence = Evidence(batch.name, home=reach.home)
    async for entry in _unsent(batch):
        for name in names_of(entry.asked):
            rows.setdefault(name or "", []).append(entry)
        evidence.expect(entry.id, entry.asked)
    if not rows:
        return []
    seen: set[str] = set()
    for lane, service in reach.services.items():
        try:
            async with aclosing(service.listed_runs(None)) as pages:
                async for page in pages:
                    for run in page:
                        if run.name in rows and await _add(run, batch, lane, service, evidence):
                            seen.add(run.name)
        except AccessDeniedError as error:
            raise not_permitted(error.operation, error) from error
    found = {Match.FOUND, Match.CHANGED, Match.AMBIGUOUS}
    entries = {entry.id: entry for name, named in rows.items() if name in seen for entry in named}
    return [id_ for id_, entry in entries.items() if evidence.judge(entry, tagged=True).match in found]


async def _add(
    listed: Listed, batch: StoredBatch, lane: str | None, service: HealthOmics, evidence: Evidence
) -> bool:
    """Take note of a run that the ledger does not know; False for all others."""
    try:
        sighting = await service.get_run(listed.id)
    except NotFoundError:
        return False  # deleted since it was listed
    if await batch.known_runs([sighting.run.uuid], lane=lane):
        return False
    evidence.add(sighting, lane)
    return True


async def _unsent(batch: StoredBatch) -> AsyncIterator[Entry]:
    for state in UNSENT:
        after = -1
        while page := await batch.in_state(state, limit=_PAGE, after=after):
            for entry in page:
                yield entry
            after = page[-1].position
