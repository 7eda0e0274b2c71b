"""Written manifests: the kinds of output files, and writing rows of a batch as a manifest again.

Belongs here: choosing rows, and the way from the ledger to the file. Does not: the formats (``manifest``).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator

from batchrun.errors import ResultsError, UsageError
from batchrun.manifest.lanes.writing import laned_row
from batchrun.manifest.source import Format, endings_of, format_of, is_known
from batchrun.manifest.spool import Spool
from batchrun.manifest.write import write
from batchrun.manifest.written_rows import WrittenRow, shared_fields
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import UNSUCCESSFUL
from batchrun.model.lanes import first_request, offers_of, offers_text
from batchrun.ports.stored import Outcome
from batchrun.report.columns import View
from batchrun.report.delivering import Destination, output_at
from batchrun.report.drafts import replacing
from batchrun.report.outputs import Kind, OutputFile, ProtectedFiles
from batchrun.report.results import latest_row


def manifest_kind(form: Format) -> Kind:
    """Return the kind of a manifest's file in this format; an existing one is only replaced by force."""
    return Kind(what=f"a manifest in {form.value.upper()}", endings=endings_of(form))


def defaults_kind(form: Format) -> Kind:
    """Return the kind of a file for --defaults."""
    return Kind(what=f"defaults in {form.value.upper()}", endings=endings_of(form))


def manifest_output(place: str, protected: ProtectedFiles, *, force: bool) -> Destination:
    """Return the output at *place*, in the format of its name. Raises UsageError if that has none."""
    if not is_known(place):
        names = ", ".join(f".{one.value}" for one in Format)
        raise UsageError(f"--failed-manifest {place}: the name shows no format; end it in one of {names}")
    return output_at(
        place,
        manifest_kind(format_of(place)),
        option="--failed-manifest FILE",
        again="the same command",
        protected=protected,
        force=force,
    )


async def write_failed(output: OutputFile, outcomes: AsyncIterator[Outcome], view: View) -> int:
    """Replace *output* with a manifest of the rows that *view* chooses, by default those without success.

    Each row asks for what the ledger has of it, with its name and lane; the table of lanes is not written.
    The batch is not named: the file's name makes a new batch, in which nothing was sent.

    Returns:
        The number of rows; without any nothing is written, since a manifest cannot be empty.

    Raises:
        ManifestError: The format cannot express a row.
        UsageError: The file may not be replaced.
        ResultsError: The file cannot be written.
    """
    with contextlib.closing(Spool()) as spool:
        await _collect(spool, outcomes, view)
        if spool.count:
            _write(output, format_of(output.shown), spool)
        return spool.count


async def _collect(spool: Spool, outcomes: AsyncIterator[Outcome], view: View) -> None:
    async for outcome in outcomes:
        entry = outcome.entry
        if view.shows(latest_row(outcome, view.own)) if view.where else entry.state in UNSUCCESSFUL:
            content = _in_one_lane(entry)
            offers = content.encode() if offers_of(content) else None
            spool.add(entry.id, first_request(content).encode(), offers=offers)
    spool.seal()


def _in_one_lane(entry: Entry) -> str:
    """Return the row's request if it is the same in all lanes, else the one in its last lane."""
    offers = [offer for offer in offers_of(entry.content) if offer.is_open]
    if len({offer.request for offer in offers}) <= 1:
        return offers_text(offers) if offers else entry.content
    own = next((offer for offer in offers if offer.lane == entry.lane), offers[0])
    return offers_text([own])


def _write(output: OutputFile, form: Format, spool: Spool) -> None:
    def rows() -> Iterator[WrittenRow]:
        return (laned_row(spec, None) for spec in spool.specs())

    try:
        with replacing(output) as file:
            write(
                rows,
                file,
                form,
                defaults=shared_fields(rows) if form.is_document else None,
                source=output.shown,
            )
    except OSError as error:
        raise ResultsError(output.shown, error) from error
