"""Results that are there, whole and as they would be written again: they are left alone."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from batchrun.errors import LedgerError
from batchrun.ports.written import WrittenResults
from batchrun.report.columns import COLUMNS
from batchrun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from batchrun.ports.batch import StoredBatch
    from batchrun.report.outputs import OutputFile


async def kept_or_written(
    batch: StoredBatch, output: OutputFile, write: Callable[[], Awaitable[None]], *, is_safe: bool
) -> None:
    """Have *write* write all results of *batch* to *output*, unless that would change nothing."""
    form = f"{__version__} {'safe' if is_safe else 'plain'} {','.join(COLUMNS)}"
    event = await batch.newest_told()
    before = await batch.written_results(output.place)
    is_same = before is not None and (before.form, before.event) == (form, event)
    if before is not None and is_same and _digest(output.path) == before.digest:
        import structlog  # noqa: PLC0415 (a verb that shows results as they are logs nothing)

        structlog.get_logger(__name__).debug("results_unchanged", batch=batch.name, place=output.place)
        return
    await write()
    if (digest := _digest(output.path)) is not None:
        found = WrittenResults(place=output.place, form=form, digest=digest, event=event)
        with suppress(LedgerError):  # they are written, and it is not for its sake that it is remembered
            await batch.keep_written(found)


def _digest(path: Path) -> bytes | None:
    """Return the digest of a file; None where there is none, or something else than one of its own."""
    try:
        if path.is_symlink() or not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None
