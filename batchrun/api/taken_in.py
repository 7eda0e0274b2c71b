"""Manifests that a ledger has as they are, found by their files without reading the rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from batchrun.errors import InputError, LedgerError
from batchrun.ledger import LedgerPlace
from batchrun.manifest import Manifest, Source
from batchrun.manifest.fingerprint import fingerprint
from batchrun.manifest.unread import unread
from batchrun.ports.ledger import Ledger


@asynccontextmanager
async def as_taken_in(place: str | Path, sources: Sequence[Source]) -> AsyncIterator[Sequence[Manifest]]:
    """
    Yield the manifests of *sources* if a batch was last taken in from each of them; else none: read them.

    So it is where the ledger cannot be read: whoever opens it for a launch reports why.
    """
    with ExitStack() as stack:
        found = [stack.enter_context(manifest) for manifest in await _found(LedgerPlace(place), sources)]
        yield found if len(found) == len(sources) else ()


async def _found(place: LedgerPlace, sources: Sequence[Source]) -> Sequence[Manifest]:
    try:
        if not place.is_there():
            return ()
        async with await place.open(read_only=True) as ledger:
            found = [await _as_taken_in(ledger, source) for source in sources]
    except (InputError, LedgerError):
        return ()
    return [manifest for manifest in found if manifest is not None]


async def _as_taken_in(ledger: Ledger, source: Source) -> Manifest | None:
    seal = fingerprint(source)
    batch = None if seal is None else await ledger.batch_taken_from(seal)
    if seal is None or batch is None:
        return None
    counts = await ledger.batch(batch).counts()
    return unread(source, seal=seal, batch=batch, count=counts.total)
