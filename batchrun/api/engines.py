"""Checks before a launch may submit many rows by one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from batchrun.errors import UsageError
from batchrun.manifest import Manifest
from batchrun.manifest.load import refuse_alone
from batchrun.model.submissions.grouping import INLINE, MOST, Engine
from batchrun.model.texts.places import SUCH_AS, settings_place

if TYPE_CHECKING:
    from batchrun.model.planning.limits import Limits

#: Rows of one StartRunBatch if they are in a file and no option gives a number.
_IN_A_FILE: Final = 10_000


def settled(limits: Limits, manifest: Manifest, batch_settings: str | None) -> Limits:
    """Check that the rows of a manifest can be submitted as *limits* say, and return the limits to use.

    *batch_settings* are for lanes without a place of their own.

    Raises:
        UsageError: The options cannot be combined.
        ManifestError: StartRunBatch cannot start some of the rows, and *limits* allow no other call.
    """
    own = sized(limits, manifest, batch_settings)
    if limits.engine is Engine.BATCH:
        refuse_alone(manifest)
    return own


def sized(limits: Limits, manifest: Manifest, batch_settings: str | None) -> Limits:
    """Do the same as :func:`settled`, without checking the rows."""
    if limits.engine is Engine.STARTRUN:
        return limits
    asked, placeless = f"--engine {limits.engine.value}", _without(manifest, batch_settings)
    if not limits.tag:
        raise UsageError(f"{asked} and --no-tags cannot be combined: runs of a batch are found by their tags")
    if limits.batch_rows is not None and not 1 <= limits.batch_rows <= MOST:
        raise UsageError(f"--batch-rows {limits.batch_rows}: StartRunBatch takes 1 to {MOST} rows")
    if limits.batch_rows is None:
        return limits if placeless else replace(limits, batch_rows=_IN_A_FILE)
    if limits.batch_rows > INLINE and placeless:
        raise UsageError(
            f"--batch-rows {limits.batch_rows}: StartRunBatch carries {INLINE} rows itself, and reads more "
            f"from a file in S3; give --batch-settings {SUCH_AS}{_or_in(placeless)}"
        )
    return limits


def _without(manifest: Manifest, batch_settings: str | None) -> list[str | None]:
    """Return the lanes that have no place for the rows of large submissions."""
    if batch_settings is not None:
        return []
    places = places_of(manifest, None)
    return [name for name in (manifest.taken if manifest.lanes else (None,)) if name not in places]


def _or_in(lanes: list[str | None]) -> str:
    named = sorted(name for name in lanes if name is not None)
    return f", or batch_settings in lane{'s' if len(named) > 1 else ''} {', '.join(named)}" if named else ""


def places_of(manifest: Manifest, batch_settings: str | None) -> Mapping[str | None, str]:
    """Return where the rows of large submissions are kept, by lane. Raises UsageError if not in S3."""
    try:
        shared = None if batch_settings is None else settings_place(batch_settings)
    except ValueError as error:
        raise UsageError(f"--batch-settings {batch_settings}: {error}; write {SUCH_AS}") from error
    if not manifest.lanes:
        return {} if shared is None else {None: shared}
    by_lane = {lane.name: lane.batch_settings or shared for lane in manifest.lanes}
    return {name: place for name, place in by_lane.items() if place is not None}
