"""
Rows of a batch as a manifest again, to be corrected and run.

Belongs here: which rows, and the way from the ledger to the file. Does not: the formats (``manifest``).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from batchrun.errors import ResultsError, UsageError
from batchrun.manifest.source import Format, format_of
from batchrun.manifest.spool import Spool
from batchrun.manifest.write import DOCUMENTS, row_of, shared_fields, write
from batchrun.model.states import ENDED, State
from batchrun.report.replacing import replacing
from batchrun.report.results import latest_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from batchrun.manifest.write import Row
    from batchrun.ports.ledger import Outcome
    from batchrun.report.results import View

_BAD: Final = ENDED - {State.SUCCEEDED}


def manifest_format(path: Path) -> Format:
    """
    Tell the format from the file's name.

    Raises:
        UsageError: It does not tell.
    """
    with contextlib.suppress(Exception):
        return format_of(str(path))
    names = ", ".join(f".{one.value}" for one in Format)
    raise UsageError(f"--failed-manifest {path}: the name tells no format; end it in one of {names}")


async def write_failed(path: Path, outcomes: AsyncIterator[Outcome], view: View) -> int:
    """
    Replace *path* by a manifest of the rows that *view* chooses, or of those that ended without success.

    Each row asks for what the ledger has of it, name included. The batch is not named: the manifest's own
    name makes a new one, in which nothing has been sent.

    Returns:
        The number of rows; nothing is written where there are none, since no manifest is empty.

    Raises:
        ManifestError: The format cannot say what a row has.
        ResultsError: The file cannot be written.
    """
    form = manifest_format(path)
    with contextlib.closing(Spool()) as spool:
        await _collect(spool, outcomes, view)
        if spool.count:
            _write(path, form, spool)
        return spool.count


async def _collect(spool: Spool, outcomes: AsyncIterator[Outcome], view: View) -> None:
    async for outcome in outcomes:
        entry = outcome.entry
        if view.shows(latest_row(outcome, view.own)) if view.where else entry.state in _BAD:
            spool.add(entry.id, entry.content.encode())
    spool.seal()


def _write(path: Path, form: Format, spool: Spool) -> None:
    def rows() -> Iterator[Row]:
        return (row_of(spec, None) for spec in spool.specs())

    try:
        with replacing(path) as file:
            write(
                rows,
                file,
                form,
                defaults=shared_fields(rows) if form in DOCUMENTS else None,
                source=str(path),
            )
    except OSError as error:
        raise ResultsError(path, error) from error
