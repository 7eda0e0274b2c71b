"""
Carrying out a survey within a launch: what it finds is taken over, and what is to be sent loaded anew.

Belongs here: the order of that. Does not: when a survey is due (``model.proving``), looking (``prover``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from batchrun.errors import CallError
from batchrun.model.limits import Mode
from batchrun.model.states import State

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.engine.due import DueEntries
    from batchrun.engine.prover import Prover
    from batchrun.model.actions import Survey
    from batchrun.model.entry import Entry
    from batchrun.model.limits import Limits
    from batchrun.model.planner import Planner

log = structlog.get_logger(__name__)


class Surveyor:
    """Surveys, one at a time."""

    def __init__(
        self, prover: Prover, planner: Planner, due: DueEntries, limits: Limits, clock: Clock
    ) -> None:
        self._prover = prover
        self._planner = planner
        self._due = due
        self._is_watching = limits.mode is Mode.WATCH
        self._clock = clock

    async def survey(self, action: Survey) -> None:
        """
        Look for other ledgers' runs of what is to be sent, and take over what is found.

        Raises:
            UsageError: Runs of the batch's rows were started with other content, or cannot be told apart.
            ServiceUnusableError: A permission is missing.
            LeaseLostError, LedgerError: Nothing more may or can be recorded.
        """
        failed = are_few = False
        try:
            survey = await self._prover.survey(is_waited_for=action.is_waited_for)
            are_few = survey is None
            if survey is not None:
                ids = self._planner.set_aside(survey.entries)
                for entry in await self._prover.conclude(survey, ids):
                    self._file(entry)
        except CallError as error:
            failed = True
            log.warning("survey_failed", code=error.code, message=error.message)
        finally:
            now = self._clock.monotonic()
            self._planner.surveyed(action, now=now, failed=failed, are_few=are_few)
            self._due.look_again()

    def _file(self, entry: Entry) -> None:
        """Have the run of an entry that was taken over watched."""
        is_news = entry.state is State.ACTIVE and not self._planner.has_slot(entry.id)
        if is_news and self._is_watching:
            self._planner.add(entry, now=self._clock.monotonic(), at=self._clock.utcnow())
