"""Manifests that a ledger has as they are, found by their files without reading the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from batchrun.errors import InputError, LedgerError
from batchrun.ledger import LedgerPlace
from batchrun.manifest import Manifest, Source
from batchrun.manifest.fingerprint import fingerprint_now
from batchrun.manifest.source import place_of
from batchrun.manifest.unread import unread
from batchrun.model.entries.belonging import is_copy
from batchrun.ports.stored import Batch, TakenFrom

#: A batch, and the files that it was taken in from.
Taken: TypeAlias = tuple[Batch, TakenFrom]


async def last_taken_in(sources: Sequence[Source], place: str | Path) -> Sequence[Taken]:
    """Return the batches of the ledger at *place* that were last taken in from the paths of *sources*.

    There are none where there is no ledger, or it cannot be read: whoever opens it for a launch reports why.
    """
    paths = {place_of(source.path) for source in sources}
    try:
        async with await LedgerPlace(place).open(read_only=True) as ledger:
            batches = [batch for batch in await ledger.batches() if batch.place in paths]
            found = [(batch, await ledger.batch(batch.name).taken_from()) for batch in batches]
    except (InputError, LedgerError):
        return ()
    return [(batch, files) for batch, files in found if files is not None]


def as_taken_in(sources: Sequence[Source], batches: Sequence[Taken]) -> Sequence[Manifest]:
    """Return the manifests of *sources*, unread, if one of *batches* was last taken in from each; else none.

    By their rows alone copies are told from others of nearly the same name: such are not returned either.
    """
    found: list[Manifest] = []
    for source in sources:
        manifest = _as_taken_in(source, batches)
        if manifest is None or any(is_copy(manifest.batch, other.batch) for other in found):
            return ()
        found.append(manifest)
    return found


def _as_taken_in(source: Source, batches: Sequence[Taken]) -> Manifest | None:
    place = place_of(source.path)
    for batch, files in batches:
        if batch.place == place and fingerprint_now(source, files.beside) == files.fingerprint:
            return unread(source, known=files, batch=batch.name)
    return None
