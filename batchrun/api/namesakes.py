"""A manifest compared with the ledger: changes of submitted rows, and whether the batch is the intended one.

A manifest whose batch is named after its file alone may go into the wrong batch: files of two projects may
have the same name, and one project's rows may come back in another file. The work that most rows ask for
decides. So does it where a name was given that may be another batch's, mistyped.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection
from typing import TYPE_CHECKING

from batchrun.model.entries.belonging import is_another, is_slip, same_elsewhere
from batchrun.model.entries.contents import Difference, row_differences
from batchrun.model.texts.places import is_in_s3

if TYPE_CHECKING:
    from batchrun.manifest import Manifest
    from batchrun.ports.batch import StoredBatch
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Batch, Counts


async def mistaken(
    ledger: Ledger, batch: Batch | None, counts: Counts, manifest: Manifest, *, is_repeated: bool = False
) -> str | None:
    """Return why the manifest's batch is probably not the intended one, and what to do; else None.

    Either the file's name leads to another project's batch, or most rows are in another batch. A name that
    was given by ``--batch`` or ``batch:`` is used, unless it is new and looks like a slip of that batch's,
    and nobody said that the rows are to be run again (*is_repeated*).
    """
    if manifest.place is None:
        return None
    if batch is None or not counts.total:
        return await _rows_of_another(ledger, manifest, is_repeated=is_repeated)
    if not manifest.is_named_by_place or batch.place is None or _is_same(batch.place, manifest.place):
        return None
    return await _another_project(ledger, manifest, batch)


def _is_same(place: str, other: str) -> bool:
    if is_in_s3(place) or is_in_s3(other):
        return place == other
    return os.path.realpath(place) == os.path.realpath(other)


async def _another_project(ledger: Ledger, manifest: Manifest, batch: Batch) -> str | None:
    known = await ledger.rows_as_known(batch.name, manifest.specs())
    if not is_another(manifest.count, known):
        return None
    return (
        f"batch '{batch.name}' is that of {batch.place}, and {manifest.count - known} of {manifest.count} "
        f"rows of {manifest.place} are not in it, or ask for something else there: give this manifest's "
        f"batch a name of its own with --batch NAME, or continue that batch with {_chosen(batch.name)}"
    )


async def _rows_of_another(ledger: Ledger, manifest: Manifest, *, is_repeated: bool) -> str | None:
    again = _chosen(manifest.batch)
    slips: Collection[str] | None = None
    if not manifest.is_named_by_place:
        slips = [one.name for one in await ledger.batches() if is_slip(manifest.batch, one.name)]
        if is_repeated or not slips:  # a name that was given does not cost a look at all rows
            return None
        again += " --changed resubmit, this once"
    elsewhere = await ledger.rows_elsewhere(manifest.batch, manifest.specs())
    meant = {name: rows for name, rows in elsewhere.items() if slips is None or name in slips}
    if (other := same_elsewhere(manifest.count, meant)) is None:
        return None
    return (
        f"batch '{manifest.batch}' would be new, but {meant[other]} of its {manifest.count} rows are in "
        f"batch '{other}' already, and did not fail there: continue that batch with {_chosen(other)}, or run "
        f"all rows again with {again}"
    )


def _chosen(batch: str) -> str:
    return f"--batch {shlex.quote(batch)}"


async def changes(
    batch: StoredBatch, manifest: Manifest, entry_ids: Collection[str], home: str | None = None
) -> dict[str, list[Difference]]:
    """Return the differences of each of these rows; *home* is as for ``HeldBatch.sync``."""
    wanted = frozenset(entry_ids)
    found: dict[str, list[Difference]] = {}
    if not wanted:
        return found
    for spec in manifest.specs():
        if spec.id in wanted and (entry := await batch.entry(spec.id)) is not None:
            found[spec.id] = row_differences(entry, spec.content, home)
    return {entry_id: found[entry_id] for entry_id in entry_ids if entry_id in found}
