"""Submissions for tests of ledgers, and rows that are intended in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from batchrun.model.spec import digest
from batchrun.model.submissions.submission import Standing, Submission
from tests.ledger.samples import AT, BATCH, intended, later, steps_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.model.entries.events import Event
    from batchrun.ports.held import HeldBatch
    from batchrun.ports.stored import Transition


def submission(number: int, rows: int = 2, *, batch: str = BATCH, lane: str | None = None) -> Submission:
    return Submission(
        request_id=digest(f"{batch} {number}"),
        batch=batch,
        lane=lane,
        name=f"{batch}-{number}",
        request=f'{{"batchName":"{batch}-{number}"}}',
        rows=rows,
        intended_at=AT,
    )


async def steps_for(held: HeldBatch, ids: str, event: Event | None = None) -> Sequence[Transition]:
    found = await held.entries(list(ids))
    return [step for id_ in ids for step in steps_of(found[id_], [event or intended()])]


async def together(held: HeldBatch, number: int, ids: str) -> Submission:
    """Have rows intended in one submission."""
    made = submission(number, len(ids))
    await held.submissions.intend(made, await steps_for(held, ids))
    return made


def taken(made: Submission, status: str | None = None) -> Submission:
    known = replace(made, standing=Standing.TAKEN, batch_id="7", batch_uuid="u7", status=status)
    return replace(known, sent_at=later(seconds=1))


def over(made: Submission) -> Submission:
    return replace(taken(made), standing=Standing.OVER, request="")
