"""
A manifest compared with the ledger: changes of submitted rows, and whether the batch is the intended one.

A manifest whose batch is named after its file alone may go into the wrong batch: files of two projects may
have the same name, and one project's rows may come back in another file. The work that most rows ask for
decides. So may one that was given, mistyped.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.model.entries.belonging import is_another, is_copy, is_of_series, is_slip, same_elsewhere
from batchrun.model.entries.contents import Difference, row_differences
from batchrun.model.texts.places import is_in_s3

if TYPE_CHECKING:
    from batchrun.manifest import Manifest
    from batchrun.ports.batch import StoredBatch
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Batch, Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why a manifest's batch is probably not the intended one, and what to do."""

    text: str
    stops: bool = True  #: nothing is sent; else it is only told


async def mistaken(
    ledger: Ledger,
    batch: Batch | None,
    counts: Counts,
    manifest: Manifest,
    *,
    is_repeated: bool = False,
    beside: Collection[str] = (),
) -> Doubt | None:
    """
    Return the doubt about a manifest's batch; None if there is none.

    Either the file's name leads to another project's batch, or most rows are in another batch. A name that
    was given by ``--batch`` or ``batch:`` is used nonetheless, unless it looks like a slip of the other, and
    nobody said that the rows are to be run again (*is_repeated*). Batches *beside* it are launched together
    with it, and count as begun.
    """
    if batch is None or not counts.total:
        found = await _rows_of_another(ledger, manifest, is_repeated=is_repeated)
        return found or (await _rows_beside(ledger, manifest, beside) if beside else None)
    if manifest.place is None or not manifest.is_named_by_place:
        return None
    if batch.place is None or _is_same(batch.place, manifest.place):
        return None
    return await _another_project(ledger, manifest, batch)


def _is_same(place: str, other: str) -> bool:
    if is_in_s3(place) or is_in_s3(other):
        return place == other
    return os.path.realpath(place) == os.path.realpath(other)


async def _another_project(ledger: Ledger, manifest: Manifest, batch: Batch) -> Doubt | None:
    known = await ledger.rows_as_known(batch.name, manifest.specs())
    if not is_another(manifest.count, known):
        return None
    return Doubt(
        text=f"batch '{batch.name}' is that of {batch.place}, and {manifest.count - known} of "
        f"{manifest.count} rows of {manifest.place} are not in it, or ask for something else there: give "
        "this manifest's batch a name of its own with --batch NAME, or continue that batch with "
        f"{_chosen(batch.name)}"
    )


async def _rows_beside(ledger: Ledger, manifest: Manifest, beside: Collection[str]) -> Doubt | None:
    if not manifest.is_named_by_place:
        return None
    elsewhere = await ledger.rows_elsewhere(manifest.batch, manifest.specs(), beside)
    if (other := same_elsewhere(manifest.count, elsewhere)) is None:
        return None
    return Doubt(
        text=f"{elsewhere[other]} of its {manifest.count} rows are in batch '{other}' too, which is launched "
        "beside it: take one of the two manifests away, or launch it by itself with --batch NAME",
        stops=is_copy(manifest.batch, other),
    )


async def _rows_of_another(ledger: Ledger, manifest: Manifest, *, is_repeated: bool) -> Doubt | None:
    elsewhere = await ledger.rows_elsewhere(manifest.batch, manifest.specs())
    slips = {other: rows for other, rows in elsewhere.items() if is_slip(manifest.batch, other)}
    slip = None if manifest.is_named_by_place else same_elsewhere(manifest.count, slips)
    other = slip or same_elsewhere(manifest.count, elsewhere)
    if other is None:
        return None
    found = (
        f"{elsewhere[other]} of its {manifest.count} rows are in batch '{other}' already, and did not fail "
        f"there: continue that batch with {_chosen(other)}"
    )
    again = _chosen(manifest.batch) + (" --changed resubmit" if slip else "")
    if manifest.is_named_by_place or (slip and not is_repeated):
        new = f"batch '{manifest.batch}' would be new, but"
        return Doubt(text=f"{new} {found}, or run all rows again with {again}")
    if any(is_of_series(manifest.batch, one) for one in elsewhere):
        return None
    return Doubt(text=f"batch '{manifest.batch}' is new, and {found}; all rows are run again", stops=False)


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
