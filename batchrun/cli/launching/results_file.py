"""The file with a batch's results, as written by launches and cancellations.

A file that is complete and would be written the same again is left alone.
"""

from __future__ import annotations

import hashlib
import math
import shlex
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

import anyio

from batchrun.cli.options import DEFAULT_LEDGER
from batchrun.errors import InputError, LedgerError, ResultsError, UsageError
from batchrun.ledger import LedgerPlace
from batchrun.ports.batch import StoredBatch
from batchrun.ports.results import WrittenResults
from batchrun.report import results
from batchrun.report.chosen import begun_again
from batchrun.report.columns import COLUMNS
from batchrun.report.delivering import Destination, delivered, output_at
from batchrun.report.outputs import RESULTS, OutputFile, ProtectedFiles
from batchrun.version import __version__

if TYPE_CHECKING:
    from batchrun.api.launch import Launch
    from batchrun.ports.objects import ObjectStore

#: Seconds that writing the results, the last step, may take after the launch was told to stop.
_LAST_THINGS: Final = 60.0


def results_output(asked: str | None, batch: str, protected: ProtectedFiles) -> Destination:
    """Return where the results go. Raises UsageError if they may not be written there."""
    place = asked or f"{batch}.results.csv"
    return output_at(
        place,
        RESULTS[_format(place).value],
        option="--results FILE",
        again=write_again(batch, place, protected),
        protected=protected,
    )


def write_again(batch: str, place: str, protected: ProtectedFiles) -> str:
    """Return the command that writes the results of *batch* from the ledger alone."""
    ledger = str(LedgerPlace(protected.ledger or DEFAULT_LEDGER))  # without a password
    elsewhere = [] if ledger == DEFAULT_LEDGER else ["--ledger", ledger]
    return f"'{shlex.join(['batchrun', 'results', batch, *elsewhere, '-o', place])}'"


async def write_results(
    held: Launch, output: Destination, store: ObjectStore, *, is_safe: bool = False
) -> None:
    """Write the results, even if the launch was told to stop."""
    # The upload to S3 has its own time limit, by size.
    longest = _LAST_THINGS if isinstance(output, OutputFile) else math.inf
    with anyio.move_on_after(longest, shield=True):
        batch = held.ledger.batch(held.batch)

        async def written() -> None:
            async with delivered(output, store) as file:
                await results.write(file, batch.story.outcomes(), _format(output.shown), is_safe=is_safe)

        try:
            if isinstance(output, OutputFile):
                await kept_or_written(batch, output, lambda: begun_again(written), is_safe=is_safe)
            else:
                await begun_again(written)
        except InputError as error:
            raise ResultsError(output.shown, error) from error


def _format(place: str) -> results.ResultsFormat:
    ending = PurePath(place).suffix.removeprefix(".").lower()
    if ending not in {"csv", "json", "jsonl"}:
        raise UsageError(f"--results {place}: the name must end in .csv, .json or .jsonl")
    return results.ResultsFormat(ending)


async def kept_or_written(
    batch: StoredBatch, output: OutputFile, write: Callable[[], Awaitable[None]], *, is_safe: bool
) -> None:
    """Call *write* to write all results of *batch* to *output*, unless that would change nothing."""
    form = f"{__version__} {'safe' if is_safe else 'plain'} {','.join(COLUMNS)}"
    event = await batch.results.newest_told()
    before = await batch.results.written(output.place)
    is_same = before is not None and (before.form, before.event) == (form, event)
    if before is not None and is_same and _digest(output.path) == before.digest:
        import structlog  # noqa: PLC0415 (a verb that only shows stored results logs nothing)

        structlog.get_logger(__name__).debug("results_unchanged", batch=batch.name, place=output.place)
        return
    await write()
    if (digest := _digest(output.path)) is not None:
        found = WrittenResults(place=output.place, form=form, digest=digest, event=event)
        with suppress(LedgerError):  # the results are written; the record only saves writing them again
            await batch.results.keep(found)


def _digest(path: Path) -> bytes | None:
    """Return the SHA-256 of a regular file; None for a link, anything else, or an unreadable file."""
    try:
        if path.is_symlink() or not path.is_file():
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return None
