"""Comparing the ledger's rows with the service's runs.

Rows that the ledger calls planned may have runs too, started from another ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field

from batchrun.engine.launch_errors import not_permitted
from batchrun.engine.proof.absence import listed_by_name
from batchrun.engine.reach import Looked, Reach, look_for
from batchrun.errors import AccessDeniedError, NotFoundError
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.recovery import Evidence, Match
from batchrun.model.entries.states import UNSENT, Outlook, State, outlook
from batchrun.model.lanes import names_of
from batchrun.model.planning.listing import Listed
from batchrun.ports.batch import StoredBatch
from batchrun.ports.service import HealthOmics


@dataclass(slots=True, kw_only=True)
class Divergence:
    """How ledger (here) and service (there) differ. Each row counts once; ids are in the ledger's order."""

    going: int = 0  #: ACTIVE here, and their runs have not ended there
    ended: Counter[str] = field(default_factory=Counter)  #: ACTIVE here, ended there, by the run's status
    missing: list[str] = field(default_factory=list)  #: ACTIVE here, and the service does not know the run
    gone: int = 0  #: DELETED here, and not there either
    deleted: Looked = field(default_factory=Looked)  #: DELETED here: what the look-up found
    elsewhere: list[str] = field(default_factory=list)  #: not sent from here, and yet there
    doubtful: list[str] = field(default_factory=list)  #: SUBMITTING: the service may have a run of theirs
    unknown: dict[str, str] = field(default_factory=dict)  #: rows that could not be compared: why, by id

    def add_active(self, looked: Looked) -> None:
        """Add what the look-up of ACTIVE rows found."""
        for _, run in looked.there:
            if outlook(run.status) is Outlook.GOING:
                self.going += 1
            else:
                self.ended[run.status] += 1
        self.missing += [entry.id for entry in looked.gone]
        self.unknown |= {entry.id: why for entry, why in looked.unknown}

    def add_deleted(self, looked: Looked) -> None:
        """Add what the look-up of DELETED rows found."""
        self.gone += len(looked.gone)
        self.deleted.there += looked.there
        self.unknown |= {entry.id: why for entry, why in looked.unknown}


async def compare(batch: StoredBatch, *, reach: Reach, at_once: int) -> Divergence:
    """Look up the runs of rows that are ACTIVE, DELETED, or not sent from here; nothing is written.

    Other rows were seen to end, and are not looked up.

    Raises:
        ServiceUnusableError: The service cannot be used, or a permission is missing.
    """
    found = Divergence()
    async for page in batch.pages_in(State.ACTIVE):
        found.add_active(await look_for(page, reach=reach, at_once=at_once))
    async for page in batch.pages_in(State.DELETED):
        found.add_deleted(await look_for(page, reach=reach, at_once=at_once))
    async for page in batch.pages_in(State.SUBMITTING):
        found.doubtful += [entry.id for entry in page]
    found.elsewhere = await started_elsewhere(batch, reach=reach)
    return found


async def started_elsewhere(batch: StoredBatch, *, reach: Reach) -> list[str]:
    """Return the ids of unsent rows that have tagged runs at the service which the ledger does not know.

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
            async with aclosing(listed_by_name(service, None)) as runs:
                async for run in runs:
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
    """Add a run that the ledger does not know to *evidence*; False for others."""
    try:
        sighting = await service.get_run(listed.id)
    except NotFoundError:
        return False  # deleted since it was listed
    if await batch.known_runs([sighting.run.uuid], lane=lane):
        return False
    evidence.add(sighting, lane)
    return True


async def _unsent(batch: StoredBatch) -> AsyncIterator[Entry]:
    async for page in batch.pages_in(*UNSENT):
        for entry in page:
            yield entry
