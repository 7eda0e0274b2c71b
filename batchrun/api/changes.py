"""What changed in rows that were submitted: the manifest's requests beside the ledger's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.model.differences import Difference, row_differences

if TYPE_CHECKING:
    from collections.abc import Collection

    from batchrun.manifest import Manifest
    from batchrun.ports.batch import StoredBatch


async def changes(
    batch: StoredBatch, manifest: Manifest, entry_ids: Collection[str], home: str | None = None
) -> dict[str, list[Difference]]:
    """Say what is different in each of these rows; *home* is as for ``HeldBatch.sync``."""
    wanted = frozenset(entry_ids)
    found: dict[str, list[Difference]] = {}
    if not wanted:
        return found
    for spec in manifest.specs():
        if spec.id in wanted and (entry := await batch.entry(spec.id)) is not None:
            found[spec.id] = row_differences(entry, spec.content, home)
    return {entry_id: found[entry_id] for entry_id in entry_ids if entry_id in found}
