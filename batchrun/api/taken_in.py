"""Manifests that a ledger has as they are, found by their files without reading the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from batchrun.errors import InputError, LedgerError
from batchrun.ledger import LedgerPlace
from batchrun.manifest import Manifest, Source
from batchrun.manifest.fingerprint import fingerprint_now
from batchrun.manifest.source import place_of
from batchrun.manifest.unread import unread
from batchrun.model.entries.belonging import is_copy
from batchrun.ports.stored import Batch


async def batches_in(place: str | Path) -> Sequence[Batch]:
    """
    Return the batches of the ledger at *place*; none where there is no ledger, or it cannot be read.

    Whoever opens it for a launch reports why.
    """
    try:
        async with await LedgerPlace(place).open(read_only=True) as ledger:
            return await ledger.batches()
    except (InputError, LedgerError):
        return ()


def as_taken_in(sources: Sequence[Source], batches: Sequence[Batch]) -> Sequence[Manifest]:
    """
    Return the manifests of *sources*, unread, if one of *batches* was last taken in from each; else none.

    By their rows alone copies are told from others of nearly the same name: such are not returned either.
    """
    found: list[Manifest] = []
    for source in sources:
        manifest = _as_taken_in(source, batches)
        if manifest is None or any(is_copy(manifest.batch, other.batch) for other in found):
            return ()
        found.append(manifest)
    return found


def _as_taken_in(source: Source, batches: Sequence[Batch]) -> Manifest | None:
    place = place_of(source.path)
    for batch in batches:
        files = batch.taken_from if batch.place == place else None
        if files is not None and fingerprint_now(source, files.beside) == files.fingerprint:
            return unread(source, known=files, batch=batch.name)
    return None
