"""Cancelling run batches whole.

Where that fails, or is throttled for long, it is asked again with the next look at the batch, and until then
each of its runs is cancelled as it is found.
"""

from __future__ import annotations

from typing import Final

import anyio
import structlog

from batchrun.engine.in_lane import Common, InLane
from batchrun.engine.parts import LaneLink
from batchrun.errors import (
    AccessDeniedError,
    CallError,
    ConflictError,
    NotFoundError,
    OutcomeUnknownError,
)
from batchrun.model.submissions.submission import Submission

#: Seconds that a cancellation may take before the batch's runs are listed.
_LONGEST: Final = 60.0
log = structlog.get_logger(__name__)


class Canceller(InLane):
    """Cancels the run batches of one lane."""

    def __init__(self, link: LaneLink, common: Common) -> None:
        super().__init__(link, common)
        self._refused: set[str] = set()  #: ids of run batches whose refusal was told

    async def cancel(self, submission: Submission, batch_id: str) -> None:
        """Cancel the whole batch, unless some of its runs are still wanted."""
        if await self._submissions.have_wanted_runs(submission.request_id):
            return
        with anyio.move_on_after(_LONGEST):
            try:
                await self._link.service.run_batches.cancel(batch_id)
            except (ConflictError, NotFoundError, OutcomeUnknownError) as error:  # too early, or too late
                said = {"code": error.code, "message": error.message}
                log.info("batch_not_cancelled", **self._logged(batch_id), **said)
            except CallError as error:
                self._tell_refused(batch_id, error)

    def _tell_refused(self, batch_id: str, error: CallError) -> None:
        if batch_id in self._refused:
            return
        self._refused.add(batch_id)
        is_denied = isinstance(error, AccessDeniedError)
        log.warning(
            "batch_not_cancelled",
            **self._logged(batch_id),
            code=error.code,
            message=error.message,
            meaning="the service goes on starting its runs, and each is cancelled as it is found",
            **({"cure": "allow omics:CancelRunBatch"} if is_denied else {}),
        )
