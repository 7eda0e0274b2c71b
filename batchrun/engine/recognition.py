"""Whether a service has a batch's runs at all, where its account is unknown.

Does not belong here: whether an account is known (``service``), how much an answer weighs
(``model.planning.verdicts``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import anyio

from batchrun.errors import CallError, NotFoundError, ServiceUnusableError
from batchrun.model.entries.entry import Run
from batchrun.model.planning.verdicts import is_same
from batchrun.ports.batch import StoredBatch
from batchrun.ports.service import HealthOmics
from batchrun.ports.stored import Latest
from batchrun.side_by_side import plainly

#: The latest runs of which the service should know one.
_LATEST: Final = 100
#: Runs that are asked for at once.
_AT_ONCE: Final = 8
#: Fewer runs than these prove nothing where none is known.
_SEVERAL: Final = 2
#: Ended runs that are asked for before another run is taken for gone.
_ENDED: Final = 3


class Recognition:
    """What a service has shown of one batch; needed only where its account is unknown."""

    def __init__(
        self, batch: StoredBatch, service: HealthOmics, *, lane: str | None = None, is_home: bool = False
    ) -> None:
        """Expect the service to know the runs of *batch*, or those of one lane."""
        self._batch = batch
        self._lane = lane
        self._is_home = is_home
        self._service = service
        #: The number of the login that was shown a run of the batch, or that had none to ask for.
        self._settled_by: int | None = None
        self._one_at_a_time = anyio.Lock()

    def shown(self) -> None:
        """Note that an answer showed a run of the batch; after a new login it may be the earlier one's."""
        if self._service.logins <= 1:
            self._settled_by = self._service.logins

    def met(self, run: Run, found: Run) -> None:
        """Note that GetRun shows *found* under the id of *run*, one of the batch's."""
        if is_same(run, found):
            self.shown()

    async def begin(self, *, is_active: bool) -> None:
        """Check that the service knows one of the batch's latest runs, where there are two or more.

        With *is_active* only those of ACTIVE entries are asked for.

        Raises:
            ServiceUnusableError: It knows none.
        """
        if self._service.is_account_known:
            return
        await self._knows_some(Latest.ACTIVE if is_active else Latest.CURRENT)

    async def confirm(self) -> None:
        """Check that the service knows the batch at all, before a run that it does not find counts as gone.

        Where it has shown this login none of the batch's runs yet, some that ended are asked for, and after a
        new login active ones first; where the ledger has none, the answer stands.

        Raises:
            ServiceUnusableError: It knows none of them either.
            CallError: One of them could not be asked for.
        """
        async with self._one_at_a_time:
            by = self._service.logins
            if self._settled_by == by or self._service.is_account_known:
                return
            if by > 1 and await self._knows_some(Latest.ACTIVE):  # a new login, perhaps to another account
                self._settled_by = by
                return
            runs = await self._latest(Latest.ENDED, _ENDED)
            for run in runs:
                if await self._knows(run):
                    break
            else:
                if runs:
                    raise self._unrecognised(len(runs) + 1)
            self._settled_by = by

    async def _knows_some(self, which: Latest) -> bool:
        """Report whether it knows one of several runs; False where there are fewer than two.

        Raises:
            ServiceUnusableError: It knows none.
        """
        runs = await self._latest(which, _LATEST)
        if len(runs) < _SEVERAL:
            return False
        if await self._all_missing(runs):
            raise self._unrecognised(len(runs))
        return True

    async def _latest(self, which: Latest, limit: int) -> Sequence[Run]:
        return await self._batch.latest_runs(which, limit=limit, lane=self._lane, is_home=self._is_home)

    async def _all_missing(self, runs: Sequence[Run]) -> bool:
        """Report whether no run is known; a call that fails counts as known, and a later one says why."""
        waiting, is_missing = iter(runs), True

        async def look() -> None:
            nonlocal is_missing
            for run in waiting:
                with suppress(CallError):
                    if not await self._knows(run):
                        continue
                is_missing = False
                group.cancel_scope.cancel()

        with plainly():  # all ask the same service: one error says it
            async with anyio.create_task_group() as group:
                for _ in range(_AT_ONCE):
                    group.start_soon(look)
        return is_missing

    async def _knows(self, run: Run) -> bool:
        try:
            found = (await self._service.get_run(run.id)).run
        except NotFoundError:
            return False
        self.met(run, found)
        return is_same(run, found)

    def _unrecognised(self, number: int) -> ServiceUnusableError:
        return ServiceUnusableError(
            f"the service knows none of {number} runs of batch '{self._batch.name}', and its account is not "
            "known: another account or endpoint? Nothing was changed and nothing is lost; give the "
            "--profile, --region and --endpoint-url that the batch was started with"
        )
