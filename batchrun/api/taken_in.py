"""Manifests that a ledger has as they are, found by their files without reading the rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from batchrun.errors import InputError, LedgerError
from batchrun.ledger import LedgerPlace
from batchrun.manifest import Manifest, Source
from batchrun.manifest.fingerprint import fingerprint_now
from batchrun.manifest.source import place_of
from batchrun.manifest.unread import unread
from batchrun.ports.stored import Batch


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
            batches = await ledger.batches()
    except (InputError, LedgerError):
        return ()
    return [manifest for source in sources if (manifest := _as_taken_in(source, batches)) is not None]


def _as_taken_in(source: Source, batches: Sequence[Batch]) -> Manifest | None:
    place = place_of(source.path)
    for batch in batches:
        files = batch.taken_from if batch.place == place else None
        if files is not None and fingerprint_now(source, files.beside) == files.fingerprint:
            return unread(source, known=files, batch=batch.name)
    return None
